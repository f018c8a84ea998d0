//! Gzip members (RFC 1952), one per block: any number of them one after the other is a gzip file.

use libdeflater::{CompressionLvl, Compressor};

/// Compresses blocks; one per thread, reused.
pub struct Gzip(Compressor);

impl Default for Gzip {
    fn default() -> Gzip {
        // Level 1: three times the speed of level 6 for a tenth more octets.
        Gzip(Compressor::new(CompressionLvl::fastest()))
    }
}

impl Gzip {
    /// One member that holds `block`, without name or time, so equal blocks give equal members.
    pub fn member(&mut self, block: &[u8]) -> Vec<u8> {
        let mut member = vec![0; self.0.gzip_compress_bound(block.len())];
        match self.0.gzip_compress(block, &mut member) {
            Ok(len) => {
                member.truncate(len);
                member.shrink_to_fit();
                member
            }
            Err(error) => unreachable!("the bound is enough for any block: {error}"),
        }
    }
}
