//! How things are called at the broker: streams, subjects, headers.
//!
//! ```text
//! NETCAP           netcap.records.<sensor>.<stream, 32 hexadecimal digits>.<number of the type>
//! NETCAP_COMMITS   netcap.commits.<sensor>.<stream>.<type>.<first>-<count>
//! ```
//!
//! A token of a subject has no dots, so those in the folder of a sensor are `%2e`. One that is first is
//! so already, and no other `%2e` is in a folder's name: two folders never share a token.

use netcap_record::Schema;
use netcap_remote::{ClientName, Mark, StreamId};

/// The stream of batches on their way.
pub(crate) const RECORDS: &str = "NETCAP";
/// The stream of claims.
pub(crate) const COMMITS: &str = "NETCAP_COMMITS";
/// All subjects of [`RECORDS`].
pub(crate) const RECORDS_SUBJECTS: &str = "netcap.records.>";
/// All subjects of [`COMMITS`].
pub(crate) const COMMITS_SUBJECTS: &str = "netcap.commits.>";
/// The consumer that all servers share.
pub(crate) const CONSUMER: &str = "servers";
/// Number of a batch's first record.
pub(crate) const FIRST: &str = "Netcap-First";
/// Number of a batch's records.
pub(crate) const COUNT: &str = "Netcap-Count";
/// What is to be known of its records.
pub(crate) const FLAGS: &str = "Netcap-Flags";
/// The bit of [`FLAGS`] for records with payloads.
pub(crate) const PAYLOADS: u32 = 1;

/// What a batch is of: a sensor, a stream and a type.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) sensor: ClientName,
    pub(crate) stream: StreamId,
    pub(crate) schema: &'static Schema,
}

impl Origin {
    /// The subject of its batches.
    pub(crate) fn subject(&self) -> String {
        format!("netcap.records.{}", self.tail())
    }

    /// The subject of the claim on one of its batches.
    pub(crate) fn commit_subject(&self, mark: &Mark) -> String {
        format!(
            "netcap.commits.{}.{}-{}",
            self.tail(),
            mark.first,
            mark.count
        )
    }

    /// By which the broker knows a batch that comes again soon. The sensor is in it: two that read the same
    /// file have the same stream.
    pub(crate) fn message_id(&self, first: u64) -> String {
        format!("{}/{first}", self.tail())
    }

    fn tail(&self) -> String {
        let stream = hex(&self.stream);
        format!("{}.{stream}.{}", token(&self.sensor), number(self.schema))
    }

    /// What a subject is of.
    pub(crate) fn parse(subject: &str, types: &[&'static Schema]) -> Option<Origin> {
        let mut tokens = subject.strip_prefix("netcap.records.")?.split('.');
        let origin = Origin {
            sensor: sensor(tokens.next()?)?,
            stream: parse_hex(tokens.next()?)?,
            schema: schema(tokens.next()?, types)?,
        };
        // One spelling only: two would be two batches.
        (origin.subject() == subject).then_some(origin)
    }
}

/// The subjects of all claims on a stream's batches.
pub(crate) fn commits_of(name: &ClientName, stream: &StreamId) -> String {
    format!("netcap.commits.{}.{}.>", token(name), hex(stream))
}

/// The type and the end of the batch that a claim is on.
pub(crate) fn claimed(subject: &str) -> Option<(u16, u64)> {
    let mut tokens = subject.rsplit('.');
    let (first, count) = tokens.next()?.split_once('-')?;
    let schema = tokens.next()?.parse().ok()?;
    let end = first
        .parse::<u64>()
        .ok()?
        .checked_add(count.parse().ok()?)?;
    Some((schema, end))
}

/// The number of a type. All types that are written to files have one.
pub(crate) fn number(schema: &Schema) -> u16 {
    schema.number.unwrap_or_default()
}

fn schema(token: &str, types: &[&'static Schema]) -> Option<&'static Schema> {
    let number: u16 = token.parse().ok()?;
    let mut types = types.iter().copied();
    types.find(|schema| schema.number == Some(number))
}

fn token(name: &ClientName) -> String {
    name.folder().replace('.', "%2e")
}

fn sensor(token: &str) -> Option<ClientName> {
    let folder = match token.strip_prefix("%2e") {
        Some(rest) => format!("%2e{}", rest.replace("%2e", ".")),
        None => token.replace("%2e", "."),
    };
    ClientName::from_folder(&folder)
}

fn hex(stream: &StreamId) -> String {
    stream.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn parse_hex(token: &str) -> Option<StreamId> {
    let is_hex = token.bytes().all(|octet| octet.is_ascii_hexdigit());
    if token.len() != 32 || !is_hex {
        return None;
    }
    let stream = u128::from_str_radix(token, 16).ok()?.to_be_bytes();
    // Zeros are for records without numbers.
    (stream != StreamId::default()).then_some(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        let types = netcap_pipeline::schemas();
        for name in [
            "a", "", ".", "..", "a.b.c", "x/*>y z", "50%", "%2e", "M\u{fc}",
        ] {
            let origin = Origin {
                sensor: ClientName::new(name.as_bytes()),
                stream: [0xa7; 16],
                schema: types[3],
            };
            let subject = origin.subject();
            assert_eq!(subject.split('.').count(), 5, "{subject}");
            assert!(!subject.contains(['*', '>', ' ']), "{subject}");
            let parsed = Origin::parse(&subject, &types).expect("a subject");
            assert!(parsed == origin, "{subject}");
            let mark = Mark {
                first: 12,
                count: 3,
                ..Mark::default()
            };
            let commit = origin.commit_subject(&mark);
            assert_eq!(claimed(&commit), Some((number(types[3]), 15)));
            let other = Origin {
                sensor: ClientName::new(b"other"),
                ..origin.clone()
            };
            assert_ne!(other.message_id(12), origin.message_id(12));
        }
    }

    #[test]
    fn other_subjects_are_refused() {
        let types = netcap_pipeline::schemas();
        let stream = "a7".repeat(16);
        let number = number(types[3]);
        for subject in [
            String::new(),
            "netcap.records.>".to_owned(),
            format!("netcap.records.a.{stream}"),
            format!("netcap.records.a.{stream}.{number}.x"),
            format!("netcap.records.a.{stream}.0{number}"),
            format!("netcap.records.a.{stream}.65535"),
            format!("netcap.records.a.{}.{number}", stream.to_uppercase()),
            format!("netcap.records.a.{}.{number}", "00".repeat(16)),
            format!("netcap.records.a.{}.{number}", &stream[2..]),
            format!("netcap.records.a/b.{stream}.{number}"),
            format!("netcap.records..{stream}.{number}"),
        ] {
            assert!(Origin::parse(&subject, &types).is_none(), "{subject}");
        }
    }
}
