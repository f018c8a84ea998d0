//! What a dissector sees of the packet around its layer, and where its records go.

use netcap_record::{Record, Time, Timestamp};

use crate::{
    Completed, Entropy, Fit, Fragment, FragmentKey, Malformed, Output, Path, Registry, Selector,
};

/// What the capture says of a packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketInfo {
    /// Capture time.
    pub time: Time,
    /// LINKTYPE of the interface.
    pub link_type: u32,
    /// Octets that the packet had on the wire.
    pub original_len: u32,
    /// Place in its batch.
    pub index: u32,
    /// Number in the run, from 1; 0 where none is known.
    pub number: u64,
}

impl PacketInfo {
    /// Capture time, with its text.
    pub fn timestamp(&self) -> Timestamp {
        self.time.timestamp()
    }
}

/// A layer that the walk has entered.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'p> {
    /// Name of the protocol.
    pub protocol: &'static str,
    /// Its octets with everything inside.
    pub octets: &'p [u8],
}

/// Octets of a packet that are walked beside the first line of layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch<'p> {
    pub(crate) selector: Selector,
    pub(crate) octets: &'p [u8],
    /// Whether a layer around it was excluded.
    muted: bool,
}

/// How many fragments packets have held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragments {
    /// Those whose octets were captured.
    pub whole: usize,
    /// Those that the capture cut.
    pub cut: u64,
}

/// The packet around a layer, and where records go.
///
/// `'p` is the life of the packet's octets, `'c` that of the worker's buffers.
pub struct Context<'p, 'c> {
    pub(crate) registry: &'c Registry,
    pub(crate) packet: PacketInfo,
    timestamp: Timestamp,
    pub(crate) layers: Vec<Layer<'p>>,
    /// Number of the protocol whose layer is being read.
    pub(crate) entry: u16,
    /// How many of these are the first line, each inside the one before.
    pub(crate) line: usize,
    /// What else is to be walked.
    pub(crate) branches: Vec<Branch<'p>>,
    /// Set once a layer was entered that the user excluded: what it holds is not recorded.
    pub(crate) muted: bool,
    /// The first trouble of a layer whose payload could be followed all the same.
    pub(crate) noted: Option<Malformed>,
    /// What the layers say of who sends to whom.
    pub(crate) path: Path<'p>,
    output: &'c mut Output,
    completed: &'p [Completed],
    ordinal: u8,
    entropy: &'c mut Entropy,
    counted: &'p [u8],
}

impl<'p, 'c> Context<'p, 'c> {
    /// A context for the packets of one batch.
    pub fn new(
        registry: &'c Registry,
        output: &'c mut Output,
        entropy: &'c mut Entropy,
        completed: &'p [Completed],
    ) -> Context<'p, 'c> {
        Context {
            registry,
            packet: PacketInfo {
                time: Time::default(),
                link_type: 0,
                original_len: 0,
                index: 0,
                number: 0,
            },
            timestamp: Timestamp::new(0, 0),
            layers: Vec::with_capacity(crate::MAX_LAYERS),
            entry: 0,
            line: 0,
            branches: Vec::new(),
            muted: false,
            noted: None,
            path: Path::default(),
            output,
            completed,
            ordinal: 0,
            entropy,
            counted: &[],
        }
    }

    /// Forgets the packet before.
    pub(crate) fn begin(&mut self, packet: PacketInfo) {
        self.packet = packet;
        self.timestamp.set(packet.time);
        self.layers.clear();
        self.branches.clear();
        self.line = 0;
        self.muted = false;
        self.noted = None;
        self.path.clear();
        self.ordinal = 0;
        self.counted = &[];
    }

    /// Layers of the packet entered so far, outermost first; those of [branches](Context::branch)
    /// come behind, branch by branch.
    pub fn layers(&self) -> &[Layer<'p>] {
        &self.layers
    }

    /// Of a packet that was walked: the layers that lie one inside the other, without branches.
    pub fn line(&self) -> &[Layer<'p>] {
        self.layers.get(..self.line).unwrap_or_default()
    }

    /// Has other octets of this layer walked too, beginning with the protocol that answers to
    /// `selector`, once the layers inside this one are done. `false`: there are as many as there may
    /// be, [`crate::MAX_BRANCHES`], and these are not walked.
    pub fn branch(&mut self, selector: Selector, octets: &'p [u8]) -> bool {
        let has_room = self.branches.len() < crate::MAX_BRANCHES;
        if has_room {
            self.branches.push(Branch {
                selector,
                octets,
                muted: self.muted,
            });
        }
        has_room
    }

    /// Turns to a branch.
    pub(crate) fn enter(&mut self, branch: &Branch<'p>) {
        self.muted = branch.muted;
        self.path.enter_branch();
        self.counted = &[];
    }

    /// Capture time of the packet.
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The protocols, and which records are asked for.
    pub fn registry(&self) -> &'c Registry {
        self.registry
    }

    /// What the capture says of the packet.
    pub fn packet(&self) -> &PacketInfo {
        &self.packet
    }

    /// Whether records of this type are asked for here: dissectors need not ask, but may save work.
    #[inline]
    pub fn wants<R: Record>(&self) -> bool {
        !self.muted && self.registry.place(R::SCHEMA).is_some()
    }

    /// Writes a record, if records of its type are asked for.
    #[inline]
    pub fn emit<R: Record>(&mut self, record: &R) {
        if !self.muted {
            self.output
                .emit_of(self.packet.number, self.registry, record);
        }
    }

    /// Makes the packet malformed and goes on: for trouble (an option, say) that leaves no doubt
    /// where the payload is, so that it does not hide what is beneath.
    #[cold]
    pub fn note(&mut self, malformed: Malformed) {
        self.noted.get_or_insert(malformed);
    }

    /// Entropy of a layer's payload in bits per octet.
    #[inline]
    pub fn entropy(&mut self, payload: &'p [u8]) -> f64 {
        let entropy = self.entropy.of(payload, self.counted);
        self.counted = payload;
        entropy
    }

    /// The payload as records keep it: nothing, unless the user asked for payloads.
    #[inline]
    pub fn payload(&self, payload: &'p [u8]) -> &'p [u8] {
        if self.registry.payloads() {
            payload
        } else {
            &[]
        }
    }

    /// Octets of the packet that the wire had and the capture has not.
    #[inline]
    pub fn missing(&self) -> usize {
        let captured = self.layers.first().map_or(0, |layer| layer.octets.len());
        (self.packet.original_len as usize).saturating_sub(captured)
    }

    /// Whether the capture holds less of the packet than the wire did.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.missing() > 0
    }

    /// The protocol of the layer around the one that asks.
    pub fn around(&self) -> Option<&'static str> {
        let around = self.layers.iter().rev().nth(1);
        around.map(|layer| layer.protocol)
    }

    /// Whether some protocol answers to this number.
    #[inline]
    pub fn knows(&self, selector: Selector) -> bool {
        self.registry.find(selector).is_some()
    }

    /// How well octets fit the protocol that answers to this number, if one does.
    #[inline]
    pub fn fit(&self, selector: Selector, octets: &[u8]) -> Fit {
        let entry = self.registry.find(selector);
        entry.map_or(Fit::No, |entry| (entry.protocol.judge)(octets, self))
    }

    /// The fragments that packets have held so far.
    pub fn fragments(&self) -> Fragments {
        Fragments {
            whole: self.output.fragments.len(),
            cut: self.output.fragments_cut,
        }
    }

    /// Notes a fragment. Gives the datagram's payload, and the protocol of it, where this fragment
    /// was the one that completed it.
    ///
    /// `piece` is what the packet holds of the fragment's `claimed` octets.
    pub fn fragment(
        &mut self,
        key: FragmentKey,
        protocol: u8,
        offset: u32,
        more: bool,
        piece: &'p [u8],
        claimed: usize,
    ) -> Option<(u8, &'p [u8])> {
        self.measure_piece(piece.len());
        if piece.len() < claimed {
            self.output.fragments_cut += 1;
            return None;
        }
        let (packet, ordinal) = (self.packet.index, self.ordinal);
        self.ordinal = self.ordinal.saturating_add(1);
        self.output.fragments.push(Fragment {
            packet,
            ordinal,
            key,
            offset,
            more,
            protocol,
            data: piece.into(),
        });
        self.completed
            .iter()
            .find(|c| (c.packet, c.ordinal) == (packet, ordinal))
            .map(|c| (c.protocol, c.data.as_slice()))
    }
}
