//! What the documents say: their commands are understood, and their octets are those that are sent.

use std::process::Command;

use netcap_agent::Mac;
use netcap_agent::extended::{Frame, Interface, Message, Messages, note};
use netcap_capture::{LinkType, Timestamp};

use crate::lab::PROGRAM;

fn document(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// What stands in blocks of that kind.
fn blocks<'a>(document: &'a str, kind: &str) -> Vec<&'a str> {
    let begin = format!("```{kind}\n");
    let rest = document.split(&begin[..]).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn commands_are_understood() {
    let document = document("pcapper.md");
    let mut understood = 0;
    for line in blocks(&document, "sh")
        .iter()
        .flat_map(|block| block.lines())
    {
        let line = line.split('#').next().unwrap().trim_end();
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        if let Some(flags) = line.strip_prefix("pcapper ") {
            let mut command = Command::new(PROGRAM);
            command.args(flags.split(' ')).arg("--version");
            let done = command.output().unwrap();
            assert!(done.status.success(), "{line}: {done:?}");
            understood += 1;
        }
    }
    assert!(understood >= 6, "{understood}");
}

#[test]
fn the_example_is_what_is_sent() {
    let document = document("extended-stream.md");
    let octets = |block: &&str| {
        let digits = block.split_whitespace();
        let octets = digits.map(|digits| u8::from_str_radix(digits, 16).unwrap());
        octets.collect::<Vec<u8>>()
    };
    let blocks: Vec<_> = blocks(&document, "hex").iter().map(octets).collect();
    let [frame, covered, stream] = &blocks[..] else {
        panic!("{}", blocks.len());
    };
    let mut messages = Vec::new();
    let mut reader = Messages::new(&stream[..]);
    assert_eq!(reader.read(&mut messages).unwrap(), stream.len());
    assert_eq!(reader.partial(), 0);
    let mut again = Vec::new();
    messages
        .iter()
        .for_each(|message| message.write(&mut again));
    assert_eq!(again, *stream);
    let [
        Message::Agent(agent),
        Message::Number(0),
        Message::Packet(told),
        Message::Status(status),
        Message::End,
    ] = &messages[..]
    else {
        panic!("{messages:?}");
    };
    assert_eq!((&agent.host[..], &agent.mode[..]), ("lab", "src"));
    let expected = Interface {
        name: "eth0".to_owned(),
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: 1500,
        addresses: vec!["10.99.0.1".parse().unwrap()],
    };
    assert_eq!(agent.interfaces, [expected]);
    assert_eq!(agent.ports, [7073, 7075]);
    let frame = Frame {
        link_type: LinkType::ETHERNET,
        time: Timestamp::new(1_700_000_000, 411),
        octets: frame,
        wire_length: frame.len() as u32,
    };
    assert_eq!(note(&frame, 0, &agent.interfaces[0]).as_ref(), Ok(told));
    let mut carried = frame.octets[34..].to_vec();
    carried[6..8].fill(0);
    assert_eq!(carried, *covered);
    let digest = format!("`{:016x}`", told.digest.unwrap());
    assert!(document.contains(&digest), "{digest}");
    assert_eq!((status.next, status.interfaces[0].recorded), (1, 1));
    assert!(status.interfaces[0].is_balanced());
}
