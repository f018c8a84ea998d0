//! Files of audit records (`.ncap`, `.ncap.gz`).
//!
//! A file is a sequence of records, each with its length before it as an unsigned LEB128 number.
//! The first is a [`FileHeader`](netcap_record::FileHeader), which names the type of all others.
//! Compression is recognised by content: whatever captures come in, or none. Written are gzip members.

mod encoding;
mod ends;
mod error;
mod gzip;
mod leftovers;
mod mend;
mod output;
mod periods;
mod reader;
mod room;

pub use encoding::{About, Csv, Encoding, Frames, Json};
pub use error::Error;
pub use gzip::Gzip;
pub use leftovers::{Leftover, leftovers};
pub use mend::{Mended, mend};
pub use output::{OutputFile, Placer, unfinished};
pub use periods::{Period, Rotation, period_files, remove_period};
pub use reader::{Kind, LONGEST_RECORD, Reader, sniff, sniff_stdin};
pub use room::{DiskRoom, disk_room};
