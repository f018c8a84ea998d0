//! USB as hosts capture it: what a driver hands to the controller and what it gets back, one record
//! for each half of a transfer, and one for each setup packet of a control transfer.
//!
//! Four link types have four headers (tcpdump.org/linktypes): Linux with 48 octets and with 64,
//! USBPcap of Windows, Darwin of macOS. Their fields are told in the words of Linux; what a header
//! does not have is 0. A header that is whole gives a record. The data ends where the header says,
//! or where the octets end if that is sooner, and what it means is up to the device: nothing is
//! read in it but the setup packet.
//!
//! Linux writes its headers in the byte order of the capturing machine, of which the packet says
//! nothing. Seconds since 1970 stay far below 2^32, so the order in which they are the smaller
//! number is taken; where they are the same (0 in edited captures), that in which the number of the
//! bus is smaller; else little endian. The setup packet is little endian everywhere, as on the
//! cable.

use netcap_dissect::{Context, Cursor, Malformed, Next, Protocol, Reason, Selector};
use netcap_record::{Record, Timestamp};

pub(crate) static PROTOCOL: Protocol = Protocol::new("USB", dissect)
    .reached_by(&[
        Selector::LinkType(LINUX),
        Selector::LinkType(LINUX_MMAPPED),
        Selector::LinkType(USBPCAP),
        Selector::LinkType(DARWIN),
    ])
    .emits(&[Usb::SCHEMA, UsbRequestBlockSetup::SCHEMA]);

/// Link types: `LINKTYPE_USB_LINUX`, `LINKTYPE_USB_LINUX_MMAPPED`, `LINKTYPE_USBPCAP`,
/// `LINKTYPE_USB_DARWIN`.
const LINUX: u32 = 189;
const LINUX_MMAPPED: u32 = 220;
const USBPCAP: u32 = 249;
const DARWIN: u32 = 266;

/// Octets of the two headers of Linux (Documentation/usb/usbmon.rst).
const LINUX_HEADER: usize = 48;
const LINUX_MMAPPED_HEADER: usize = 64;
/// Octets of USBPcap's header, before those of control and isochronous transfers.
const USBPCAP_HEADER: u16 = 27;
/// Octets of Darwin's header.
const DARWIN_HEADER: u8 = 32;

/// Events of Linux: a request is submitted, it is completed, it could not be submitted.
const SUBMIT: u8 = b'S';
const COMPLETE: u8 = b'C';
const ERROR: u8 = b'E';

/// Transfer types of Linux and USBPcap.
const ISOCHRONOUS: u8 = 0;
const INTERRUPT: u8 = 1;
const CONTROL: u8 = 2;
const BULK: u8 = 3;

/// Octets of a setup packet (USB 2.0, clause 9.3).
const SETUP: usize = 8;

/// A USB request (URB) that was submitted or completed.
#[derive(Record)]
#[record("USB", 70)]
pub(crate) struct Usb<'a> {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// Number that a request and its completion have in common: of the URB in Linux, of the I/O
    /// request in USBPcap and Darwin.
    #[field(2, "ID", csv = Identifier)]
    id: u64,
    /// What happened, a letter of ASCII: 83 `S` submitted, 67 `C` completed, 69 `E` could not be
    /// submitted.
    #[field(3, "EventType")]
    event: u8,
    /// Type of transfer: 0 isochronous, 1 interrupt, 2 control, 3 bulk; in USBPcap also 254 and
    /// 255, which are none. Other numbers as sent.
    #[field(4, "TransferType")]
    transfer: u8,
    /// Direction of the endpoint: 0 from the host, 1 to the host.
    #[field(5, "Direction")]
    direction: u8,
    /// Number of the endpoint, 0 to 15.
    #[field(6, "EndpointNumber")]
    endpoint: u8,
    /// Address of the device on its bus, 0 to 127.
    #[field(7, "DeviceAddress")]
    device: u16,
    /// Number of the bus.
    #[field(8, "BusID")]
    bus: u16,
    /// Seconds since 1970 by the header; Linux only.
    #[field(9, "TimestampSec")]
    seconds: i64,
    /// Microseconds after them, 0 to 999999; Linux only.
    #[field(10, "TimestampUsec")]
    microseconds: i32,
    /// Whether the header says that there is a setup packet; in a control transfer it has a record
    /// of its own, other transfers have none.
    #[field(11, "Setup")]
    setup: bool,
    /// Whether data was captured; a host has none to show before it comes.
    #[field(12, "Data")]
    data: bool,
    /// Status: in Linux 0 or a negative error number (-115 is in progress), else the system's own
    /// code, 0 for success.
    #[field(13, "Status")]
    status: i32,
    /// Octets that were asked for, or that were transferred; not in USBPcap.
    #[field(14, "UrbLength")]
    urb_length: u32,
    /// Octets of the packet after its header: descriptors of an isochronous transfer and data; in
    /// USBPcap and Darwin the setup packet too.
    #[field(15, "UrbDataLength")]
    data_length: u32,
    /// Interval of an interrupt or isochronous transfer in frames or microframes; Linux with 64
    /// octets of header only.
    #[field(16, "UrbInterval")]
    interval: u32,
    /// First frame of an isochronous transfer; Linux with 64 octets of header, and USBPcap.
    #[field(17, "UrbStartFrame")]
    start_frame: u32,
    /// Flags of the URB, a copy of the kernel's; Linux with 64 octets of header only.
    #[field(18, "UrbCopyOfTransferFlags")]
    transfer_flags: u32,
    /// Number of descriptors of an isochronous transfer.
    #[field(19, "IsoNumDesc")]
    descriptors: u32,
    /// What follows header and setup packet, where payloads are asked for: descriptors of an
    /// isochronous transfer and data.
    #[field(20, "Payload", csv = Payload)]
    payload: &'a [u8],
}

/// The setup packet of a control transfer (USB 2.0, clause 9.3).
#[derive(Record)]
#[record("USBRequestBlockSetup", 85)]
pub(crate) struct UsbRequestBlockSetup {
    /// Capture time of the packet.
    #[field(1, "Timestamp")]
    timestamp: Timestamp,
    /// One octet: 128 data goes to the host, 96 kind (0 standard, 32 class, 64 vendor), 31
    /// recipient (0 device, 1 interface, 2 endpoint, 3 other).
    #[field(2, "RequestType")]
    request_type: u8,
    /// The request; of the standard ones 0 is get status, 5 set address, 6 get descriptor, 9 set
    /// configuration.
    #[field(3, "Request")]
    request: u8,
    /// A value whose meaning depends on the request.
    #[field(4, "Value")]
    value: u16,
    /// An index whose meaning depends on the request, often of an interface or endpoint.
    #[field(5, "Index")]
    index: u16,
    /// Octets of data that may follow, 0 to 65535.
    #[field(6, "Length")]
    length: u16,
}

/// Numbers in the byte order of some machine.
struct Native<'p> {
    cursor: Cursor<'p>,
    little: bool,
}

impl Native<'_> {
    fn u8(&mut self) -> Result<u8, Malformed> {
        self.cursor.u8()
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let number = self.cursor.u16_le()?;
        Ok(if self.little {
            number
        } else {
            number.swap_bytes()
        })
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        let number = self.cursor.u32_le()?;
        Ok(if self.little {
            number
        } else {
            number.swap_bytes()
        })
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        let number = self.cursor.u64_le()?;
        Ok(if self.little {
            number
        } else {
            number.swap_bytes()
        })
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        self.u32().map(u32::cast_signed)
    }
}

/// Whether a header of Linux was written by a little endian machine, as the module's documentation
/// has it.
fn is_little_endian(mut header: Cursor<'_>) -> Result<bool, Malformed> {
    header.skip(12)?;
    let bus = header.u16()?;
    header.skip(2)?;
    let seconds = header.u64()?;
    let order = seconds.swap_bytes().cmp(&seconds);
    Ok(order.then(bus.swap_bytes().cmp(&bus)).is_le())
}

fn dissect<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    match context.packet().link_type {
        USBPCAP => usbpcap(input, context),
        DARWIN => darwin(input, context),
        LINUX => linux(input, context, LINUX_HEADER),
        _ => linux(input, context, LINUX_MMAPPED_HEADER),
    }
}

fn linux<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
    size: usize,
) -> Result<Next<'p>, Malformed> {
    let cursor = input.sub(size)?;
    let little = is_little_endian(cursor)?;
    let mut header = Native { cursor, little };
    let id = header.u64()?;
    let event = header.u8()?;
    let transfer = header.u8()?;
    let endpoint = header.u8()?;
    let device = header.u8()?.into();
    let bus = header.u16()?;
    // Zero says that it is there, anything else why not.
    let setup = header.u8()? == 0;
    let data = header.u8()? == 0;
    let seconds = header.u64()?.cast_signed();
    let microseconds = header.i32()?;
    let status = header.i32()?;
    let urb_length = header.u32()?;
    let data_length = header.u32()?;
    // The setup packet, or the error count and number of descriptors of an isochronous transfer.
    let mut setup_or_isochronous = Native {
        cursor: header.cursor.sub(SETUP)?,
        little,
    };
    let setup_packet = setup_or_isochronous.cursor;
    let mut record = Usb {
        timestamp: context.timestamp(),
        id,
        event,
        transfer,
        direction: endpoint >> 7,
        endpoint: endpoint & 0x0f,
        device,
        bus,
        seconds,
        microseconds,
        setup,
        data,
        status,
        urb_length,
        data_length,
        interval: 0,
        start_frame: 0,
        transfer_flags: 0,
        descriptors: 0,
        payload: &[],
    };
    if size == LINUX_MMAPPED_HEADER {
        record.interval = header.u32()?;
        record.start_frame = header.u32()?;
        record.transfer_flags = header.u32()?;
        record.descriptors = header.u32()?;
    } else if transfer == ISOCHRONOUS {
        let _error_count = setup_or_isochronous.u32()?;
        record.descriptors = setup_or_isochronous.u32()?;
    }
    input.limit(usize::try_from(data_length).unwrap_or(usize::MAX));
    record.payload = context.payload(input.take_rest());
    context.emit(&record);
    if setup && transfer == CONTROL {
        emit_setup(setup_packet, context)?;
    }
    // Only a control transfer begins with a setup packet (USB 2.0, clause 8.5).
    if setup && transfer != CONTROL {
        return Err(input.malformed(Reason::Value));
    }
    if !matches!(event, SUBMIT | COMPLETE | ERROR) {
        return Err(input.malformed(Reason::Value));
    }
    Ok(Next::End)
}

fn usbpcap<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let here = *input;
    let header_length = input.u16_le()?;
    let Some(rest) = header_length.checked_sub(2) else {
        return Err(here.malformed(Reason::Length));
    };
    if header_length < USBPCAP_HEADER {
        return Err(here.malformed(Reason::Length));
    }
    let mut header = input.sub(rest.into())?;
    let id = header.u64_le()?;
    let status = header.u32_le()?.cast_signed();
    let _function = header.u16_le()?;
    let information = header.u8()?;
    let bus = header.u16_le()?;
    let device = header.u16_le()?;
    let endpoint = header.u8()?;
    let transfer = header.u8()?;
    let data_length = header.u32_le()?;
    // What the header has after that depends on the transfer.
    let mut specific = || -> Result<(bool, u32, u32), Malformed> {
        Ok(match transfer {
            // The stage of a control transfer; 0 is setup.
            CONTROL => (header.u8()? == 0, 0, 0),
            ISOCHRONOUS => (false, header.u32_le()?, header.u32_le()?),
            _ => (false, 0, 0),
        })
    };
    let (setup, start_frame, descriptors) = specific().unwrap_or_else(|_| {
        context.note(here.malformed(Reason::Length));
        (false, 0, 0)
    });
    input.limit(usize::try_from(data_length).unwrap_or(usize::MAX));
    let setup_packet = *input;
    let data = if setup {
        input.rest().get(SETUP..).unwrap_or_default()
    } else {
        input.rest()
    };
    context.emit(&Usb {
        timestamp: context.timestamp(),
        id,
        // The lowest bit: from the controller back to the driver.
        event: if information & 1 == 0 {
            SUBMIT
        } else {
            COMPLETE
        },
        transfer,
        direction: endpoint >> 7,
        endpoint: endpoint & 0x0f,
        device,
        bus,
        seconds: 0,
        microseconds: 0,
        setup,
        data: !data.is_empty(),
        status,
        urb_length: 0,
        data_length,
        interval: 0,
        start_frame,
        transfer_flags: 0,
        descriptors,
        payload: context.payload(data),
    });
    if setup {
        emit_setup(setup_packet, context)?;
    }
    Ok(Next::End)
}

fn darwin<'p>(
    input: &mut Cursor<'p>,
    context: &mut Context<'p, '_>,
) -> Result<Next<'p>, Malformed> {
    let here = *input;
    let [_, _, header_length, request] = *input.array()?;
    if header_length < DARWIN_HEADER {
        return Err(here.malformed(Reason::Length));
    }
    let mut header = input.sub(usize::from(header_length) - 4)?;
    let urb_length = header.u32_le()?;
    let status = header.u32_le()?.cast_signed();
    let descriptors = header.u32_le()?;
    let id = header.u64_le()?;
    // The bus is the highest octet of the location, the ports on the way are in the others.
    let [_, _, _, bus] = *header.array()?;
    let [_speed, device, endpoint, kind] = *header.array()?;
    let transfer = match kind {
        // As in bmAttributes of an endpoint's descriptor (USB 2.0, table 9-13).
        0 => CONTROL,
        1 => ISOCHRONOUS,
        2 => BULK,
        3 => INTERRUPT,
        other => {
            context.note(here.malformed(Reason::Value));
            other
        }
    };
    let event = if request == 0 { SUBMIT } else { COMPLETE };
    let setup = transfer == CONTROL && event == SUBMIT;
    let setup_packet = *input;
    let data_length = u32::try_from(input.remaining()).unwrap_or(u32::MAX);
    let data = if setup {
        input.rest().get(SETUP..).unwrap_or_default()
    } else {
        input.rest()
    };
    context.emit(&Usb {
        timestamp: context.timestamp(),
        id,
        event,
        transfer,
        direction: endpoint >> 7,
        endpoint: endpoint & 0x0f,
        device: device.into(),
        bus: bus.into(),
        seconds: 0,
        microseconds: 0,
        setup,
        data: !data.is_empty(),
        status,
        urb_length,
        data_length,
        interval: 0,
        start_frame: 0,
        transfer_flags: 0,
        descriptors,
        payload: context.payload(data),
    });
    if setup {
        emit_setup(setup_packet, context)?;
    }
    if request > 1 {
        return Err(here.malformed(Reason::Value));
    }
    Ok(Next::End)
}

/// Writes the record of a setup packet.
fn emit_setup(mut packet: Cursor<'_>, context: &mut Context<'_, '_>) -> Result<(), Malformed> {
    let [request_type, request, v0, v1, i0, i1, l0, l1] = *packet.array::<SETUP>()?;
    context.emit(&UsbRequestBlockSetup {
        timestamp: context.timestamp(),
        request_type,
        request,
        value: u16::from_le_bytes([v0, v1]),
        index: u16::from_le_bytes([i0, i1]),
        length: u16::from_le_bytes([l0, l1]),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use netcap_dissect::Fate;
    use netcap_dissect::testing::{Walked, encoded, every_prefix, walk_cut, walk_packet};

    use super::*;

    const PROTOCOLS: &[&Protocol] = &[&PROTOCOL];

    const GET_DESCRIPTOR: &[u8] = b"\x80\x06\x00\x01\x34\x12\x12\x00";

    fn setup() -> Vec<u8> {
        encoded(&UsbRequestBlockSetup {
            timestamp: Timestamp::new(1, 2000),
            request_type: 0x80,
            request: 6,
            value: 0x0100,
            index: 0x1234,
            length: 18,
        })
    }

    /// A submitted control transfer in 64 octets of header, as a little endian machine writes it.
    fn submitted() -> Vec<u8> {
        [
            b"\x08\x07\x06\x05\x04\x03\x02\x01S\x02\x80\x05\x03\x00\x00<".as_slice(),
            b"\x00\x3e\x5d\x5f\x00\x00\x00\x00\x40\xe2\x01\x00\x8d\xff\xff\xff",
            b"\x12\x00\x00\x00\x00\x00\x00\x00",
            GET_DESCRIPTOR,
            b"\x01\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x03\x00\x00\x00",
        ]
        .concat()
    }

    fn record() -> Usb<'static> {
        Usb {
            timestamp: Timestamp::new(1, 2000),
            id: 0x0102_0304_0506_0708,
            event: b'S',
            transfer: 2,
            direction: 1,
            endpoint: 0,
            device: 5,
            bus: 3,
            seconds: 0x5f5d_3e00,
            microseconds: 123_456,
            setup: true,
            data: false,
            status: -115,
            urb_length: 18,
            data_length: 0,
            interval: 1,
            start_frame: 2,
            transfer_flags: 0x0200,
            descriptors: 3,
            payload: b"",
        }
    }

    /// Every number of a header of Linux in the other byte order.
    fn swapped(octets: &[u8]) -> Vec<u8> {
        let mut octets = octets.to_vec();
        let numbers: &[(usize, usize)] = &[
            (0, 8),
            (12, 2),
            (16, 8),
            (24, 4),
            (28, 4),
            (32, 4),
            (36, 4),
            (48, 4),
            (52, 4),
            (56, 4),
            (60, 4),
        ];
        for (at, size) in numbers {
            if let Some(number) = octets.get_mut(*at..at + size) {
                number.reverse();
            }
        }
        octets
    }

    #[test]
    fn every_field_of_linux() {
        let octets = submitted();
        for octets in [octets.clone(), swapped(&octets)] {
            let walked = walk_packet(PROTOCOLS, 220, &octets);
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("USB"), [encoded(&record())]);
            assert_eq!(walked.of("USBRequestBlockSetup"), [setup()]);
            every_prefix(PROTOCOLS, 220, &octets);

            let walked = walk_packet(PROTOCOLS, 189, octets.split_at(48).0);
            let short = Usb {
                interval: 0,
                start_frame: 0,
                transfer_flags: 0,
                descriptors: 0,
                ..record()
            };
            assert_eq!(walked.fate, Fate::Decoded);
            assert_eq!(walked.of("USB"), [encoded(&short)]);
            assert_eq!(walked.of("USBRequestBlockSetup"), [setup()]);
        }
        let cut = walk_cut(PROTOCOLS, 220, octets.split_at(63).0, 64);
        assert!(matches!(cut.fate, Fate::CutShort(m) if (m.needed, m.had) == (64, 63)));
        assert!(cut.records.is_empty());
    }

    #[test]
    fn byte_order_without_a_time() {
        let mut octets = submitted();
        octets.splice(16..24, [0; 8]);
        let expected = Usb {
            seconds: 0,
            ..record()
        };
        for octets in [octets.clone(), swapped(&octets)] {
            let walked = walk_packet(PROTOCOLS, 220, &octets);
            assert_eq!(walked.of("USB"), [encoded(&expected)]);
        }
        // Neither tells: little endian.
        octets.splice(12..14, [1, 1]);
        let expected = Usb {
            seconds: 0,
            bus: 0x0101,
            ..record()
        };
        let walked = walk_packet(PROTOCOLS, 220, &octets);
        assert_eq!(walked.of("USB"), [encoded(&expected)]);
    }

    /// A completed transfer with data; setup flag and event as given.
    fn completed(transfer: u8, setup_flag: u8, event: u8, data: &[u8]) -> Vec<u8> {
        let mut octets = submitted();
        octets.splice(8..12, [event, transfer, 0x81, 5]);
        octets.splice(14..16, [setup_flag, 0]);
        octets.splice(36..40, [4, 0, 0, 0]);
        octets.extend_from_slice(data);
        octets
    }

    #[test]
    fn data() {
        for (data, payload) in [
            (&b"data"[..], &b"data"[..]),
            (b"data and more", b"data"),
            (b"da", b"da"),
        ] {
            for transfer in [0, 1, 3] {
                let octets = completed(transfer, b'-', b'C', data);
                let expected = Usb {
                    event: b'C',
                    transfer,
                    endpoint: 1,
                    setup: false,
                    data: true,
                    data_length: 4,
                    payload,
                    ..record()
                };
                let walked = walk_packet(PROTOCOLS, 220, &octets);
                assert_eq!(walked.fate, Fate::Decoded);
                assert_eq!(walked.of("USB"), [encoded(&expected)]);
                assert!(walked.of("USBRequestBlockSetup").is_empty());
            }
        }
    }

    #[test]
    fn descriptors_in_the_short_header() {
        let mut octets = completed(0, b'-', b'E', b"");
        octets.splice(40..48, *b"\x01\0\0\0\x09\0\0\0");
        let expected = Usb {
            event: b'E',
            transfer: 0,
            endpoint: 1,
            setup: false,
            data: true,
            data_length: 4,
            interval: 0,
            start_frame: 0,
            transfer_flags: 0,
            descriptors: 9,
            payload: b"da",
            ..record()
        };
        octets.splice(48.., *b"da");
        let walked = walk_packet(PROTOCOLS, 189, &octets);
        assert_eq!(walked.of("USB"), [encoded(&expected)]);
    }

    #[test]
    fn a_setup_packet_outside_of_control() {
        let walked = walk_packet(PROTOCOLS, 220, &completed(3, 0, b'C', b"data"));
        assert_eq!(walked.malformed(), Some(Reason::Value));
        assert_eq!(walked.of("USB").len(), 1);
        assert!(walked.of("USBRequestBlockSetup").is_empty());
    }

    #[test]
    fn an_event_that_is_none() {
        let walked = walk_packet(PROTOCOLS, 220, &completed(1, b'-', b'X', b"data"));
        assert_eq!(walked.malformed(), Some(Reason::Value));
        assert_eq!(walked.of("USB").len(), 1);
    }

    /// A packet of USBPcap: direction, endpoint, transfer, octets of data, then the rest.
    fn windows(back: u8, endpoint: u8, transfer: u8, length: u8, parts: &[&[u8]]) -> Vec<u8> {
        let [specific, data] = parts else {
            panic!("what is specific, and data");
        };
        let mut octets = vec![27 + specific.len() as u8, 0];
        octets.extend_from_slice(b"\x08\x07\x06\x05\x04\x03\x02\x01\x04\x00\x00\xc0\x08\x00");
        octets.extend_from_slice(&[back, 3, 0, 5, 0, endpoint, transfer, length, 0, 0, 0]);
        [octets.as_slice(), specific, data].concat()
    }

    fn usbpcap_record() -> Usb<'static> {
        Usb {
            seconds: 0,
            microseconds: 0,
            status: 0xc000_0004_u32.cast_signed(),
            urb_length: 0,
            interval: 0,
            start_frame: 0,
            transfer_flags: 0,
            descriptors: 0,
            ..record()
        }
    }

    fn check(walked: &Walked, expected: &Usb<'_>) {
        assert_eq!(walked.fate, Fate::Decoded);
        assert_eq!(walked.of("USB"), [encoded(expected)]);
    }

    #[test]
    fn every_field_of_usbpcap() {
        let octets = windows(0, 0x80, 2, 8, &[b"\0", GET_DESCRIPTOR]);
        let walked = walk_packet(PROTOCOLS, 249, &octets);
        let expected = Usb {
            data_length: 8,
            ..usbpcap_record()
        };
        check(&walked, &expected);
        assert_eq!(walked.of("USBRequestBlockSetup"), [setup()]);
        every_prefix(PROTOCOLS, 249, &octets);

        // The data stage, and an isochronous transfer with one descriptor.
        let walked = walk_packet(PROTOCOLS, 249, &windows(1, 0x80, 2, 3, &[b"\x01", b"abcd"]));
        let expected = Usb {
            event: b'C',
            setup: false,
            data: true,
            data_length: 3,
            payload: b"abc",
            ..usbpcap_record()
        };
        check(&walked, &expected);
        assert!(walked.of("USBRequestBlockSetup").is_empty());
        let specific = b"\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0";
        let octets = windows(0, 0x02, 0, 2, &[specific, b"ab"]);
        let expected = Usb {
            transfer: 0,
            direction: 0,
            endpoint: 2,
            setup: false,
            data: true,
            data_length: 2,
            start_frame: 7,
            descriptors: 1,
            payload: b"ab",
            ..usbpcap_record()
        };
        check(&walk_packet(PROTOCOLS, 249, &octets), &expected);
        every_prefix(PROTOCOLS, 249, &octets);
    }

    #[test]
    fn headers_of_usbpcap_that_are_none() {
        let whole = windows(0, 0x80, 2, 8, &[b"\0", GET_DESCRIPTOR]);
        for (length, reason) in [
            (0, Reason::Length),
            (1, Reason::Length),
            (26, Reason::Length),
            (200, Reason::Truncated),
        ] {
            let mut octets = whole.clone();
            octets.splice(..1, [length]);
            let walked = walk_packet(PROTOCOLS, 249, &octets);
            assert_eq!(walked.malformed(), Some(reason));
            assert!(walked.records.is_empty());
        }
        // No room for the stage, and too few octets for the setup packet.
        for (octets, reason) in [
            (windows(0, 0x80, 2, 8, &[b"", b""]), Reason::Length),
            (
                windows(0, 0x80, 2, 7, &[b"\0", GET_DESCRIPTOR]),
                Reason::Truncated,
            ),
        ] {
            let walked = walk_packet(PROTOCOLS, 249, &octets);
            assert_eq!(walked.malformed(), Some(reason));
            assert_eq!(walked.of("USB").len(), 1);
            assert!(walked.of("USBRequestBlockSetup").is_empty());
        }
    }

    /// A packet of Darwin: length of the header, request, endpoint, its type, data.
    fn macos(header: u8, request: u8, endpoint: u8, kind: u8, data: &[u8]) -> Vec<u8> {
        [
            [0, 1, header, request].as_slice(),
            b"\x12\0\0\0\x04\x00\x00\xc0\x02\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\0\0\x10\x03",
            &[2, 5, endpoint, kind],
            data,
        ]
        .concat()
    }

    #[test]
    fn every_field_of_darwin() {
        let octets = macos(32, 0, 0x80, 0, GET_DESCRIPTOR);
        let walked = walk_packet(PROTOCOLS, 266, &octets);
        let expected = Usb {
            urb_length: 18,
            data_length: 8,
            descriptors: 2,
            ..usbpcap_record()
        };
        check(&walked, &expected);
        assert_eq!(walked.of("USBRequestBlockSetup"), [setup()]);
        every_prefix(PROTOCOLS, 266, &octets);
        for (kind, transfer) in [(0, 2), (1, 0), (2, 3), (3, 1)] {
            let walked = walk_packet(PROTOCOLS, 266, &macos(32, 1, 0x81, kind, b"abc"));
            let expected = Usb {
                event: b'C',
                transfer,
                endpoint: 1,
                setup: false,
                data: true,
                data_length: 3,
                payload: b"abc",
                urb_length: 18,
                descriptors: 2,
                ..usbpcap_record()
            };
            check(&walked, &expected);
        }
    }

    #[test]
    fn packets_of_darwin_that_contradict_themselves() {
        for (octets, reason, records) in [
            (macos(31, 1, 0x81, 2, b""), Reason::Length, 0),
            (macos(33, 1, 0x81, 2, b""), Reason::Truncated, 0),
            (macos(32, 2, 0x81, 2, b""), Reason::Value, 1),
            (macos(32, 1, 0x81, 4, b""), Reason::Value, 1),
            (macos(32, 0, 0x80, 0, b"short"), Reason::Truncated, 1),
        ] {
            let walked = walk_packet(PROTOCOLS, 266, &octets);
            assert_eq!(walked.malformed(), Some(reason));
            assert_eq!(walked.of("USB").len(), records);
        }
    }
}
