//! Numbers of protocols that IP carries (IANA).

pub(super) const HOP_BY_HOP: u8 = 0;
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const DCCP: u8 = 33;
pub(super) const ROUTING: u8 = 43;
pub(super) const FRAGMENT: u8 = 44;
pub(super) const AUTHENTICATION: u8 = 51;
pub(super) const ICMPV6: u8 = 58;
pub(super) const NOTHING: u8 = 59;
pub(super) const DESTINATION_OPTIONS: u8 = 60;
pub(super) const SCTP: u8 = 132;
pub(super) const UDP_LITE: u8 = 136;

/// Whether its header begins with the ports of source and destination.
pub(super) fn has_ports(protocol: u8) -> bool {
    [TCP, UDP, DCCP, SCTP, UDP_LITE].contains(&protocol)
}
