//! What every origin of packets offers.

use crate::{Batch, Error};

/// Yields packets in capture order.
pub trait Source: Send {
    /// Clears the batch and fills it with the next packets. `Ok(true)`: there is at least one.
    /// `Ok(false)`: the end, and the batch is empty.
    ///
    /// Packets and an error never come together: what was read before the trouble comes first, the
    /// next call gives the error, and after it the source is at its end.
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error>;

    /// How far the reading has come.
    fn progress(&self) -> Progress;

    /// The input's name as given: a path, or `-` for standard input.
    fn name(&self) -> &str;
}

/// How far the reading of an input has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Octets taken from the input; of a compressed file, compressed ones.
    pub done: u64,
    /// Octets in all, where known.
    pub total: Option<u64>,
}
