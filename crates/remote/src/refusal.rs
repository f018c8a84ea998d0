//! Why a datagram is not kept. Each is counted; none ends the server or is a line of a log.

/// The reason; the message says what the datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Fewer octets than an empty box has.
    #[error("too short for a sealed batch")]
    TooShort,
    /// The box does not open: sealed for another key, damaged, or not sealed at all.
    #[error("not sealed for this server's key, or damaged")]
    Forged,
    /// The sensor's key is of low order, so whoever sealed it need not know any key.
    #[error("sealed with a key that protects nothing")]
    WeakKey,
    /// The same datagram was here a moment ago: the network duplicates, or somebody repeats.
    #[error("a repetition")]
    Duplicate,
    /// Not one whole gzip member.
    #[error("not compressed with gzip")]
    NotGzip,
    /// More octets when inflated than a batch has, or than a datagram of its length may bring.
    #[error("too long when inflated")]
    TooLong,
    /// Not a `Batch` in the encoding of protobuf.
    #[error("not a batch")]
    NotBatch,
    /// A record type that there is not.
    #[error("records of an unknown type")]
    UnknownType,
    /// `TotalSize` is not the number of octets in `Data`.
    #[error("a batch whose TotalSize is wrong")]
    WrongSize,
    /// No record and no header.
    #[error("a batch without records")]
    NoRecords,
    /// `Data` does not consist of whole records with their lengths.
    #[error("records that are not whole")]
    NotWhole,
    /// A record cannot be read as the type that the batch names.
    #[error("a record that is not of its type")]
    NotOfItsType,
    /// Under the name of a sensor that is enrolled, which sends in the reliable mode: whoever has the public
    /// key could write into its folder.
    #[error("under the name of an enrolled sensor")]
    EnrolledName,
    /// From a new client, when there are as many as the server takes.
    #[error("from one client too many")]
    ClientLimit,
    /// Nothing is wrong with it, but the disk refuses.
    #[error("not stored, because the disk refuses")]
    NotStored,
}

impl Refusal {
    /// All reasons, in the order in which they are looked for.
    pub const ALL: [Refusal; 15] = [
        Refusal::TooShort,
        Refusal::Forged,
        Refusal::WeakKey,
        Refusal::Duplicate,
        Refusal::NotGzip,
        Refusal::TooLong,
        Refusal::NotBatch,
        Refusal::UnknownType,
        Refusal::WrongSize,
        Refusal::NoRecords,
        Refusal::NotWhole,
        Refusal::NotOfItsType,
        Refusal::EnrolledName,
        Refusal::ClientLimit,
        Refusal::NotStored,
    ];

    /// A name for metrics: lower-case letters and `_`.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::TooShort => "too_short",
            Refusal::Forged => "forged",
            Refusal::WeakKey => "weak_key",
            Refusal::Duplicate => "duplicate",
            Refusal::NotGzip => "not_gzip",
            Refusal::TooLong => "too_long",
            Refusal::NotBatch => "not_batch",
            Refusal::UnknownType => "unknown_type",
            Refusal::WrongSize => "wrong_size",
            Refusal::NoRecords => "no_records",
            Refusal::NotWhole => "not_whole",
            Refusal::NotOfItsType => "not_of_its_type",
            Refusal::EnrolledName => "enrolled_name",
            Refusal::ClientLimit => "client_limit",
            Refusal::NotStored => "not_stored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_places_and_names() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place);
            let name = refusal.name();
            assert!(
                name.bytes().all(|c| c == b'_' || c.is_ascii_lowercase()),
                "{name}"
            );
            assert!(
                Refusal::ALL[..place]
                    .iter()
                    .all(|other| other.name() != name)
            );
        }
    }
}
