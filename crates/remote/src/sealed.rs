//! A sealed datagram, as sensors of 2019 send it (NaCl `box`: X25519, XSalsa20, Poly1305):
//!
//! ```text
//!  0..32  public key of the sensor, new at each start
//! 32..56  nonce, random
//! 56..72  tag
//! 72..    ciphertext
//! ```
//!
//! Guarantees: what opens was sealed by somebody who has the server's public key, and is as it was sealed.
//! It does not tell who that is: whoever knows the public key can be any client. A datagram that
//! is repeated while it is among the last 1,024 of its sensor is recognised; a server that was
//! started again, or has seen thousands of other sensors meanwhile, remembers nothing.
//!
//! Keys of low order agree with any other on a secret that everybody knows: a sensor does not seal for
//! one, and a server does not open what comes with one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crypto_box::SalsaBox;
use crypto_box::aead::AeadInPlace;

use crate::keys::{PrivateKey, PublicKey, random};
use crate::{Error, Refusal};

/// Octets that sealing adds.
pub const OVERHEAD: usize = KEY + NONCE + TAG;
/// Datagrams of a sensor that are remembered, to recognise repetitions.
pub(crate) const REMEMBERED: usize = 1024;

const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;

/// Seals for a server, with a key pair of its own.
pub struct Sealer {
    public: PublicKey,
    shared: SalsaBox,
}

impl Sealer {
    /// Makes a key pair. The agreement with the server's key is computed once, here.
    ///
    /// # Errors
    /// Where the system has no random numbers, or the server's key protects nothing.
    pub fn new(server: &PublicKey) -> Result<Sealer, Error> {
        Sealer::with(&PrivateKey::random()?, server)
    }

    fn with(own: &PrivateKey, server: &PublicKey) -> Result<Sealer, Error> {
        if server.is_weak() {
            return Err(Error::Key {
                path: crate::PUBLIC_KEY_FILE.into(),
                reason: "the server's key is of low order, with which everybody could read the \
                         records; make a pair with netcap-server -gen-keypair"
                    .to_owned(),
            });
        }
        Ok(Sealer {
            public: own.public(),
            shared: SalsaBox::new(&server.octets().into(), &own.0),
        })
    }

    /// The datagram that holds `plaintext`: [`OVERHEAD`] octets longer.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.seal_with(&random()?, plaintext))
    }

    fn seal_with(&mut self, nonce: &[u8; NONCE], plaintext: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(OVERHEAD + plaintext.len());
        datagram.extend_from_slice(&self.public.octets());
        datagram.extend_from_slice(nonce);
        datagram.extend_from_slice(&[0; TAG]);
        datagram.extend_from_slice(plaintext);
        let (head, text) = datagram.split_at_mut(OVERHEAD);
        match self
            .shared
            .encrypt_in_place_detached(nonce.into(), b"", text)
        {
            Ok(tag) => head[KEY + NONCE..].copy_from_slice(&tag),
            Err(_) => unreachable!("any octets can be sealed; only associated data cannot"),
        }
        datagram
    }
}

/// What was in a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The key of the sensor.
    pub sensor: PublicKey,
    /// What was sealed.
    pub plaintext: Vec<u8>,
}

/// Opens datagrams. Agreeing with a sensor's key costs 60 us, so the latest agreements are kept.
pub struct Opener {
    secret: PrivateKey,
    /// Sensors heard of lately, and those before: when there are half of `most` among the young, they
    /// become the old, and the old are forgotten.
    young: HashMap<PublicKey, Sensor>,
    old: HashMap<PublicKey, Sensor>,
    most: usize,
    hasher: RandomState,
}

/// What is kept of a sensor that has sealed something.
struct Sensor {
    shared: SalsaBox,
    /// Hashes of nonces: at `next` the one that goes next, once there are as many as are remembered.
    nonces: Vec<u64>,
    next: usize,
}

impl Opener {
    /// Opens what was sealed for `secret`, and remembers up to `sensors` keys, at least two.
    pub fn new(secret: PrivateKey, sensors: usize) -> Opener {
        Opener {
            secret,
            young: HashMap::new(),
            old: HashMap::new(),
            most: sensors.max(2),
            hasher: RandomState::new(),
        }
    }

    /// Opens a datagram.
    ///
    /// # Errors
    /// Where it was not sealed for this server, or is a repetition.
    pub fn open(&mut self, datagram: &[u8]) -> Result<Sealed, Refusal> {
        let (key, rest) = datagram
            .split_first_chunk::<KEY>()
            .ok_or(Refusal::TooShort)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(Refusal::TooShort)?;
        let (tag, text) = rest.split_first_chunk::<TAG>().ok_or(Refusal::TooShort)?;
        let key = PublicKey::from_octets(*key);
        if key.is_weak() {
            return Err(Refusal::WeakKey);
        }
        // X25519 passes over this bit, which no key that it makes has set: with it the same datagram
        // would be one of another sensor.
        if key.octets()[KEY - 1] & 0x80 != 0 {
            return Err(Refusal::Forged);
        }
        // The key of a sensor is kept only when something that it sealed has opened.
        let mut sensor = match self.young.remove(&key).or_else(|| self.old.remove(&key)) {
            Some(sensor) => sensor,
            None => Sensor {
                shared: SalsaBox::new(&key.octets().into(), &self.secret.0),
                nonces: Vec::new(),
                next: 0,
            },
        };
        let mut plaintext = text.to_vec();
        let opened =
            sensor
                .shared
                .decrypt_in_place_detached(nonce.into(), b"", &mut plaintext, tag.into());
        let result = match opened {
            Err(_) => Err(Refusal::Forged),
            Ok(()) if !sensor.is_new(self.hasher.hash_one(nonce)) => Err(Refusal::Duplicate),
            Ok(()) => Ok(Sealed {
                sensor: key,
                plaintext,
            }),
        };
        if opened.is_ok() || !sensor.nonces.is_empty() {
            self.keep(key, sensor);
        }
        result
    }

    fn keep(&mut self, key: PublicKey, sensor: Sensor) {
        if self.young.len() >= self.most / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, sensor);
    }
}

impl Sensor {
    /// Whether a nonce is not remembered, which it is then. Only the sensor itself can make nonces that
    /// count, and its own datagrams are all that it can have refused.
    fn is_new(&mut self, nonce: u64) -> bool {
        if self.nonces.contains(&nonce) {
            return false;
        }
        if self.nonces.len() < REMEMBERED {
            self.nonces.push(nonce);
        } else {
            self.nonces[self.next] = nonce;
            self.next = (self.next + 1) % REMEMBERED;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(server: &PrivateKey) -> Sealer {
        Sealer::new(&server.public()).expect("a good key")
    }

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(text, 16).expect("digits")
        };
        digits.chunks(2).map(pair).collect()
    }

    /// Made with PyNaCl 1.6.2 (libsodium): the server's private key is 0, 1 .. 31, the sensor's is
    /// 100 .. 131, the nonce 200 .. 223.
    const PYNACL: &str = "7d9c24316539825c1896e57f28197746793ce60cbee3ad47da9d07b85fa55e2a\
        c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf\
        4d43e6e93b5c288e873a09dceaa1e8c0\
        cf33ddee35af4e040a9b3e435bb3c325f079a60e4407a7a497";

    #[test]
    fn as_libsodium_seals() {
        let upwards = |start: u8| std::array::from_fn(|place| start + place as u8);
        let server = PrivateKey::from_octets(upwards(0));
        let public = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f";
        assert_eq!(server.public().octets(), *octets(public));
        let sensor = PrivateKey::from_octets(upwards(100));
        let mut sealer = Sealer::with(&sensor, &server.public()).expect("a good key");
        let nonce = std::array::from_fn(|place| 200 + place as u8);
        let text = b"records, sealed by PyNaCl";
        assert_eq!(sealer.seal_with(&nonce, text), octets(PYNACL));
        let opened = Opener::new(server, 4)
            .open(&octets(PYNACL))
            .expect("opened");
        assert_eq!(opened.plaintext, text);
        assert_eq!(opened.sensor, sensor.public());
    }

    #[test]
    fn only_what_was_sealed_opens() {
        let server = PrivateKey::random().expect("random");
        let mut opener = Opener::new(server.clone(), 4);
        let mut sealer = sealer(&server);
        // Known or not, a sensor's key opens only what it has sealed.
        for _ in 0..2 {
            let datagram = sealer.seal(b"text").expect("sealed");
            assert_eq!(datagram.len(), OVERHEAD + 4);
            for length in 0..datagram.len() {
                let expected = if length < OVERHEAD {
                    Refusal::TooShort
                } else {
                    Refusal::Forged
                };
                assert_eq!(opener.open(&datagram[..length]), Err(expected));
            }
            for place in 0..datagram.len() {
                for change in [1, 0x40, 0x80] {
                    let mut changed = datagram.clone();
                    changed[place] ^= change;
                    assert_eq!(opener.open(&changed), Err(Refusal::Forged), "{place}");
                }
            }
            assert_eq!(opener.open(&datagram).expect("opened").plaintext, b"text");
        }
        let mut stranger = Opener::new(PrivateKey::random().expect("random"), 4);
        let datagram = sealer.seal(b"").expect("sealed");
        assert_eq!(stranger.open(&datagram), Err(Refusal::Forged));
        assert_eq!(opener.open(&datagram).expect("opened").plaintext, b"");
    }

    #[test]
    fn repetitions_are_recognised_within_bounds() {
        let server = PrivateKey::random().expect("random");
        let mut opener = Opener::new(server.clone(), 4);
        let mut sealer = sealer(&server);
        let mut sent = Vec::new();
        for _ in 0..REMEMBERED + 1 {
            let datagram = sealer.seal(b"text").expect("sealed");
            opener.open(&datagram).expect("new");
            sent.push(datagram);
        }
        for datagram in &sent[1..] {
            assert_eq!(opener.open(datagram), Err(Refusal::Duplicate));
        }
        opener.open(&sent[0]).expect("forgotten");
        assert_eq!(opener.young.len() + opener.old.len(), 1);
        for sensor in opener.young.values().chain(opener.old.values()) {
            assert_eq!(sensor.nonces.len(), REMEMBERED);
        }
    }

    #[test]
    fn the_oldest_sensors_are_forgotten() {
        let server = PrivateKey::random().expect("random");
        let mut opener = Opener::new(server.clone(), 8);
        let mut sealers: Vec<_> = (0..20).map(|_| sealer(&server)).collect();
        let mut first = Vec::new();
        for (place, sealer) in sealers.iter_mut().enumerate() {
            let datagram = sealer.seal(b"text").expect("sealed");
            opener.open(&datagram).expect("new");
            first.push(datagram);
            assert!(opener.young.len() + opener.old.len() <= 8);
            // One that is heard of again and again stays.
            assert!(place == 0 || opener.open(&first[0]) == Err(Refusal::Duplicate));
        }
        assert_eq!(opener.open(&first[19]), Err(Refusal::Duplicate));
        opener.open(&first[5]).expect("forgotten");
        // Strangers take nobody's place.
        let before = opener.young.len() + opener.old.len();
        for key in 0..100u8 {
            let mut datagram = first[19].clone();
            datagram[..KEY].fill(key + 2);
            assert_eq!(opener.open(&datagram), Err(Refusal::Forged));
        }
        assert_eq!(opener.young.len() + opener.old.len(), before);
    }

    #[test]
    fn keys_of_low_order_seal_and_open_nothing() {
        assert!(Sealer::new(&PublicKey::from_octets([0; 32])).is_err());
        // What anybody can seal, without knowing the server's key.
        let anybody = SalsaBox::new(&[0; 32].into(), &PrivateKey::from_octets([9; 32]).0);
        let mut text = *b"text";
        let tag = anybody
            .encrypt_in_place_detached(&[0; NONCE].into(), b"", &mut text)
            .expect("sealed");
        let datagram = [&[0; KEY + NONCE][..], &tag, &text].concat();
        let mut opener = Opener::new(PrivateKey::random().expect("random"), 4);
        assert_eq!(opener.open(&datagram), Err(Refusal::WeakKey));
    }
}
