//! What every origin of packets offers.

use std::time::Duration;

use crate::{Batch, Error};

/// Yields packets in capture order.
pub trait Source: Send {
    /// Clears the batch and fills it with the next packets. `Ok(true)`: there is at least one, or
    /// the source [is live](Source::is_live) and has nothing new. `Ok(false)`: the end, and the batch
    /// is empty.
    ///
    /// A live source returns after [`LIVE_TICK`] even if nothing came, so that who asks can stop, and
    /// says in [`Batch::clock`] how late it is there.
    ///
    /// Packets and an error never come together: what was read before the trouble comes first, the
    /// next call gives the error, and after it the source is at its end.
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error>;

    /// How far the reading has come.
    fn progress(&self) -> Progress;

    /// The input's name as given: a path, an interface, an address, or `-` for standard input.
    fn name(&self) -> &str;

    /// Whether packets come as they happen, so that the wall clock tells how late it is where they
    /// come from.
    fn is_live(&self) -> bool {
        false
    }

    /// Whether [`Source::fill`] may wait for somebody: the writer of a pipe, a peer, an interface.
    /// What is on disk does not.
    fn may_wait(&self) -> bool {
        true
    }

    /// Says that no more is wanted than what has been captured by now: [`Source::fill`] gives that,
    /// and then the end; after [`LAST_WORDS`] the end at once, and the rest is counted as lost. What
    /// has no packets waiting anywhere need not listen: it is not asked much longer.
    fn stop(&mut self) {}

    /// Octets that the source holds at most, beside the batches it is given to fill.
    fn ceiling(&self) -> u64 {
        0
    }

    /// Where the packets have come from so far: interfaces, connections, and files that tell of drops.
    fn origins(&mut self) -> Vec<Origin> {
        Vec::new()
    }
}

/// How long a live source waits for packets before it says that there are none.
pub const LIVE_TICK: Duration = Duration::from_millis(100);

/// How long a live source may go on giving what was captured before it was told to stop.
pub const LAST_WORDS: Duration = Duration::from_millis(300);

/// The event of packets that were captured before a stop and came too late for the last words.
pub(crate) const UNREAD: &str = "unread at the end";

/// The account of one interface or connection that packets come from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// Its name: an interface, a peer's address, the subject of a certificate.
    pub name: String,
    /// Packets that came from it.
    pub packets: u64,
    /// Their captured octets.
    pub octets: u64,
    /// Packets that were there and are not in the output: dropped by the kernel, by the interface.
    pub lost: u64,
    /// What else happened, by name: `"connections"`, `"gaps"`. What did not happen is left out.
    pub events: Vec<(&'static str, u64)>,
    /// Why no more packets come from it, if that is so.
    pub trouble: Option<String>,
}

/// How far the reading of an input has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Octets taken from the input; of a compressed file, compressed ones.
    pub done: u64,
    /// Octets in all, where known.
    pub total: Option<u64>,
}
