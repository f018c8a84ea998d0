//! How octets become layers; knows no protocol.
//!
//! A protocol is a plain function ([`Dissect`]) that reads its header through a bounds-checked
//! [`Cursor`], emits its record through the [`Context`], and says what comes next ([`Next`]).
//! [`walk`] follows these answers through one packet, from its link type to the innermost layer,
//! and ends with exactly one [`Fate`]. Which protocol answers to which number is in the
//! [`Registry`], an immutable table built from a visible list.
//!
//! Guarantees: no input makes it panic; every walk ends, after at most [`MAX_LAYERS`] layers in
//! each of at most [`MAX_BRANCHES`] branches; trouble with the traffic is a small value
//! ([`Malformed`]) and leaves the records of the layers before it in place.

mod body;
mod checksum;
mod context;
mod cursor;
mod entropy;
mod fragment;
mod framed;
mod malformed;
mod output;
mod path;
mod protocol;
mod registry;
mod signatures;
mod stream;
pub mod testing;
mod walk;

pub use body::{Bodies, BodyEvent, BodyId};
pub use checksum::adds_up;
pub use context::{Context, Fragments, Layer, PacketInfo};
pub use cursor::Cursor;
pub use entropy::Entropy;
pub use fragment::{Completed, Fragment, FragmentKey};
pub use framed::{Framed, Framing, Measure};
pub use malformed::{Malformed, Reason};
pub use output::{Chunk, Mark, Output, Turn};
pub use path::{
    Application, Ends, IpNumber, IpVersion, Level, Link, Network, Path, Piece, SegmentFacts,
    Transport, Tunnel, TunnelKind, Vlans,
};
pub use protocol::{Dissect, Fit, Judge, Next, Protocol, Selector};
pub use registry::{Registry, Selection, UnknownEncoder};
pub use signatures::{Signatures, Unclaimed};
pub use stream::{
    Beginning, Both, Carrier, Direction, Ending, Endpoint, Finder, Pending, Place, Recognition,
    StreamContext, StreamDissector, StreamEnds, StreamProtocol, Then,
};
pub use walk::{Fate, MAX_BRANCHES, MAX_LAYERS, walk};
