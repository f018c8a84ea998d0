//! Opening a capture: files, pipes and readers; the format is told by content, never by name.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use crate::compression::Compression;
use crate::file::FileSource;
use crate::input::Input;
use crate::pcap::{self, Pcap};
use crate::pcapng::{self, Pcapng};
use crate::{Error, Source};

/// Enough to know a format by, and exactly a classic pcap file header.
pub(crate) const PREFIX: usize = pcap::FILE_HEADER;

/// Opens a capture: a file, a FIFO, or standard input if the path is `-`. Finds out by content
/// whether it is pcap or pcapng, and whether it is compressed with gzip, zstd, lz4, xz or bzip2.
pub fn open(path: &Path) -> Result<Box<dyn Source>, Error> {
    let name = path.display().to_string();
    if path.as_os_str() == "-" {
        let total = redirected();
        return start(name, Box::new(io::stdin()), total, total.is_none());
    }
    let failed = |source| Error::Io {
        name: name.clone(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let regular = metadata.is_file();
    start(
        name,
        Box::new(file),
        regular.then_some(metadata.len()),
        !regular,
    )
}

/// Octets of standard input where that is a file on disk, as in `netcap -r - < traffic.pcap`.
fn redirected() -> Option<u64> {
    let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
    let metadata = File::from(stdin).metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

/// A source that reads a capture from any reader, as [`open`] does from a file. `total` is the
/// input's length if it is known, for [`Source::progress`].
///
/// Packets are handed on as soon as they have come, so that a slow reader delays none.
pub fn from_reader(
    name: &str,
    reader: Box<dyn Read + Send>,
    total: Option<u64>,
) -> Result<Box<dyn Source>, Error> {
    start(name.to_owned(), reader, total, true)
}

/// Finds out what the input is and makes the source for it.
fn start(
    name: String,
    reader: Box<dyn Read + Send>,
    total: Option<u64>,
    eager: bool,
) -> Result<Box<dyn Source>, Error> {
    let mut input = Input::new(reader, total, eager);
    let mut prefix = input.prefix(PREFIX, &name)?;
    if let Some(compression) = Compression::sniff(&prefix) {
        input = input.decompressed(compression, None, prefix, None);
        prefix = input.prefix(PREFIX, &name)?;
    }

    if prefix.starts_with(&pcapng::SECTION_HEADER) {
        return Ok(Box::new(FileSource::new(
            name,
            input,
            Pcapng::default(),
            prefix,
            0,
        )));
    }
    match Pcap::from_magic(&prefix) {
        Some(pcap) => match prefix.first_chunk() {
            Some(header) => {
                let format = pcap
                    .with_header(header)
                    .map_err(|reason| Error::Unsupported {
                        name: name.clone(),
                        reason,
                    })?;
                Ok(Box::new(FileSource::new(
                    name,
                    input,
                    format,
                    Vec::new(),
                    PREFIX as u64,
                )))
            }
            None => Err(Error::Truncated {
                name,
                packets: 0,
                offset: prefix.len() as u64,
                place: "the file header".to_owned(),
            }),
        },
        None => Err(unknown(name, &prefix, input.compression())),
    }
}

/// Capture formats that users meet and this crate does not read, by their first octets: Sun snoop
/// (RFC 1761), Microsoft Network Monitor, Ixia's pcap variants (Wireshark wiretap/libpcap.h).
const FOREIGN: &[(&[u8], &str)] = &[
    (b"snoop\0\0\0", "a snoop capture"),
    (b"RTSS", "a Network Monitor capture"),
    (b"GMBU", "a Network Monitor capture"),
    (b"\x1c\x00\x01\xab", "an Ixia lcap capture"),
    (b"\x1c\x00\x01\xac", "an Ixia lcap capture"),
    (b"\xab\x01\x00\x1c", "an Ixia lcap capture"),
    (b"\xac\x01\x00\x1c", "an Ixia lcap capture"),
];

/// The error for an input of no known format.
fn unknown(name: String, prefix: &[u8], compression: Option<Compression>) -> Error {
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| prefix.starts_with(magic)) {
        return Error::Unsupported {
            name,
            reason: (*what).to_owned(),
        };
    }
    if is_records(prefix) {
        return Error::Records { name };
    }
    let what = match compression {
        Some(compression) => format!("its {} content", compression.name()),
        None => "it".to_owned(),
    };
    let reason = match prefix {
        // Nothing tells frames of zstd that carry nothing from those of lz4.
        [] if compression.is_some() => "its compressed content is empty".to_owned(),
        [] => format!("{what} is empty"),
        [b'P', b'K', 3, 4, ..] => format!("{what} is a zip archive"),
        [a, b, c, d, ..] => format!("{what} begins with {a:02x} {b:02x} {c:02x} {d:02x}"),
        _ => format!("{what} has fewer than four octets"),
    };
    Error::NotACapture { name, reason }
}

/// Whether these are the first octets of a file of audit records: the length of its header, and the
/// header's first field, a time (docs/file-format.md).
fn is_records(prefix: &[u8]) -> bool {
    let behind_length = match prefix {
        [0x80..=0xff, 0x01..=0x7f, rest @ ..] | [0x01..=0x7f, rest @ ..] => rest,
        _ => return false,
    };
    let [0x0a, length, text @ ..] = behind_length else {
        return false;
    };
    let text = text.get(..usize::from(*length)).unwrap_or(text);
    let is_time = |octet: &u8| octet.is_ascii_digit() || matches!(octet, b'.' | b'-');
    text.contains(&b'.') && text.iter().all(is_time)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::testing::{Order, Seen, drain, read, read_by, small_pcap, small_pcapng};
    use crate::{Batch, LinkType, Progress, Timestamp, pcap_writer};

    const ALL: [Compression; 5] = [
        Compression::Gzip,
        Compression::Zstd,
        Compression::Lz4,
        Compression::Xz,
        Compression::Bzip2,
    ];

    fn compress(compression: Compression, octets: &[u8]) -> Vec<u8> {
        let out = Vec::new();
        match compression {
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
                encoder.write_all(octets).and_then(|()| encoder.finish())
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(out, 1).expect("an encoder");
                encoder.include_checksum(true).expect("an encoder");
                encoder.write_all(octets).and_then(|()| encoder.finish())
            }
            Compression::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new()
                    .block_size(lz4_flex::frame::BlockSize::Max64KB)
                    .content_checksum(true);
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
                encoder.write_all(octets).expect("octets");
                encoder.finish().map_err(io::Error::other)
            }
            Compression::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(1);
                let mut encoder = lzma_rust2::XzWriter::new(out, options).expect("an encoder");
                encoder.write_all(octets).and_then(|()| encoder.finish())
            }
            Compression::Bzip2 => {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(out, level);
                encoder.write_all(octets).and_then(|()| encoder.finish())
            }
        }
        .expect("compressed octets")
    }

    /// A capture that does not compress well and spans several blocks of every compression.
    fn large() -> Vec<u8> {
        let mut file = pcap_writer::file_header(LinkType::RAW, 0).to_vec();
        let mut state = 1u32;
        for number in 0..500 {
            let data: Vec<u8> = (0..700)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let timestamp = Timestamp {
                seconds: number,
                nanos: 5,
            };
            pcap_writer::append_record(&mut file, timestamp, 700, &data);
        }
        file
    }

    #[test]
    fn every_compression_of_every_format() {
        for file in [small_pcap(Order::Big), small_pcapng(Order::Little), large()] {
            let (expected, _) = read(&file);
            for compression in ALL {
                let packed = compress(compression, &file);
                assert_eq!(Compression::sniff(&packed), Some(compression));
                let (seen, trouble) = read(&packed);
                assert!(trouble.is_none(), "{compression:?}: {trouble:?}");
                assert!(seen == expected, "{compression:?}");
            }
        }
    }

    #[test]
    fn several_members_are_one_file() {
        let file = large();
        let (expected, _) = read(&file);
        let (head, tail) = file.split_at(100_001);
        for compression in ALL {
            let packed = [compress(compression, head), compress(compression, tail)].concat();
            for piece in [7, usize::MAX] {
                let (seen, trouble) = read_by(&packed, piece, 1 << 16, 100);
                assert!(trouble.is_none(), "{compression:?}: {trouble:?}");
                assert!(seen == expected, "{compression:?}");
            }
        }
    }

    /// A frame that carries nothing (lz4_Frame_format.md, RFC 8878 section 3.1.2).
    fn skippable(kind: u8, length: u16) -> Vec<u8> {
        let mut frame = vec![0x50 | kind, 0x2a, 0x4d, 0x18];
        frame.extend(u32::from(length).to_le_bytes());
        frame.resize(8 + usize::from(length), 0x28);
        frame
    }

    #[test]
    fn what_carries_nothing_is_passed_over() {
        let file = small_pcapng(Order::Little);
        let (expected, _) = read(&file);
        let (head, tail) = file.split_at(101);
        for compression in ALL {
            let (head, tail) = (compress(compression, head), compress(compression, tail));
            let frames = [skippable(0, 0), skippable(15, 6000)].concat();
            let zeros = vec![0; 1000];
            let files = [
                [&head[..], &tail, &zeros].concat(),
                [&head[..], &tail, &[0]].concat(),
                [&head[..], &zeros, &tail].concat(),
                [&head[..], &frames, &tail, &frames].concat(),
                [&frames[..], &head, &frames, &zeros, &frames, &tail].concat(),
            ];
            for (number, packed) in files.iter().enumerate() {
                for piece in [1, 7, usize::MAX] {
                    let (seen, trouble) = read_by(packed, piece, 1 << 16, 100);
                    assert!(trouble.is_none(), "{compression:?} {number}: {trouble:?}");
                    assert!(seen == expected, "{compression:?} {number}");
                }
            }
            // One that is cut short.
            let cut = [&head[..], &tail, &skippable(3, 100)[..50]].concat();
            let (seen, trouble) = read(&cut);
            assert!(seen == expected);
            assert!(
                matches!(trouble, Some(Error::Truncated { .. })),
                "{trouble:?}"
            );
        }
        // Two ways of compressing in one file.
        let mixed = [
            compress(Compression::Xz, head),
            compress(Compression::Lz4, tail),
        ]
        .concat();
        let (seen, trouble) = read(&mixed);
        assert!(trouble.is_none() && seen == expected, "{trouble:?}");
    }

    #[test]
    fn what_stands_behind_is_no_cut() {
        let file = large();
        let (expected, _) = read(&file);
        for compression in ALL {
            let packed = compress(compression, &file);
            for garbage in [&b"\n"[..], b"-----END-----", &[0, 0, 0, 7], &[0xff; 5000]] {
                let (seen, trouble) = read(&[&packed[..], garbage].concat());
                assert!(seen == expected, "{compression:?}");
                let Some(error @ Error::Compressed { packets: 500, .. }) = trouble else {
                    panic!("{compression:?}: {trouble:?}");
                };
                assert_eq!(error.exit_code(), 3);
                let name = compression.name();
                let expected = format!("behind the end of the {name} stream");
                assert!(error.to_string().contains(&expected), "{error}");
            }
            // The beginning of another.
            let (seen, trouble) = read(&[&packed[..], &packed[..1]].concat());
            assert!(seen == expected);
            assert!(
                matches!(trouble, Some(Error::Truncated { .. })),
                "{trouble:?}"
            );
        }
    }

    #[test]
    fn a_window_that_is_too_large_is_no_corruption() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(28).expect("a window");
        encoder.write_all(&large()).expect("octets");
        let packed = encoder.finish().expect("octets");
        let (seen, trouble) = read(&packed);
        assert!(seen.is_empty());
        let text = trouble.expect("more than there is").to_string();
        assert!(
            text.contains("needs more memory than the 128 MiB"),
            "{text}"
        );
        // A dictionary of a gigabyte.
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("an encoder");
        encoder.write_all(&large()).expect("octets");
        let mut packed = encoder.finish().expect("octets");
        // The block's header: its size, flags, LZMA2 with one octet of properties, padding, checksum.
        assert_eq!(packed[12..16], [2, 0, 0x21, 1]);
        packed[16] = 36;
        let sum = flate2_crc(&packed[12..20]);
        packed.splice(20..24, sum);
        let text = read(&packed).1.expect("more than there is").to_string();
        assert!(
            text.contains("needs more memory than the 512 MiB"),
            "{text}"
        );
    }

    fn flate2_crc(octets: &[u8]) -> [u8; 4] {
        let mut crc = flate2::Crc::new();
        crc.update(octets);
        crc.sum().to_le_bytes()
    }

    /// What was seen is the beginning of what there is.
    fn assert_beginning(seen: &[Seen], expected: &[Seen], what: Compression) {
        assert!(expected.starts_with(seen), "{what:?}");
    }

    #[test]
    fn a_stream_cut_short_is_truncated() {
        let file = large();
        let (expected, _) = read(&file);
        for compression in ALL {
            let packed = compress(compression, &file);
            let step = packed.len() / 40;
            let cuts = (0..40)
                .map(|number| 12 + number * step)
                .chain([packed.len() - 1]);
            for cut in cuts {
                let (seen, trouble) = read(&packed[..cut]);
                assert_beginning(&seen, &expected, compression);
                let Some(Error::Truncated { packets, .. }) = trouble else {
                    panic!(
                        "{compression:?} cut at {cut} of {}: {trouble:?}",
                        packed.len()
                    );
                };
                assert_eq!(packets, seen.len() as u64);
            }
            // Most of what is there is read.
            let (seen, _) = read(&packed[..packed.len() - 1]);
            assert!(
                compression == Compression::Bzip2 || seen.len() > 300,
                "{compression:?}"
            );
        }
    }

    #[test]
    fn a_corrupt_stream_gives_the_same_however_it_is_read() {
        let mut file = small_pcap(Order::Little);
        file.extend_from_slice(&large()[24..40_000]);
        for compression in ALL {
            let packed = compress(compression, &file);
            for place in (0..packed.len()).step_by(packed.len() / 60 + 1) {
                let mut packed = packed.clone();
                packed[place] ^= 0x55;
                let read = |block, packets| {
                    let (seen, trouble) = read_by(&packed, usize::MAX, block, packets);
                    (seen, trouble.map(|error| error.to_string()))
                };
                let expected = read(1 << 20, 1000);
                assert!(read(100, 7) == expected, "{compression:?} at {place}");
                assert!(read(1 << 20, 1) == expected, "{compression:?} at {place}");
            }
        }
    }

    #[test]
    fn a_corrupt_stream_is_told_from_a_cut_one() {
        let file = large();
        let (expected, _) = read(&file);
        for compression in ALL {
            let mut packed = compress(compression, &file);
            let middle = packed.len() / 2;
            packed[middle..middle + 8].fill(0x55);
            let (seen, trouble) = read(&packed);
            assert!(seen.len() <= expected.len());
            if compression == Compression::Bzip2 {
                // Its checksum is after the block, whose octets make no sense by then.
                assert!(trouble.is_some_and(|error| error.is_input_fault()));
                continue;
            }
            let Some(error @ Error::Decompress { .. }) = trouble else {
                panic!("{compression:?}: {trouble:?}");
            };
            assert!(error.is_input_fault());
            // Nothing of what the libraries say.
            let expected = format!("test: the {} stream is corrupt ", compression.name());
            let text = error.to_string();
            assert!(
                text.starts_with(&expected) && !text.contains("::"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_capture_is_named() {
        let records = b"\x29\x0a\x111700000000.000000\x12\x06x.pcap\x18\x25";
        let old = b"\x02\x21\x4c\x18\x10\0\0\0and a block of octets";
        for (file, expected) in [
            (records.to_vec(), "test: audit records, no packets;"),
            (compress(Compression::Gzip, records), "test: audit records"),
            (old.to_vec(), "old format of lz4"),
            (
                [compress(Compression::Lz4, &large()), old.to_vec()].concat(),
                "; those packets are good; decompress the file, `lz4 -d` can",
            ),
            (skippable(3, 100), "its compressed content is empty"),
        ] {
            let (_, trouble) = read(&file);
            let text = trouble.expect("no capture").to_string();
            assert!(text.contains(expected), "{text}");
        }
        // What is cut before anything is whole.
        let file = small_pcap(Order::Big);
        let text = read(&file[..30]).1.expect("cut").to_string();
        assert!(
            text.contains("before the first packet") && !text.contains("good"),
            "{text}"
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
        #[test]
        fn damage_to_a_compressed_stream_is_survived(
            damage in proptest::collection::vec(
                (proptest::prelude::any::<proptest::sample::Index>(), 0u8..=255), 1..4),
        ) {
            let file = large();
            for compression in ALL {
                let mut packed = compress(compression, &file[..20_000]);
                for (index, octet) in &damage {
                    // Near the beginning, where headers and tables are, as often as elsewhere.
                    let range = if octet & 1 == 0 { packed.len() } else { 64 };
                    packed[index.index(range)] = *octet;
                }
                read_by(&packed, 5000, 1 << 16, 1000);
            }
        }
    }

    #[test]
    fn what_is_no_capture() {
        let cases = [
            (&b""[..], "it is empty"),
            (b"abc", "it has fewer than four octets"),
            (b"GET / HTTP/1.1\r\n", "it begins with 47 45 54 20"),
            (b"PK\x03\x04rest of a zip archive", "zip archive"),
            (b"snoop\0\0\0\0\0\0\x02", "a snoop capture is not supported"),
        ];
        for (octets, expected) in cases {
            let (_, trouble) = read(octets);
            let message = trouble.map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains('\n'));
        }
        for compression in ALL {
            let (_, trouble) = read(&compress(compression, b""));
            let message = trouble.map(|error| error.to_string()).unwrap_or_default();
            assert!(
                message.contains("content is empty"),
                "{compression:?}: {message}"
            );
        }
    }

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }

    #[test]
    fn failure_of_the_input_is_no_fault_of_its_content() {
        let file = large();
        let mut inputs = vec![file.clone()];
        inputs.extend(ALL.map(|compression| compress(compression, &file)));
        for octets in inputs {
            let half = octets[..octets.len() / 2].to_vec();
            let reader = Box::new(Cursor::new(half).chain(Failing));
            let mut source = from_reader("wire", reader, None).expect("a good beginning");
            let (seen, trouble) = drain(source.as_mut(), &mut Batch::new(1 << 16, 1000));
            assert!(!seen.is_empty() || octets.starts_with(b"BZh"));
            let Some(error @ Error::Io { .. }) = trouble else {
                panic!("{trouble:?}")
            };
            assert!(!error.is_input_fault());
            assert!(error.to_string().contains("wire: cannot read: unplugged"));
        }
    }

    #[test]
    fn files() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("small.txt");
        let file = compress(Compression::Gzip, &small_pcap(Order::Little));
        std::fs::write(&path, &file)?;
        let mut source = open(&path).expect("a good capture");
        let (seen, trouble) = drain(source.as_mut(), &mut Batch::new(1 << 16, 1000));
        assert_eq!(seen.len(), 3);
        assert!(trouble.is_none());
        let len = file.len() as u64;
        assert_eq!(
            source.progress(),
            Progress {
                done: len,
                total: Some(len)
            }
        );
        assert_eq!(source.name(), path.display().to_string());

        for path in [folder.path().join("absent"), folder.path().to_owned()] {
            assert!(matches!(open(&path), Err(Error::Io { .. })));
        }
        Ok(())
    }
}
