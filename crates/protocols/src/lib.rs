//! Every protocol, one file each: the definition of its record, how it is reached, its dissector,
//! its tests.
//!
//! A new protocol is a new file and a line in each of the two lists here.

mod arista_timestamp;
mod arp;
mod avs;
mod ayiya;
mod bfd;
mod cdp;
mod cisco_metadata;
mod dhcpv4;
mod dhcpv6;
mod dns;
mod dot11;
mod dot1q;
mod e_tag;
mod eap;
mod eapol;
mod eapol_key;
mod erspan;
mod etherip;
mod ethernet;
mod ethernet_ctp;
mod fabric_path;
mod geneve;
mod gre;
mod gtp_u;
mod icmpv4;
mod icmpv6;
mod igmp;
mod ipsec_ah;
mod ipsec_esp;
mod ipv4;
mod ipv6;
mod ipv6_destination;
mod ipv6_extension;
mod ipv6_fragment;
mod ipv6_hop_by_hop;
mod ipv6_routing;
mod l2tp;
mod lcm;
mod linux_sll;
mod linux_sll2;
mod lisp;
mod llc;
mod lldp;
mod minimal_encapsulation;
mod modbus_tcp;
mod mpls;
mod ndp;
mod nortel_discovery;
mod nsh;
mod ntp;
mod null_loopback;
mod ospf;
mod ospfv2;
mod ospfv3;
mod pbb;
mod ppi;
mod prism;
mod radiotap;
mod raw_ip;
mod sctp;
mod sip;
mod snap;
mod tcp;
mod teredo;
mod udp;
mod usb;
mod vn_tag;
mod vrrp;
mod vxlan;

use netcap_dissect::Protocol;

/// Every protocol.
pub static PROTOCOLS: &[&Protocol] = &[
    &arista_timestamp::PROTOCOL,
    &arp::PROTOCOL,
    &avs::PROTOCOL,
    &ayiya::PROTOCOL,
    &bfd::PROTOCOL,
    &cdp::PROTOCOL,
    &cisco_metadata::PROTOCOL,
    &dhcpv4::PROTOCOL,
    &dhcpv6::PROTOCOL,
    &dns::PROTOCOL,
    &dot11::PROTOCOL,
    &dot1q::PROTOCOL,
    &e_tag::PROTOCOL,
    &eap::PROTOCOL,
    &eapol::PROTOCOL,
    &eapol_key::PROTOCOL,
    &erspan::PROTOCOL,
    &etherip::PROTOCOL,
    &ethernet::PROTOCOL,
    &ethernet_ctp::PROTOCOL,
    &fabric_path::PROTOCOL,
    &geneve::PROTOCOL,
    &gre::PROTOCOL,
    &gtp_u::PROTOCOL,
    &icmpv4::PROTOCOL,
    &icmpv6::ECHO,
    &icmpv6::PROTOCOL,
    &igmp::PROTOCOL,
    &ipsec_ah::PROTOCOL,
    &ipsec_esp::IN_UDP,
    &ipsec_esp::PROTOCOL,
    &ipv4::PROTOCOL,
    &ipv6::PROTOCOL,
    &ipv6_destination::PROTOCOL,
    &ipv6_fragment::PROTOCOL,
    &ipv6_hop_by_hop::PROTOCOL,
    &ipv6_routing::PROTOCOL,
    &l2tp::OVER_IP,
    &l2tp::PROTOCOL,
    &lcm::PROTOCOL,
    &linux_sll2::PROTOCOL,
    &linux_sll::PROTOCOL,
    &lisp::PROTOCOL,
    &llc::PROTOCOL,
    &lldp::PROTOCOL,
    &minimal_encapsulation::PROTOCOL,
    &modbus_tcp::PROTOCOL,
    &mpls::PROTOCOL,
    &ndp::NEIGHBOR_ADVERTISEMENT,
    &ndp::NEIGHBOR_SOLICITATION,
    &ndp::ROUTER_ADVERTISEMENT,
    &ndp::ROUTER_SOLICITATION,
    &nortel_discovery::PROTOCOL,
    &nsh::PROTOCOL,
    &ntp::PROTOCOL,
    &null_loopback::PROTOCOL,
    &ospf::PROTOCOL,
    &pbb::PROTOCOL,
    &ppi::PROTOCOL,
    &prism::PROTOCOL,
    &radiotap::PROTOCOL,
    &raw_ip::PROTOCOL,
    &sctp::PROTOCOL,
    &sip::PROTOCOL,
    &snap::PROTOCOL,
    &tcp::PROTOCOL,
    &teredo::PROTOCOL,
    &udp::PROTOCOL,
    &usb::PROTOCOL,
    &vn_tag::PROTOCOL,
    &vrrp::PROTOCOL,
    &vxlan::GPE,
    &vxlan::PROTOCOL,
];
