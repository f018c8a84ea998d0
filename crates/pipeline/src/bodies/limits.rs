//! What is kept of bodies, and the account of it.

use std::path::PathBuf;

/// What is kept of bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyConfig {
    /// Where they go; made if missing.
    pub directory: PathBuf,
    /// How much of them.
    pub limits: BodyLimits,
}

/// How much of the bodies is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Octets of one file, decoded.
    pub file_octets: u64,
    /// Files in all.
    pub files: u64,
    /// Octets of all files, decoded.
    pub octets: u64,
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits {
            file_octets: 64 << 20,
            files: 100_000,
            octets: 10 << 30,
        }
    }
}

/// What became of the bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyLedger {
    /// Files written.
    pub files: u64,
    /// Octets in these.
    pub octets: u64,
    /// Files of these that are not whole, for whatever reason.
    pub partial: u64,
    /// Files in a coding that was not taken off.
    pub encoded: u64,
    /// Bodies that contradict their coding; what came before is kept.
    pub undecodable: u64,
    /// Bodies cut at the size of a file.
    pub too_long: u64,
    /// Bodies not kept, because there were as many files as allowed.
    pub too_many: u64,
    /// Bodies cut or not kept, because there were as many octets as allowed.
    pub no_room: u64,
    /// Bodies cut because too many were under way: that which had waited longest.
    pub crowded_out: u64,
    /// Bodies not kept, or not all of them, because they could not be written.
    pub unwritten: u64,
    /// What the system said of the first of these.
    pub why: Option<String>,
}
