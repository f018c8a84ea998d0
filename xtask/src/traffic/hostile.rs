//! Traffic made to cost its reader most for a packet: datagrams in the smallest fragments, and
//! segments that were cut over thousands that wait.

use super::frame::{CLIENT, Ends, Frame, SERVER, TCP, UDP};
use super::{Kind, Then, World};

/// Fragments of a datagram; the most that fit are a few more.
const FRAGMENTS: u32 = 8_000;
/// Octets in each: offsets count eights.
const FRAGMENT: u32 = 8;
/// Next header of a fragment header (RFC 8200, 4.5).
const IPV6_FRAGMENT: u8 = 44;

/// Segments of one octet that wait; with what is absent between them, about as many as a reader
/// that holds a mebibyte has room for.
const WAITING: u32 = 3_900;
/// Segments that were cut and lie over these.
const CUT: u32 = 12_000;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// A conversation, if that is the word.
pub(super) struct Hostile {
    kind: Kind,
    step: u32,
    id: u32,
    sequence: u32,
}

impl Hostile {
    pub(super) fn new(world: &mut World, kind: Kind) -> Self {
        Self {
            kind,
            step: 0,
            id: world.random.next() as u32,
            sequence: world.random.next() as u32,
        }
    }

    pub(super) fn next(&mut self, ends: &Ends, world: &mut World, frame: &mut Frame) -> Then {
        let steps = if self.kind == Kind::SmallFragments {
            self.fragment(ends, world, frame);
            FRAGMENTS
        } else {
            self.segment(ends, world, frame);
            WAITING + CUT
        };
        self.step += 1;
        if self.step < steps {
            Then::More
        } else {
            Then::Done
        }
    }

    /// Eight octets of a datagram: in order, backwards, odd ones first, or shuffled.
    fn fragment(&self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        let half = FRAGMENTS / 2;
        let place = match self.id % 4 {
            0 => self.step,
            1 => FRAGMENTS - 1 - self.step,
            2 if self.step < half => 2 * self.step + 1,
            2 => 2 * (self.step - half),
            // 7,919 is prime, so each place comes once.
            _ => self.step * 7_919 % FRAGMENTS,
        };
        let (offset, more) = (place * FRAGMENT, place + 1 < FRAGMENTS);
        if ends.address[CLIENT].is_ipv6() {
            frame.ip(&mut world.random, ends, CLIENT, IPV6_FRAGMENT);
            frame.u16(u16::from(UDP) << 8);
            frame.u16(offset as u16 | u16::from(more));
            frame.u32(self.id);
        } else {
            frame.ip(&mut world.random, ends, CLIENT, UDP);
            frame.fragment(self.id as u16, offset as usize, more);
        }
        if place == 0 {
            let length = FRAGMENTS * FRAGMENT;
            for field in [ends.port[CLIENT], ends.port[SERVER], length as u16, 0] {
                frame.u16(field);
            }
        } else {
            world.random.fill(&mut frame.octets, FRAGMENT as usize);
        }
        frame.finish(CLIENT);
    }

    /// Two that open, then single octets with holes before all of them, then segments of which
    /// the capture has the headers, over what waits and beyond. The first octet never comes.
    fn segment(&mut self, ends: &Ends, world: &mut World, frame: &mut Frame) {
        match self.step {
            0 => self.tcp(SYN, 0, 0, ends, world, frame),
            1 => self.tcp(SYN | ACK, 0, 0, ends, world, frame),
            step if step < WAITING => self.tcp(ACK, 2 * step, 1, ends, world, frame),
            step => {
                // Half are the same again and again, and half anywhere.
                let (at, length) = if step % 2 == 0 {
                    (2, 2 * WAITING)
                } else {
                    let at = world.random.between(2, 2 * WAITING);
                    (at, world.random.between(100, 2 * WAITING))
                };
                self.tcp(ACK, at, length, ends, world, frame);
            }
        }
    }

    /// A segment with a payload of so many octets, from so many on in the stream. Of more than one
    /// octet the capture has none.
    fn tcp(
        &self,
        flags: u8,
        at: u32,
        length: u32,
        ends: &Ends,
        world: &mut World,
        frame: &mut Frame,
    ) {
        let from = if flags == SYN | ACK { SERVER } else { CLIENT };
        frame.ip(&mut world.random, ends, from, TCP);
        frame.u16(ends.port[from]);
        frame.u16(ends.port[1 - from]);
        frame.u32(self.sequence.wrapping_add(at));
        frame.u32(if flags & ACK == 0 {
            0
        } else {
            self.sequence.wrapping_add(1)
        });
        frame.octets.extend_from_slice(&[5 << 4, flags]);
        frame.u16(u16::MAX);
        frame.u32(0);
        let headers = frame.octets.len();
        world.random.fill(&mut frame.octets, length as usize);
        frame.finish(from);
        if length > 1 {
            frame.cut_to(headers);
        }
    }
}
