//! Records for the tests of all formats: two of the original's, one with every type there is.

use proptest::prelude::*;

use crate::{Message, Record, RecordType, Text, Timestamp};

/// One TCP segment.
#[derive(Record)]
#[record("TCP", 38)]
pub(crate) struct Tcp<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    pub(crate) timestamp: Timestamp,
    /// Port of the sender.
    #[field(2, "SrcPort")]
    pub(crate) src_port: u16,
    /// Whether the acknowledgement | number counts.
    #[field(11, "ACK")]
    pub(crate) ack: bool,
    /// What follows the options,
    /// as it is.
    #[field(19, "Padding", csv = Raw)]
    pub(crate) padding: &'a [u8],
    /// Options in the order of the header.
    #[field(20, "Options")]
    pub(crate) options: Vec<TcpOption<'a>>,
    /// Entropy of the payload.
    #[field(21, "PayloadEntropy", csv = Decimals(8))]
    pub(crate) payload_entropy: f64,
    /// Number of octets.
    #[field(22, "PayloadSize", alias = "Size")]
    pub(crate) payload_size: i32,
    /// The octets.
    #[field(23, "Payload", csv = Payload)]
    pub(crate) payload: &'a [u8],
}

/// One option of a segment.
#[derive(Record)]
#[record("TCPOption", 39)]
pub(crate) struct TcpOption<'a> {
    /// Kind.
    #[field(1, "OptionType")]
    pub(crate) ty: u8,
    /// Length with kind and length, or 0.
    #[field(2, "OptionLength")]
    pub(crate) length: u8,
    /// What follows the length.
    #[field(3, "OptionData")]
    pub(crate) data: &'a [u8],
}

/// Hop-by-hop options.
#[derive(Record)]
#[record("IPv6HopByHop", 56)]
pub(crate) struct HopByHop {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    pub(crate) timestamp: Timestamp,
    /// Options.
    #[field(2, "Options")]
    pub(crate) options: Vec<HopByHopOption>,
}

/// One hop-by-hop option.
#[derive(Record)]
#[record("IPv6HopByHopOption", 57, nested = Tight)]
pub(crate) struct HopByHopOption {
    /// Type.
    #[field(1, "OptionType")]
    pub(crate) ty: u8,
    /// Length.
    #[field(2, "OptionLength")]
    pub(crate) length: u8,
    /// Length with type and length.
    #[field(3, "ActualLength")]
    pub(crate) actual_length: u8,
    /// Data.
    #[field(4, "OptionData")]
    pub(crate) data: Box<[u8]>,
    /// Alignment.
    #[field(5, "OptionAlignment")]
    pub(crate) alignment: Alignment,
}

/// Alignment of a hop-by-hop option.
#[derive(Record)]
#[record("IPv6HopByHopOptionAlignment", 58)]
pub(crate) struct Alignment {
    /// Multiple.
    #[field(1, "One")]
    pub(crate) one: u8,
    /// Offset.
    #[field(2, "Two")]
    pub(crate) two: u8,
}

/// Every type and every way to write one.
#[derive(Record)]
#[record("Everything", 1000)]
pub(crate) struct Everything<'a> {
    #[field(1, "Timestamp")]
    pub(crate) timestamp: Timestamp,
    /// The number is higher than those that follow.
    #[field(30, "String")]
    pub(crate) string: Text<'a>,
    #[field(2, "Int32")]
    pub(crate) int32: i32,
    #[field(3, "Int64")]
    pub(crate) int64: i64,
    #[field(4, "Uint32")]
    pub(crate) uint32: u32,
    #[field(5, "Uint64")]
    pub(crate) uint64: u64,
    #[field(6, "Bool")]
    pub(crate) bool: bool,
    #[field(7, "Double")]
    pub(crate) double: f64,
    #[field(8, "Decimals", csv = Decimals(3))]
    pub(crate) decimals: f64,
    #[field(9, "Bytes")]
    pub(crate) bytes: &'a [u8],
    #[field(10, "Name", csv = Raw)]
    pub(crate) name: &'a [u8],
    #[field(11, "Type")]
    pub(crate) record_type: RecordType,
    #[field(12, "Ints")]
    pub(crate) ints: Vec<i32>,
    #[field(13, "Doubles")]
    pub(crate) doubles: Vec<f64>,
    #[field(14, "Strings")]
    pub(crate) strings: Vec<Text<'a>>,
    #[field(15, "Names", csv = Raw)]
    pub(crate) names: Vec<&'a [u8]>,
    #[field(16, "One")]
    pub(crate) one: Option<Joined<'a>>,
    #[field(17, "Many")]
    pub(crate) many: Vec<Joined<'a>>,
    #[field(18, "List", csv = List)]
    pub(crate) list: Vec<Bare<'a>>,
    #[field(19, "Secret", csv = Hidden)]
    pub(crate) secret: &'a [u8],
}

/// `a-b`
#[derive(Record)]
#[record("Joined", nested = Joined)]
pub(crate) struct Joined<'a> {
    #[field(1, "A")]
    pub(crate) a: Text<'a>,
    #[field(2, "B")]
    pub(crate) b: i32,
}

/// `ab`
#[derive(Record)]
#[record("Bare", nested = Bare)]
pub(crate) struct Bare<'a> {
    #[field(1, "A")]
    pub(crate) a: Joined<'a>,
    #[field(2, "B")]
    pub(crate) b: bool,
}

/// The protobuf encoding.
pub(crate) fn encoded<R: Record>(record: &R) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out);
    out
}

/// What a format writes of encoded octets.
pub(crate) fn written<R: Record>(
    octets: &[u8],
    write: impl FnOnce(&Message<'_>, &mut Vec<u8>),
) -> String {
    let mut out = Vec::new();
    write(&Message::parse(R::SCHEMA, octets).unwrap(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Where the values of an [`Everything`] come from.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) number: i64,
    pub(crate) double: f64,
    pub(crate) texts: Vec<Vec<u8>>,
}

impl Values {
    pub(crate) fn record(&self) -> Everything<'_> {
        let text = |i: usize| self.texts.get(i).map_or(&[][..], Vec::as_slice);
        let joined = |i| Joined {
            a: Text(text(i)),
            b: self.number as i32,
        };
        Everything {
            timestamp: Timestamp::new(
                self.number,
                self.number.unsigned_abs() as u32 % 1_000_000_000,
            ),
            string: Text(text(0)),
            int32: self.number as i32,
            int64: self.number,
            uint32: self.number as u32,
            uint64: self.number as u64,
            bool: self.number & 1 == 1,
            double: self.double,
            decimals: self.double,
            bytes: text(1),
            name: text(2),
            record_type: RecordType(self.number as u16),
            ints: (0..self.texts.len() as i32)
                .map(|n| n * self.number as u8 as i32)
                .collect(),
            doubles: vec![self.double; self.texts.len()],
            strings: self.texts.iter().map(|text| Text(text)).collect(),
            names: self.texts.iter().map(Vec::as_slice).collect(),
            one: (self.number & 2 == 2).then(|| joined(3)),
            many: (0..self.texts.len()).map(joined).collect(),
            list: (0..self.texts.len())
                .map(|i| Bare {
                    a: joined(i),
                    b: i > 0,
                })
                .collect(),
            secret: text(4),
        }
    }
}

/// Values with octets that formats stumble over, and with any others.
pub(crate) fn values() -> impl Strategy<Value = Values> {
    let nasty =
        prop::sample::select(&b",;|\"\r\n\t\\(-) \x00\x1b\x7f\xc3\xa4\xff\xe2\x80\xaea1"[..]);
    let text = prop::collection::vec(prop_oneof![nasty, any::<u8>()], 0..12);
    (
        any::<i64>(),
        any::<f64>(),
        prop::collection::vec(text, 0..6),
    )
        .prop_map(|(number, double, texts)| Values {
            number,
            double,
            texts,
        })
}

/// Octets that are often, but not always, an [`Everything`].
pub(crate) fn octets() -> impl Strategy<Value = Vec<u8>> {
    let field = (0u8..32, 0u8..6, prop::collection::vec(any::<u8>(), 0..10)).prop_map(
        |(number, wire, value)| {
            let mut out = Vec::new();
            crate::put::varint(&mut out, u64::from(number) << 3 | u64::from(wire));
            match wire {
                0 => out.push(value.len() as u8),
                2 => crate::put::bytes(&mut out, &value),
                _ => out.extend(value),
            }
            out
        },
    );
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(field, 0..6).prop_map(|fields| fields.concat()),
        (values(), 0usize..200, any::<u8>()).prop_map(|(values, at, octet)| {
            let mut octets = encoded(&values.record());
            if let Some(place) = octets.get_mut(at) {
                *place = octet;
            }
            octets
        }),
    ]
}
