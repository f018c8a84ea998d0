//! State across packets.
//!
//! Everything here is driven in capture order by one owner and by packet time alone, has a cap on
//! every table, and counts what a cap costs.

mod defrag;

pub use defrag::{Defragmenter, FragmentLedger, Limits};
