//! `-interfaces`: what can be captured from.

use std::path::Path;

use netcap_capture::LinkType;
use netcap_capture::libpcap::{self, Interface, LiveOptions};
use netcap_record::table::Table;
use netcap_shell::Failure;

/// The ring of an interface that is opened only to see what its packets begin with.
const SMALL_RING: u32 = 1 << 20;

/// Where Linux tells of the interfaces of the network.
const NETWORK: &str = "/sys/class/net";

/// The numbers of `/sys/class/net/NAME/type` (linux/if_arp.h) whose link type is sure.
const HARDWARE: [(u32, LinkType); 4] = [
    (1, LinkType::ETHERNET),
    (772, LinkType::ETHERNET),
    (801, LinkType::IEEE802_11),
    (803, LinkType::IEEE802_11_RADIOTAP),
];

/// All interfaces, one to a row.
pub(crate) fn table() -> Result<String, Failure> {
    let interfaces = libpcap::interfaces()?;
    let mut table = Table::new(["Name", "State", "Link type", "Addresses", "Description"]);
    for interface in &interfaces {
        let addresses = interface.addresses.iter().map(ToString::to_string);
        let description = interface.description.clone().unwrap_or_default();
        table.row([
            interface.name.clone(),
            state(interface).to_owned(),
            link_type(interface).map_or(String::new(), |link_type| link_type.to_string()),
            addresses.collect::<Vec<_>>().join(", "),
            description,
        ]);
    }
    Ok(table.render())
}

/// Of what is no interface of the network, as `nflog`, there is nothing to be said.
fn state(interface: &Interface) -> &'static str {
    let directory = Path::new(NETWORK);
    let is_other = directory.is_dir() && !directory.join(&interface.name).exists();
    match (interface.is_up, interface.is_loopback) {
        (true, true) => "up, loopback",
        (true, false) => "up",
        (false, true) => "down, loopback",
        (false, false) if is_other => "",
        (false, false) => "down",
    }
}

/// What its packets begin with: by opening it, or where that is not allowed by what the system tells
/// everybody.
fn link_type(interface: &Interface) -> Option<LinkType> {
    let options = LiveOptions {
        promiscuous: false,
        ring: SMALL_RING,
        ..LiveOptions::default()
    };
    let name = &interface.name;
    // What is not up, and what is no interface of the network, is not touched for a list.
    if interface.is_up
        && let Ok(live) = libpcap::open_live(name, &options)
    {
        return Some(live.link_type());
    }
    let hardware = std::fs::read_to_string(Path::new(NETWORK).join(name).join("type")).ok()?;
    let hardware: u32 = hardware.trim().parse().ok()?;
    let known = HARDWARE.iter().find(|(number, _)| *number == hardware);
    known.map(|(_, link_type)| *link_type)
}
