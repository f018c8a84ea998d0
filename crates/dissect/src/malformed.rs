//! What was wrong with the traffic: a small value, counted, never a log line per packet.

/// Kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The octets end inside a header or a field.
    Truncated,
    /// A length field contradicts the header it stands in or what surrounds it.
    Length,
    /// A version that this protocol does not have.
    Version,
    /// An option, attribute or type-length-value entry that contradicts itself.
    Option,
    /// A name that is too long, points forward, or points in circles.
    Name,
    /// More entries are claimed than the octets could hold.
    Count,
    /// A checksum that is not that of the octets, where checksums are verified.
    Checksum,
    /// A value that the protocol forbids.
    Value,
    /// More layers inside each other than [`crate::MAX_LAYERS`].
    Depth,
}

impl Reason {
    /// The name that `errors.log` and the ledger use.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Truncated => "truncated",
            Reason::Length => "inconsistent length",
            Reason::Version => "wrong version",
            Reason::Option => "malformed option",
            Reason::Name => "malformed name",
            Reason::Count => "impossible count",
            Reason::Checksum => "wrong checksum",
            Reason::Value => "forbidden value",
            Reason::Depth => "too many layers",
        }
    }
}

/// Where and how a packet contradicts its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// Name of the protocol whose rules are broken.
    pub protocol: &'static str,
    /// Kind of trouble.
    pub reason: Reason,
    /// Octets from the start of this layer to the trouble.
    pub offset: u32,
    /// Octets that were needed there, where the reason is about octets.
    pub needed: u32,
    /// Octets that were there.
    pub had: u32,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.protocol, self.reason.name())?;
        if self.needed > 0 {
            write!(
                f,
                " (needed {} octets at offset {}, had {})",
                self.needed, self.offset, self.had
            )
        } else {
            write!(f, " (at offset {})", self.offset)
        }
    }
}
