//! How octets get a name that no dissector of packets claims.

/// Octets inside a transport that no dissector claims.
#[derive(Clone, Copy, Debug)]
pub struct Unclaimed<'a> {
    /// IP protocol number of the transport.
    pub protocol: u8,
    /// Ports of sender and receiver.
    pub ports: [u16; 2],
    /// What was captured of them.
    pub octets: &'a [u8],
}

impl Unclaimed<'_> {
    /// Whether one of the ports is one of these.
    pub fn has_port(&self, known: &[u16]) -> bool {
        self.ports.iter().any(|port| known.contains(port))
    }
}

/// Protocols that are told by the first octets of a packet's payload.
#[derive(Clone, Copy, Debug)]
pub struct Signatures {
    /// Their names.
    pub names: &'static [&'static str],
    /// The place of the name of what such octets are, if they tell.
    pub find: fn(&Unclaimed<'_>) -> Option<u16>,
}

impl Signatures {
    /// None.
    pub const NONE: Signatures = Signatures {
        names: &[],
        find: |_| None,
    };
}
