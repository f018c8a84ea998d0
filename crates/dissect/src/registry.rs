//! Which protocol answers to which number, and which records are asked for: an immutable table,
//! built from a visible list and the user's choice.

use netcap_record::Schema;

use crate::{Protocol, Selector};

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Record types to write; empty means all.
    pub include: Vec<String>,
    /// Record types not to write, nor those of what they encapsulate.
    pub exclude: Vec<String>,
    /// Whether records keep payloads.
    pub payloads: bool,
}

/// A name that no record type has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no encoder {name:?}; `-encoders` lists them")]
pub struct UnknownEncoder {
    /// The name as given.
    pub name: String,
}

/// The table of protocols and selected record types.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<Entry>,
    /// By kind of selector and its number: the entry's place plus one, 0 for none.
    tables: [Vec<u16>; Selector::KINDS],
    selected: Vec<&'static Schema>,
    /// By the number of a record type: its place in `selected`.
    places: Vec<Option<u8>>,
    /// By the place of a type: whether protocols and others write records of it.
    shared: Vec<bool>,
    payloads: bool,
}

/// A protocol and whether the user excluded it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) protocol: &'static Protocol,
    pub(crate) excluded: bool,
}

impl Registry {
    /// Builds the table. `others` are the types that come of more than one packet (flows, streams);
    /// those that come of packets too are shared.
    pub fn new(
        protocols: &[&'static Protocol],
        others: &[&'static Schema],
        selection: &Selection,
    ) -> Result<Registry, UnknownEncoder> {
        let schemas = || {
            protocols
                .iter()
                .flat_map(|p| p.schemas.iter())
                .chain(others)
                .copied()
        };
        for name in selection.include.iter().chain(&selection.exclude) {
            if !schemas().any(|s| s.encoder == name || s.stem == name) {
                return Err(UnknownEncoder { name: name.clone() });
            }
        }
        let named =
            |list: &[String], s: &Schema| list.iter().any(|n| s.encoder == n || s.stem == n);
        let mut selected: Vec<&'static Schema> = Vec::new();
        for schema in schemas() {
            let wanted = selection.include.is_empty() || named(&selection.include, schema);
            if wanted && !named(&selection.exclude, schema) && !selected.contains(&schema) {
                selected.push(schema);
            }
        }
        let mut places = Vec::new();
        for (place, schema) in selected.iter().enumerate() {
            let number = usize::from(schema.number.unwrap_or_default());
            if places.len() <= number {
                places.resize(number + 1, None);
            }
            if let Some(slot) = places.get_mut(number) {
                *slot = u8::try_from(place).ok();
            }
        }
        let of_packets = |schema: &&Schema| protocols.iter().any(|p| p.schemas.contains(schema));
        let shared = selected
            .iter()
            .map(|schema| others.contains(schema) && of_packets(schema))
            .collect();
        let mut registry = Registry {
            shared,
            entries: Vec::new(),
            tables: Default::default(),
            selected,
            places,
            payloads: selection.payloads,
        };
        for protocol in protocols {
            registry.entries.push(Entry {
                protocol,
                excluded: protocol
                    .schemas
                    .first()
                    .is_some_and(|s| named(&selection.exclude, s)),
            });
            let entry = registry.entries.len() as u16;
            for selector in protocol.selectors {
                let (kind, number) = selector.place();
                if let Some(table) = registry.tables.get_mut(kind) {
                    if table.len() <= number {
                        table.resize(number + 1, 0);
                    }
                    if let Some(slot) = table.get_mut(number) {
                        *slot = entry;
                    }
                }
            }
        }
        Ok(registry)
    }

    /// Record types that are asked for, in the order of the list.
    pub fn selected(&self) -> &[&'static Schema] {
        &self.selected
    }

    /// Whether records keep payloads.
    pub fn payloads(&self) -> bool {
        self.payloads
    }

    /// Whether the type at this place has two writers: packets and state across packets.
    #[inline]
    pub fn is_shared(&self, place: usize) -> bool {
        self.shared.get(place).copied().unwrap_or_default()
    }

    /// Whether records of this type are asked for.
    pub fn selects(&self, schema: &Schema) -> bool {
        self.place(schema).is_some()
    }

    /// The place of a type in [`Registry::selected`].
    #[inline]
    pub(crate) fn place(&self, schema: &Schema) -> Option<usize> {
        let number = usize::from(schema.number?);
        self.places.get(number).copied().flatten().map(usize::from)
    }

    /// Name of the protocol that answers to a number; empty where nobody does.
    pub fn name(&self, selector: Selector) -> &'static str {
        self.find(selector).map_or("", |entry| entry.protocol.name)
    }

    #[inline]
    pub(crate) fn find(&self, selector: Selector) -> Option<&Entry> {
        let (kind, number) = selector.place();
        let place = *self.tables.get(kind)?.get(number)?;
        self.entries.get(usize::from(place).checked_sub(1)?)
    }
}
