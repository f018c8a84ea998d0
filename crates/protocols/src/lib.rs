//! Every protocol, one file each: the definition of its record, how it is reached, its dissector,
//! its tests.
//!
//! A new protocol is a new file and a line in each of the two lists here.

mod arp;
mod avs;
mod bfd;
mod cdp;
mod dhcpv4;
mod dhcpv6;
mod dns;
mod dot11;
mod dot1q;
mod eap;
mod eapol;
mod eapol_key;
mod ethernet;
mod ethernet_ctp;
mod icmpv4;
mod icmpv6;
mod igmp;
mod ipv4;
mod ipv6;
mod ipv6_destination;
mod ipv6_extension;
mod ipv6_fragment;
mod ipv6_hop_by_hop;
mod ipv6_routing;
mod lcm;
mod linux_sll;
mod linux_sll2;
mod llc;
mod lldp;
mod modbus_tcp;
mod ndp;
mod nortel_discovery;
mod ntp;
mod null_loopback;
mod ospf;
mod ospfv2;
mod ospfv3;
mod ppi;
mod prism;
mod radiotap;
mod raw_ip;
mod sctp;
mod sip;
mod snap;
mod tcp;
mod udp;
mod usb;
mod vrrp;

use netcap_dissect::Protocol;

/// Every protocol.
pub static PROTOCOLS: &[&Protocol] = &[
    &arp::PROTOCOL,
    &avs::PROTOCOL,
    &bfd::PROTOCOL,
    &cdp::PROTOCOL,
    &dhcpv4::PROTOCOL,
    &dhcpv6::PROTOCOL,
    &dns::PROTOCOL,
    &dot11::PROTOCOL,
    &dot1q::PROTOCOL,
    &eap::PROTOCOL,
    &eapol::PROTOCOL,
    &eapol_key::PROTOCOL,
    &ethernet::PROTOCOL,
    &ethernet_ctp::PROTOCOL,
    &icmpv4::PROTOCOL,
    &icmpv6::PROTOCOL,
    &icmpv6::ECHO,
    &igmp::PROTOCOL,
    &ipv4::PROTOCOL,
    &ipv6::PROTOCOL,
    &ipv6_destination::PROTOCOL,
    &ipv6_fragment::PROTOCOL,
    &ipv6_hop_by_hop::PROTOCOL,
    &ipv6_routing::PROTOCOL,
    &lcm::PROTOCOL,
    &linux_sll::PROTOCOL,
    &linux_sll2::PROTOCOL,
    &llc::PROTOCOL,
    &modbus_tcp::PROTOCOL,
    &lldp::PROTOCOL,
    &ndp::NEIGHBOR_ADVERTISEMENT,
    &ndp::NEIGHBOR_SOLICITATION,
    &ndp::ROUTER_ADVERTISEMENT,
    &ndp::ROUTER_SOLICITATION,
    &nortel_discovery::PROTOCOL,
    &ntp::PROTOCOL,
    &null_loopback::PROTOCOL,
    &ospf::PROTOCOL,
    &ppi::PROTOCOL,
    &prism::PROTOCOL,
    &radiotap::PROTOCOL,
    &raw_ip::PROTOCOL,
    &sctp::PROTOCOL,
    &sip::PROTOCOL,
    &snap::PROTOCOL,
    &tcp::PROTOCOL,
    &udp::PROTOCOL,
    &vrrp::PROTOCOL,
    &usb::PROTOCOL,
];
