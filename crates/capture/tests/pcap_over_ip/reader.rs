//! Streams that end well and badly, alone and together, and what is told of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::{
    Fault, Listener, Order, Pin, Reader, ReaderOptions, ServerTls, StreamError, TlsOptions,
};
use netcap_capture::{Batch, Error, LinkType, Source, pcapng_writer as pcapng};

use crate::certificates::Certificates;
use crate::peer::{
    Act, capture, capture_of, events, once, play, read, reader, serve, serve_octets, texts,
};

fn tcp(place: SocketAddr) -> String {
    format!("tcp://{place}")
}

/// What is wrong with a stream; and it is said in one line that names the peer.
fn fault(trouble: Option<Error>) -> StreamError {
    match trouble {
        Some(error @ Error::Stream(_)) => {
            let message = error.to_string();
            assert!(
                message.contains("127.0.0.1") && !message.contains('\n'),
                "{message}"
            );
            let Error::Stream(error) = error else {
                unreachable!("it is one")
            };
            *error
        }
        other => panic!("no fault of a stream: {other:?}"),
    }
}

#[test]
fn octet_by_octet() {
    let (place, _) = serve(vec![vec![Act::Trickle(capture("p", 1..5))]]);
    let mut reader = reader(&[tcp(place)], once());
    let (seen, trouble) = read(&mut reader, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(texts(&seen), "p0 p1 p2 p3");
    let info = &reader.interfaces()[seen[0].interface as usize];
    assert_eq!(
        (info.name(), info.link_type, info.snaplen, info.nanoseconds),
        (tcp(place), LinkType::ETHERNET, 65535, true)
    );
    let origins = reader.origins();
    assert_eq!(
        (origins[0].packets, origins[0].octets, origins[0].lost),
        (4, 8, 0)
    );
    assert_eq!(events(&mut reader, &tcp(place), "connections"), 1);
    assert!(reader.is_live());
    assert_eq!(reader.progress().done, 24 + 4 * 18);
}

#[test]
fn over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a reader");
        peer.write_all(&capture("p", 1..4)).expect("sent");
    });
    let address = format!("unix:{}", path.display());
    let (seen, trouble) = read(&mut reader(&[address], once()), usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(texts(&seen), "p0 p1 p2");
}

#[test]
fn half_a_record_delays_nothing() {
    let file = capture("p", 1..5);
    let (head, tail) = file.split_at(24 + 2 * 18 + 17);
    let acts = vec![
        Act::Send(head.to_vec()),
        Act::Wait(1500),
        Act::Send(tail.to_vec()),
    ];
    let (place, _) = serve(vec![acts]);
    let mut reader = reader(&[tcp(place)], once());
    let begun = Instant::now();
    let (seen, _) = read(&mut reader, 2);
    assert_eq!(texts(&seen), "p0 p1");
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn streams_that_end_badly() {
    let file = capture("p", 1..5);
    let record = 24 + 18;
    let cut = |len: usize| vec![Act::Send(file[..len].to_vec())];
    let then = |mut acts: Vec<Act>, more| {
        acts.push(more);
        acts
    };
    let huge = |captured: u32| {
        let mut file = file[..record].to_vec();
        for number in [9, 9, captured, captured] {
            file.extend(number.to_le_bytes());
        }
        vec![Act::Send(file)]
    };
    let send = |octets: &[u8]| vec![Act::Send(octets.to_vec()), Act::Wait(100)];
    let cases = [
        (vec![], Fault::Truncated, 0, 0, "before its first octet"),
        (cut(10), Fault::Truncated, 0, 10, "file header"),
        (
            cut(record + 7),
            Fault::Truncated,
            1,
            record as u64 + 7,
            "record header",
        ),
        (
            cut(record + 17),
            Fault::Truncated,
            1,
            record as u64 + 17,
            "a packet",
        ),
        (
            huge(262_145),
            Fault::Malformed,
            1,
            record as u64,
            "claims 262145",
        ),
        (huge(u32::MAX), Fault::Malformed, 1, record as u64, "claims"),
        (
            then(then(cut(record + 17), Act::Wait(300)), Act::Reset),
            Fault::Lost,
            1,
            record as u64 + 17,
            "reset",
        ),
        (
            send(b"GET / HTTP/1.1\r\n"),
            Fault::NotACapture,
            0,
            0,
            "HTTP",
        ),
        (send(b"SSH-"), Fault::NotACapture, 0, 0, "SSH"),
        (send(b"\x16\x03\x01\0"), Fault::NotACapture, 0, 0, "tls://"),
        (
            send(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            Fault::Unsupported,
            0,
            0,
            "gzip",
        ),
        (
            send(&[
                0xd4, 0xc3, 0xb2, 0xa1, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
            ]),
            Fault::Unsupported,
            0,
            0,
            "version 1.2",
        ),
    ];
    for (acts, kind, packets, offset, reason) in cases {
        let (place, _) = serve(vec![acts]);
        let mut reader = reader(&[tcp(place)], once());
        let (seen, trouble) = read(&mut reader, usize::MAX);
        assert_eq!(trouble.as_ref().map(Error::exit_code), Some(3), "{reason}");
        let error = fault(trouble);
        assert_eq!((error.fault, error.packets), (kind, packets), "{error}");
        assert_eq!(seen.len() as u64, packets, "{error}");
        assert!(error.reason.contains(reason), "{error}");
        if offset > 0 {
            assert_eq!(error.offset, offset, "{error}");
            let place = format!("octet {offset}, record {}", packets + 1);
            assert!(
                error.to_string().contains(&place) || packets == 0,
                "{error}"
            );
        }
        assert_eq!(events(&mut reader, &tcp(place), kind.name()), 1);
        assert!(matches!(reader.fill(&mut Batch::new(1, 1)), Ok(false)));
    }
}

#[test]
fn compressed_streams_if_asked_for() {
    let file = capture("p", 1..5);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).expect("compressed");
    let gzip = gzip.finish().expect("compressed");
    let options = || ReaderOptions {
        decompress: true,
        ..once()
    };
    let (head, tail) = gzip.split_at(gzip.len() / 2);
    // Slower than the reader looks at the clock.
    let acts = vec![
        Act::Send(head.to_vec()),
        Act::Wait(350),
        Act::Send(tail.to_vec()),
    ];
    let (place, _) = serve(vec![acts]);
    let mut whole = reader(&[tcp(place)], options());
    let (seen, trouble) = read(&mut whole, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(texts(&seen), "p0 p1 p2 p3");
    assert!(whole.ceiling() > 128 << 20);

    let mut cut = reader(&[tcp(serve_octets(&gzip[..gzip.len() - 9]))], options());
    let (_, trouble) = read(&mut cut, usize::MAX);
    assert_eq!(fault(trouble).fault, Fault::Truncated);
}

#[test]
fn patience_has_an_end() {
    let short = Some(Duration::from_millis(300));
    let wait = |octets: &[u8]| {
        let acts = vec![Act::Send(octets.to_vec()), Act::Wait(3000)];
        tcp(serve(vec![acts]).0)
    };
    let file = capture("p", 1..3);
    let cases = [
        (
            wait(&file[..20]),
            ReaderOptions {
                header_timeout: short,
                ..once()
            },
            0,
            "no file header",
        ),
        (
            wait(b""),
            ReaderOptions {
                header_timeout: short,
                ..once()
            },
            0,
            "no file header",
        ),
        (
            wait(&file),
            ReaderOptions {
                idle_timeout: short,
                ..once()
            },
            2,
            "silent for 0.3 s",
        ),
        (
            wait(&file[..50]),
            ReaderOptions {
                record_timeout: short,
                ..once()
            },
            1,
            "half a record",
        ),
    ];
    for (address, options, packets, reason) in cases {
        let begun = Instant::now();
        let (seen, trouble) = read(&mut reader(&[address], options), usize::MAX);
        let error = fault(trouble);
        assert_eq!(
            (error.fault, seen.len()),
            (Fault::TimedOut, packets),
            "{error}"
        );
        assert!(error.reason.contains(reason), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    // An octet now and then does not help against the time-out for half a record.
    let trickle = (0..30).flat_map(|at| [Act::Wait(40), Act::Send(vec![file[24 + at]])]);
    let acts = [Act::Send(file[..24].to_vec())]
        .into_iter()
        .chain(trickle)
        .collect();
    let options = ReaderOptions {
        record_timeout: short,
        ..once()
    };
    let (_, trouble) = read(
        &mut reader(&[tcp(serve(vec![acts]).0)], options),
        usize::MAX,
    );
    assert_eq!(fault(trouble).fault, Fault::TimedOut);
}

#[test]
fn odd_numbers_are_mended_and_counted() {
    let mut file = capture("p", 1..3);
    for numbers in [[7u32, 2_500_000_000, 3, 1], [8, 0, 0, 60]] {
        numbers
            .iter()
            .for_each(|number| file.extend(number.to_le_bytes()));
        file.extend(&b"abc"[..numbers[2] as usize]);
    }
    let address = tcp(serve_octets(&file));
    let mut reader = reader(std::slice::from_ref(&address), once());
    let (seen, trouble) = read(&mut reader, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    let odd = (
        seen[2].time.seconds,
        seen[2].time.nanos,
        seen[2].original_len,
    );
    assert_eq!(odd, (9, 500_000_000, 3));
    assert!(seen[3].data.is_empty());
    for event in [
        "lengths mended",
        "fractions carried",
        "empty packets",
        "clock back",
    ] {
        assert_eq!(events(&mut reader, &address, event), 1, "{event}");
    }
}

#[test]
fn a_second_header_begins_anew() {
    let file = [capture("a", 1..3), capture_of(LinkType(12), "b", 1..3)].concat();
    let place = serve_octets(&file);
    let mut reader = reader(&[tcp(place)], once());
    let (seen, trouble) = read(&mut reader, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(texts(&seen), "a0 a1 b0 b1");
    assert_eq!((seen[1].interface, seen[2].interface), (0, 1));
    let infos = reader.interfaces();
    assert_eq!(
        (infos[0].link_type, infos[1].link_type),
        (LinkType::ETHERNET, LinkType::RAW)
    );
    assert_eq!(events(&mut reader, &tcp(place), "new headers"), 1);
    assert_eq!(events(&mut reader, &tcp(place), "clock back"), 1);
}

#[test]
fn sections_and_their_interfaces() {
    let section = |names: &[&str], packets: u32| {
        let mut file = Vec::new();
        pcapng::append_section(&mut file, "test");
        for name in names {
            pcapng::append_interface(&mut file, name, LinkType::ETHERNET, 96);
        }
        for number in 0..packets {
            let time = netcap_capture::Timestamp::new(1, 0);
            pcapng::append_packet(&mut file, number, time, 60, b"p");
        }
        file
    };
    let sections = [section(&["eth0", "eth\n1"], 2), section(&["lo", "eth0"], 2)].concat();
    let many: Vec<String> = (0..1025).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let file = [&sections[..], &sections, &section(&many, 0)].concat();
    let address = tcp(serve_octets(&file));
    let mut reader = reader(std::slice::from_ref(&address), once());
    let (seen, trouble) = read(&mut reader, usize::MAX);
    let interfaces = reader.interfaces();
    let names: Vec<String> = seen
        .iter()
        .map(|seen| interfaces[seen.interface as usize].name())
        .map(|name| name[address.len()..].to_owned())
        .collect();
    let once = ["/eth0", "/eth\\n1", "/lo", "/eth0"];
    assert_eq!(names, [once, once].concat());
    // An interface of another number in its section is another.
    assert_ne!(seen[0].interface, seen[3].interface);
    assert_eq!(seen[0].interface, seen[4].interface);
    assert_eq!(interfaces[0].snaplen, 96);
    assert_eq!(events(&mut reader, &address, "new headers"), 4);
    let error = fault(trouble);
    assert_eq!(
        (error.fault, error.packets),
        (Fault::Malformed, 8),
        "{error}"
    );
    assert!(
        error.reason.contains("more than 1024 interfaces"),
        "{error}"
    );
}

#[test]
fn long_blocks_without_packets_are_stepped_over() {
    let packet = |file: &mut Vec<u8>| {
        let time = netcap_capture::Timestamp::new(1, 0);
        pcapng::append_packet(file, 0, time, 60, b"p");
    };
    let with_block = |kind: u32, len: u32, end: u32| {
        let mut file = Vec::new();
        pcapng::append_section(&mut file, "test");
        pcapng::append_interface(&mut file, "eth0", LinkType::ETHERNET, 0);
        packet(&mut file);
        file.extend(kind.to_le_bytes());
        file.extend(len.to_le_bytes());
        file.resize(file.len() + len as usize - 12, 6);
        file.extend(end.to_le_bytes());
        packet(&mut file);
        file
    };
    const NAMES: u32 = 4;
    const ENHANCED_PACKET: u32 = 6;
    let good = with_block(NAMES, 3_000_000, 3_000_000);
    let mut pieces: Vec<Act> = good
        .chunks(99_999)
        .map(|piece| Act::Send(piece.to_vec()))
        .collect();
    pieces.insert(3, Act::Wait(250));
    let mut whole = reader(&[tcp(serve(vec![pieces]).0)], once());
    let (seen, trouble) = read(&mut whole, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(seen.len(), 2);

    let end_of_block = good.len() - 36;
    for (file, kind) in [
        (good[..1_000_000].to_vec(), Fault::Truncated),
        (good[..end_of_block - 4].to_vec(), Fault::Truncated),
        (good[..end_of_block - 1].to_vec(), Fault::Truncated),
        (with_block(NAMES, 3_000_000, 3_000_004), Fault::Malformed),
        (with_block(NAMES, 20 << 20, 20 << 20), Fault::Malformed),
        (
            with_block(ENHANCED_PACKET, 3_000_000, 3_000_000),
            Fault::Malformed,
        ),
    ] {
        let (seen, trouble) = read(&mut reader(&[tcp(serve_octets(&file))], once()), usize::MAX);
        assert_eq!((seen.len(), fault(trouble).fault), (1, kind));
    }
}

#[test]
fn a_lost_peer_is_connected_to_again() {
    let connections = vec![
        vec![Act::Send(capture("a", 1..3))],
        vec![Act::Send(
            capture_of(LinkType::RAW, "b", 3..5)[..24 + 18 + 3].to_vec(),
        )],
        vec![Act::Send(capture("c", 5..6)), Act::Wait(2000)],
    ];
    let (place, _) = serve(connections);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let options = ReaderOptions {
        notify: Some(Arc::new(move |line: &str| {
            heard.lock().expect("lines").push(line.to_owned());
        })),
        ..ReaderOptions::default()
    };
    let mut reader = reader(&[tcp(place)], options);
    let (seen, trouble) = read(&mut reader, 4);
    assert!(trouble.is_none());
    assert_eq!(texts(&seen), "a0 a1 b0 c0");
    let interfaces: Vec<u32> = seen.iter().map(|seen| seen.interface).collect();
    assert_eq!(
        interfaces,
        [0, 0, 1, 0],
        "the same interface has the same number"
    );
    assert_eq!(events(&mut reader, &tcp(place), "gaps"), 2);
    assert_eq!(events(&mut reader, &tcp(place), "truncated"), 1);
    let lines = lines.lock().expect("lines").join("\n");
    for expected in [
        "connecting again",
        "truncated at octet 45, record 2",
        "connected again after",
    ] {
        assert!(lines.contains(expected), "{lines}");
    }
    // Who has enough ends it, and that is no error.
    reader.stop();
    assert!(read(&mut reader, usize::MAX).1.is_none());
}

#[test]
fn who_is_not_there_is_waited_for() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let place = free.expect("a port");
    let (_, trouble) = read(&mut reader(&[tcp(place)], once()), usize::MAX);
    let error = trouble.expect("nobody there");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("cannot connect"), "{error}");

    let options = ReaderOptions {
        retries: Some(1),
        ..ReaderOptions::default()
    };
    let begun = Instant::now();
    let (_, trouble) = read(&mut reader(&[tcp(place)], options), usize::MAX);
    assert_eq!(trouble.expect("nobody there").exit_code(), 2);
    assert!(begun.elapsed() >= Duration::from_millis(800));

    let options = ReaderOptions {
        retries: Some(3),
        ..once()
    };
    let mut reader = reader(&[tcp(place)], options);
    thread::sleep(Duration::from_millis(200));
    let listener = TcpListener::bind(place).expect("the port again");
    thread::spawn(move || {
        play(
            listener.accept().expect("a peer").0,
            &[Act::Send(capture("p", 1..3))],
        )
    });
    let (seen, trouble) = read(&mut reader, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(seen.len(), 2);
}

#[test]
fn the_worst_of_several_ends_is_told_and_the_others_go_on() {
    let cut = capture("a", 1..4);
    let addresses = [
        tcp(serve_octets(&cut[..cut.len() - 1])),
        tcp(serve(vec![vec![Act::Wait(300), Act::Send(capture("b", 1..4))]]).0),
        "tcp://host.invalid".to_owned(),
    ];
    let mut all = reader(&addresses, once());
    let (seen, trouble) = read(&mut all, usize::MAX);
    assert_eq!(seen.len(), 5);
    assert_eq!(fault(trouble).fault, Fault::Truncated);

    let slow = tcp(serve(vec![vec![Act::Wait(3000)]]).0);
    let options = ReaderOptions {
        fail_fast: true,
        ..ReaderOptions::default()
    };
    let begun = Instant::now();
    let (_, trouble) = read(
        &mut reader(&[tcp(serve_octets(b"GET ")), slow], options),
        usize::MAX,
    );
    assert_eq!(fault(trouble).fault, Fault::NotACapture);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn several_peers_in_order_of_time() {
    let slowly = |file: Vec<u8>| {
        let (head, tail) = file.split_at(24 + 2 * 18);
        let (head, tail) = (head.to_vec(), tail.to_vec());
        tcp(serve(vec![vec![Act::Send(head), Act::Wait(50), Act::Send(tail)]]).0)
    };
    let silent = tcp(serve(vec![vec![Act::Send(capture("x", [])), Act::Wait(2500)]]).0);
    let a = slowly(capture("a", [1, 3, 5, 7]));
    let b = slowly(capture("b", [2, 4, 6, 8]));
    let mut all = reader(&[a, b, silent.clone()], once());
    let begun = Instant::now();
    let (seen, _) = read(&mut all, 8);
    assert_eq!(texts(&seen), "a0 b0 a1 b1 a2 b2 a3 b3");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "the silent one holds nobody up"
    );
    assert_eq!(events(&mut all, &silent, "connections"), 1);

    // A wrong clock that is known to be wrong.
    let a = tcp(serve_octets(&capture("a", [101, 103])));
    let b = tcp(serve_octets(&capture("b", [2, 4])));
    let mut all = reader(&[format!("{a}?offset=-100"), b], once());
    assert_eq!(texts(&read(&mut all, usize::MAX).0), "a0 b0 a1 b1");

    let late = tcp(serve(vec![vec![Act::Wait(400), Act::Send(capture("b", [2]))]]).0);
    let mut all = reader(
        &[tcp(serve_octets(&capture("a", [1, 3]))), late.clone()],
        once(),
    );
    assert_eq!(texts(&read(&mut all, usize::MAX).0), "a0 a1 b0");
    assert_eq!(events(&mut all, &late, "late"), 1);
}

#[test]
fn in_order_of_arrival() {
    let first = tcp(serve_octets(&capture("a", [5, 9])));
    let second = tcp(serve(vec![vec![Act::Wait(300), Act::Send(capture("b", [1]))]]).0);
    let addresses = [first, second].map(|address| address.parse().expect("an address"));
    let mut reader = Reader::new(addresses.to_vec(), once(), Order::Arrival).expect("a reader");
    assert_eq!(texts(&read(&mut reader, usize::MAX).0), "a0 a1 b0");
}

/// Connects to a listener and does as it is told.
fn send(reader: &Reader, acts: Vec<Act>) -> thread::JoinHandle<()> {
    let place = reader.listening()[0];
    thread::spawn(move || play(TcpStream::connect(place).expect("connected"), &acts))
}

#[test]
fn bad_peers_harm_nobody() {
    let options = ReaderOptions {
        max_per_address: 3,
        ..ReaderOptions::default()
    };
    let mut reader = reader(&["listen://:0".to_owned()], options);
    let long = vec![
        Act::Send(capture("a", [1])),
        Act::Wait(1200),
        Act::Send(capture("b", [2])[24..].to_vec()),
    ];
    let long = send(&reader, long);
    let (seen, _) = read(&mut reader, 1);
    assert_eq!(texts(&seen), "a0");
    for acts in [
        vec![Act::Send(b"GET / HTTP/1.0\r\n\r\n".to_vec())],
        vec![Act::Send(capture("c", [3, 4])[..24 + 18 + 5].to_vec())],
        vec![Act::Reset],
        vec![],
    ] {
        send(&reader, acts).join().expect("no panic");
        thread::sleep(Duration::from_millis(100));
    }
    // Two more may come at a time, and the next is turned away.
    let quiet: Vec<_> = (0..2)
        .map(|_| send(&reader, vec![Act::Wait(700)]))
        .collect();
    thread::sleep(Duration::from_millis(200));
    send(&reader, vec![Act::Send(capture("d", [5]))])
        .join()
        .expect("no panic");
    long.join().expect("no panic");
    quiet
        .into_iter()
        .for_each(|peer| peer.join().expect("no panic"));
    thread::sleep(Duration::from_millis(300));
    reader.stop();
    let mut batch = Batch::new(1 << 16, 100);
    let mut all = Vec::new();
    while reader
        .fill(&mut batch)
        .expect("a peer's mistake is its own")
    {
        all.extend(
            batch
                .iter()
                .map(|(_, data)| String::from_utf8_lossy(data).into_owned()),
        );
    }
    assert_eq!(all, ["b0", "c0"], "in order of time");
    assert_eq!(events(&mut reader, "listen://:0", "turned away"), 1);
    assert_eq!(events(&mut reader, "127.0.0.1", "connections"), 1);
    assert!(events(&mut reader, "127.0.0.1#2", "connections") >= 4);
    assert_eq!(events(&mut reader, "127.0.0.1#2", "not a capture"), 1);
    assert_eq!(events(&mut reader, "127.0.0.1#2", "truncated"), 3);
}

#[test]
fn a_listener_may_listen_once() {
    let mut reader = reader(&["listen://:0".to_owned()], once());
    send(&reader, vec![Act::Send(b"HTTP".to_vec())])
        .join()
        .expect("no panic");
    thread::sleep(Duration::from_millis(200));
    send(&reader, vec![Act::Send(capture("a", [1]))]);
    let (seen, trouble) = read(&mut reader, usize::MAX);
    assert!(trouble.is_none(), "{trouble:?}");
    assert_eq!(texts(&seen), "a0");
    assert_eq!(reader.interfaces()[0].name(), "127.0.0.1");
}

/// A TLS server that sends these octets once and ends with close_notify or without.
fn serve_tls(options: &TlsOptions, octets: Vec<u8>, is_clean: bool) -> String {
    let tls = ServerTls::new(options).expect("a server");
    let address = "tls-listen://:0".parse().expect("an address");
    let listener = Listener::bind(&address, Some(tls)).expect("a listener");
    let place = listener.local_addr();
    thread::spawn(move || {
        let pending = listener
            .accept(Duration::from_secs(5))
            .expect("a peer")
            .expect("a peer");
        let Ok(mut connection) = pending.handshake(Duration::from_secs(5)) else {
            return;
        };
        connection.write_all(&octets).expect("written");
        if is_clean {
            connection.close().expect("closed");
        } else {
            thread::sleep(Duration::from_millis(100));
        }
    });
    format!("tls://{place}")
}

#[test]
fn over_tls() {
    let files = Certificates::new();
    let server = files.identity("ca-server");
    let pin = Pin::of_file(&files.path("ca-server.pem").expect("a path")).expect("a pin");
    let believing = || ReaderOptions {
        tls: TlsOptions {
            pins: vec![pin],
            ..TlsOptions::default()
        },
        ..once()
    };
    let file = capture("p", 1..4);
    for is_clean in [true, false] {
        let address = serve_tls(&server, file.clone(), is_clean);
        let mut all = reader(std::slice::from_ref(&address), believing());
        let (seen, trouble) = read(&mut all, usize::MAX);
        assert!(trouble.is_none(), "{trouble:?}");
        assert_eq!(seen.len(), 3);
        let unclean = events(&mut all, &address, "ends without close_notify");
        assert_eq!(unclean, u64::from(!is_clean));
    }
    let mut strict = believing();
    strict.tls.strict = true;
    let address = serve_tls(&server, file.clone(), false);
    let (seen, trouble) = read(&mut reader(&[address], strict), usize::MAX);
    assert_eq!((seen.len(), fault(trouble).fault), (3, Fault::Truncated));

    let address = serve_tls(&server, file[..50].to_vec(), false);
    let (seen, trouble) = read(&mut reader(&[address], believing()), usize::MAX);
    assert_eq!((seen.len(), fault(trouble).fault), (1, Fault::Truncated));

    let wrong = ReaderOptions {
        tls: TlsOptions {
            ca: files.path("other.pem"),
            ..TlsOptions::default()
        },
        ..once()
    };
    let address = serve_tls(&server, file.clone(), true);
    let (seen, trouble) = read(&mut reader(&[address], wrong), usize::MAX);
    let error = trouble.expect("not believed");
    assert_eq!((seen.len(), error.exit_code()), (0, 4), "{error}");

    // A server that demands a certificate tells us when we read.
    let demanding = TlsOptions {
        client_ca: files.path("ca.pem"),
        ..server
    };
    let address = serve_tls(&demanding, file.clone(), true);
    let (seen, trouble) = read(&mut reader(&[address], believing()), usize::MAX);
    let error = trouble.expect("not let in");
    assert_eq!((seen.len(), error.exit_code()), (0, 4), "{error}");
    assert!(error.to_string().contains("certificate of ours"), "{error}");
}

#[test]
fn sensors_are_called_by_their_certificates() {
    use netcap_capture::pcap_over_ip::{ClientTls, connect};
    let files = Certificates::new();
    let options = ReaderOptions {
        tls: TlsOptions {
            client_ca: files.path("ca.pem"),
            ..files.identity("ca-server")
        },
        ..ReaderOptions::default()
    };
    let mut reader = reader(&["tls-listen://:0".to_owned()], options);
    let place = reader.listening()[0];
    let address = format!("tls://{place}").parse().expect("an address");
    let tls = TlsOptions {
        insecure: true,
        ..files.identity("ca-sensor-7")
    };
    let tls = ClientTls::new(&tls).expect("a client");
    let mut connection = connect(&address, Some(&tls), Duration::from_secs(5)).expect("let in");
    connection
        .write_all(&capture("p", [1, 2]))
        .expect("written");
    connection.close().expect("closed");
    // One that speaks plain TCP is not let in.
    let mut plain = TcpStream::connect(place).expect("connected");
    plain.write_all(&capture("q", [1])).expect("written");
    let _ = plain.read(&mut [0; 100]);

    let (seen, _) = read(&mut reader, 2);
    assert_eq!(texts(&seen), "p0 p1");
    assert_eq!(reader.interfaces()[0].name(), "sensor-7");
    assert_eq!(events(&mut reader, "sensor-7", "connections"), 1);
    let end = Instant::now() + Duration::from_secs(5);
    while events(&mut reader, "tls-listen://:0", "failed handshakes") == 0 {
        assert!(Instant::now() < end, "the plain one is counted");
    }
}

#[test]
fn a_fast_peer_is_held_up_and_loses_nothing() {
    const PACKETS: i64 = 60_000;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    thread::spawn(move || {
        let text = "x".repeat(984);
        let file = capture(&text, 0..PACKETS);
        let mut stream = listener.accept().expect("a peer").0;
        for piece in file.chunks(10_000) {
            stream.write_all(piece).expect("written");
            counted.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let options = ReaderOptions {
        window_octets: 1 << 20,
        ..once()
    };
    let mut reader = reader(&[tcp(place)], options);
    assert_eq!(reader.ceiling(), 2 * 262_144 + (256 << 10) + 2 * (1 << 20));
    thread::sleep(Duration::from_millis(700));
    let early = sent.load(Ordering::Relaxed);
    // The rest of what has been sent is in the buffers of the system.
    assert!(early < 30_000_000, "{early} octets sent and not read");
    assert!(reader.progress().done < 2 << 20, "{:?}", reader.progress());
    let (seen, trouble) = read(&mut reader, usize::MAX);
    assert!(trouble.is_none());
    let in_order = seen
        .iter()
        .zip(0..)
        .all(|(seen, number)| seen.time.seconds == number);
    assert!(in_order && seen.len() == PACKETS as usize);
}

#[test]
fn silence_is_time_too() {
    let acts = vec![Act::Send(capture("p", [1_000])), Act::Wait(2500)];
    let mut reader = reader(&[tcp(serve(vec![acts]).0)], once());
    assert_eq!(read(&mut reader, 1).0.len(), 1);
    let begun = Instant::now();
    let mut batch = Batch::new(1000, 10);
    let mut clock = None;
    while begun.elapsed() < Duration::from_millis(1700) {
        let asked = Instant::now();
        assert!(reader.fill(&mut batch).expect("no trouble") && batch.is_empty());
        assert!(asked.elapsed() < Duration::from_millis(400));
        assert!(batch.clock >= clock, "it does not go back");
        clock = batch.clock;
        if begun.elapsed() < Duration::from_millis(900) {
            assert_eq!(clock, None, "a pause is no silence");
        }
    }
    let clock = clock.expect("a clock");
    assert!(
        clock.seconds == 1_000 && clock.nanos > 200_000_000,
        "{clock:?}"
    );
    drop(reader);
    assert!(
        begun.elapsed() < Duration::from_millis(2300),
        "it ends at once"
    );
}
