//! Every protocol, one file each: the definition of its record, how it is reached, its dissector,
//! its tests.
//!
//! A new protocol is a new file and a line in two of the lists here.

mod arcnet;
mod arista_timestamp;
mod arp;
mod atm;
mod avs;
mod ax25;
mod ayiya;
mod bare_link;
mod bfd;
mod bluetooth_hci;
mod c_hdlc;
mod cdp;
mod cisco_metadata;
mod dhcpv4;
mod dhcpv6;
mod dns;
mod docsis;
mod dot11;
mod dot1q;
mod dsa;
mod e_tag;
mod eap;
mod eapol;
mod eapol_key;
mod eigrp;
mod enc;
mod epon;
mod erf;
mod erspan;
mod etherip;
mod ethernet;
mod ethernet_ctp;
mod exported_pdu;
mod fabric_path;
mod fddi;
mod firewire;
mod frame_relay;
mod geneve;
mod gre;
mod gtp_u;
mod http;
mod icmpv4;
mod icmpv6;
mod ieee802_15_4;
mod igmp;
mod ip_over_fc;
mod ipnet;
mod ipoib;
mod ipsec_ah;
mod ipsec_esp;
mod ipv4;
mod ipv6;
mod ipv6_destination;
mod ipv6_extension;
mod ipv6_fragment;
mod ipv6_hop_by_hop;
mod ipv6_routing;
mod irda;
mod isis;
mod isl;
mod juniper;
mod l2tp;
mod lcm;
mod linux_sll;
mod linux_sll2;
mod lisp;
mod llc;
mod lldp;
mod minimal_encapsulation;
mod modbus_tcp;
mod mpacket;
mod mpls;
mod ndp;
mod netanalyzer;
mod netlink;
mod nflog;
mod nlpid;
mod nortel_discovery;
mod nsh;
mod ntp;
mod null_loopback;
mod ospf;
mod ospfv2;
mod ospfv3;
mod pbb;
mod pflog;
mod pim;
mod pktap;
mod ppi;
mod ppp;
mod pppoe;
mod prism;
mod proxy;
mod radiotap;
mod raw_ip;
mod sctp;
mod signatures;
mod sip;
mod slip;
mod snap;
mod socks;
mod stp;
mod sun_atm;
mod symantec;
mod tcp;
mod teredo;
mod tls;
mod token_ring;
mod tzsp;
mod udp;
mod usb;
mod vn_tag;
mod vpp;
mod vrrp;
mod vsock;
mod vxlan;

use netcap_dissect::{Protocol, Signatures, StreamProtocol};

/// Every protocol.
pub static PROTOCOLS: &[&Protocol] = &[
    &arcnet::LINUX,
    &arcnet::PROTOCOL,
    &arista_timestamp::PROTOCOL,
    &arp::PROTOCOL,
    &atm::CLASSICAL_IP,
    &atm::PROTOCOL,
    &avs::PROTOCOL,
    &ax25::KISS,
    &ax25::PROTOCOL,
    &ayiya::PROTOCOL,
    &bare_link::MPLS,
    &bare_link::SCTP,
    &bfd::PROTOCOL,
    &bluetooth_hci::PROTOCOL,
    &bluetooth_hci::WITH_DIRECTION,
    &c_hdlc::PROTOCOL,
    &c_hdlc::WITH_DIRECTION,
    &cdp::PROTOCOL,
    &cisco_metadata::PROTOCOL,
    &dhcpv4::PROTOCOL,
    &dhcpv6::PROTOCOL,
    &dns::PROTOCOL,
    &docsis::PROTOCOL,
    &dot11::PROTOCOL,
    &dot1q::PROTOCOL,
    &dsa::BEFORE,
    &dsa::INSIDE,
    &dsa::WITH_TYPE,
    &e_tag::PROTOCOL,
    &eap::PROTOCOL,
    &eapol::PROTOCOL,
    &eapol_key::PROTOCOL,
    &eigrp::PROTOCOL,
    &enc::PROTOCOL,
    &epon::PROTOCOL,
    &erf::PROTOCOL,
    &erspan::PROTOCOL,
    &etherip::PROTOCOL,
    &ethernet::PROTOCOL,
    &ethernet_ctp::PROTOCOL,
    &exported_pdu::PROTOCOL,
    &fabric_path::PROTOCOL,
    &fddi::PROTOCOL,
    &firewire::PROTOCOL,
    &frame_relay::MULTILINK,
    &frame_relay::PROTOCOL,
    &frame_relay::WITH_DIRECTION,
    &geneve::PROTOCOL,
    &gre::PROTOCOL,
    &gtp_u::PROTOCOL,
    &icmpv4::PROTOCOL,
    &icmpv6::ECHO,
    &icmpv6::PROTOCOL,
    &ieee802_15_4::PHY,
    &ieee802_15_4::PROTOCOL,
    &ieee802_15_4::TAP,
    &igmp::PROTOCOL,
    &ip_over_fc::PROTOCOL,
    &ipnet::PROTOCOL,
    &ipoib::PROTOCOL,
    &ipsec_ah::PROTOCOL,
    &ipsec_esp::IN_UDP,
    &ipsec_esp::PROTOCOL,
    &ipv4::PROTOCOL,
    &ipv6::PROTOCOL,
    &ipv6_destination::PROTOCOL,
    &ipv6_fragment::PROTOCOL,
    &ipv6_hop_by_hop::PROTOCOL,
    &ipv6_routing::PROTOCOL,
    &irda::PROTOCOL,
    &isis::PROTOCOL,
    &juniper::PROTOCOL,
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
    &mpacket::PROTOCOL,
    &mpls::PROTOCOL,
    &ndp::NEIGHBOR_ADVERTISEMENT,
    &ndp::NEIGHBOR_SOLICITATION,
    &ndp::ROUTER_ADVERTISEMENT,
    &ndp::ROUTER_SOLICITATION,
    &netanalyzer::PROTOCOL,
    &netanalyzer::TRANSPARENT,
    &netlink::PROTOCOL,
    &nflog::PROTOCOL,
    &nlpid::PROTOCOL,
    &nortel_discovery::PROTOCOL,
    &nsh::PROTOCOL,
    &ntp::PROTOCOL,
    &null_loopback::PROTOCOL,
    &ospf::PROTOCOL,
    &pbb::PROTOCOL,
    &pflog::PROTOCOL,
    &pim::PROTOCOL,
    &pktap::PROTOCOL,
    &pktap::USER2,
    &ppi::PROTOCOL,
    &ppp::AUTHENTICATION,
    &ppp::BRIDGING,
    &ppp::CONTROL,
    &ppp::MULTILINK,
    &ppp::PPPD,
    &ppp::PROTOCOL,
    &ppp::WITH_DIRECTION,
    &pppoe::PROTOCOL,
    &prism::PROTOCOL,
    &radiotap::PROTOCOL,
    &raw_ip::PROTOCOL,
    &sctp::PROTOCOL,
    &sip::PROTOCOL,
    &slip::PROTOCOL,
    &snap::PROTOCOL,
    &stp::PROTOCOL,
    &sun_atm::LANE,
    &sun_atm::PROTOCOL,
    &symantec::PROTOCOL,
    &tcp::PROTOCOL,
    &teredo::PROTOCOL,
    &token_ring::PROTOCOL,
    &tzsp::PROTOCOL,
    &udp::PROTOCOL,
    &usb::PROTOCOL,
    &vn_tag::PROTOCOL,
    &vpp::PROTOCOL,
    &vrrp::PROTOCOL,
    &vsock::PROTOCOL,
    &vxlan::GPE,
    &vxlan::PROTOCOL,
];

/// What the octets are that no dissector claims.
pub static SIGNATURES: Signatures = signatures::ALL;

/// Every protocol on TCP streams, in the order in which they are asked whether a stream is theirs.
pub static STREAMS: &[&StreamProtocol] = &[
    &tls::STREAM,
    &http::STREAM,
    &sip::STREAM,
    &dns::STREAM,
    &modbus_tcp::STREAM,
    &proxy::STREAM,
    &socks::STREAM,
];
