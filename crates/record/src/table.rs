//! Tables of text for the terminal, laid out as Netcap always has.
//!
//! Whatever octets a cell holds, it stays in its place: control characters, and those that turn
//! the direction of writing, are shown as `\x1b` and never reach the terminal. Colours belong to
//! whole rows and come from us only, so they count nowhere.

/// Colour of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Errors.
    Red,
    /// What there is no record for.
    Yellow,
}

impl Colour {
    /// The escape sequence that begins the colour; [`RESET`] ends it.
    pub fn sequence(self) -> &'static str {
        match self {
            Colour::Red => "\x1b[0;31m",
            Colour::Yellow => "\x1b[0;33m",
        }
    }
}

/// The escape sequence that ends a colour.
pub const RESET: &str = "\x1b[0m";

/// A header and rows of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<(Option<Colour>, Vec<String>)>,
}

impl Table {
    /// A table without rows.
    pub fn new<S: AsRef<[u8]>>(header: impl IntoIterator<Item = S>) -> Table {
        Table {
            header: cells(header),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing are empty.
    pub fn row<S: AsRef<[u8]>>(&mut self, row: impl IntoIterator<Item = S>) {
        self.rows.push((None, cells(row)));
    }

    /// Adds a row in a colour.
    pub fn coloured_row<S: AsRef<[u8]>>(
        &mut self,
        colour: Colour,
        row: impl IntoIterator<Item = S>,
    ) {
        self.rows.push((Some(colour), cells(row)));
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// The table, with an empty line before it and none after.
    pub fn render(&self) -> String {
        let widths = self.widths();
        let mut rule = String::new();
        for width in &widths {
            rule.push('+');
            rule.extend(std::iter::repeat_n('-', width + 1));
        }
        rule.push_str("+\n");

        let mut out = format!("\n{rule}");
        for (i, width) in widths.iter().enumerate() {
            let text = self.header.get(i).map_or("", String::as_str);
            let spare = width - width_of(text);
            let (left, right) = (spare / 2, spare - spare / 2 + 1);
            out.push_str(&format!("|{:left$} {text} {:right$}", "", ""));
        }
        out.push_str("|\n");
        out.push_str(&rule);
        for (colour, row) in &self.rows {
            for (i, width) in widths.iter().enumerate() {
                let text = row.get(i).map_or("", String::as_str);
                let begin = colour.filter(|_| i == 0).map_or("", Colour::sequence);
                let end = colour
                    .filter(|_| i + 1 == widths.len())
                    .map_or("", |_| RESET);
                let right = width - width_of(text) + 1;
                out.push_str(&format!("| {begin}{text}{end} {:right$}", ""));
            }
            out.push_str("|\n");
        }
        out.push_str(&rule);
        out
    }

    /// Width of every column with a space on both sides of its longest cell.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in std::iter::once(&self.header).chain(self.rows.iter().map(|(_, row)| row)) {
            widths.resize(widths.len().max(row.len()), 2);
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(width_of(text));
            }
        }
        widths
    }
}

/// Width of a cell in code points, with a space on both sides.
fn width_of(text: &str) -> usize {
    text.chars().count() + 2
}

fn cells<S: AsRef<[u8]>>(texts: impl IntoIterator<Item = S>) -> Vec<String> {
    texts
        .into_iter()
        .map(|text| visible(text.as_ref()))
        .collect()
}

/// Text that is safe to show: control characters and octets that are not UTF-8 as `\x1b`,
/// characters that turn the direction of writing as `\u{202e}`.
pub fn visible(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
                // Marks, line separators, embeddings, overrides, isolates.
                '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    text.extend(c.escape_unicode());
                }
                c if c.is_control() => text.extend(c.escape_unicode()),
                c => text.push(c),
            }
        }
        for octet in chunk.invalid() {
            text.push_str(&format!("\\x{octet:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_original_prints_it() {
        let mut table = Table::new(["Layer", "NumRecords", "Share"]);
        table.row(["IPv4", "121", "88.97059%"]);
        table.coloured_row(Colour::Yellow, ["STP", "4", "2.94118%"]);
        table.row(["Ethernet", "136", "100.00000%"]);
        assert_eq!(
            table.render(),
            "
+-----------+-------------+-------------+
|  Layer    | NumRecords  |   Share     |
+-----------+-------------+-------------+
| IPv4      | 121         | 88.97059%   |
| \x1b[0;33mSTP       | 4           | 2.94118%\x1b[0m    |
| Ethernet  | 136         | 100.00000%  |
+-----------+-------------+-------------+
"
        );
        table.clear();
        assert_eq!(
            table.render(),
            "
+--------+-------------+--------+
| Layer  | NumRecords  | Share  |
+--------+-------------+--------+
+--------+-------------+--------+
"
        );
    }

    #[test]
    fn header_of_a_file() {
        let mut table = Table::new(["Field", "Value"]);
        table.row(["Created", "2026-11-21 07:52:45.351214 +0000 UTC"]);
        table.row(["ContainsPayloads", "false"]);
        assert_eq!(
            table.render(),
            "
+-------------------+---------------------------------------+
|      Field        |                Value                  |
+-------------------+---------------------------------------+
| Created           | 2026-11-21 07:52:45.351214 +0000 UTC  |
| ContainsPayloads  | false                                 |
+-------------------+---------------------------------------+
"
        );
    }

    #[test]
    fn hostile_cells_stay_in_their_place() {
        assert_eq!(
            visible(b"\x1b[2J\n\r\t\0\x7f\xff\xc2\x9b\xe2\x80\xae\xc3\xa4\\"),
            "\\x1b[2J\\n\\r\\t\\x00\\x7f\\xff\\u{9b}\\u{202e}\u{e4}\\"
        );
        let mut table = Table::new(["A"]);
        table.row([&b"\x1b[31m"[..], b"more than the header has"]);
        table.row(["\u{e4}\u{f6}"]);
        table.row::<&str>([]);
        let text = table.render();
        let widths: Vec<_> = text
            .lines()
            .skip(1)
            .map(|line| line.chars().count())
            .collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
        assert!(!text.contains('\x1b'));
    }
}
