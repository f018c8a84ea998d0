//! Any octets, however they come, give what they give as a file.

use std::io::Cursor;

use netcap_capture::pcap_over_ip::ReaderOptions;
use netcap_capture::{LinkType, from_reader, pcapng_writer as pcapng};
use proptest::prelude::*;

use crate::peer::{Act, Seen, capture, capture_of, once, read, reader, serve};

/// A pcapng section of two interfaces.
fn section() -> Vec<u8> {
    let mut file = Vec::new();
    pcapng::append_section(&mut file, "test");
    pcapng::append_interface(&mut file, "a", LinkType::ETHERNET, 0);
    pcapng::append_interface(&mut file, "b", LinkType::RAW, 65535);
    for number in 0..4u32 {
        let time = netcap_capture::Timestamp::new(i64::from(number), 9);
        pcapng::append_packet(&mut file, number % 2, time, 60, &[number as u8; 21]);
    }
    file
}

fn as_file(octets: &[u8]) -> (Vec<Seen>, bool) {
    match from_reader("file", Box::new(Cursor::new(octets.to_vec())), None) {
        Ok(mut source) => {
            let (seen, trouble) = read(source.as_mut(), usize::MAX);
            (seen, trouble.is_none())
        }
        Err(_) => (Vec::new(), false),
    }
}

/// Sent in pieces of these lengths, the rest at once.
fn as_stream(octets: &[u8], pieces: &[usize]) -> (Vec<Seen>, bool) {
    let mut rest = octets;
    let mut acts = Vec::new();
    for piece in pieces {
        let (head, tail) = rest.split_at((*piece).min(rest.len()));
        acts.push(Act::Send(head.to_vec()));
        rest = tail;
    }
    acts.push(Act::Send(rest.to_vec()));
    let (place, _) = serve(vec![acts]);
    // Files are believed more.
    let options = ReaderOptions {
        max_record: 128 << 20,
        ..once()
    };
    let mut reader = reader(&[format!("tcp://{place}")], options);
    let (seen, trouble) = read(&mut reader, usize::MAX);
    if let Some(error) = &trouble {
        let message = error.to_string();
        assert_eq!(error.exit_code(), 3, "{message}");
        assert!(
            !message.contains('\n') && message.starts_with("tcp://"),
            "{message}"
        );
    }
    (seen, trouble.is_none())
}

/// A stream's interfaces have one number as long as they are described the same, a file's do not;
/// and a stream's packets are never longer than they were on the wire.
fn alike((mut seen, is_clean): (Vec<Seen>, bool)) -> (Vec<Seen>, bool) {
    for seen in &mut seen {
        seen.interface = 0;
        seen.original_len = seen.original_len.max(seen.data.len() as u32);
    }
    (seen, is_clean)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn a_stream_gives_what_the_file_gives(
        beginning in prop::sample::select(vec![
            vec![],
            capture("x", 0..4),
            [capture("x", 0..2), capture_of(LinkType::RAW, "y", 0..2)].concat(),
            section(),
            [section(), section()].concat(),
        ]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        pieces in prop::collection::vec(1usize..60, 0..12),
    ) {
        let mut octets = [beginning, tail].concat();
        for (index, octet) in &damage {
            if !octets.is_empty() {
                let at = index.index(octets.len());
                octets[at] = *octet;
            }
        }
        if is_cut {
            octets.truncate(cut.index(octets.len() + 1));
        }
        prop_assert_eq!(
            alike(as_stream(&octets, &pieces)),
            alike(as_file(&octets))
        );
    }
}
