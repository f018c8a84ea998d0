//! Wireless LAN (IEEE 802.11-2020, clause 9): management, control, data and extension frames.
//!
//! A frame whose MAC header is whole gives a record, encrypted or not, and so does a frame of a
//! reserved subtype, as every frame has its first three fields (clause 9.2.3). Data leads on to
//! LLC; encrypted data, later fragments, management and control frames end here and count as
//! decoded. Every subframe of an aggregate (A-MSDU) is followed. Frames of
//! protocol version 1 (clause 9.8) have another header and end unknown, without a record.
//!
//! The checksum at a frame's end is taken off and recorded where the capture has it. Radiotap and
//! PPI say whether it does; where nothing says so it is one if it is right.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Element, Mac, Record, Timestamp, Type};

use crate::{llc, ppi, radiotap};

pub(crate) static PROTOCOL: Protocol = Protocol::new("Dot11", dissect)
    .reached_by(&[Selector::LinkType(105)])
    .emits(&[Dot11::SCHEMA]);

/// One frame of a wireless LAN (IEEE 802.11), of captures in monitor mode.
#[derive(Record)]
#[record("Dot11", 10)]
pub(crate) struct Dot11 {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Type and subtype: the type (0 management, 1 control, 2 data, 3 extension) plus four times
    /// the subtype, 0 to 63. 32 is a beacon (type 0, subtype 8), 45 RTS, 49 CTS, 53 an
    /// acknowledgment, 2 data, 34 QoS data (IEEE 802.11-2020, clause 9.2.4.1.3).
    #[field(2, "Type")]
    kind: u8,
    /// Version of the protocol, always 0.
    #[field(3, "Proto")]
    version: u8,
    /// Flags, the sum of: 1 to the distribution system, 2 from it, 4 more fragments, 8 retry, 16
    /// power save, 32 more data, 64 protected (encrypted), 128 order, which in QoS data and
    /// management frames means that HT control is there. In control frames of subtype 6 the first
    /// four are a number that says which, and S1G beacons (type 7) have flags of their own.
    #[field(4, "Flags")]
    flags: u8,
    /// The field's 16 bits: up to 32767 the microseconds for which the medium is reserved; in
    /// PS-Poll frames the station's association identifier plus 49152.
    #[field(5, "DurationID")]
    duration: u16,
    /// Receiver, or group of receivers, `aa:bb:cc:dd:ee:ff`.
    #[field(6, "Address1")]
    address1: Address,
    /// Transmitter; empty in frames that do not name one (CTS, acknowledgments).
    #[field(7, "Address2")]
    address2: Address,
    /// Management frames: the BSSID. Data frames: the BSSID, the source, or the destination, by the
    /// first two flags (IEEE 802.11-2020, clause 9.3.2.1). Empty in control frames.
    #[field(8, "Address3")]
    address3: Address,
    /// Source of data frames between access points or mesh stations, which have the first two flags
    /// set; else empty.
    #[field(9, "Address4")]
    address4: Address,
    /// Number of the frame, 0 to 4095; 0 in control frames, which have none.
    #[field(10, "SequenceNumber")]
    sequence: u16,
    /// Number of the fragment, 0 to 15.
    #[field(11, "FragmentNumber")]
    fragment: u16,
    /// Checksum (FCS) at the end of the frame, first octet least significant; 0 where the capture
    /// does not have it. It is not checked.
    #[field(12, "Checksum")]
    checksum: u32,
    /// QoS control field; absent but in QoS data frames.
    #[field(13, "QOS")]
    qos: Option<Qos>,
    /// HT control field; absent where the frame has none.
    #[field(14, "HTControl")]
    ht_control: Option<HtControl>,
}

/// QoS control field of a data frame (IEEE 802.11-2020, clause 9.2.4.5).
#[derive(Clone, Copy, Record)]
#[record("Dot11QOS", 11)]
pub(crate) struct Qos {
    /// Traffic identifier, 0 to 15: up to 7 a user priority, from 8 a traffic stream.
    #[field(1, "TID")]
    tid: u8,
    /// From an access point: the end of a service period. From a station: whether the last eight
    /// bits are a queue size.
    #[field(2, "EOSP")]
    eosp: bool,
    /// How the receiver acknowledges: 0 normal or implicit block, 1 not, 2 not explicitly, 3 block.
    #[field(3, "AckPolicy")]
    ack_policy: u8,
    /// Last eight bits: limit or duration of a transmission opportunity in units of 32
    /// microseconds, size of a queue in units of 256 octets, or state of a buffer, by the sender;
    /// in a mesh, the mesh bits.
    #[field(4, "TXOP")]
    txop: u8,
}

/// HT control field (IEEE 802.11-2020, clause 9.2.4.6), in one of its variants. Where both are
/// absent it is that of 802.11ax (HE), whose contents are not recorded.
#[derive(Default, Record)]
#[record("Dot11HTControl", 12)]
pub(crate) struct HtControl {
    /// Whether the response may only hold data of one access category.
    #[field(1, "ACConstraint")]
    ac_constraint: bool,
    /// From the initiator: a grant in the reverse direction. From the responder: more follows.
    #[field(2, "RDGMorePPDU")]
    rdg_more_ppdu: bool,
    /// VHT variant (802.11ac).
    #[field(3, "VHT")]
    vht: Option<Vht>,
    /// HT variant (802.11n).
    #[field(4, "HT")]
    ht: Option<Ht>,
}

/// VHT variant of the HT control field (IEEE 802.11-2020, clause 9.2.4.6.3).
#[derive(Record)]
#[record("Dot11HTControlVHT", 13)]
pub(crate) struct Vht {
    /// Whether feedback on the modulation is asked for.
    #[field(1, "MRQ")]
    mrq: bool,
    /// Whether the feedback here was not asked for.
    #[field(2, "UnsolicitedMFB")]
    unsolicited_mfb: bool,
    /// Number of the request, 0 to 7; 0 with unsolicited feedback.
    #[field(3, "MSI")]
    msi: u8,
    /// The feedback.
    #[field(4, "MFB")]
    mfb: Option<Mfb>,
    /// Number of the request in unsolicited feedback, 0 to 3; else 0.
    #[field(5, "CompressedMSI")]
    compressed_msi: u8,
    /// Whether unsolicited feedback is about a frame with space-time block coding.
    #[field(6, "STBCIndication")]
    stbc_indication: bool,
    /// Number of the request that the feedback answers, 0 to 7; 0 with unsolicited feedback.
    #[field(7, "MFSI")]
    mfsi: u8,
    /// Group of the frame that unsolicited feedback is about, 0 to 63; else 0.
    #[field(8, "GID")]
    gid: u8,
    /// Coding of the frame that unsolicited feedback is about: 0 BCC, 1 LDPC.
    #[field(9, "CodingType")]
    coding_type: u8,
    /// Whether the frame that unsolicited feedback is about was beamformed.
    #[field(10, "FbTXBeamformed")]
    fb_tx_beamformed: bool,
}

/// Feedback on the modulation, of the VHT variant (IEEE 802.11-2020, clause 9.2.4.6.3).
#[derive(Record)]
#[record("Dot11HTControlMFB", 15, nested = Joined)]
pub(crate) struct Mfb {
    /// Recommended number of space-time streams less one, 0 to 7.
    #[field(1, "NumSTS")]
    num_sts: u8,
    /// Recommended modulation and coding scheme, 0 to 9; 15 where there is no feedback.
    #[field(2, "VHTMCS")]
    vht_mcs: u8,
    /// Width of the channel: 0 is 20 MHz, 1 40, 2 80, 3 160 or 80 + 80.
    #[field(3, "BW")]
    bandwidth: u8,
    /// Signal to noise ratio, a signed number of 6 bits as it stands: 0 to 31 are 22 dB to 53 dB,
    /// 32 to 63 are -10 dB to 21 dB.
    #[field(4, "SNR")]
    snr: u8,
}

/// HT variant of the HT control field (IEEE 802.11-2020, clause 9.2.4.6.2).
#[derive(Record)]
#[record("Dot11HTControlHT", 14, nested = Joined)]
pub(crate) struct Ht {
    /// Link adaptation control.
    #[field(1, "LinkAdapationControl")]
    link_adaptation: Option<LinkAdaptation>,
    /// Place in a calibration: 0 is none, 1 start, 2 sounding response, 3 sounding complete.
    #[field(2, "CalibrationPosition")]
    calibration_position: u8,
    /// Number of the calibration, 0 to 3.
    #[field(3, "CalibrationSequence")]
    calibration_sequence: u8,
    /// Feedback that is asked for: 0 none, 1 CSI, 2 uncompressed, 3 compressed beamforming.
    #[field(4, "CSISteering")]
    csi_steering: u8,
    /// Whether a sounding frame without data follows.
    #[field(5, "NDPAnnouncement")]
    ndp_announcement: bool,
    /// Whether the frame may be dropped first.
    #[field(6, "DEI")]
    dei: bool,
}

/// Link adaptation control of the HT variant (IEEE 802.11-2020, clause 9.2.4.6.2).
#[derive(Record)]
#[record("Dot11LinkAdapationControl", 16, nested = Joined)]
pub(crate) struct LinkAdaptation {
    /// Whether the receiver shall send sounding frames.
    #[field(1, "TRQ")]
    trq: bool,
    /// Whether feedback on the modulation is asked for.
    #[field(2, "MRQ")]
    mrq: bool,
    /// Number of the request, 0 to 6; 0 in an antenna selection.
    #[field(3, "MSI")]
    msi: u8,
    /// Number of the request that the feedback answers, 0 to 6; 7 unsolicited.
    #[field(4, "MFSI")]
    mfsi: u8,
    /// Recommended modulation and coding scheme, 0 to 126; 127 where there is no feedback; 0 in an
    /// antenna selection.
    #[field(6, "MFB")]
    mfb: u8,
    /// Antenna selection, which stands in place of the feedback; else absent.
    #[field(5, "ASEL")]
    asel: Option<Asel>,
}

/// Antenna selection of the HT variant (IEEE 802.11-2020, clause 9.2.4.6.2).
#[derive(Record)]
#[record("Dot11ASEL", 17, nested = Joined)]
pub(crate) struct Asel {
    /// Command, 0 to 7.
    #[field(1, "Command")]
    command: u8,
    /// Its parameter, 0 to 15.
    #[field(2, "Data")]
    data: u8,
}

/// An address that may be absent, which is empty text.
#[derive(Clone, Copy, Default)]
struct Address(Option<Mac>);

impl Element for Address {
    const TYPE: Type = Mac::TYPE;

    fn is_default(&self) -> bool {
        self.0.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self.0 {
            Some(mac) => mac.write(out),
            None => out.push(0),
        }
    }
}

/// What the layer before a frame says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Whether the frame ends with its checksum.
    pub(crate) fcs: Fcs,
    /// Whether what the frame carries begins at a multiple of four octets.
    pub(crate) padded: bool,
}

/// Whether a frame ends with its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fcs {
    Present,
    Absent,
    /// Nothing says so.
    #[default]
    Unknown,
}

/// Types: IEEE 802.11-2020, clause 9.2.4.1.3.
const MANAGEMENT: u8 = 0;
const CONTROL: u8 = 1;
const DATA: u8 = 2;

/// Flags of the frame control field: IEEE 802.11-2020, clause 9.2.4.1.
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const HTC: u8 = 0x80;

/// Bits of the subtypes of data: no data, QoS.
const NO_DATA: u8 = 0x04;
const QOS: u8 = 0x08;

/// Bits of the QoS control field: IEEE 802.11-2020, clause 9.2.4.5. The mesh bit is one of eight
/// that mean something else outside of a mesh.
const AMSDU_PRESENT: u16 = 0x0080;
const MESH_CONTROL_PRESENT: u16 = 0x0100;

/// Two octets of control, two of duration, one address, checksum: IEEE 802.11-2020, clause 9.2.3.
const FRAME_MIN: usize = 14;

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let framing = framing(context);
    let missing = missing(context);
    let checksum = take_checksum(input, framing.fcs, missing);
    let [control, flags] = *input.array()?;
    match control & 3 {
        0 => {}
        1 => {
            let version = Selector::Other("802.11 protocol version", 1);
            return Ok(Next::Layer(version, input.take_rest()));
        }
        _ => return Err(input.malformed(Reason::Version)),
    }
    let mut frame = Dot11 {
        kind: control >> 2,
        flags,
        duration: input.u16_le()?,
        address1: address(input)?,
        checksum,
        ..Dot11::empty(context.timestamp())
    };
    let subtype = control >> 4;
    match control >> 2 & 3 {
        MANAGEMENT => frame.management(input)?,
        CONTROL => frame.control(subtype, input)?,
        DATA => {
            let qos = frame.data(subtype, input)?;
            if framing.padded {
                let offset = input.offset();
                let padding = offset.next_multiple_of(4) - offset;
                input.skip(padding.min(input.remaining()))?;
            }
            context.emit(&frame);
            let has_data = subtype & NO_DATA == 0 && !(input.is_empty() && missing == 0);
            // Fragments after the first begin anywhere in what they carry.
            return if has_data && flags & PROTECTED == 0 && frame.fragment == 0 {
                carried(flags, qos, input, context)
            } else {
                Ok(Next::End)
            };
        }
        _extension => {}
    }
    context.emit(&frame);
    Ok(Next::End)
}

/// What the layer before the frame says of it; plain captures say nothing.
fn framing(context: &Context<'_, '_>) -> Framing {
    match context.layers() {
        [.., around, _frame] if around.protocol == radiotap::PROTOCOL.name => {
            radiotap::framing(around.octets)
        }
        [.., around, _frame] if around.protocol == ppi::PROTOCOL.name => {
            ppi::framing(around.octets)
        }
        _ => Framing::default(),
    }
}

/// Octets of the packet that were not captured.
fn missing(context: &Context<'_, '_>) -> usize {
    let captured = context.layers().first().map_or(0, |l| l.octets.len());
    (context.packet().original_len as usize).saturating_sub(captured)
}

/// Takes the checksum off the frame's end, of which `missing` octets were not captured.
fn take_checksum(input: &mut Cursor<'_>, fcs: Fcs, missing: usize) -> u32 {
    let octets = input.rest();
    let Some((body, found)) = octets.split_last_chunk::<4>() else {
        return 0;
    };
    let found = u32::from_le_bytes(*found);
    match fcs {
        Fcs::Absent => 0,
        Fcs::Present if missing > 0 => {
            // Part of the checksum may be there: it is no data, and not the whole of it either.
            input.limit(octets.len() - 4usize.saturating_sub(missing));
            0
        }
        Fcs::Unknown if missing > 0 || octets.len() < FRAME_MIN || crc(body) != found => 0,
        Fcs::Present | Fcs::Unknown => {
            input.limit(body.len());
            found
        }
    }
}

impl Dot11 {
    /// A record of which every field is zero or absent.
    fn empty(timestamp: Timestamp) -> Dot11 {
        Dot11 {
            timestamp,
            kind: 0,
            version: 0,
            flags: 0,
            duration: 0,
            address1: Address(None),
            address2: Address(None),
            address3: Address(None),
            address4: Address(None),
            sequence: 0,
            fragment: 0,
            checksum: 0,
            qos: None,
            ht_control: None,
        }
    }

    /// IEEE 802.11-2020, clause 9.3.3, up to the frame body.
    fn management(&mut self, input: &mut Cursor<'_>) -> Result<(), Malformed> {
        self.address2 = address(input)?;
        self.address3 = address(input)?;
        self.sequence_control(input)?;
        if self.flags & HTC != 0 {
            self.ht_control = Some(ht_control(input.u32_le()?));
        }
        Ok(())
    }

    /// IEEE 802.11-2020, clause 9.3.1, up to what is particular to a subtype.
    fn control(&mut self, subtype: u8, input: &mut Cursor<'_>) -> Result<(), Malformed> {
        /// The control wrapper: a control frame with HT control inside.
        const WRAPPER: u8 = 7;
        let (mut subtype, mut flags) = (subtype, self.flags);
        if subtype == WRAPPER {
            let [carried, carried_flags] = *input.array()?;
            self.ht_control = Some(ht_control(input.u32_le()?));
            if carried >> 2 & 3 != CONTROL {
                return Ok(());
            }
            (subtype, flags) = (carried >> 4, carried_flags);
        }
        if names_transmitter(subtype, flags) {
            self.address2 = address(input)?;
        }
        Ok(())
    }

    /// IEEE 802.11-2020, clause 9.3.2.1, up to the frame body. Gives the QoS control field, 0 where
    /// there is none.
    fn data(&mut self, subtype: u8, input: &mut Cursor<'_>) -> Result<u16, Malformed> {
        self.address2 = address(input)?;
        self.address3 = address(input)?;
        self.sequence_control(input)?;
        if self.flags & (TO_DS | FROM_DS) == TO_DS | FROM_DS {
            self.address4 = address(input)?;
        }
        if subtype & QOS == 0 {
            return Ok(0);
        }
        let [low, high] = *input.array()?;
        self.qos = Some(Qos {
            tid: low & 0x0f,
            eosp: low & 0x10 != 0,
            ack_policy: low >> 5 & 3,
            txop: high,
        });
        if self.flags & HTC != 0 {
            self.ht_control = Some(ht_control(input.u32_le()?));
        }
        Ok(u16::from_le_bytes([low, high]))
    }

    /// IEEE 802.11-2020, clause 9.2.4.4.
    fn sequence_control(&mut self, input: &mut Cursor<'_>) -> Result<(), Malformed> {
        let control = input.u16_le()?;
        self.sequence = control >> 4;
        self.fragment = control & 0x0f;
        Ok(())
    }
}

/// Whether a control frame's second address is its transmitter: IEEE 802.11-2020, clause 9.3.1, and
/// 802.11ax-2021 for the trigger frame.
fn names_transmitter(subtype: u8, flags: u8) -> bool {
    match subtype {
        // Trigger, TACK, beamforming report poll, NDP announcement.
        2..=5 => true,
        // Control frame extension: four of the flags say which. All but DMG DTS.
        6 => matches!(flags & 0x0f, 2..=5 | 7..=10),
        // Block acknowledgment request, block acknowledgment, PS-Poll, RTS; CF-End and
        // CF-End+CF-Ack.
        8..=11 | 14 | 15 => true,
        _ => false,
    }
}

/// IEEE 802.11-2020, clause 9.2.4.6; bits are numbered from the least significant.
fn ht_control(field: u32) -> HtControl {
    let bit = |n: u32| field >> n & 1 != 0;
    let bits = |n: u32, width: u32| (field >> n) as u8 & ((1 << width) - 1);
    match (bit(0), bit(1)) {
        // HE: all bits are its own.
        (true, true) => HtControl::default(),
        (is_vht, _) => HtControl {
            ac_constraint: bit(30),
            rdg_more_ppdu: bit(31),
            vht: is_vht.then(|| vht(bit, bits)),
            ht: (!is_vht).then(|| ht(bit, bits)),
        },
    }
}

fn vht(bit: impl Fn(u32) -> bool, bits: impl Fn(u32, u32) -> u8) -> Vht {
    let unsolicited = bit(29);
    let solicited_bits = |n, width| if unsolicited { 0 } else { bits(n, width) };
    let unsolicited_bits = |n, width| if unsolicited { bits(n, width) } else { 0 };
    Vht {
        mrq: bit(2),
        unsolicited_mfb: unsolicited,
        msi: solicited_bits(3, 3),
        mfb: Some(Mfb {
            num_sts: bits(9, 3),
            vht_mcs: bits(12, 4),
            bandwidth: bits(16, 2),
            snr: bits(18, 6),
        }),
        compressed_msi: unsolicited_bits(3, 2),
        stbc_indication: unsolicited && bit(5),
        mfsi: solicited_bits(6, 3),
        gid: unsolicited_bits(24, 3) << 3 | unsolicited_bits(6, 3),
        coding_type: unsolicited_bits(27, 1),
        fb_tx_beamformed: unsolicited && bit(28),
    }
}

fn ht(bit: impl Fn(u32) -> bool, bits: impl Fn(u32, u32) -> u8) -> Ht {
    /// MAI with this value announces an antenna selection (IEEE 802.11-2020, clause 9.2.4.6.2).
    const ASELI: u8 = 14;
    let is_asel = bits(2, 4) == ASELI;
    Ht {
        link_adaptation: Some(LinkAdaptation {
            trq: bit(1),
            mrq: bit(2),
            msi: if is_asel { 0 } else { bits(3, 3) },
            mfsi: bits(6, 3),
            mfb: if is_asel { 0 } else { bits(9, 7) },
            asel: is_asel.then(|| Asel {
                command: bits(9, 3),
                data: bits(12, 4),
            }),
        }),
        calibration_position: bits(16, 2),
        calibration_sequence: bits(18, 2),
        csi_steering: bits(22, 2),
        ndp_announcement: bit(24),
        dei: bit(29),
    }
}

/// What a data frame leads on to: its body, or the first subframe of it; the others are branches.
fn carried<'p>(
    flags: u8,
    qos: u16,
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    if qos & AMSDU_PRESENT == 0 {
        return msdu(flags, qos, input);
    }
    let first = subframe(flags, qos, input)?;
    while !input.is_empty() {
        match subframe(flags, qos, input) {
            Ok(Next::Layer(selector, octets)) => {
                if !context.branch(selector, octets) {
                    context.note(input.malformed(Reason::Count));
                    break;
                }
            }
            Ok(_) => {}
            // The subframes before it are sound.
            Err(malformed) => {
                context.note(malformed);
                break;
            }
        }
    }
    Ok(first)
}

/// A subframe of an aggregate: destination, source, length, and padding to a multiple of four octets
/// behind all but the last (IEEE 802.11-2020, clause 9.3.2.2).
fn subframe<'p>(flags: u8, qos: u16, input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    input.skip(12)?;
    let length = usize::from(input.u16()?);
    let mut body = input.sub(length.min(input.remaining()))?;
    let padding = (14 + length).next_multiple_of(4) - (14 + length);
    input.skip(padding.min(input.remaining()))?;
    msdu(flags, qos, &mut body)
}

/// What is in an MSDU, behind the mesh control if there is one.
fn msdu<'p>(flags: u8, qos: u16, input: &mut Cursor<'p>) -> Result<Next<'p>, Malformed> {
    // Only frames from the distribution system, or between two stations that both have all
    // addresses, are mesh frames (IEEE 802.11-2020, clause 9.3.2.1).
    let may_be_mesh = qos & MESH_CONTROL_PRESENT != 0 && flags & FROM_DS != 0;
    match input.rest() {
        // Flags of the mesh control: two bits count the addresses it adds, of which 3 is reserved
        // like all other bits (clause 9.2.4.7.3). No LLC header begins so but that of a null SAP.
        [mode @ 0..=2, ..] if may_be_mesh => {
            // Flags, time to live, sequence number.
            input.skip(6 + 6 * usize::from(*mode))?;
        }
        _ => {}
    }
    Ok(Next::Layer(llc::SELECTOR, input.take_rest()))
}

fn address(input: &mut Cursor<'_>) -> Result<Address, Malformed> {
    input.array().map(|octets| Address(Some(Mac(*octets))))
}

/// The checksum of a frame: IEEE 802.11-2020, clause 9.2.4.8.
fn crc(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in octets {
        let index = usize::from(crc as u8 ^ octet);
        crc = crc >> 8 ^ CRC_TABLE.get(index).copied().unwrap_or_default();
    }
    !crc
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < table.len() {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            // The polynomial of clause 9.2.4.8, least significant bit first.
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing)] // i is below the length.
        {
            table[i] = crc;
        }
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};
    use netcap_dissect::{Fate, MAX_BRANCHES};
    use netcap_record::Message;
    use netcap_record::csv::{CsvStyle, cell};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[
        &PROTOCOL,
        &radiotap::PROTOCOL,
        &llc::PROTOCOL,
        &crate::snap::PROTOCOL,
        &crate::ipv4::PROTOCOL,
    ];

    const A: [u8; 6] = [2, 0, 0x5e, 0, 0, 0x0a];
    const B: [u8; 6] = [2, 0, 0x5e, 0, 0, 0x0b];
    const C: [u8; 6] = [2, 0, 0x5e, 0, 0, 0x0c];
    const D: [u8; 6] = [2, 0, 0x5e, 0, 0, 0x0d];
    /// LLC of a kind that nothing here answers to.
    const LLC: &[u8] = b"\x42\x42\x03data";

    fn mac(octets: [u8; 6]) -> Address {
        Address(Some(Mac(octets)))
    }

    /// A frame from its first two octets, its addresses, and what is behind them.
    fn frame(control: [u8; 2], addresses: &[[u8; 6]], rest: &[u8]) -> Vec<u8> {
        let mut frame = control.to_vec();
        frame.extend([0x3c, 0x00]);
        addresses.iter().for_each(|a| frame.extend(a));
        frame.extend(rest);
        frame
    }

    /// The record of a frame to A.
    fn record(kind: u8, flags: u8) -> Dot11 {
        Dot11 {
            kind,
            flags,
            duration: 60,
            address1: mac(A),
            ..Dot11::empty(Timestamp::new(1, 2000))
        }
    }

    fn walk(octets: &[u8]) -> Walked {
        walk_packet(PROTOCOLS, 105, octets)
    }

    #[test]
    fn every_field() {
        // Between two access points, with HT control and checksum.
        let mut octets = frame([0x88, 0x83], &[A, B, C], b"\x25\x12");
        octets.extend(D);
        octets.extend(b"\x76\x40\x02\x00\x00\x00");
        octets.extend(LLC);
        let checksum = crc(&octets);
        octets.extend(checksum.to_le_bytes());
        let expected = Dot11 {
            address2: mac(B),
            address3: mac(C),
            address4: mac(D),
            sequence: 0x122,
            fragment: 5,
            checksum,
            qos: Some(Qos {
                tid: 6,
                eosp: true,
                ack_policy: 3,
                txop: 0x40,
            }),
            ht_control: Some(ht_control(2)),
            ..record(0x22, 0x83)
        };
        let walked = walk(&octets);
        assert_eq!(walked.of("Dot11"), [encoded(&expected)]);
        assert_eq!(walked.fate, Fate::Decoded);
        every_prefix(PROTOCOLS, 105, &octets);
        // The check value of this CRC.
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn management() {
        let octets = frame([0x80, 0x00], &[A, B, C], b"\x30\x12elements");
        let expected = Dot11 {
            address2: mac(B),
            address3: mac(C),
            sequence: 0x123,
            ..record(32, 0)
        };
        let walked = walk(&octets);
        assert_eq!(walked.of("Dot11"), [encoded(&expected)]);
        assert_eq!(walked.fate, Fate::Decoded);
        every_prefix(PROTOCOLS, 105, &octets);

        let octets = frame([0xd0, 0x80], &[A, B, C], b"\x30\x12\x03\0\0\xc0action");
        let expected = Dot11 {
            address2: mac(B),
            address3: mac(C),
            sequence: 0x123,
            ht_control: Some(HtControl::default()),
            ..record(0x34, 0x80)
        };
        assert_eq!(walk(&octets).of("Dot11"), [encoded(&expected)]);
    }

    #[test]
    fn control_frames_with_a_transmitter_and_without() {
        for subtype in 0..16u8 {
            let names = matches!(subtype, 2..=5 | 8..=11 | 14 | 15);
            if subtype == 7 {
                continue;
            }
            let octets = frame([subtype << 4 | 4, 0], &[A, B], b"");
            let walked = walk(&octets);
            let expected = Dot11 {
                address2: if names { mac(B) } else { Address(None) },
                ..record(subtype << 2 | 1, 0)
            };
            assert_eq!(walked.of("Dot11"), [encoded(&expected)], "{subtype}");
            assert_eq!(walked.fate, Fate::Decoded);
            every_prefix(PROTOCOLS, 105, &octets);
        }
        for extension in 0..16u8 {
            let octets = frame([0x64, extension], &[A, B], b"");
            let names = matches!(extension, 2..=5 | 7..=10);
            let expected = Dot11 {
                address2: if names { mac(B) } else { Address(None) },
                ..record(0x19, extension)
            };
            assert_eq!(walk(&octets).of("Dot11"), [encoded(&expected)]);
        }
    }

    #[test]
    fn control_wrapper() {
        for (carried, transmitter) in [([0xb4, 0], Some(Mac(B))), ([0xc4, 0], None), ([0, 0], None)]
        {
            let mut octets = frame([0x74, 0], &[A], &carried);
            octets.extend([0; 4]);
            octets.extend(B);
            let expected = Dot11 {
                address2: Address(transmitter),
                ht_control: Some(ht_control(0)),
                ..record(0x1d, 0)
            };
            assert_eq!(walk(&octets).of("Dot11"), [encoded(&expected)]);
            every_prefix(PROTOCOLS, 105, &octets);
        }
    }

    #[test]
    fn extension_frames() {
        let walked = walk(&frame([0x0c, 0], &[A], b"timestamp"));
        assert_eq!(walked.of("Dot11"), [encoded(&record(3, 0))]);
        assert_eq!(walked.fate, Fate::Decoded);
    }

    #[test]
    fn other_versions() {
        let walked = walk(&frame([0x89, 0], &[A, B, C], b""));
        let version = Selector::Other("802.11 protocol version", 1);
        assert_eq!(walked.fate, Fate::Unknown(version));
        assert!(walked.records.is_empty());
        let walked = walk(&frame([0x8a, 0], &[A, B, C], b""));
        assert_eq!(walked.malformed(), Some(Reason::Version));
    }

    #[test]
    fn what_data_leads_to() {
        let unknown = Fate::Unknown(Selector::LlcSap(0x42));
        for (control, sequence, rest, fate) in [
            ([0x08, 0x01], 0, LLC, unknown),
            // With acknowledgment and poll of the point coordination function.
            ([0x38, 0x01], 0, LLC, unknown),
            // No data, encrypted, later fragment, first fragment, nothing.
            ([0x48, 0x01], 0, LLC, Fate::Decoded),
            ([0x08, 0x41], 0, LLC, Fate::Decoded),
            ([0x08, 0x01], 1, LLC, Fate::Decoded),
            ([0x08, 0x05], 0, LLC, unknown),
            ([0x08, 0x01], 0, b"", Fate::Decoded),
        ] {
            let octets = [&[sequence, 0], rest].concat();
            let walked = walk(&frame(control, &[A, B, C], &octets));
            assert_eq!(walked.fate, fate, "{control:02x?} {sequence}");
            assert_eq!(walked.of("Dot11").len(), 1);
        }
    }

    #[test]
    fn aggregates() {
        // Two subframes, the first padded.
        let octets = frame(
            [0x88, 0x02],
            &[A, B, C],
            b"\0\0\x80\0dstdstsrcsrc\0\x07\x42\x42\x03data\0\0\0dstdstsrcsrc\0\x07\x42\x42\x03data",
        );
        let walked = walk(&octets);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x42)));
        assert_eq!(walked.of("LLC").len(), 2);
        every_prefix(PROTOCOLS, 105, &octets);
        // The second is cut in its header, by the sender.
        let end = octets.len() - 20;
        let walked = walk(&octets[..end]);
        assert_eq!(walked.of("LLC").len(), 1);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        // As many as nobody sends.
        let many = b"dstdstsrcsrc\0\x03\x42\x42\x03\0\0\0".repeat(100);
        let octets = frame(
            [0x88, 0x02],
            &[A, B, C],
            &[b"\0\0\x80\0", &many[..]].concat(),
        );
        let walked = walk(&octets);
        assert_eq!(walked.malformed(), Some(Reason::Count));
        assert_eq!(walked.of("LLC").len(), 1 + MAX_BRANCHES);
        // Half a subframe's header.
        let octets = frame([0x88, 0x02], &[A, B, C], b"\0\0\x80\0dstdst");
        let walked = walk(&octets);
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
        assert_eq!(walked.of("Dot11").len(), 1);
    }

    #[test]
    fn mesh_control() {
        for (flags, mode, addresses) in [(0x02, 0u8, 0), (0x02, 1, 6), (0x02, 2, 12)] {
            let mut rest = b"\0\0\0\x01".to_vec();
            rest.extend([mode, 31, 1, 0, 0, 0]);
            rest.resize(rest.len() + addresses, 0xee);
            rest.extend(LLC);
            let octets = frame([0x88, flags], &[A, B, C], &rest);
            let walked = walk(&octets);
            assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x42)));
            every_prefix(PROTOCOLS, 105, &octets);
        }
        // Not in a mesh the same bit is of the transmission opportunity.
        for (flags, llc) in [(0x01, b"\x02\x42\x03data"), (0x02, b"\x42\x42\x03data")] {
            let rest = [b"\0\0\0\x01", &llc[..]].concat();
            let walked = walk(&frame([0x88, flags], &[A, B, C], &rest));
            assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(llc[0])));
        }
    }

    #[test]
    fn padding_after_the_header() {
        // Twenty-six octets of header, so two of padding.
        let octets = frame([0x88, 0x01], &[A, B, C], &[b"\0\0\0\0\0\0", LLC].concat());
        let padded = [b"\0\0\x09\0\x02\0\0\0\x20".as_slice(), &octets].concat();
        let walked = walk_packet(PROTOCOLS, 127, &padded);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x42)));
        every_prefix(PROTOCOLS, 127, &padded);
    }

    #[test]
    fn checksums() {
        let plain = frame([0xd4, 0], &[A], b"");
        let right = crc(&plain);
        let with = |checksum: u32| [plain.as_slice(), &checksum.to_le_bytes()].concat();
        let tapped =
            |flags: u8, octets: &[u8]| [b"\0\0\x09\0\x02\0\0\0", &[flags][..], octets].concat();
        for (link_type, octets, original, checksum) in [
            // Nothing says whether it is there: only if it is right.
            (105, with(right), 14, right),
            (105, with(right ^ 1), 14, 0),
            (105, with(right), 15, 0),
            (105, plain.clone(), 10, 0),
            (127, tapped(0x10, &with(7)), 23, 7),
            (127, tapped(0x10, &with(7)), 24, 0),
            (127, tapped(0, &with(right)), 23, 0),
        ] {
            let walked = walk_cut(PROTOCOLS, link_type, &octets, original);
            let expected = Dot11 {
                checksum,
                ..record(0x35, 0)
            };
            assert_eq!(walked.of("Dot11"), [encoded(&expected)]);
        }
        // Part of a checksum is no data.
        let data = frame([0x08, 0x01], &[A, B, C], &[b"\0\0", LLC, b"sum"].concat());
        let walked = walk_cut(PROTOCOLS, 127, &tapped(0x10, &data), data.len() + 10);
        assert_eq!(walked.fate, Fate::Unknown(Selector::LlcSap(0x42)));
        let walked = walk_packet(PROTOCOLS, 127, &tapped(0x10, b"\xd4\0\0"));
        assert_eq!(walked.malformed(), Some(Reason::Truncated));
    }

    #[test]
    fn ht_variant() {
        // TRQ, MRQ, MSI 5, MFSI 6, MFB 77; calibration 2 and 1; steering 3; announcement; DEI.
        let field = 1 << 1 | 1 << 2 | 5 << 3 | 6 << 6 | 77 << 9 | 2 << 16 | 1 << 18 | 3 << 22;
        let control = ht_control(field | 1 << 24 | 1 << 29 | 1 << 30);
        assert_eq!(
            text(control),
            "(true-false--true-true-5-6-77--2-1-3-true-true)"
        );
        // Antenna selection 3 with 9.
        let control = ht_control(14 << 2 | 3 << 9 | 9 << 12);
        assert_eq!(
            text(control),
            "(false-false--false-false-0-0-0-3-9-0-0-0-false-false)"
        );
    }

    #[test]
    fn vht_variant() {
        // NUM_STS 3, MCS 9, 80 MHz, SNR 45; group 5 and 6, LDPC, beamformed.
        let feedback = 3 << 9 | 9 << 12 | 2 << 16 | 45 << 18;
        let solicited = 1 | 1 << 2 | 6 << 3 | 5 << 6 | feedback | 6 << 24 | 3 << 27;
        assert_eq!(
            text(ht_control(solicited | 1 << 31)),
            "(false-true-(true-false-6-3-9-2-45-0-false-5-0-0-false)-)"
        );
        assert_eq!(
            text(ht_control(solicited | 1 << 29)),
            "(false-false-(true-true-0-3-9-2-45-2-true-0-53-1-true)-)"
        );
    }

    /// The field as CSV has it.
    fn text(control: HtControl) -> String {
        let octets = encoded(&Dot11 {
            ht_control: Some(control),
            ..record(0, 0)
        });
        let message = Message::parse(Dot11::SCHEMA, &octets).unwrap();
        let field = Dot11::SCHEMA.field("HTControl").unwrap();
        let mut text = Vec::new();
        cell(&message, field, &CsvStyle::default(), &mut text);
        String::from_utf8(text).unwrap()
    }
}
