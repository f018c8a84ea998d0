//! One packet, from its link type to the innermost layer.

use crate::{Context, Cursor, Malformed, Next, PacketInfo, Reason, Selector};

/// Layers inside each other that a walk follows; real stacks of tunnels stay below twenty.
pub const MAX_LAYERS: usize = 32;
/// Runs of octets beside the first that a packet may hold for its walk to follow; aggregates of IEEE
/// 802.11 (A-MSDU) have a handful of subframes.
pub const MAX_BRANCHES: usize = 64;

/// The outcome of a packet: exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every layer was understood, up to payload that has no dissector by nature.
    Decoded,
    /// A layer names an inner protocol that nobody knows.
    Unknown(Selector),
    /// A layer contradicts its protocol.
    Malformed(Malformed),
    /// The capture ends inside a header that the wire had whole.
    CutShort(Malformed),
    /// Nobody knows the link type.
    UnsupportedLink(u32),
}

/// Walks the layers of a packet; the records go to the context's output.
pub fn walk<'p>(context: &mut Context<'p, '_>, packet: PacketInfo, octets: &'p [u8]) -> Fate {
    walk_message(
        context,
        packet,
        Selector::LinkType(packet.link_type),
        octets,
    )
}

/// Walks from the protocol that answers to `first` on.
pub(crate) fn walk_message<'p>(
    context: &mut Context<'p, '_>,
    packet: PacketInfo,
    first: Selector,
    octets: &'p [u8],
) -> Fate {
    context.begin(packet);
    let mut fate = follow(context, first, octets, octets);
    context.line = context.layers.len();
    context.path.end_line(&context.layers, context.entry);
    let mut branches = 0;
    while let Some(branch) = context.branches.get(branches).copied() {
        branches += 1;
        context.enter(&branch);
        let found = follow(context, branch.selector, branch.octets, octets);
        if fate == Fate::Decoded {
            fate = found;
        }
    }
    match (fate, context.noted) {
        (Fate::Decoded | Fate::Unknown(_), Some(malformed)) => Fate::Malformed(malformed),
        _ => fate,
    }
}

/// Follows a line of layers that begins with `octets`, which are part of `packet`.
fn follow<'p>(
    context: &mut Context<'p, '_>,
    first: Selector,
    octets: &'p [u8],
    packet: &'p [u8],
) -> Fate {
    let registry = context.registry;
    let Some(mut entry) = registry.find(first) else {
        return match first {
            Selector::LinkType(number) => Fate::UnsupportedLink(number),
            _ => Fate::Unknown(first),
        };
    };
    let deepest = context.layers.len() + MAX_LAYERS;
    let mut layer = octets;
    loop {
        let protocol = entry.protocol;
        context.muted |= entry.excluded;
        context.entry = entry.number;
        if context.layers.len() == deepest {
            let cursor = Cursor::new(protocol.name, layer);
            return Fate::Malformed(cursor.malformed(Reason::Depth));
        }
        context.layers.push(crate::Layer {
            protocol: protocol.name,
            octets: layer,
        });
        let mut cursor = Cursor::new(protocol.name, layer);
        let (found, inner) = match (protocol.dissect)(&mut cursor, context) {
            Ok(Next::End) => return Fate::Decoded,
            Ok(Next::Layer(selector, inner)) => match registry.find(selector) {
                Some(found) => (found, inner),
                None if inner.is_empty() => return Fate::Decoded,
                None => return Fate::Unknown(selector),
            },
            Ok(Next::Optional([first, second], inner)) => {
                match registry.find(first).or_else(|| registry.find(second)) {
                    Some(found) if !inner.is_empty() => (found, inner),
                    _ => return Fate::Decoded,
                }
            }
            Err(malformed) => {
                let cut = malformed.reason == Reason::Truncated
                    && packet.len() < context.packet.original_len as usize
                    && ends_together(layer, packet);
                return if cut {
                    Fate::CutShort(malformed)
                } else {
                    Fate::Malformed(malformed)
                };
            }
        };
        (entry, layer) = (found, inner);
    }
}

/// Whether a layer reaches to the end of what was captured.
fn ends_together(layer: &[u8], packet: &[u8]) -> bool {
    layer.as_ptr_range().end == packet.as_ptr_range().end
}
