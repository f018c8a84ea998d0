//! What reads octets from the network, for the fuzzer alone.

use crate::plaintext::decode;
use crate::reliable::wire::split;
use crate::{ClientName, count_frames};

/// Reads octets as an opened datagram; panics where what is taken breaks a promise.
pub fn datagram(octets: &[u8]) {
    let schemas = netcap_pipeline::schemas();
    if let Ok(batch) = decode(&schemas, octets) {
        assert_eq!(count_frames(batch.frames), Some(batch.count));
        let name = ClientName::new(batch.client);
        assert!(!name.folder().starts_with('.') && !name.folder().contains('/'));
    }
}

/// Reads octets as messages of the reliable mode; panics where one does not read back as it was.
pub fn messages(mut octets: &[u8]) {
    let mut again = Vec::new();
    while let Ok(Some((message, length))) = split(octets) {
        again.clear();
        message.put(&mut again);
        assert_eq!(again, octets[..length]);
        octets = &octets[length..];
    }
}
