//! The extended stream to a multicast group: sent once, however many collectors there are.
//!
//! Guarantees: who the agent is comes with each status, so a collector that joins knows it within a second;
//! what cannot be sent is counted, and holds nobody up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netcap_relay::{Next, Supply};
use socket2::{Domain, Protocol, Socket, Type};

use super::datagram::pack;
use super::message::Interface;
use super::outlet::NoteOutlet;

/// How often it is looked whether there is an end, where nothing comes.
const TICK: Duration = Duration::from_secs(1);

/// Where to send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group and the port.
    pub place: SocketAddr,
    /// The interface, if it is not the one that the system has for the group.
    pub interface: Option<String>,
    /// Hops that datagrams may take: 1 stays on the link.
    pub hops: u8,
}

/// What was sent to a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MulticastCounts {
    /// Datagrams sent.
    pub datagrams: u64,
    /// Notes of packets in them.
    pub sent: u64,
    /// Notes that could not be sent, or came faster than they could.
    pub lost: u64,
}

/// A group that is sent to.
#[derive(Debug)]
pub struct Multicast {
    socket: Socket,
    place: SocketAddr,
    datagrams: AtomicU64,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Multicast {
    /// Opens a socket for it.
    ///
    /// # Errors
    /// There is no such interface, or it has no address of the group's version.
    pub fn open(group: &Group) -> io::Result<Multicast> {
        let socket = Socket::new(
            Domain::for_address(group.place),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        let interface = group.interface.as_deref();
        match group.place.ip() {
            IpAddr::V4(_) => {
                socket.set_multicast_ttl_v4(group.hops.into())?;
                if let Some(name) = interface {
                    socket.set_multicast_if_v4(&ipv4_of(name)?)?;
                }
            }
            IpAddr::V6(_) => {
                socket.set_multicast_hops_v6(group.hops.into())?;
                if let Some(name) = interface {
                    socket.set_multicast_if_v6(nix::net::if_::if_nametoindex(name)?)?;
                }
            }
        }
        Ok(Multicast {
            socket,
            place: group.place,
            datagrams: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }

    /// Where it sends to.
    pub fn place(&self) -> SocketAddr {
        self.place
    }

    /// Sends the stream until it ends. `tell` is told of each datagram that cannot be sent.
    pub fn run(&self, outlet: &NoteOutlet, tell: &dyn Fn(&io::Error)) {
        let preamble = outlet.fanout().preamble();
        let mut feed = outlet.fanout().join();
        let (place, instance) = (self.place.into(), outlet.instance());
        let (mut dropped, mut is_begun) = (0, false);
        loop {
            match feed.next(TICK) {
                Next::Chunk(chunk) => {
                    // A status has no packets, and comes each second.
                    let agent = match is_begun && chunk.packets > 0 {
                        false => preamble.from(0).0.concat(),
                        true => Vec::new(),
                    };
                    is_begun = true;
                    pack(
                        instance,
                        &agent,
                        &chunk.octets,
                        &mut |octets, packets| match self.socket.send_to(octets, &place) {
                            Ok(_) => {
                                self.datagrams.fetch_add(1, Ordering::Relaxed);
                                self.sent.fetch_add(packets, Ordering::Relaxed);
                            }
                            Err(error) => {
                                self.lost.fetch_add(packets, Ordering::Relaxed);
                                tell(&error);
                            }
                        },
                    );
                }
                Next::Nothing => {}
                Next::End | Next::TooSlow | Next::Failed(_) => break,
            }
            let before = std::mem::replace(&mut dropped, feed.losses().dropped_packets);
            self.lost.fetch_add(dropped - before, Ordering::Relaxed);
        }
        let lost = feed.leave().dropped_packets - dropped;
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// What was sent so far.
    pub fn counts(&self) -> MulticastCounts {
        MulticastCounts {
            datagrams: self.datagrams.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }
}

fn ipv4_of(name: &str) -> io::Result<Ipv4Addr> {
    let addresses = Interface::named(name).addresses.into_iter();
    let mut found = addresses.filter_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    let missing = || {
        let why = format!("the interface {name} is not there, or has no IPv4 address");
        io::Error::new(io::ErrorKind::NotFound, why)
    };
    found.next().ok_or_else(missing)
}

/// Joins a group for what this source sends to it, at the interface by which the source is reached. Other sources
/// may come too where the system cannot tell them apart (IPv6).
///
/// # Errors
/// The system does not let us.
pub(crate) fn join(source: IpAddr, group: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))?;
    // Other collectors of this host may listen to the group as well.
    socket.set_reuse_address(true)?;
    socket.bind(&group.into())?;
    let ours = towards(source, group.port())?;
    match (group.ip(), source, ours) {
        (IpAddr::V4(group), IpAddr::V4(source), IpAddr::V4(ours)) => {
            socket.set_multicast_all_v4(false)?;
            socket.join_ssm_v4(&source, &group, &ours)?;
        }
        (IpAddr::V6(group), _, IpAddr::V6(ours)) => {
            socket.set_multicast_all_v6(false)?;
            socket.join_multicast_v6(&group, index_of(ours))?;
        }
        _ => {
            let why = "the group and the agent's address are of different versions of IP";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    // It need not succeed: the system may have less room.
    let _ = socket.set_recv_buffer_size(ROOM);
    Ok(socket.into())
}

/// Octets that may wait to be read.
const ROOM: usize = 4 << 20;

/// Our address at the interface by which a host is reached.
fn towards(host: IpAddr, port: u16) -> io::Result<IpAddr> {
    let any: IpAddr = match host {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Nothing is sent: the system only looks for a way.
    socket.connect((host, port))?;
    Ok(socket.local_addr()?.ip())
}

/// Number of the interface that has this address; 0 for that which the system chooses.
fn index_of(ours: Ipv6Addr) -> u32 {
    let mut entries = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let found = entries.find(|entry| {
        let address = entry
            .address
            .as_ref()
            .and_then(|address| address.as_sockaddr_in6());
        address.is_some_and(|address| address.ip() == ours)
    });
    let number =
        found.and_then(|entry| nix::net::if_::if_nametoindex(&entry.interface_name[..]).ok());
    number.unwrap_or_default()
}
