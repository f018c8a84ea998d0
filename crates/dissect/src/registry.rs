//! Which protocol answers to which number, and which records are asked for: an immutable table,
//! built from a visible list and the user's choice.

use netcap_record::{Columns, Schema};

use crate::{Application, Protocol, Selector, Signatures, Unclaimed};

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Record types to write; empty means all.
    pub include: Vec<String>,
    /// Record types not to write, nor those of what they encapsulate.
    pub exclude: Vec<String>,
    /// Whether records keep payloads.
    pub payloads: bool,
    /// Whether records hold the numbers of their packets.
    pub packet_numbers: bool,
    /// Whether what has a wrong checksum is left out.
    pub checksums: bool,
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
    places: Vec<Option<u16>>,
    /// By the place of a type: whether protocols and others write records of it.
    shared: Vec<bool>,
    columns: Columns,
    signatures: Signatures,
    checksums: bool,
}

/// A protocol and whether the user excluded it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) protocol: &'static Protocol,
    pub(crate) excluded: bool,
    /// Its place among the entries, from 1.
    pub(crate) number: u16,
}

impl Registry {
    /// Builds the table. `others` are the types that come of more than one packet (flows, streams);
    /// those that come of packets too are shared.
    ///
    /// # Errors
    /// A name in the selection that no record type has.
    ///
    /// # Panics
    /// Where the lists are wrong: two record types have the same number, or one has none.
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
        let is_called = |s: &Schema, name: &str| {
            s.encoder.eq_ignore_ascii_case(name) || s.stem.eq_ignore_ascii_case(name)
        };
        for name in selection.include.iter().chain(&selection.exclude) {
            if !schemas().any(|s| is_called(s, name)) {
                return Err(UnknownEncoder { name: name.clone() });
            }
        }
        let named = |list: &[String], s: &Schema| list.iter().any(|name| is_called(s, name));
        let mut selected: Vec<&'static Schema> = Vec::new();
        for schema in schemas() {
            let wanted = selection.include.is_empty() || named(&selection.include, schema);
            if wanted && !named(&selection.exclude, schema) && !selected.contains(&schema) {
                selected.push(schema);
            }
        }
        let places = places(&selected);
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
            columns: Columns {
                payloads: selection.payloads,
                packet_numbers: selection.packet_numbers,
            },
            signatures: Signatures::NONE,
            checksums: selection.checksums,
        };
        for protocol in protocols {
            let entry = registry.entries.len() as u16 + 1;
            registry.entries.push(Entry {
                protocol,
                number: entry,
                excluded: protocol
                    .schemas
                    .first()
                    .is_some_and(|s| named(&selection.exclude, s)),
            });
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

    /// The same with names for octets that no dissector claims.
    #[must_use]
    pub fn with_signatures(self, signatures: Signatures) -> Registry {
        Registry { signatures, ..self }
    }

    /// What octets are that no dissector claims.
    #[inline]
    pub fn identify(&self, unclaimed: &Unclaimed<'_>) -> Application {
        let place = (self.signatures.find)(unclaimed);
        place.map_or(Application::PAYLOAD, Application::by_signature)
    }

    /// Record types that are asked for, in the order of the list.
    pub fn selected(&self) -> &[&'static Schema] {
        &self.selected
    }

    /// Whether records keep payloads.
    #[inline]
    pub fn payloads(&self) -> bool {
        self.columns.payloads
    }

    /// Whether records hold the numbers of their packets.
    #[inline]
    pub fn packet_numbers(&self) -> bool {
        self.columns.packet_numbers
    }

    /// Whether what has a wrong checksum is left out.
    #[inline]
    pub fn checksums(&self) -> bool {
        self.checksums
    }

    /// Which of the columns that not every file has are in the files.
    pub fn columns(&self) -> Columns {
        self.columns
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

    /// Name of who read what is innermost in a packet; empty where that is nobody.
    pub fn application(&self, application: Application) -> &'static str {
        match application {
            Application::PAYLOAD => "Payload",
            Application::FRAGMENT => "Fragment",
            Application(number) => {
                if let Some(place) = application.signature() {
                    let name = self.signatures.names.get(place);
                    return name.copied().unwrap_or_default();
                }
                let place = usize::from(number).checked_sub(1);
                let entry = place.and_then(|place| self.entries.get(place));
                entry.map_or("", |entry| entry.protocol.name)
            }
        }
    }

    #[inline]
    pub(crate) fn find(&self, selector: Selector) -> Option<&Entry> {
        let (kind, number) = selector.place();
        let place = *self.tables.get(kind)?.get(number)?;
        self.entries.get(usize::from(place).checked_sub(1)?)
    }
}

/// The places of the types, by their numbers.
fn places(selected: &[&'static Schema]) -> Vec<Option<u16>> {
    let mut places: Vec<Option<u16>> = Vec::new();
    for (place, schema) in selected.iter().enumerate() {
        let Some(number) = schema.number.map(usize::from) else {
            panic!("the record type {} has no number", schema.name);
        };
        if places.len() <= number {
            places.resize(number + 1, None);
        }
        if let Some(slot) = places.get_mut(number) {
            assert!(
                slot.is_none(),
                "number {number} of the record type {} is another's too",
                schema.name
            );
            // Numbers have 16 bits and each type its own, so there are no more places than that.
            *slot = Some(place as u16);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Output;
    use netcap_record::{Record, Timestamp, split_frame};

    /// The last of many types.
    #[derive(Record)]
    #[record("Last", 1300)]
    struct Last {
        /// When.
        #[field(1, "Timestamp")]
        timestamp: Timestamp,
    }

    /// So many types, with numbers from 1000.
    fn many(count: u16) -> Vec<&'static Schema> {
        let schema = |number: u16| {
            let name: &'static str = format!("Type{number}").leak();
            let schema: &'static Schema = Box::leak(Box::new(Schema {
                name,
                number: Some(number),
                encoder: name,
                stem: name,
                ..*Last::SCHEMA
            }));
            schema
        };
        (1000..1000 + count).map(schema).collect()
    }

    #[test]
    fn more_types_than_an_octet_counts() {
        let mut types = many(300);
        types.push(Last::SCHEMA);
        let registry = Registry::new(&[], &types, &Selection::default()).unwrap();
        for (place, schema) in types.iter().enumerate() {
            assert_eq!(registry.place(schema), Some(place), "{}", schema.name);
        }
        let mut output = Output::new(&registry);
        let timestamp = Timestamp::new(1, 0);
        output.emit(&registry, &Last { timestamp });
        let [.., before, last] = &output.chunks[..] else {
            panic!("there is a chunk for each type");
        };
        assert!(before.is_empty());
        assert_eq!((last.records(), output.records()), (1, 1));
        assert!(split_frame(&last.octets).is_some());
    }

    #[test]
    #[should_panic(expected = "number 1001 of the record type Type1001 is another's too")]
    fn two_types_of_one_number() {
        let types = many(2);
        let twin: &'static Schema = Box::leak(Box::new(Schema {
            doc: "Another.",
            ..*types[1]
        }));
        let _ = Registry::new(&[], &[types[1], twin], &Selection::default());
    }
}
