//! Where a filter expression goes wrong.
//!
//! libpcap says what is wrong, and not where. If it names a word, the word is the place. Else the
//! expression is cut after each of its words, from the last to the first, and whatever may follow is
//! appended: behind the longest beginning that something makes a filter of, it goes wrong.

use std::fmt;
use std::time::{Duration, Instant};

/// What may follow a beginning, up to closing brackets and a comparison: a few of each kind. None has
/// a name in it, which libpcap would ask the network for.
const CONTINUATIONS: [&str; 20] = [
    "",
    "1",
    "ip",
    "host 1.2.3.4",
    "port 1",
    "1.2.3.4",
    "host 0:0:0:0:0:1",
    "0:0:0:0:0:1",
    "proto 1",
    "::1",
    "32",
    "src host 1.2.3.4",
    "dst host 1.2.3.4",
    "dst port 1",
    "src port 1",
    "mask 255.255.255.255",
    "255.255.255.255",
    "type 0",
    "subtype 8",
    "addr1 0:0:0:0:0:1",
];

/// Brackets that are open at a time; with more, no place is looked for.
const MOST_OPEN: usize = 16;
/// How long is looked for it: names of hosts in the expression may have to be looked up every time.
const PATIENCE: Duration = Duration::from_secs(1);
/// Characters of an expression that are shown, so that the caret stays under them on a terminal.
const SHOWN: usize = 72;

/// A place in an expression. Its text is two lines, each after a line feed: the expression, and a
/// caret under the place if it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    expression: String,
    /// In octets.
    offset: Option<usize>,
}

impl Place {
    /// Looks for it. `compiles` says whether an expression is a filter, and the message why this one
    /// is not.
    pub(crate) fn find(expression: &str, message: &str, compiles: impl Fn(&str) -> bool) -> Place {
        let named: Vec<usize> = quoted(message)
            .map(|word| occurrences(expression, word).collect())
            .unwrap_or_default();
        let offset = match named[..] {
            [only] => Some(only),
            _ => {
                let end = longest(expression, compiles);
                let before = |end| named.iter().rfind(|start| **start <= end).copied();
                end.map(|end| before(end).unwrap_or(end))
            }
        };
        Place {
            expression: expression.to_owned(),
            offset,
        }
    }

    /// Whether it is further on in its expression than another.
    pub(crate) fn is_behind(&self, other: &Place) -> bool {
        self.offset > other.offset
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset.unwrap_or_default();
        let beginning = self.expression.get(..offset).unwrap_or_default();
        let caret = beginning.chars().count();
        let first = caret.saturating_sub(SHOWN * 3 / 4);
        let mut rest = self.expression.trim_end().chars().skip(first);
        let shown = rest.by_ref().take(SHOWN);
        let shown: String = shown
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let before = if first > 0 { "..." } else { "" };
        let after = if rest.next().is_some() { "..." } else { "" };
        write!(f, "\n  {before}{shown}{after}")?;
        if self.offset.is_some() {
            write!(f, "\n  {:>1$}", "^", before.len() + caret - first + 1)?;
        }
        Ok(())
    }
}

/// The word that a message quotes.
fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(['\'', '"'])?;
    let (word, _) = rest.split_once(['\'', '"'])?;
    (!word.is_empty()).then_some(word)
}

/// Where a word stands in an expression, and not only in a longer one.
fn occurrences<'e>(expression: &'e str, word: &'e str) -> impl Iterator<Item = usize> + 'e {
    expression
        .match_indices(word)
        .filter_map(move |(start, _)| {
            let before = expression[..start].chars().next_back();
            let after = expression[start + word.len()..].chars().next();
            let is_whole = !before.is_some_and(is_word) && !after.is_some_and(is_word);
            is_whole.then_some(start)
        })
}

/// Where the word begins that follows the longest beginning which can be made a filter.
fn longest(expression: &str, compiles: impl Fn(&str) -> bool) -> Option<usize> {
    let started = Instant::now();
    let words = words(expression);
    let mut next = expression.trim_end().len();
    for (start, end) in words.iter().rev().copied().chain([(0, 0)]) {
        let beginning = &expression[..end];
        let closing = closing(beginning)?;
        for continuation in CONTINUATIONS {
            let plain = format!("{beginning} {continuation}{closing}");
            let compared = (0..=closing.len()).map(|place| {
                let (inner, outer) = closing.split_at(place);
                format!("{beginning} {continuation}{inner} = 1{outer}")
            });
            for attempt in std::iter::once(plain).chain(compared) {
                if started.elapsed() > PATIENCE {
                    return None;
                }
                if compiles(&attempt) {
                    return Some(next);
                }
            }
        }
        next = start;
    }
    None
}

/// The words and signs of an expression, by where they begin and end; roughly those of libpcap.
fn words(expression: &str) -> Vec<(usize, usize)> {
    let mut words: Vec<(usize, usize)> = Vec::new();
    let mut open = 0usize;
    let mut in_word = false;
    for (start, c) in expression.char_indices() {
        let end = start + c.len_utf8();
        // Within square brackets a colon stands between numbers, else in an address.
        let goes_on = is_word(c) && (c != ':' || open == 0);
        match words.last_mut() {
            Some(word) if in_word && goes_on => word.1 = end,
            _ if !c.is_whitespace() => words.push((start, end)),
            _ => {}
        }
        in_word = goes_on;
        match c {
            '[' => open += 1,
            ']' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "-_.:\\".contains(c)
}

/// What closes the brackets of an expression, unless there are too many.
fn closing(beginning: &str) -> Option<String> {
    let mut open = Vec::new();
    for c in beginning.chars() {
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            ')' | ']' => drop(open.pop()),
            _ => {}
        }
    }
    (open.len() <= MOST_OPEN).then(|| open.into_iter().rev().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LinkType, libpcap};

    /// Expressions that are wrong, each over the place where.
    const WRONG: &str = "
tcp prot 80
    ^
tcp port
        ^
tcp port 99999
         ^
tcp port nosuch
         ^
tcp port http or udp port nosuch
                          ^
host nosuch.invalid
     ^
host 1.2.3.4.5
     ^
host
    ^
dst and
       ^
src or host 1.2.3.4
       ^
net 1.2.3.4/40
            ^
net 10.1.2.3/8
    ^
net 10.0.0.0 mask
                 ^
(tcp
    ^
tcp)
   ^
((tcp) or (udp and port 53)
                           ^
(tcp or udp)) and port 53
            ^
tcp and
       ^
tcp and and udp
        ^
tcp and udp
        ^
tcp udp
    ^
tcp[0
     ^
tcp[0:3] = 1
      ^
tcp[13] & = 1
          ^
(tcp[13] & (2 + 1) + [) = 0
                     ^
tcp[tcpflags] & tcp-foo != 0
                ^
ip proto foo
         ^
ether proto foo
            ^
ether host 1
           ^
ether host 00:11:22:33:44
           ^
ip host 00:11:22:33:44:55
        ^
tcp port 80 or tcp host 1.2.3.4
               ^
arp or port 1 or arp port 1
                     ^
tcp $ udp
    ^
1 / 0 = 1
    ^
vlan foo
     ^
type foo
     ^
len > x
      ^
icmp[icmptype] = foo
                 ^
portrange 5-x
          ^
";

    #[test]
    fn carets_are_under_the_place() {
        if let Err(error) = libpcap::version() {
            eprintln!("skipped: {error}");
            return;
        }
        let lines: Vec<&str> = WRONG.lines().skip(1).collect();
        assert!(lines.len() >= 2 * 40);
        let mut differing = Vec::new();
        for pair in lines.chunks(2) {
            let [expression, caret] = pair else {
                unreachable!("they are pairs")
            };
            let compile = |text: &str| libpcap::compile(text, LinkType::ETHERNET, false);
            let Err(libpcap::LibpcapError::Failed { message, .. }) = compile(expression) else {
                panic!("{expression} is a filter");
            };
            let place = Place::find(expression, &message, |text| compile(text).is_ok());
            let expected = format!("\n  {expression}\n  {caret}");
            if place.to_string() != expected {
                differing.push(format!("{message}{place}"));
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }

    #[test]
    fn long_and_odd_expressions_are_shown_in_one_line() {
        let place = |expression: &str, offset| Place {
            expression: expression.to_owned(),
            offset,
        };
        assert_eq!(
            place("tcp\n\tpört x", Some(11)).to_string(),
            "\n  tcp  pört x\n            ^"
        );
        assert_eq!(place("tcp", None).to_string(), "\n  tcp");
        let long = "x ".repeat(500);
        let text = place(&long, Some(800)).to_string();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let [_, shown, caret] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        assert_eq!(shown.get(caret.len() - 1..caret.len()), Some("x"), "{text}");
        assert_eq!(text.lines().last().map(|line| line.trim()), Some("^"));
        assert_eq!(place(&long, Some(5000)).to_string().lines().count(), 3);
    }

    #[test]
    fn the_search_ends() {
        let deep = "(".repeat(1000);
        assert_eq!(Place::find(&deep, "", |_| false).offset, None);
        assert_eq!(Place::find("a b", "", |_| false).offset, None);
        assert_eq!(Place::find("", "", |_| true).offset, Some(0));
        let wide = "ö[ö:ö] = é";
        assert_eq!(
            Place::find(wide, "", |text| !text.contains('é')).offset,
            Some(12)
        );
    }
}
