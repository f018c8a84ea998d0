//! What a collector is told: which traffic is of which type, and where agents are.
//!
//! ```text
//! # the rest of a line is a comment
//! 1=5000                 type 1: destination port 5000
//! 2=5001-5010            type 2: ports in a range
//! 2=M100-199             also type 2: flows of MGEN in a range
//! lab:192.0.2.7:7073     an agent, with the label that its lines have
//! west:[2001:db8::7]:7075 extended tls    another, of the extended stream, over TLS
//! hill:192.0.2.9:7076 multicast=239.1.2.3    another, which sends that to a multicast group
//!
//! [Video]                the first section names type 1, the second type 2
//! Color=#1f77b4
//! Relay=#aec7e8
//! ```
//!
//! Lines have any order. Sections are as the grapher of 2019 has them in a file of its own, where `;`
//! begins a comment too.
//!
//! Guarantee: a line that is wrong is told with its place and what was expected, and changes nothing.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::{
    fs,
    io::{self, Read},
};

use netcap_capture::pcap_over_ip::{Address, Pin};

use crate::plain::is_plain;

/// Octets of the largest file that is read.
const LARGEST_FILE: u64 = 4 << 20;
/// Agents that are taken from a file. More than can be connected to, so that it is known how many there are.
const MOST_AGENTS: usize = 4096;
/// Mistakes after which no more is read.
const MOST_MISTAKES: usize = 1000;
/// Longest line that is looked at; no meaningful one comes near.
const LONGEST_LINE: usize = 4096;
/// Octets of a label at most: it is a field of each line of output.
const LONGEST_LABEL: usize = 64;
/// What cannot be had together.
const IN_CLEAR: &str = "either multicast or TLS, as datagrams to a group are not encrypted";
/// What a pin looks like.
const PIN: &str = "a pin: sha256/ and 44 characters of base64, or 64 hexadecimal digits";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Rules in the order of their lines.
    pub rules: Vec<Rule>,
    /// Agents in the order of their lines.
    pub agents: Vec<Agent>,
    /// Sections in their order: the first is of type 1.
    pub sections: Vec<Section>,
}

/// Which traffic is of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The type.
    pub id: u16,
    /// What it holds.
    pub what: Matches,
}

/// What traffic is looked at for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matches {
    /// The destination port.
    Port(RangeInclusive<u16>),
    /// The flow id of MGEN.
    Flow(RangeInclusive<u32>),
}

impl fmt::Display for Rule {
    /// As a line of the configuration has it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, first, last) = match &self.what {
            Matches::Port(ports) => ("", u32::from(*ports.start()), u32::from(*ports.end())),
            Matches::Flow(flows) => ("M", *flows.start(), *flows.end()),
        };
        write!(out, "{}={mark}{first}", self.id)?;
        match first == last {
            true => Ok(()),
            false => write!(out, "-{last}"),
        }
    }
}

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What its lines are called by.
    pub label: String,
    /// A name or an address of it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What it speaks there.
    pub stream: Stream,
}

/// What an agent speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// Records of 28 octets, as in 2019.
    #[default]
    Classic,
    /// The extended stream.
    Extended,
    /// The extended stream over TLS. One of these pins must be the agent's, if there are any.
    ExtendedTls(Vec<Pin>),
    /// The extended stream in datagrams, to this multicast group.
    Multicast(IpAddr),
}

impl fmt::Display for Agent {
    /// Its address, as a line of the configuration has it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(out, "[{}]:{}", self.host, self.port),
            false => write!(out, "{}:{}", self.host, self.port),
        }
    }
}

/// How a type is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Colour of its traffic, if there is one: a name or `#rrggbb`, as written.
    pub color: Option<String>,
    /// Colour of what is relayed or matched a second time.
    pub relay: Option<String>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What was expected there.
    pub expected: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}:{}:{}: expected {}",
            self.path.display(),
            self.line,
            self.column,
            self.expected
        )
    }
}

impl Config {
    /// Adds what a file says; gives what is wrong in it.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<Mistake>> {
        let octets = limited(path)?;
        Ok(self.parse(path, &String::from_utf8_lossy(&octets)))
    }

    /// Takes the sections of another file instead of those there are: one of the grapher of 2019, which
    /// may have keys before the first section.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read_names(&mut self, path: &Path) -> io::Result<Vec<Mistake>> {
        let octets = limited(path)?;
        self.sections.clear();
        Ok(self.lines(path, &String::from_utf8_lossy(&octets), true))
    }

    /// Adds what a text says, which came from this file.
    pub fn parse(&mut self, path: &Path, text: &str) -> Vec<Mistake> {
        self.lines(path, text, false)
    }

    /// In a file of the grapher keys come before sections, too, and some that are not known here.
    fn lines(&mut self, path: &Path, text: &str, is_of_grapher: bool) -> Vec<Mistake> {
        // As some editors of Windows begin files.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut is_in_section = is_of_grapher;
        let mut mistakes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if mistakes.len() >= MOST_MISTAKES {
                mistakes.push(Mistake {
                    path: path.to_owned(),
                    line: number + 1,
                    column: 1,
                    expected: "a configuration; no more of it is read after so many mistakes"
                        .to_owned(),
                });
                break;
            }
            if let Err(wrong) = self.line(line, &mut is_in_section, is_of_grapher) {
                mistakes.push(Mistake {
                    path: path.to_owned(),
                    line: number + 1,
                    column: line[..wrong.at].chars().count() + 1,
                    expected: wrong.expected,
                });
            }
        }
        mistakes
    }

    fn line(
        &mut self,
        line: &str,
        is_in_section: &mut bool,
        is_of_grapher: bool,
    ) -> Result<(), Wrong> {
        if line.len() > LONGEST_LINE {
            return Err(wrong(0, format!("at most {LONGEST_LINE} octets in a line")));
        }
        let text = Text::of(line);
        if text.is_empty() {
            return Ok(());
        }
        if let Some(rest) = text.strip("[") {
            let (name, end) = rest.split("]").unwrap_or((rest, rest.end()));
            *is_in_section = true;
            // Also where something is wrong with it: the next one names the next type.
            self.sections.push(Section {
                name: name.label().unwrap_or_default(),
                color: None,
                relay: None,
            });
            if !rest.octets.contains(']') {
                return Err(rest.end().wrong("`]`"));
            }
            name.label()?;
            return end.nothing();
        }
        // A line with a colon first is of an agent, whose words may have a `=`.
        let assigned = text.split("=");
        if let Some((key, value)) = assigned.filter(|(key, _)| !key.octets.contains(':')) {
            if *is_in_section && !key.starts_with_digit() {
                return self.key(key, value, is_of_grapher);
            }
            let rule = rule(key, value)?;
            self.rules.push(rule);
            return Ok(());
        }
        let agent = agent(text)?;
        if self.agents.len() >= MOST_AGENTS {
            return Err(text.wrong(format!("no more than {MOST_AGENTS} agents")));
        }
        if self.agents.iter().any(|known| known.label == agent.label) {
            return Err(text.wrong("a label that no other agent has"));
        }
        let is_same = |known: &&Agent| {
            (&known.host, known.port, &known.stream) == (&agent.host, agent.port, &agent.stream)
        };
        if let Some(known) = self.agents.iter().find(is_same) {
            let label = &known.label;
            return Err(text.wrong(format!(
                "an agent other than {label}, which is at that address"
            )));
        }
        self.agents.push(agent);
        Ok(())
    }

    fn key(&mut self, key: Text<'_>, value: Text<'_>, is_of_grapher: bool) -> Result<(), Wrong> {
        let name = key.octets.to_ascii_lowercase();
        let is_relay = name == "relay";
        if !is_relay && !["color", "colour"].contains(&name.as_str()) {
            // These are colours of the grapher that are of no use here.
            let is_known = ["memory", "processor", "delay"].contains(&name.as_str());
            return match is_of_grapher || is_known {
                true => Ok(()),
                false => Err(key.wrong("a type from 1 to 65535 and `=`, or `Color=` or `Relay=`")),
            };
        }
        let section = self.sections.last_mut();
        let section = section.ok_or_else(|| key.wrong("a section before it"))?;
        let color = Some(value.color()?);
        match is_relay {
            true => section.relay = color,
            false => section.color = color,
        }
        Ok(())
    }

    /// The name of a type, if a section gives it one.
    pub fn section(&self, id: u16) -> Option<&Section> {
        self.sections.get(usize::from(id).checked_sub(1)?)
    }
}

/// The octets of a file, unless it is longer than any configuration.
fn limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    fs::File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut octets)?;
    match octets.len() as u64 > LARGEST_FILE {
        false => Ok(octets),
        true => {
            let why = format!("it has over {LARGEST_FILE} octets, which is no configuration");
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        }
    }
}

fn rule(key: Text<'_>, value: Text<'_>) -> Result<Rule, Wrong> {
    let id = key.number(1, u16::MAX.into(), "a type from 1 to 65535")? as u16;
    let what = match value.strip("M") {
        Some(flows) => {
            let (first, last) = flows.range(1, u32::MAX, "a flow id from 1 to 4294967295")?;
            Matches::Flow(first..=last)
        }
        None => {
            let expected = "a port from 1 to 65535, or M and a flow id";
            let (first, last) = value.range(1, u16::MAX.into(), expected)?;
            Matches::Port(first as u16..=last as u16)
        }
    };
    Ok(Rule { id, what })
}

fn agent(text: Text<'_>) -> Result<Agent, Wrong> {
    let expected = "TYPE=PORT, TYPE=MFLOW or LABEL:ADDRESS:PORT";
    let (label, rest) = text.split(":").ok_or_else(|| text.wrong(expected))?;
    let (host, behind) = match rest.strip("[") {
        Some(inside) => {
            let (host, rest) = inside.split("]").ok_or_else(|| inside.end().wrong("`]`"))?;
            let behind = rest.strip(":");
            (host, behind.ok_or_else(|| rest.wrong("`:` and a port"))?)
        }
        None => rest.split(":").ok_or_else(|| text.wrong(expected))?,
    };
    let (port, words) = behind.word();
    if port.octets.contains(':') && !rest.octets.starts_with('[') {
        return Err(rest.wrong("brackets around an IPv6 address"));
    }
    let agent = Agent {
        label: label.label()?,
        host: host.octets.to_owned(),
        port: port.number(1, u16::MAX.into(), "a port from 1 to 65535")? as u16,
        stream: stream(words)?,
    };
    match format!("tcp://{agent}").parse::<Address>() {
        Ok(_) => Ok(agent),
        Err(_) => Err(host.wrong("an address or a name")),
    }
}

/// What the words behind an address say.
fn stream(mut words: Text<'_>) -> Result<Stream, Wrong> {
    let mut stream = Stream::default();
    while !words.is_empty() {
        let (word, rest) = words.word();
        words = rest;
        if let Some(group) = word.strip("multicast=") {
            stream = multicast(word, group, &stream)?;
            continue;
        }
        stream = match (word.octets, stream, word.strip("pin=")) {
            ("tls", Stream::Multicast(_), _) | (_, Stream::Multicast(_), Some(_)) => {
                return Err(word.wrong(IN_CLEAR));
            }
            ("extended", Stream::Classic, _) => Stream::Extended,
            ("extended", stream, _) => stream,
            ("tls", Stream::ExtendedTls(pins), _) => Stream::ExtendedTls(pins),
            ("tls", ..) => Stream::ExtendedTls(Vec::new()),
            (_, stream, Some(text)) => {
                let pin = text.octets.parse().map_err(|_| text.wrong(PIN))?;
                let mut pins = match stream {
                    Stream::ExtendedTls(pins) => pins,
                    _ => Vec::new(),
                };
                pins.push(pin);
                Stream::ExtendedTls(pins)
            }
            _ => {
                return Err(
                    word.wrong("`extended`, `tls`, `pin=` and a pin, or `multicast=` and a group")
                );
            }
        };
    }
    Ok(stream)
}

/// The group of a stream that nothing was said about but that it is extended.
fn multicast(word: Text<'_>, group: Text<'_>, stream: &Stream) -> Result<Stream, Wrong> {
    match stream {
        Stream::Classic | Stream::Extended => {}
        Stream::ExtendedTls(_) => return Err(word.wrong(IN_CLEAR)),
        Stream::Multicast(_) => return Err(word.wrong("one group")),
    }
    let address = group.octets.trim_matches(['[', ']']).parse().ok();
    let address = address.filter(IpAddr::is_multicast);
    let expected = "the address of a multicast group, as in 239.1.2.3 or ff15::7";
    address
        .map(Stream::Multicast)
        .ok_or_else(|| group.wrong(expected))
}

/// What is wrong at an octet of a line.
struct Wrong {
    at: usize,
    expected: String,
}

fn wrong(at: usize, expected: impl Into<String>) -> Wrong {
    Wrong {
        at,
        expected: expected.into(),
    }
}

/// A part of a line without blanks around it, which knows its place.
#[derive(Clone, Copy)]
struct Text<'a> {
    octets: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    /// A line without its comment.
    fn of(line: &'a str) -> Text<'a> {
        // A `#` right behind `=` is a colour.
        let is_comment = |&(at, c): &(usize, char)| match c {
            ';' => true,
            '#' => !line[..at].trim_end().ends_with('='),
            _ => false,
        };
        let end = line.char_indices().find(is_comment);
        let octets = end.map_or(line, |(at, _)| &line[..at]);
        Text { octets, at: 0 }.trimmed()
    }

    fn trimmed(self) -> Text<'a> {
        let begin = self.octets.len() - self.octets.trim_start().len();
        Text {
            octets: self.octets.trim(),
            at: self.at + begin,
        }
    }

    fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    fn starts_with_digit(&self) -> bool {
        self.octets.starts_with(|c: char| c.is_ascii_digit())
    }

    fn part(&self, octets: &'a str, begin: usize) -> Text<'a> {
        let at = self.at + begin;
        Text { octets, at }.trimmed()
    }

    /// Nothing, right behind it.
    fn end(&self) -> Text<'a> {
        let at = self.at + self.octets.len();
        Text { octets: "", at }
    }

    fn strip(&self, prefix: &str) -> Option<Text<'a>> {
        let rest = self.octets.strip_prefix(prefix)?;
        Some(self.part(rest, prefix.len()))
    }

    fn split(&self, by: &str) -> Option<(Text<'a>, Text<'a>)> {
        let (before, behind) = self.octets.split_once(by)?;
        let begin = before.len() + by.len();
        Some((self.part(before, 0), self.part(behind, begin)))
    }

    /// The first word, and what is behind it.
    fn word(&self) -> (Text<'a>, Text<'a>) {
        let end = self.octets.find(char::is_whitespace);
        let end = end.unwrap_or(self.octets.len());
        let (word, rest) = self.octets.split_at(end);
        (self.part(word, 0), self.part(rest, end))
    }

    fn wrong(&self, expected: impl Into<String>) -> Wrong {
        wrong(self.at, expected)
    }

    fn nothing(&self) -> Result<(), Wrong> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(self.wrong("the end of the line")),
        }
    }

    fn number(&self, least: u32, most: u32, expected: &str) -> Result<u32, Wrong> {
        let is_plain = self.octets.bytes().all(|c| c.is_ascii_digit());
        let number = self.octets.parse().ok().filter(|_| is_plain);
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.wrong(expected))
    }

    fn range(&self, least: u32, most: u32, expected: &str) -> Result<(u32, u32), Wrong> {
        let Some((first, last)) = self.split("-") else {
            let number = self.number(least, most, expected)?;
            return Ok((number, number));
        };
        let lower = first.number(least, most, expected)?;
        let upper = last.number(least, most, expected)?;
        match lower <= upper {
            true => Ok((lower, upper)),
            false => Err(last.wrong(format!("{lower} or more, as a range goes upwards"))),
        }
    }

    fn label(&self) -> Result<String, Wrong> {
        let is_good = |c: char| is_plain(c) && c != ':';
        match (1..=LONGEST_LABEL).contains(&self.octets.len()) && self.octets.chars().all(is_good) {
            true => Ok(self.octets.to_owned()),
            false => Err(self.wrong(format!(
                "a name of 1 to {LONGEST_LABEL} octets, without `:` and invisible characters"
            ))),
        }
    }

    /// A colour as X11 and CSS write them.
    fn color(&self) -> Result<String, Wrong> {
        let is_name = |text: &str| {
            !text.is_empty() && text.len() <= 32 && text.bytes().all(|c| c.is_ascii_alphanumeric())
        };
        let is_color = match self.octets.strip_prefix('#') {
            Some(digits) => {
                [3, 6, 12].contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_hexdigit())
            }
            None => is_name(self.octets),
        };
        match is_color {
            true => Ok(self.octets.to_owned()),
            false => Err(self.wrong("a colour: a name, or # and 6 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Config, Vec<String>) {
        let mut config = Config::default();
        let mistakes = config.parse(Path::new("a.conf"), text);
        (config, mistakes.iter().map(Mistake::to_string).collect())
    }

    #[test]
    fn lines_are_as_documented() {
        let (config, mistakes) = parsed(
            "# comment\n\n1=2000 # behind it\n 2 = M1000 - 2000\n9=M4294967295\nlab:127.0.0.1:7401\n\
             1:localhost:1\nsix:[::1]:7403\n[Video]\nColor=#1f77b4 ; blue\nRelay=red\nDelay=5\n\
             [Voice over IP]\n3=7\n",
        );
        assert_eq!(mistakes, [""; 0]);
        let rule = |id, what| Rule { id, what };
        let rules = [
            rule(1, Matches::Port(2000..=2000)),
            rule(2, Matches::Flow(1000..=2000)),
            rule(9, Matches::Flow(u32::MAX..=u32::MAX)),
            rule(3, Matches::Port(7..=7)),
        ];
        assert_eq!(config.rules, rules);
        let agent = |label: &str, host: &str, port| Agent {
            label: label.to_owned(),
            host: host.to_owned(),
            port,
            stream: Stream::Classic,
        };
        let agents = [
            agent("lab", "127.0.0.1", 7401),
            agent("1", "localhost", 1),
            agent("six", "::1", 7403),
        ];
        assert_eq!(config.agents, agents);
        let video = config.section(1).expect("a section");
        assert_eq!(video.name, "Video");
        assert_eq!(video.color.as_deref(), Some("#1f77b4"));
        assert_eq!(video.relay.as_deref(), Some("red"));
        assert_eq!(config.section(2).expect("a section").name, "Voice over IP");
        assert_eq!((config.section(0), config.section(3)), (None, None));
    }

    #[test]
    fn words_say_what_an_agent_speaks() {
        let (hex, text) = (
            "07".repeat(32),
            "sha256/BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        );
        let pin: Pin = hex.parse().expect("a pin");
        let group = |text: &str| Stream::Multicast(text.parse().expect("an address"));
        for (words, expected) in [
            ("", Stream::Classic),
            (" extended # tls", Stream::Extended),
            (" tls", Stream::ExtendedTls(Vec::new())),
            (" extended\ttls", Stream::ExtendedTls(Vec::new())),
            (" tls extended", Stream::ExtendedTls(Vec::new())),
            (" extended multicast=239.1.2.3", group("239.1.2.3")),
            (" multicast=[ff15::7] extended", group("ff15::7")),
            (&format!(" pin={text} tls"), Stream::ExtendedTls(vec![pin])),
            (
                &format!(" extended pin={text} pin={hex}"),
                Stream::ExtendedTls(vec![pin; 2]),
            ),
        ] {
            for place in ["lab:192.0.2.7:7075", "[Video]\n lab : [::1] : 7075"] {
                let (config, mistakes) = parsed(&format!("{place}{words}"));
                assert_eq!(mistakes, [""; 0], "{words}");
                let agent = &config.agents[0];
                assert_eq!((&agent.stream, agent.port), (&expected, 7075), "{words}");
            }
        }
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, expected) in [
            (
                "3=abc",
                "1:3: expected a port from 1 to 65535, or M and a flow id",
            ),
            ("\nx=5", "2:1: expected a type from 1 to 65535"),
            ("4=", "1:3: expected a port"),
            ("5=2000-", "1:8: expected a port"),
            ("6=70000", "1:3: expected a port"),
            ("6=1-70000", "1:5: expected a port"),
            ("7=-5", "1:3: expected a port"),
            ("7=+5", "1:3: expected a port"),
            ("-1=4000", "1:1: expected a type"),
            ("65536=1", "1:1: expected a type"),
            ("8=2100-2000", "1:8: expected 2100 or more"),
            ("11=0x10", "1:4: expected a port"),
            ("2=M1000-M2000", "1:9: expected a flow id"),
            ("2=M4294967296", "1:4: expected a flow id"),
            ("3:127.0.0.1:0", "1:13: expected a port from 1"),
            ("4:127.0.0.1", "1:1: expected TYPE=PORT"),
            ("6:127.0.0.1:7405 x", "1:18: expected `extended`, `tls`,"),
            ("6:a:7405 extended pin=x", "1:23: expected a pin: sha256/"),
            ("6:a:7405 tls extended pin", "1:23: expected `extended`"),
            ("6:a@b:7405", "1:3: expected an address"),
            ("6:a:", "1:5: expected a port"),
            ("6:fe80::1:7405", "1:3: expected brackets"),
            ("6:[fe80::1:7405", "1:16: expected `]`"),
            ("6:[fe80::1]7405", "1:12: expected `:` and a port"),
            (":127.0.0.1:7405", "1:1: expected a name"),
            ("6::7405", "1:3: expected an address"),
            ("ü 192.0.2.1", "1:1: expected TYPE=PORT"),
            ("ü:192.0.2.1:x", "1:13: expected a port"),
            (
                "a:b:1 multicast=b",
                "1:17: expected the address of a multicast",
            ),
            (
                "a:b:1 multicast=192.0.2.1",
                "1:17: expected the address of a",
            ),
            (
                "a:b:1 tls multicast=239.1.2.3",
                "1:11: expected either multicast",
            ),
            (
                "a:b:1 multicast=239.1.2.3 tls",
                "1:27: expected either multicast",
            ),
            (
                "a:b:1 multicast=239.1.2.3 multicast=239.1.2.3",
                "1:27: expected one",
            ),
            ("[Video", "1:7: expected `]`"),
            ("[Video]\n=5000", "2:1: expected a type from 1 to 65535 and"),
            (
                "[Video]\nM=5000",
                "2:1: expected a type from 1 to 65535 and",
            ),
            ("[Video] x", "1:9: expected the end"),
            ("[a]\nColor=url(x)", "2:7: expected a colour"),
            ("1:a:1\n1:b:1", "2:1: expected a label that no other"),
        ] {
            let (_, mistakes) = parsed(text);
            assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
            let expected = format!("a.conf:{expected}");
            assert!(mistakes[0].starts_with(&expected), "{text}: {mistakes:?}");
        }
        let long = "#".repeat(LONGEST_LINE + 1);
        assert!(parsed(&long).1[0].contains("at most 4096"));
    }
}
