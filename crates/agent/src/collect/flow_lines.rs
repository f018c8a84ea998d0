//! The outcome of packets, as lines: columns for people, or objects of JSON.

use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::collect::json::{OrNull, Quoted};
use crate::collect::views::{Delay, FlowSecond, FlowView};

/// Columns that say which flow it is.
const FLOW: [&str; 6] = ["FROM", "TO", "PROTOCOL", "SOURCE", "DESTINATION", "FLOW"];
/// Columns of outcomes.
const COUNTS: [&str; 5] = ["SENT", "RECEIVED", "LOST", "UNKNOWN", "DUPLICATED"];
/// Delays in milliseconds, of a second and of all.
const OF_SECOND: [&str; 3] = ["LEAST", "MEAN", "MOST"];
const OF_ALL: [&str; 5] = ["LEAST", "MEDIAN", "P99", "MOST", "LAST"];
/// Characters of a time, a label, an address with a port, and numbers, as long as no line needs more.
const WIDTHS: [usize; 15] = [10, 8, 8, 8, 21, 21, 10, 8, 8, 8, 8, 10, 9, 9, 9];

/// Makes lines of flows between agents with these labels.
#[derive(Debug)]
pub struct FlowLines {
    labels: Vec<String>,
    is_json: bool,
    has_head: bool,
    /// Columns of seconds: as wide as they ever had to be.
    widths: [usize; 15],
}

impl FlowLines {
    /// Of these agents, as JSON or in columns.
    pub fn new(labels: Vec<String>, is_json: bool) -> FlowLines {
        FlowLines {
            labels,
            is_json,
            has_head: false,
            widths: WIDTHS,
        }
    }

    /// Lines of seconds; the first ones have a head.
    pub fn seconds(&mut self, seconds: &[FlowSecond]) -> String {
        let mut text = String::new();
        if seconds.is_empty() {
            return text;
        }
        if self.is_json {
            for second in seconds {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}", SecondObject(self, second));
            }
            return text;
        }
        let mut rows = Vec::new();
        if !std::mem::replace(&mut self.has_head, true) {
            let head = ["SECOND"].iter().chain(&FLOW);
            let head = head.chain(&COUNTS).chain(&OF_SECOND);
            rows.push(head.map(ToString::to_string).collect());
        }
        for second in seconds {
            let sent = second.received + second.lost;
            let counts = [
                sent,
                second.received,
                second.lost,
                second.unknown,
                second.duplicated,
            ];
            let mut cells = vec![second.second.to_string()];
            cells.extend(self.flow(&second.flow));
            cells.extend(counts.map(|count| count.to_string()));
            cells.extend(match second.delay {
                Some(delay) => delay.map(milliseconds),
                None => [const { String::new() }; 3],
            });
            rows.push(cells);
        }
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        rows.iter()
            .for_each(|row| line(row, &self.widths, 1 + FLOW.len(), &mut text));
        text
    }

    /// A table of all flows, or an object of each.
    pub fn all(&self, flows: &[FlowView]) -> String {
        let mut text = String::new();
        if self.is_json {
            for flow in flows {
                let _ = writeln!(text, "{}", FlowObject(self, flow));
            }
            return text;
        }
        let head = FLOW.iter().chain(&COUNTS).chain(&OF_ALL);
        let mut rows: Vec<Vec<String>> = vec![head.map(ToString::to_string).collect()];
        for flow in flows {
            let counts = [
                flow.sent,
                flow.received,
                flow.lost,
                flow.unknown,
                flow.duplicated,
            ];
            let mut cells = self.flow(flow).to_vec();
            cells.extend(counts.map(|count| count.to_string()));
            cells.extend(match flow.delay {
                Some(Delay {
                    least,
                    median,
                    p99,
                    most,
                    last,
                }) => [least, median, p99, most, last].map(milliseconds),
                None => [const { String::new() }; 5],
            });
            rows.push(cells);
        }
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        rows.iter()
            .for_each(|row| line(row, &widths, FLOW.len(), &mut text));
        text
    }

    fn label(&self, agent: usize) -> &str {
        self.labels.get(agent).map_or("?", String::as_str)
    }

    fn flow(&self, flow: &FlowView) -> [String; 6] {
        [
            self.label(flow.sender).to_owned(),
            self.label(flow.receiver).to_owned(),
            protocol(flow.protocol),
            end(flow.source),
            end(flow.destination),
            flow.flow_id.map(|id| id.to_string()).unwrap_or_default(),
        ]
    }
}

/// So many columns of texts to the left, and numbers to the right.
fn line(cells: &[String], widths: &[usize], texts: usize, text: &mut String) {
    let begin = text.len();
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let _ = match place < texts {
            true => write!(text, "{cell:width$}  "),
            false => write!(text, "{cell:>width$}  "),
        };
    }
    text.truncate(begin + text[begin..].trim_end().len());
    text.push('\n');
}

/// Its name, where it is one that everybody knows.
fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        2 => "igmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        89 => "ospf".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    }
}

/// Without a port where there is none.
fn end(address: SocketAddr) -> String {
    match address.port() {
        0 => address.ip().to_string(),
        _ => address.to_string(),
    }
}

fn milliseconds(nanoseconds: i64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e6)
}

/// Which flow it is, as fields of JSON.
struct Which<'a>(&'a FlowLines, &'a FlowView);

impl fmt::Display for Which<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Which(lines, flow) = self;
        let port = |address: SocketAddr| OrNull(Some(address.port()).filter(|port| *port != 0));
        write!(
            out,
            r#""sender":{},"receiver":{},"source":"{}","source_port":{},"destination":"{}","destination_port":{},"protocol":{},"flow_id":{}"#,
            Quoted(lines.label(flow.sender)),
            Quoted(lines.label(flow.receiver)),
            flow.source.ip(),
            port(flow.source),
            flow.destination.ip(),
            port(flow.destination),
            flow.protocol,
            OrNull(flow.flow_id),
        )
    }
}

/// Everything so far, as fields of JSON.
struct Totals<'a>(&'a FlowView);

impl fmt::Display for Totals<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.0;
        write!(
            out,
            r#""sent":{},"received":{},"lost":{},"unknown":{},"duplicated":{},"uncut":{},"#,
            flow.sent, flow.received, flow.lost, flow.unknown, flow.duplicated, flow.is_uncut
        )?;
        match &flow.delay {
            None => out.write_str(r#""delay_ns":null"#),
            Some(delay) => write!(
                out,
                r#""delay_ns":{{"least":{},"median":{},"p99":{},"most":{},"last":{}}}"#,
                delay.least, delay.median, delay.p99, delay.most, delay.last
            ),
        }
    }
}

struct SecondObject<'a>(&'a FlowLines, &'a FlowSecond);

impl fmt::Display for SecondObject<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecondObject(lines, second) = self;
        write!(
            out,
            r#"{{"time_us":{},"kind":"flow",{},"sent":{},"received":{},"lost":{},"unknown":{},"duplicated":{},"#,
            second.second.saturating_mul(1_000_000),
            Which(lines, &second.flow),
            second.received + second.lost,
            second.received,
            second.lost,
            second.unknown,
            second.duplicated,
        )?;
        match second.delay {
            None => out.write_str(r#""delay_ns":null"#)?,
            Some([least, mean, most]) => write!(
                out,
                r#""delay_ns":{{"least":{least},"mean":{mean},"most":{most}}}"#
            )?,
        }
        write!(out, r#","total":{{{}}}}}"#, Totals(&second.flow))
    }
}

struct FlowObject<'a>(&'a FlowLines, &'a FlowView);

impl fmt::Display for FlowObject<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlowObject(lines, flow) = self;
        write!(
            out,
            r#"{{"kind":"flow_total",{},{}}}"#,
            Which(lines, flow),
            Totals(flow)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second() -> FlowSecond {
        FlowSecond {
            second: 1_700_000_000,
            flow: FlowView {
                sender: 0,
                receiver: 1,
                source: "10.0.0.1:4000".parse().expect("an address"),
                destination: "10.0.0.2:5000".parse().expect("an address"),
                protocol: 17,
                flow_id: Some(7),
                sent: 1000,
                received: 997,
                settled: 990,
                lost: 3,
                unknown: 1,
                duplicated: 2,
                is_uncut: false,
                delay: Some(Delay {
                    least: -1_500_000,
                    median: 2_000_000,
                    p99: 3_000_000,
                    most: 4_000_000,
                    last: 2_500_000,
                }),
            },
            received: 99,
            lost: 1,
            unknown: 0,
            duplicated: 2,
            delay: Some([-1_500_000, 2_000_000, 3_000_000]),
        }
    }

    fn bare() -> FlowSecond {
        let second = second();
        FlowSecond {
            flow: FlowView {
                source: "[::1]:0".parse().expect("an address"),
                destination: "[ff02::1]:0".parse().expect("an address"),
                protocol: 103,
                flow_id: None,
                delay: None,
                ..second.flow
            },
            delay: None,
            ..second
        }
    }

    fn lines(is_json: bool) -> FlowLines {
        FlowLines::new(vec!["lab".to_owned(), "the west".to_owned()], is_json)
    }

    #[test]
    fn columns_are_as_documented() {
        let mut lines = lines(false);
        assert_eq!(lines.seconds(&[]), "");
        let expected = "\
SECOND      FROM      TO        PROTOCOL  SOURCE                 DESTINATION            FLOW            SENT  RECEIVED      LOST   UNKNOWN  DUPLICATED      LEAST       MEAN       MOST
1700000000  lab       the west  udp       10.0.0.1:4000          10.0.0.2:5000          7                100        99         1         0           2     -1.500      2.000      3.000
1700000000  lab       the west  103       ::1                    ff02::1                                 100        99         1         0           2
";
        assert_eq!(lines.seconds(&[second(), bare()]), expected);
        assert_eq!(lines.seconds(&[second()]).lines().count(), 1);
        // A longer address moves what is to its right, from then on.
        let before = lines.seconds(&[second()]);
        let mut long = second();
        long.flow.source = "[2001:db8:1:2:3:4:5:6]:40000".parse().expect("an address");
        let grown = lines.seconds(&[long, second()]);
        let widths: Vec<usize> = grown.lines().map(str::len).collect();
        assert_eq!(widths, [before.len() - 1 + 7; 2]);
        assert_eq!(lines.seconds(&[second()]).len(), before.len() + 7);
        let expected = "\
FROM  TO        PROTOCOL  SOURCE         DESTINATION    FLOW  SENT  RECEIVED  LOST  UNKNOWN  DUPLICATED   LEAST  MEDIAN    P99   MOST   LAST
lab   the west  udp       10.0.0.1:4000  10.0.0.2:5000  7     1000       997     3        1           2  -1.500   2.000  3.000  4.000  2.500
lab   the west  103       ::1            ff02::1              1000       997     3        1           2
";
        assert_eq!(lines.all(&[second().flow, bare().flow]), expected);
    }

    #[test]
    fn objects_are_as_documented() {
        let mut lines = lines(true);
        let text = lines.seconds(&[second(), bare()]);
        let document = include_str!("../../../../docs/recollect.md");
        let (first, second) = text.split_once('\n').expect("two lines");
        assert!(document.contains(first), "{first}");
        let expected = r#""source":"::1","source_port":null,"destination":"ff02::1","destination_port":null,"protocol":103,"flow_id":null"#;
        assert!(second.contains(expected), "{second}");
        assert!(second.contains(r#""delay_ns":null,"total":{"#), "{second}");
        let text = lines.all(&[self::second().flow]);
        assert!(document.contains(text.trim_end()), "{text}");
    }
}
