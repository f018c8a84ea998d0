//! Gzip members (RFC 1952), one per block: any number of them one after the other is a gzip file.

use libdeflater::{CompressionLvl, Compressor};

/// Compresses blocks; one per thread, reused.
pub struct Gzip(Compressor);

impl Default for Gzip {
    fn default() -> Gzip {
        // Level 1: twice the speed of level 6 for a tenth more octets. (`fastest` is level 0, which
        // does not compress.)
        Gzip(Compressor::new(CompressionLvl::new(1).unwrap_or_default()))
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn members_compress_and_follow_each_other() {
        let block: Vec<u8> = (0..100_000u32)
            .flat_map(|n| (n / 100).to_le_bytes())
            .collect();
        let mut gzip = Gzip::default();
        let mut file = gzip.member(&block);
        assert!(file.len() * 4 < block.len());
        file.extend(gzip.member(&[]));
        file.extend(gzip.member(&block));
        let mut back = Vec::new();
        flate2::read::MultiGzDecoder::new(file.as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, [block.clone(), block].concat());
    }
}
