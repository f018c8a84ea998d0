//! EAPOL-Key frames: the key descriptors of 802.11 (IEEE 802.11-2020, clause 12.7.2) and of its
//! draft that became WPA, and the RC4 descriptor of IEEE 802.1X-2004 (clause 7.6).
//!
//! A descriptor that is whole up to its key data gives a record, with as much of the key data as
//! there is; key data said to be longer is malformed. The length of the MIC depends on how the
//! station was authenticated, which one packet does not say: it is the first of 16, 24, 32 and 0
//! octets with which the length of the key data fits the frame, 16 if none does. Key data that is
//! not encrypted is not recorded. A descriptor of another type gives a record of its type alone,
//! and its packet is unknown.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("EAPOLKey", dissect)
    .reached_by(&[Selector::Eapol(3)])
    .emits(&[EapolKey::SCHEMA]);

/// One EAPOL-Key frame: a message of the handshakes by which a wireless station and its access
/// point agree on keys (IEEE 802.11-2020, clause 12.7), or a key of dynamic WEP (IEEE 802.1X-2004).
#[derive(Record)]
#[record("EAPOLKey", 82)]
pub(crate) struct EapolKey<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Format of the descriptor: 1 RC4, 2 that of 802.11 (WPA2, WPA3), 254 WPA. All other fields
    /// but the time are empty for formats that are not one of these.
    #[field(2, "KeyDescriptorType")]
    descriptor: u8,
    /// How MIC and key data are protected, 0 to 7: 1 HMAC-MD5 and RC4, 2 HMAC-SHA1 and AES, 3
    /// AES-CMAC and AES, 0 by the method of authentication. 0 for RC4 descriptors.
    #[field(3, "KeyDescriptorVersion")]
    version: u8,
    /// 1 for a key between two stations (pairwise; unicast in RC4 descriptors), 0 for a group's.
    #[field(4, "KeyType")]
    key_type: u8,
    /// Number of the key: 0 to 3 for WPA, 0 to 127 in RC4 descriptors; reserved and 0 for 802.11.
    #[field(5, "KeyIndex")]
    key_index: u8,
    /// Whether the receiver shall use the key from now on.
    #[field(6, "Install")]
    install: bool,
    /// Whether an answer is expected; set by access points.
    #[field(7, "KeyACK")]
    key_ack: bool,
    /// Whether the frame has a message integrity code.
    #[field(8, "KeyMIC")]
    key_mic: bool,
    /// Whether the first handshake is complete.
    #[field(9, "Secure")]
    secure: bool,
    /// Whether the station reports a frame whose integrity code was wrong.
    #[field(10, "MICError")]
    mic_error: bool,
    /// Whether the station asks for a handshake.
    #[field(11, "Request")]
    request: bool,
    /// The bit that says that key data is encrypted; WPA has no such bit.
    #[field(12, "HasEncryptedKeyData")]
    has_encrypted_key_data: bool,
    /// Whether the frame belongs to the handshake between two stations of one access point (SMK).
    #[field(13, "SMKMessage")]
    smk_message: bool,
    /// Length of the key in octets: 16 for CCMP, 32 for TKIP.
    #[field(14, "KeyLength")]
    key_length: u16,
    /// Number of the message, by which repeated ones are told; in RC4 descriptors a time (NTP).
    #[field(15, "ReplayCounter", csv = Identifier)]
    replay_counter: u64,
    /// Random number of the sender, 32 octets; absent from RC4 descriptors.
    #[field(16, "Nonce")]
    nonce: &'a [u8],
    /// Initialisation vector of encrypted key data, 16 octets.
    #[field(17, "IV")]
    iv: &'a [u8],
    /// Counter of the group key's frames at the start, its eight octets as a number with the first
    /// as the most significant, although stations count from the least.
    #[field(18, "RSC", csv = Identifier)]
    rsc: u64,
    /// Reserved eight octets as a number; identifier of the key in WPA.
    #[field(19, "ID", csv = Identifier)]
    id: u64,
    /// Message integrity code, 16 octets; 24, 32 or none with some methods of authentication.
    /// Signature of RC4 descriptors.
    #[field(20, "MIC")]
    mic: &'a [u8],
    /// Length of the key data in octets, as the frame says it. RC4 descriptors do not say it: what
    /// is left of the frame.
    #[field(21, "KeyDataLength")]
    key_data_length: u16,
    /// Key data where it is encrypted: the frame says so, it is a group key of WPA, or the key of
    /// an RC4 descriptor. As much as was captured.
    #[field(22, "EncryptedKeyData")]
    encrypted_key_data: &'a [u8],
}

impl EapolKey<'_> {
    /// A record with nothing but the type of its descriptor.
    const fn empty(timestamp: Timestamp, descriptor: u8) -> Self {
        EapolKey {
            timestamp,
            descriptor,
            version: 0,
            key_type: 0,
            key_index: 0,
            install: false,
            key_ack: false,
            key_mic: false,
            secure: false,
            mic_error: false,
            request: false,
            has_encrypted_key_data: false,
            smk_message: false,
            key_length: 0,
            replay_counter: 0,
            nonce: &[],
            iv: &[],
            rsc: 0,
            id: 0,
            mic: &[],
            key_data_length: 0,
            encrypted_key_data: &[],
        }
    }
}

/// Descriptor types: IEEE 802.11-2020, clause 12.7.2; 254 is WPA's.
const RC4: u8 = 1;
const RSN: u8 = 2;
const WPA: u8 = 254;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let descriptor = input.u8()?;
    let empty = EapolKey::empty(context.timestamp(), descriptor);
    match descriptor {
        RC4 => rc4(empty, input, context),
        RSN | WPA => rsn(empty, input, context),
        other => {
            context.emit(&empty);
            let format = Selector::Other("EAPOL key descriptor", other.into());
            Ok(Next::Layer(format, input.take_rest()))
        }
    }
}

/// IEEE 802.1X-2004, clause 7.6.
fn rc4<'p>(
    empty: EapolKey<'p>,
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let (key_length, replay_counter) = (input.u16()?, input.u64()?);
    let (iv, index, signature) = (input.bytes(16)?, input.u8()?, input.bytes(16)?);
    let key = input.take_rest();
    context.emit(&EapolKey {
        // The highest bit of the index: unicast.
        key_type: index >> 7,
        key_index: index & 0x7f,
        key_length,
        replay_counter,
        iv,
        mic: signature,
        key_data_length: u16::try_from(key.len()).unwrap_or(u16::MAX),
        encrypted_key_data: key,
        ..empty
    });
    Ok(Next::End)
}

/// IEEE 802.11-2020, clause 12.7.2.
fn rsn<'p>(
    empty: EapolKey<'p>,
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let [i0, i1, k0, k1] = *input.array()?;
    let information = u16::from_be_bytes([i0, i1]);
    let bit = |n: u16| information >> n & 1 != 0;
    let replay_counter = input.u64()?;
    let (nonce, iv) = (input.bytes(32)?, input.bytes(16)?);
    let (rsc, id) = (input.u64()?, input.u64()?);
    let mic = input.bytes(mic_length(input.rest()))?;
    let key_data_length = input.u16()?;
    let key_data = input
        .rest()
        .get(..key_data_length.into())
        .unwrap_or(input.rest());
    // WPA has no bit for it: its group keys are always encrypted, its other key data never.
    let is_encrypted = bit(12) || (empty.descriptor == WPA && !bit(3));
    context.emit(&EapolKey {
        version: i1 & 0x07,
        key_type: i1 >> 3 & 1,
        key_index: i1 >> 4 & 3,
        install: bit(6),
        key_ack: bit(7),
        key_mic: bit(8),
        secure: bit(9),
        mic_error: bit(10),
        request: bit(11),
        has_encrypted_key_data: bit(12),
        smk_message: bit(13),
        key_length: u16::from_be_bytes([k0, k1]),
        replay_counter,
        nonce,
        iv,
        rsc,
        id,
        mic,
        key_data_length,
        encrypted_key_data: if is_encrypted { key_data } else { &[] },
        ..empty
    });
    input.skip(key_data_length.into())?;
    Ok(Next::End)
}

/// Lengths of the MIC by method of authentication: IEEE 802.11-2020, clause 12.7.3.
const MIC_LENGTHS: [usize; 4] = [16, 24, 32, 0];

/// The MIC's length, of what follows the identifier: MIC, length of the key data, key data.
fn mic_length(octets: &[u8]) -> usize {
    let fits = |mic: &usize| {
        let after = octets.get(*mic..).and_then(<[u8]>::split_first_chunk);
        after.is_some_and(|(length, data)| usize::from(u16::from_be_bytes(*length)) == data.len())
    };
    let [usual, ..] = MIC_LENGTHS;
    MIC_LENGTHS.into_iter().find(fits).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, Reason};

    use super::*;

    /// Link type 147 is reserved for private use.
    static BARE: Protocol = Protocol::new("EAPOLKey", dissect)
        .reached_by(&[Selector::LinkType(147)])
        .emits(&[EapolKey::SCHEMA]);

    const PROTOCOLS: &[&Protocol] = &[&BARE];

    const NONCE: [u8; 32] = [0x4e; 32];
    const IV: [u8; 16] = [0x49; 16];
    const MIC: [u8; 32] = [0x4d; 32];

    fn descriptor(kind: u8, information: u16, mic: usize, length: u16, data: &[u8]) -> Vec<u8> {
        let mut octets = vec![kind];
        octets.extend(information.to_be_bytes());
        octets.extend([0, 16]);
        octets.extend(7u64.to_be_bytes());
        octets.extend(NONCE);
        octets.extend(IV);
        octets.extend(8u64.to_be_bytes());
        octets.extend(9u64.to_be_bytes());
        octets.extend(MIC.split_at(mic).0);
        octets.extend(length.to_be_bytes());
        octets.extend(data);
        octets
    }

    /// What all of these have.
    fn record(kind: u8) -> EapolKey<'static> {
        EapolKey {
            key_length: 16,
            replay_counter: 7,
            nonce: &NONCE,
            iv: &IV,
            rsc: 8,
            id: 9,
            mic: MIC.split_at(16).0,
            ..EapolKey::empty(Timestamp::new(1, 2000), kind)
        }
    }

    #[test]
    fn every_field() {
        // Message 3 of the four-way handshake.
        let octets = descriptor(2, 0x13ca, 16, 4, b"data");
        let expected = EapolKey {
            version: 2,
            key_type: 1,
            install: true,
            key_ack: true,
            key_mic: true,
            secure: true,
            has_encrypted_key_data: true,
            key_data_length: 4,
            encrypted_key_data: b"data",
            ..record(2)
        };
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("EAPOLKey"), [encoded(&expected)]);
        every_prefix(PROTOCOLS, 147, &octets);

        let octets = descriptor(254, 0x2c31, 16, 0, b"");
        let expected = EapolKey {
            version: 1,
            key_index: 3,
            mic_error: true,
            request: true,
            smk_message: true,
            ..record(254)
        };
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.of("EAPOLKey"), [encoded(&expected)]);
    }

    #[test]
    fn key_data_that_is_not_encrypted() {
        for (kind, information, is_encrypted) in [
            (2, 0x010a, false),
            (254, 0x0109, false),
            (254, 0x0381, true),
        ] {
            let walked = walk_packet(
                PROTOCOLS,
                147,
                &descriptor(kind, information, 16, 4, b"data"),
            );
            assert_eq!(walked.fate, Fate::Decoded);
            let [found] = walked.of("EAPOLKey")[..] else {
                panic!("one record");
            };
            assert_eq!(found.ends_with(b"data"), is_encrypted, "{information:#x}");
        }
    }

    #[test]
    fn integrity_codes_of_other_lengths() {
        for mic in [16, 24, 32, 0] {
            let octets = descriptor(2, 0x1308, mic, 3, b"abc");
            let expected = EapolKey {
                key_type: 1,
                key_mic: true,
                secure: true,
                has_encrypted_key_data: true,
                mic: MIC.split_at(mic).0,
                key_data_length: 3,
                encrypted_key_data: b"abc",
                ..record(2)
            };
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("EAPOLKey"), [encoded(&expected)]);
        }
    }

    #[test]
    fn key_data_beyond_the_frame() {
        let octets = descriptor(2, 0x1000, 16, 500, b"abc");
        let expected = EapolKey {
            has_encrypted_key_data: true,
            key_data_length: 500,
            encrypted_key_data: b"abc",
            ..record(2)
        };
        let walked = walk_packet(PROTOCOLS, 147, &octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("EAPOLKey"), [encoded(&expected)]);
        let walked = walk_cut(PROTOCOLS, 147, &octets, 600);
        assert!(matches!(walked.fate, Fate::CutShort(_)));
    }

    #[test]
    fn rc4_descriptors() {
        let mut octets = vec![1, 0, 13];
        octets.extend(7u64.to_be_bytes());
        octets.extend(IV);
        octets.push(0x83);
        octets.extend(MIC.split_at(16).0);
        for key in [&b""[..], b"thirteen octs"] {
            let octets = [&octets, key].concat();
            let expected = EapolKey {
                key_type: 1,
                key_index: 3,
                key_length: 13,
                nonce: &[],
                rsc: 0,
                id: 0,
                key_data_length: key.len() as u16,
                encrypted_key_data: key,
                ..record(1)
            };
            let walked = walk_packet(PROTOCOLS, 147, &octets);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("EAPOLKey"), [encoded(&expected)]);
            every_prefix(PROTOCOLS, 147, &octets);
        }
    }

    #[test]
    fn descriptors_nobody_knows() {
        let walked = walk_packet(PROTOCOLS, 147, b"\x03data");
        let selector = Selector::Other("EAPOL key descriptor", 3);
        assert_eq!(walked.fate, Fate::Unknown(selector));
        let expected = EapolKey::empty(Timestamp::new(1, 2000), 3);
        assert_eq!(walked.of("EAPOLKey"), [encoded(&expected)]);
    }
}
