//! Tables of text for the terminal, laid out as Netcap always has.
//!
//! Whatever octets a cell holds, it stays in its place: control characters, and those that turn
//! the direction of writing, are shown as `\x1b` and never reach the terminal. A cell of more than
//! [`LONGEST_CELL`] characters is shortened and ends in `…`. Colours belong to whole rows and come from
//! us only, so they count nowhere.
//!
//! Widths are columns of a terminal: two for a character that is wide in East Asia and for an emoji, none
//! for a combining one (Unicode Standard Annex #11). Each character counts by itself, as most terminals
//! have it: those that draw several emoji joined as one need less.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

/// Characters of a cell that are shown: who wants to read more of one reads no table.
pub const LONGEST_CELL: usize = 4096;

/// A header and rows of cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    longest: usize,
    header: Vec<String>,
    rows: Vec<(Option<Colour>, Vec<String>)>,
}

impl Table {
    /// A table without rows.
    pub fn new<S: AsRef<[u8]>>(header: impl IntoIterator<Item = S>) -> Table {
        Table {
            longest: LONGEST_CELL,
            header: cells(header, LONGEST_CELL),
            rows: Vec::new(),
        }
    }

    /// Shows so many characters of the cells of rows that are added.
    pub fn with_longest(self, longest: usize) -> Table {
        Table { longest, ..self }
    }

    /// Adds a row; cells that are missing are empty.
    pub fn row<S: AsRef<[u8]>>(&mut self, row: impl IntoIterator<Item = S>) {
        self.rows.push((None, cells(row, self.longest)));
    }

    /// Adds a row in a colour.
    pub fn coloured_row<S: AsRef<[u8]>>(
        &mut self,
        colour: Colour,
        row: impl IntoIterator<Item = S>,
    ) {
        self.rows.push((Some(colour), cells(row, self.longest)));
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
            out.push('|');
            pad(&mut out, left);
            out.push(' ');
            out.push_str(text);
            pad(&mut out, right + 1);
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
                out.push_str("| ");
                for part in [begin, text, end] {
                    out.push_str(part);
                }
                pad(&mut out, right + 1);
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

/// Appends spaces. A format's width goes only to 65535.
fn pad(out: &mut String, spaces: usize) {
    out.extend(std::iter::repeat_n(' ', spaces));
}

/// Width of a cell in columns, with a space on both sides.
fn width_of(text: &str) -> usize {
    columns(text).map(|(_, columns)| columns).sum::<usize>() + 2
}

/// Where each character begins, and how many columns it takes.
fn columns(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut before = 0..0;
    text.char_indices().map(move |(at, c)| {
        let mut width = c.width().unwrap_or(0);
        if c == EMOJI_FORM {
            let (alone, both) = (
                &text[before.clone()],
                &text[before.start..at + c.len_utf8()],
            );
            width = both.width().saturating_sub(alone.width());
        }
        before = at..at + c.len_utf8();
        (at, width)
    })
}

/// Asks for the character before it as an emoji, which is wide (variation selector 16).
const EMOJI_FORM: char = '\u{fe0f}';

fn cells<S: AsRef<[u8]>>(texts: impl IntoIterator<Item = S>, longest: usize) -> Vec<String> {
    let cell = |text: S| {
        let text = text.as_ref();
        // A character has four octets at most.
        let beginning = text.get(..longest.saturating_mul(4)).unwrap_or(text);
        let mut cell = visible(beginning);
        let is_short = beginning.len() == text.len();
        if let Some((end, _)) = cell.char_indices().nth(longest) {
            cell.truncate(end);
            cell.push(MARK);
        } else if !is_short {
            cell.push(MARK);
        }
        cell
    };
    texts.into_iter().map(cell).collect()
}

/// What a cell ends in that is longer than what is shown of it.
const MARK: char = '…';

/// Whether a character shows as itself and leaves the characters around it as they are: no control
/// character, none that turns the direction of writing (Unicode Standard Annex #9), no line or
/// paragraph separator.
pub(crate) fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // The Arabic letter mark, marks, separators, embeddings, overrides, isolates, and the format
            // characters that Unicode deprecates.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
}

/// A message that is safe to show: the same for all but its ends of lines.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| visible(line.as_bytes()))
        .collect();
    lines.join("\n")
}

/// The lines of tables with so many columns at most; those that are cut end in `…`.
pub fn cut(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let Some(end) = cut_at(line.trim_end_matches('\n'), width) else {
            out.push_str(line);
            continue;
        };
        let shown = &line[..end];
        out.push_str(shown);
        out.push(MARK);
        // The only sequences are a row's colour and its end.
        if shown.contains('\x1b') {
            out.push_str(RESET);
        }
        out.push('\n');
    }
    out
}

/// Where a line is cut that has more columns, so that there is room for the mark.
fn cut_at(line: &str, width: usize) -> Option<usize> {
    let (mut shown, mut end, mut is_sequence) = (0, None, false);
    for (at, columns) in columns(line) {
        let octet = line.as_bytes()[at];
        if octet == b'\x1b' || is_sequence {
            is_sequence = octet != b'm';
            continue;
        }
        shown += columns;
        // The first character that leaves no room.
        if shown >= width && columns > 0 {
            end.get_or_insert(at);
        }
    }
    end.filter(|_| shown > width && width > 0)
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
                c if is_plain(c) => text.push(c),
                c => text.extend(c.escape_unicode()),
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
    fn long_cells_are_shortened() {
        let long = "\u{e4}".repeat(100_000);
        for (length, expected) in [(4096, 4096), (4097, 4097), (100_000, 4097)] {
            let mut table = Table::new(["A", "B"]);
            table.row([&long[..2 * length], "x"]);
            let text = table.render();
            let row = text.lines().nth(4).expect("a row");
            assert_eq!(row.chars().filter(|c| !c.is_ascii()).count(), expected);
            assert_eq!(row.contains('…'), length > 4096);
            assert!(
                text.lines()
                    .skip(1)
                    .all(|line| line.chars().count() == row.chars().count())
            );
        }
        // Wider than the widths of formats go.
        let mut table = Table::new(["A"]).with_longest(1 << 20);
        table.row([&long]);
        table.row(["x"]);
        assert_eq!(table.render().lines().nth(5).map(str::len), Some(100_005));
        // Escapes count as what is shown.
        let mut table = Table::new(["A"]).with_longest(6);
        table.row([&[0xff; 50]]);
        assert!(table.render().contains("| \\xff\\x…  |"));
    }

    #[test]
    fn tables_are_cut_to_a_width() {
        let mut table = Table::new(["Layer", "Share"]);
        table.row(["\u{e4}\u{f6}", "1%"]);
        table.coloured_row(Colour::Red, ["STP", "4"]);
        let text = table.render();
        let width = text.lines().map(|line| line.chars().count()).max().unwrap();
        // The colour of the row is the widest thing, and counts for nothing.
        assert_eq!(cut(&text, width), text);
        assert_eq!(cut(&text, 19), text);
        assert_eq!(
            cut(&text, 9),
            "
+-------…
| Layer …
+-------…
| \u{e4}\u{f6}    …
| \x1b[0;31mSTP   …\x1b[0m
+-------…
"
        );
        assert_eq!(cut(&text, 0), text);
    }

    #[test]
    fn widths_are_columns_of_a_terminal() {
        for (text, width) in [
            ("abc", 3),
            ("\u{6f22}\u{5b57}", 4),
            ("\u{ff21}\u{ff71}\u{ff71}", 4),
            ("e\u{301}\u{308}", 1),
            ("\u{1f600}\u{200b}", 2),
            // A heart as a sign and as an emoji; what has no such form.
            ("\u{2764}", 1),
            ("\u{2764}\u{fe0f}", 2),
            ("x\u{fe0f}", 1),
        ] {
            assert_eq!(width_of(text), width + 2, "{text:?}");
            let mut table = Table::new(["A"]);
            table.row([text]);
            table.row(["12345678"]);
            let text = table.render();
            let widths: Vec<_> = text.lines().skip(1).map(width_of).collect();
            assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
            for width in 1..widths[0] + 2 {
                let cut = cut(&text, width);
                let widest = cut.lines().map(|line| width_of(line) - 2).max();
                assert!(widest <= Some(width), "{width} {cut}");
                // A wide character leaves one column free.
                assert!(cut == text || widest >= Some(width - 1), "{width} {cut}");
            }
        }
    }

    #[test]
    fn messages_keep_their_lines() {
        assert_eq!(
            visible_lines("a\x1b]0;x\x07\u{202e}\r\nb"),
            "a\\x1b]0;x\\x07\\u{202e}\\r\nb"
        );
    }

    #[test]
    fn hostile_cells_stay_in_their_place() {
        assert_eq!(
            visible("\u{1b}[2J\n\r\t\0\u{7f}\u{9b}\u{202e}\u{61c}\u{2067}\u{e4}\\".as_bytes()),
            "\\x1b[2J\\n\\r\\t\\x00\\x7f\\u{9b}\\u{202e}\\u{61c}\\u{2067}\u{e4}\\"
        );
        assert_eq!(visible(b"a\xff\xe2\x80"), "a\\xff\\xe2\\x80");
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
