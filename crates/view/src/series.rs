//! A type as views draw it: its name, its unit, its colours; and which types there are.

use std::collections::BTreeSet;

use netcap_agent::classify::Kind;
use netcap_agent::config::Config;

use crate::colors::Colors;

/// What a graph is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All traffic, each record once.
    Aggregate,
    /// Records of a type.
    Kind(Kind),
}

/// What values are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bits in a time: their sum, or by the second.
    Bits,
    /// Percent: the mean of what was reported.
    Percent,
    /// Octets: the mean of what was reported.
    Octets,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What it is of.
    pub subject: Subject,
    /// The name that users know it by. It comes from a file, and may be any text without control characters.
    pub name: String,
    /// Its colours.
    pub colors: Colors,
}

impl Series {
    /// A short name that is unlike all others: `all`, or the type as lines of the collector have it.
    pub fn key(&self) -> String {
        match self.subject {
            Subject::Aggregate => "all".to_owned(),
            Subject::Kind(kind) => kind.to_string(),
        }
    }

    /// What its values are in.
    pub fn unit(&self) -> Unit {
        match self.subject {
            Subject::Kind(Kind::Processor) => Unit::Percent,
            Subject::Kind(Kind::Memory) => Unit::Octets,
            Subject::Aggregate | Subject::Kind(Kind::Type(_) | Kind::Unknown) => Unit::Bits,
        }
    }

    /// Processor or memory, which are drawn where there are such reports.
    pub(crate) fn of_host(kind: Kind) -> Series {
        let (name, colors) = match kind {
            Kind::Processor => ("Processor", Colors::processor()),
            _ => ("Memory", Colors::memory()),
        };
        Series {
            subject: Subject::Kind(kind),
            name: name.to_owned(),
            colors,
        }
    }

    /// What is always drawn: the aggregate, the types that the configuration has or names, and the unknown.
    pub(crate) fn of_config(config: &Config) -> Vec<Series> {
        let named = (1..=config.sections.len()).filter_map(|id| u16::try_from(id).ok());
        let ruled = config.rules.iter().map(|rule| rule.id);
        let ids: BTreeSet<u16> = named.chain(ruled).collect();
        let mut series = vec![Series {
            subject: Subject::Aggregate,
            name: "Aggregate".to_owned(),
            colors: Colors::aggregate(),
        }];
        series.extend(ids.into_iter().map(|id| {
            let section = config.section(id);
            Series {
                subject: Subject::Kind(Kind::Type(id)),
                name: section.map_or_else(|| format!("Type {id}"), |section| section.name.clone()),
                colors: Colors::of_type(id, section),
            }
        }));
        series.push(Series {
            subject: Subject::Kind(Kind::Unknown),
            name: "Unknown".to_owned(),
            colors: Colors::unknown(),
        });
        series
    }
}
