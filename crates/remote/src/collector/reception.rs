//! The thread that takes datagrams from the socket.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::load::Sorter;
use super::shared::Shared;

/// Octets of the largest datagram, and room.
const ROOM: usize = 65_535;
/// Datagrams after which all workers get what there is for them, though more are coming.
const HAND_OUT: u32 = 256;
/// How long a socket without datagrams is waited for before looking whether to stop, in milliseconds.
const PATIENCE: u16 = 100;
/// How long datagrams are still taken from the socket after the stop: those that had arrived.
const LAST: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Reception {
    pub(super) shared: Arc<Shared>,
    pub(super) socket: UdpSocket,
    pub(super) sorter: Sorter,
}

impl Reception {
    pub(super) fn run(&mut self) {
        let mut room = vec![0; ROOM];
        let mut since = 0;
        let mut last = None;
        loop {
            if last.is_none() && self.shared.is_stopping() {
                last = Some(Instant::now() + LAST);
            }
            if last.is_some_and(|last| Instant::now() > last) {
                break;
            }
            match self.socket.recv(&mut room) {
                Ok(length) => {
                    self.shared.datagrams.fetch_add(1, Ordering::Relaxed);
                    if !self.sorter.sort(&room[..length]) {
                        self.shared.queue_drops.fetch_add(1, Ordering::Relaxed);
                    }
                    since += 1;
                    if since >= HAND_OUT {
                        since = 0;
                        self.sorter.hand_out();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    since = 0;
                    self.sorter.hand_out();
                    if last.is_some() {
                        break;
                    }
                    self.wait();
                }
                Err(_) => {
                    self.shared.receive_errors.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
        self.sorter.finish();
    }

    /// Waits for a datagram, or until it is time to look around.
    fn wait(&self) {
        let patience = if self.sorter.is_waiting() {
            1
        } else {
            PATIENCE
        };
        let mut sockets = [PollFd::new(
            std::os::fd::AsFd::as_fd(&self.socket),
            PollFlags::POLLIN,
        )];
        if poll(&mut sockets, PollTimeout::from(patience)).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
