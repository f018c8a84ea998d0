//! UDP conversations with servers: names, time, QUIC, and datagrams too large for one packet.

use super::frame::{CLIENT, Ends, Frame, SERVER, Side, UDP};
use super::hosts;
use super::{Kind, START, Then, World};

/// QUIC clients pad their first packets to at least this (RFC 9000, 14.1).
const QUIC_INITIAL: usize = 1_200;
const QUIC_FULL: u32 = 1_250;
/// The payload of an IPv4 fragment on Ethernet.
const FRAGMENT: usize = 1_480;
/// Seconds between the epochs of NTP (1900) and Unix (1970).
const NTP_EPOCH: u64 = 2_208_988_800;

pub(super) fn port(kind: Kind) -> u16 {
    match kind {
        Kind::Dns => 53,
        Kind::Ntp => 123,
        Kind::Quic => 443,
        _ => 2_049,
    }
}

/// An exchange of datagrams.
pub(super) struct Udp {
    kind: Kind,
    server: u32,
    /// Packets sent so far, and to send.
    step: u32,
    steps: u32,
    /// Transaction, connection or fragment identifier.
    id: u64,
}

impl Udp {
    pub(super) fn new(world: &mut World, kind: Kind, server: u32) -> Self {
        let steps = match kind {
            Kind::Quic if world.mix.endless => u32::MAX,
            Kind::Quic => 6 + world.answer_size() / QUIC_FULL,
            Kind::Fragments => world.random.between(2, 4),
            _ => 2,
        };
        Self {
            kind,
            server,
            step: 0,
            steps,
            id: world.random.next(),
        }
    }

    pub(super) fn next(&mut self, ends: &Ends, world: &mut World, frame: &mut Frame) -> Then {
        match self.kind {
            Kind::Dns => self.dns(ends, world, frame),
            Kind::Ntp => self.ntp(ends, world, frame),
            Kind::Quic => self.quic(ends, world, frame),
            _ => self.fragment(ends, world, frame),
        }
        self.step = self.step.saturating_add(1);
        if self.step < self.steps {
            Then::More
        } else {
            Then::Done
        }
    }

    fn answering_side(&self) -> Side {
        if self.step == 0 { CLIENT } else { SERVER }
    }

    /// A question about a server's address, and its answer with up to three of them.
    fn dns(&self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let from = self.answering_side();
        let [id_high, id_low, choice, count, ..] = self.id.to_le_bytes();
        let version6 = choice % 3 == 0;
        let missing = choice % 20 == 1;
        let answers = if from == CLIENT || missing {
            0
        } else {
            1 + count % 3
        };

        let mut message = vec![id_high, id_low];
        let flags: u16 = match (from, missing) {
            (CLIENT, _) => 0x0100,
            (_, true) => 0x8183,
            (_, false) => 0x8180,
        };
        message.extend_from_slice(&flags.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, answers, 0, 0, 0, 0]);
        let name = hosts::name(self.server);
        hosts::write_labels(&mut message, name.iter().map(String::as_str));
        let kind = [0, if version6 { 28 } else { 1 }, 0, 1];
        message.extend_from_slice(&kind);
        for answer in 0..u32::from(answers) {
            message.extend_from_slice(&[0xc0, 12]);
            message.extend_from_slice(&kind);
            message.extend_from_slice(&world.random.between(20, 3_600).to_be_bytes());
            if version6 {
                message.extend_from_slice(&[0, 16]);
                message.extend_from_slice(&hosts::server_v6(self.server + answer).octets());
            } else {
                message.extend_from_slice(&[0, 4]);
                message.extend_from_slice(&hosts::server_v4(self.server + answer).octets());
            }
        }
        frame.udp(&mut world.random, ends, from, message.len());
        frame.octets.extend_from_slice(&message);
        frame.finish(from);
    }

    /// A client's request in NTP version 4, and the server's answer.
    fn ntp(&self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let from = self.answering_side();
        let seconds = (world.now / 1_000_000 + NTP_EPOCH) as u32;
        let fraction = ((world.now % 1_000_000) << 32).div_euclid(1_000_000) as u32;
        frame.udp(&mut world.random, ends, from, 48);
        if from == CLIENT {
            frame.octets.extend_from_slice(&[0x23, 0, 6, 0xec]);
            frame.octets.extend_from_slice(&[0; 36]);
        } else {
            frame.octets.extend_from_slice(&[
                0x24, 2, 6, 0xe8, 0, 0, 2, 0x10, 0, 0, 3, 0x40, 10, 20, 0, 123,
            ]);
            frame.u32((START / 1_000_000 + NTP_EPOCH) as u32);
            frame.u32(0);
            // The client's time comes back, then the server's own times of receipt and answer.
            for ago in [2, 1] {
                frame.u32(seconds);
                frame.u32(fraction.saturating_sub(ago << 20));
            }
        }
        frame.u32(seconds);
        frame.u32(fraction);
        frame.finish(from);
    }

    /// Two padded initial packets, then encrypted ones, of which one in four acknowledges.
    fn quic(&self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let from = match self.step {
            0 => CLIENT,
            1 => SERVER,
            step if step % 4 == 2 => CLIENT,
            _ => SERVER,
        };
        let connection = self.id.to_le_bytes();
        let random = &mut world.random;
        if self.step < 2 {
            frame.udp(random, ends, from, QUIC_INITIAL);
            let start = frame.octets.len();
            frame.octets.extend_from_slice(&[0xc3, 0, 0, 0, 1]);
            let (to, source): (&[u8], &[u8]) = if from == CLIENT {
                (&connection, &[])
            } else {
                (&[], &connection)
            };
            for id in [to, source] {
                frame.octets.push(id.len() as u8);
                frame.octets.extend_from_slice(id);
            }
            frame.octets.push(0);
            let rest = QUIC_INITIAL - (frame.octets.len() - start) - 2;
            frame.u16(0x4000 | rest as u16);
            random.fill(&mut frame.octets, rest);
        } else {
            let length = match from {
                CLIENT => random.between(30, 60),
                _ if random.percent(80) => QUIC_FULL,
                _ => random.between(60, QUIC_FULL),
            };
            frame.udp(random, ends, from, length as usize);
            let start = frame.octets.len();
            frame.octets.push(0x40 | (random.next() & 0x3f) as u8);
            frame
                .octets
                .extend_from_slice(if from == CLIENT { &connection } else { &[] });
            let rest = length as usize - (frame.octets.len() - start);
            random.fill(&mut frame.octets, rest);
        }
        frame.finish(from);
    }

    /// One fragment of a datagram from the client; over IPv6, which seldom fragments, a whole one.
    fn fragment(&self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let last = self.step + 1 == self.steps;
        let tail = 200 + (self.id % 1_000) as usize;
        if ends.address[CLIENT].is_ipv6() {
            frame.udp(&mut world.random, ends, CLIENT, tail);
            world.write_text(&mut frame.octets, tail);
        } else {
            frame.ip(&mut world.random, ends, CLIENT, UDP);
            frame.fragment(self.id as u16, self.step as usize * FRAGMENT, !last);
            let mut room = if last { tail } else { FRAGMENT };
            if self.step == 0 {
                let length = (self.steps as usize - 1) * FRAGMENT + tail;
                for field in [
                    ends.port[CLIENT],
                    ends.port[SERVER],
                    length as u16,
                    self.id as u16,
                ] {
                    frame.u16(field);
                }
                room -= 8;
            }
            world.write_text(&mut frame.octets, room);
        }
        frame.finish(CLIENT);
    }
}
