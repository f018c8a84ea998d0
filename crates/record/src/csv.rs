//! CSV lines of records (RFC 4180), with any separator, and what `-check` asks of them.
//!
//! A line ends in a line feed. A cell that holds the separator, a double quote or an end of line
//! stands in double quotes, so a row reads back to exactly its cells. That needs a separator which is
//! not empty and holds no double quote or end of line: [`reads_back`] tells.
//!
//! Repeated and nested values share a cell, `(2-4-05b4)(1-1-)`. A value that shares a cell and holds
//! the beginning of a delimiter, or begins with a single quote, stands in single quotes, those within
//! doubled: `(x-'a-b')`. A value is escaped where it holds octets that are not UTF-8, or where it would
//! be taken for escaped: `\xNN` is an octet, with two lower-case digits, and `\\` a backslash. A value
//! without `\xNN` in it is as it stands; [`unescaped`] reads both. So rows are UTF-8 if the separator is.
//! Delimiters that begin with a single quote, a backslash, `x` or a digit of hexadecimal numbers cannot
//! be told from values.
//!
//! Without quoting, lines are those of the format of 2019: a separator in a name shifts the columns,
//! and nothing is escaped. For a terminal whatever could act on it is escaped, as in tables; such lines
//! are for people.

use std::fmt;
use std::io::{self, Write};

use crate::out::{self, Out};
use crate::table::visible;
use crate::{
    Columns, Csv, Field, Message, Nested, Scalar, Schema, Timestamp, Type, closest, digits,
    type_name,
};

/// How lines look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvStyle {
    /// What stands between two cells.
    pub separator: Vec<u8>,
    /// Whether cells are quoted, and values escaped, where they must be.
    pub quote: bool,
    /// Whether control characters, and those that turn the direction of writing, are escaped.
    pub terminal: bool,
    /// What stands before the members of a nested value.
    pub begin: Vec<u8>,
    /// What stands after the members of a nested value.
    pub end: Vec<u8>,
    /// What stands between two members of a nested value.
    pub struct_sep: Vec<u8>,
    /// Whether times are written as dates (RFC 3339, UTC).
    pub utc: bool,
    /// Records whose type numbers are written as names, `NC_TCP`; other numbers stay numbers.
    pub types: Vec<&'static Schema>,
}

impl Default for CsvStyle {
    fn default() -> CsvStyle {
        CsvStyle {
            separator: b",".to_vec(),
            quote: true,
            terminal: false,
            begin: b"(".to_vec(),
            end: b")".to_vec(),
            struct_sep: b"-".to_vec(),
            utc: false,
            types: Vec::new(),
        }
    }
}

impl CsvStyle {
    /// Whether a cell does not survive without quotes.
    fn must_quote(&self, cell: &[u8]) -> bool {
        let is_special = |octet: &u8| matches!(octet, b'"' | b'\r' | b'\n');
        let first = self.separator.first().copied().unwrap_or(b'"');
        // One pass over the octets tells nearly all cells that need no quotes.
        cell.iter()
            .any(|octet| *octet == first || is_special(octet))
            && (cell.iter().any(is_special) || self.is_cut_short(cell))
    }

    /// Whether one of the delimiters of values that share a cell begins with this octet.
    fn begins_delimiter(&self, octet: u8) -> bool {
        [&self.begin, &self.end, &self.struct_sep]
            .iter()
            .any(|text| text.first() == Some(&octet))
    }

    /// Whether a reader finds the separator before the end of a cell that the separator follows.
    fn is_cut_short(&self, cell: &[u8]) -> bool {
        let separator = &self.separator;
        // The cell `x;` before the separator `;;` holds no separator, yet `x;;;` has one at 1.
        let overlaps =
            |n: &usize| cell.ends_with(&separator[..*n]) && separator.starts_with(&separator[*n..]);
        find(cell, separator).is_some() || (1..separator.len()).any(|n| overlaps(&n))
    }
}

/// One line while it is written: quotes its cells and separates them.
#[derive(Debug)]
pub struct Line<'a> {
    style: &'a CsvStyle,
    out: &'a mut Vec<u8>,
    start: usize,
    cells: usize,
}

impl<'a> Line<'a> {
    /// A line without cells at the end of `out`.
    pub fn new(style: &'a CsvStyle, out: &'a mut Vec<u8>) -> Line<'a> {
        let start = out.len();
        Line {
            style,
            out,
            start,
            cells: 0,
        }
    }

    /// Adds a cell with this text.
    pub fn text(&mut self, text: &[u8]) {
        self.cell(|_, out| out.extend_from_slice(text));
    }

    /// Adds a cell with the value of a field.
    #[inline]
    pub fn field(&mut self, message: &Message<'_>, field: &'static Field) {
        self.cell(|style, out| cell(message, field, style, out));
    }

    /// Ends the line.
    pub fn end(self) {
        // An empty line has no cell; readers skip it.
        if self.cells == 1 && self.out.len() == self.start && self.style.quote {
            self.out.extend_from_slice(b"\"\"");
        }
        self.out.push(b'\n');
    }

    #[inline]
    fn cell(&mut self, write: impl FnOnce(&CsvStyle, &mut Vec<u8>)) {
        if self.cells > 0 {
            self.out.extend_from_slice(&self.style.separator);
        }
        self.cells += 1;
        let start = self.out.len();
        write(self.style, self.out);
        if self.style.quote && self.style.must_quote(&self.out[start..]) {
            quote(self.out, start);
        }
    }
}

/// Puts everything from `start` on in double quotes, those within doubled.
fn quote(out: &mut Vec<u8>, start: usize) {
    double(b'"', out, start);
    out.insert(start, b'"');
    out.push(b'"');
}

/// Doubles each of these quotes from `start` on.
fn double(quote: u8, out: &mut Vec<u8>, start: usize) {
    if !out[start..].contains(&quote) {
        return;
    }
    for octet in out.split_off(start) {
        if octet == quote {
            out.push(quote);
        }
        out.push(octet);
    }
}

/// Appends the line with the names of the columns.
pub fn header(columns: &[&'static Field], style: &CsvStyle, out: &mut Vec<u8>) {
    let mut line = Line::new(style, out);
    for column in columns {
        line.text(column.name.as_bytes());
    }
    line.end();
}

/// Appends the line of one record.
pub fn row(message: &Message<'_>, columns: &[&'static Field], style: &CsvStyle, out: &mut Vec<u8>) {
    let mut line = Line::new(style, out);
    for column in columns {
        line.field(message, column);
    }
    line.end();
}

/// Appends the text of one field, without quotes.
pub fn cell(message: &Message<'_>, field: &'static Field, style: &CsvStyle, out: &mut Vec<u8>) {
    value(message, field, style, false, out);
}

/// `shares`: whether the value shares its cell with others.
fn value<O: Out>(
    message: &Message<'_>,
    field: &'static Field,
    style: &CsvStyle,
    shares: bool,
    out: &mut O,
) {
    let is_message = matches!(field.ty, Type::Message(_));
    let scalar = |value: Scalar<'_>, shares: bool, out: &mut O| match value {
        Scalar::Message(message) => members(&message, style, out),
        Scalar::Timestamp(octets) if style.utc => {
            let time = match field.name {
                "Timestamp" => message.timestamp(),
                _ => Timestamp::parse(octets),
            };
            let Some(time) = time else {
                return text(octets, style, shares, out);
            };
            let start = out.buffer().len();
            time.write_rfc3339(out.buffer());
            enclose_from(start, style, shares, out);
        }
        value => scalar(value, field, style, shares, out),
    };
    if !field.repeated {
        if let Some(value) = message.value(field) {
            scalar(value, shares, out);
        }
    } else if is_message && field.csv != Csv::List {
        for value in message.values(field) {
            scalar(value, true, out);
            if !out.goes_on() {
                break;
            }
        }
    } else {
        let members = message.values(field);
        delimited(Nested::Separated, members, style, out, |value, out| {
            scalar(value, true, out);
        });
    }
}

fn members<O: Out>(message: &Message<'_>, style: &CsvStyle, out: &mut O) {
    let schema = message.schema();
    // A nested payload is there because its record holds it.
    let members = schema.columns(Columns::WITH_PAYLOADS);
    delimited(schema.nested, members, style, out, |member, out| {
        value(message, member, style, true, out);
    });
}

fn scalar<O: Out>(
    value: Scalar<'_>,
    field: &'static Field,
    style: &CsvStyle,
    shares: bool,
    out: &mut O,
) {
    let buffer = out.buffer();
    let start = buffer.len();
    match value {
        Scalar::Int(n) => digits::integer(n, buffer),
        Scalar::Uint(n) => digits::integer(n, buffer),
        Scalar::Bool(b) => digits::boolean(b, buffer),
        Scalar::Double(x) => match field.csv {
            Csv::Decimals(n) => digits::fixed(x, n, buffer),
            _ => digits::double(x, buffer),
        },
        Scalar::RecordType(number) => type_name(&style.types, number, buffer),
        Scalar::Text(octets) => return text(octets, style, shares, out),
        Scalar::Timestamp(octets) if Timestamp::is_padded(octets) => {
            return text(octets, style, shares, out);
        }
        Scalar::Timestamp(octets) => {
            return match Timestamp::parse(octets) {
                Some(time) => text(time.text(), style, shares, out),
                None => text(octets, style, shares, out),
            };
        }
        Scalar::Bytes(octets) if field.csv == Csv::Raw => return text(octets, style, shares, out),
        // Digits need no escapes.
        Scalar::Bytes(octets) => return out::hex(octets, out),
        Scalar::Message(_) => {}
    }
    enclose_from(start, style, shares, out);
}

/// Appends a text, in quotes and escaped where it must be.
fn text<O: Out>(value: &[u8], style: &CsvStyle, shares: bool, out: &mut O) {
    let must_enclose = shares && must_enclose(value, style);
    let must_escape = must_escape(value, style);
    if must_enclose {
        out.buffer().push(ENCLOSING);
    }
    for piece in out::pieces(value) {
        let buffer = out.buffer();
        let start = buffer.len();
        if style.terminal {
            buffer.extend_from_slice(visible(piece).as_bytes());
        } else if must_escape {
            escape(piece, buffer);
        } else {
            buffer.extend_from_slice(piece);
        }
        if must_enclose {
            double(ENCLOSING, buffer, start);
        }
        if !out.goes_on() {
            return;
        }
    }
    if must_enclose {
        out.buffer().push(ENCLOSING);
    }
}

/// Puts what was appended from `start` on, a number or a name, in quotes where it must be.
fn enclose_from<O: Out>(start: usize, style: &CsvStyle, shares: bool, out: &mut O) {
    let buffer = out.buffer();
    if shares && must_enclose(&buffer[start..], style) {
        double(ENCLOSING, buffer, start);
        buffer.insert(start, ENCLOSING);
        buffer.push(ENCLOSING);
    }
}

/// What stands around a value that shares its cell and holds a delimiter.
const ENCLOSING: u8 = b'\'';

/// Whether a value that shares its cell cannot be told from others without quotes around it.
fn must_enclose(value: &[u8], style: &CsvStyle) -> bool {
    let is_cut = || value.iter().any(|octet| style.begins_delimiter(*octet));
    style.quote && !style.terminal && (value.first() == Some(&ENCLOSING) || is_cut())
}

/// Whether a value holds what is escaped.
fn must_escape(value: &[u8], style: &CsvStyle) -> bool {
    let is_text = || value.is_ascii() || std::str::from_utf8(value).is_ok();
    style.quote && !style.terminal && (!is_text() || looks_escaped(value))
}

/// Appends a value, or a piece of one, with escapes.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    for chunk in value.utf8_chunks() {
        for octet in chunk.valid().as_bytes() {
            match octet {
                b'\\' => out.extend_from_slice(br"\\"),
                octet => out.push(*octet),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|octet| escaped(*octet, out));
    }
}

fn escaped(octet: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(br"\x");
    digits::hex(&[octet], out);
}

/// Whether there is an `\xNN` in a value, whatever stands before it.
fn looks_escaped(value: &[u8]) -> bool {
    value.contains(&b'\\') && value.windows(4).any(is_escape)
}

/// Whether four octets are an `\xNN`.
fn is_escape(text: &[u8]) -> bool {
    let is_digit = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    text.starts_with(br"\x") && text[2..].iter().all(is_digit)
}

/// The octets of a value that may be escaped: of a cell, or of one of the values that share a cell,
/// without the single quotes around it.
pub fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    if !looks_escaped(value) {
        out.extend_from_slice(value);
        return out;
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).unwrap_or_default() as u8;
    let mut rest = value;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', b'\\', after @ ..] => {
                out.push(b'\\');
                after
            }
            [b'\\', b'x', high, low, after @ ..] if is_escape(&rest[..4]) => {
                out.push(digit(*high) << 4 | digit(*low));
                after
            }
            [octet, after @ ..] => {
                out.push(*octet);
                after
            }
        }
    }
    out
}

/// Members with the delimiters that belong to their kind.
fn delimited<T, O: Out>(
    kind: Nested,
    members: impl Iterator<Item = T>,
    style: &CsvStyle,
    out: &mut O,
    mut write: impl FnMut(T, &mut O),
) {
    let (encloses, separates) = match kind {
        Nested::Separated => (true, true),
        Nested::Joined => (false, true),
        Nested::Tight => (true, false),
        Nested::Bare => (false, false),
    };
    if encloses {
        out.buffer().extend_from_slice(&style.begin);
    }
    for (i, member) in members.enumerate() {
        if separates && i > 0 {
            out.buffer().extend_from_slice(&style.struct_sep);
        }
        write(member, out);
        if !out.goes_on() {
            return;
        }
    }
    if encloses {
        out.buffer().extend_from_slice(&style.end);
    }
}

/// Octets of a record whose row is made in memory. A cell is not known to need quotes before its end, so
/// those of longer records are made twice, piece by piece.
const SHORT: usize = 64 << 10;

/// Writes the line of one record. `room` is a buffer, and stays small whatever the record holds.
///
/// # Errors
/// Those of `out`.
pub fn write_row(
    message: &Message<'_>,
    columns: &[&'static Field],
    style: &CsvStyle,
    room: &mut Vec<u8>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if message.octets().len() <= SHORT {
        room.clear();
        row(message, columns, style, room);
        return out.write_all(room);
    }
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            out.write_all(&style.separator)?;
        }
        let (is_quoted, is_empty) = look_through(message, column, style, room);
        if style.quote && (is_quoted || is_empty && columns.len() == 1) {
            write_quoted(message, column, style, room, out)?;
        } else {
            let mut pieces = out::written(room, out);
            value(message, column, style, false, &mut pieces);
            pieces.end()?;
        }
    }
    out.write_all(b"\n")
}

/// Whether a cell does not survive without quotes, and whether it is empty.
fn look_through(
    message: &Message<'_>,
    column: &'static Field,
    style: &CsvStyle,
    room: &mut Vec<u8>,
) -> (bool, bool) {
    // The end of what was seen: a separator may begin in it.
    let kept = style.separator.len().saturating_sub(1);
    let (mut must_quote, mut is_empty) = (false, true);
    let mut tail: Vec<u8> = Vec::new();
    let mut pieces = out::Pieces::new(room, |octets| {
        tail.extend_from_slice(octets);
        is_empty &= octets.is_empty();
        let is_special = |octet: &u8| matches!(octet, b'"' | b'\r' | b'\n');
        must_quote |= tail.iter().any(is_special) || find(&tail, &style.separator).is_some();
        tail.drain(..tail.len().saturating_sub(kept));
        Ok(())
    });
    value(message, column, style, false, &mut pieces);
    // The closure has nothing to fail at.
    drop(pieces.end());
    (must_quote || style.must_quote(&tail), is_empty)
}

fn write_quoted(
    message: &Message<'_>,
    column: &'static Field,
    style: &CsvStyle,
    room: &mut Vec<u8>,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut pieces = out::Pieces::new(room, |octets| {
        for part in octets.split_inclusive(|octet| *octet == b'"') {
            out.write_all(part)?;
            if part.ends_with(b"\"") {
                out.write_all(b"\"")?;
            }
        }
        Ok(())
    });
    value(message, column, style, false, &mut pieces);
    pieces.end()?;
    out.write_all(b"\"")
}

/// The beginnings of the cells of a row: of this many octets, or somewhat more.
pub fn beginnings(
    message: &Message<'_>,
    columns: &[&'static Field],
    style: &CsvStyle,
    length: usize,
) -> Vec<Vec<u8>> {
    let beginning = |column: &&'static Field| {
        let mut out = out::Beginning {
            text: Vec::new(),
            length,
        };
        value(message, column, style, false, &mut out);
        out.text
    };
    columns.iter().map(beginning).collect()
}

/// The columns whose cells would shift or break the row if they were not quoted.
pub fn needs_quoting(
    message: &Message<'_>,
    columns: &[&'static Field],
    style: &CsvStyle,
) -> Vec<&'static Field> {
    let mut room = Vec::new();
    let mut found = columns.to_vec();
    found.retain(|column| look_through(message, column, style, &mut room).0);
    found
}

/// Whether the row of a record, parsed again, gives exactly its cells. The row of a very long record is
/// not parsed: it does where it may be quoted, and where it need not be.
pub fn reads_back(message: &Message<'_>, columns: &[&'static Field], style: &CsvStyle) -> bool {
    if message.octets().len() > SHORT {
        let sound = !style.separator.is_empty() && !style.must_quote(b"");
        return sound && (style.quote || needs_quoting(message, columns, style).is_empty());
    }
    let mut line = Vec::new();
    row(message, columns, style, &mut line);
    line.pop();
    let cells = columns.iter().map(|column| {
        let mut text = Vec::new();
        cell(message, column, style, &mut text);
        text
    });
    parse_row(&line, style).is_some_and(|read| read.into_iter().eq(cells))
}

/// The cells of one row without its end of line; `None` where it is not a row of this style.
///
/// Strict, for it is there to verify rows: quotes only around whole cells, no end of line outside.
pub fn parse_row(row: &[u8], style: &CsvStyle) -> Option<Vec<Vec<u8>>> {
    let separator = &style.separator;
    let mut cells = Vec::new();
    let mut rest = row;
    loop {
        let mut cell = Vec::new();
        if style.quote && rest.starts_with(b"\"") {
            rest = &rest[1..];
            loop {
                let quote = find(rest, b"\"")?;
                cell.extend_from_slice(&rest[..quote]);
                rest = &rest[quote + 1..];
                match rest.strip_prefix(b"\"") {
                    Some(after) => rest = after,
                    None => break,
                }
                cell.push(b'"');
            }
        } else {
            let end = find(rest, separator).unwrap_or(rest.len());
            cell.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            let is_bad =
                |octet: &u8| matches!(octet, b'\r' | b'\n') || style.quote && *octet == b'"';
            if cell.iter().any(is_bad) {
                return None;
            }
        }
        cells.push(cell);
        if rest.is_empty() {
            return Some(cells);
        }
        rest = rest.strip_prefix(separator.as_slice())?;
    }
}

/// Where `needle` begins; an empty one is nowhere.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The columns that `-select` names, comma separated, in that order and as often.
///
/// Fields that are no columns by themselves can be selected too, and names have no case.
pub fn select(
    schema: &'static Schema,
    shown: Columns,
    names: &str,
) -> Result<Vec<&'static Field>, UnknownField> {
    let field = |name: &str| {
        let name = name.trim();
        schema
            .field_in_any_case(name)
            .ok_or_else(|| UnknownField::new(schema, shown, name))
    };
    names.split(',').map(field).collect()
}

/// A name that is no field of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// The name as it was given.
    pub name: String,
    /// The field that was probably meant.
    pub suggestion: Option<&'static str>,
    /// The columns that there are.
    pub available: Vec<&'static str>,
}

impl UnknownField {
    fn new(schema: &'static Schema, shown: Columns, name: &str) -> UnknownField {
        let available: Vec<_> = schema.columns(shown).map(|field| field.name).collect();
        let suggestion = closest(name, available.iter().copied());
        UnknownField {
            name: name.to_owned(),
            suggestion,
            available,
        }
    }
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown field {:?}", self.name)?;
        if let Some(suggestion) = self.suggestion {
            write!(f, ", did you mean {suggestion}?")?;
        } else {
            f.write_str(";")?;
        }
        write!(f, " available fields: {}", self.available.join(","))
    }
}

impl std::error::Error for UnknownField {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Record;
    use crate::testing::{Everything, HopByHop, Tcp, encoded, values, written};

    /// Second record of the original's file for the capture `wikipedia`, and its first of `mdns`.
    const TCP: &[u8] = b"\x0a\x111300475168.652003\x10\xb2\x96\x02\x18P \xd2\xa6\xff\x8f\x05(\x8d\
        \xf5\xf8\xc7\x0b0\x08P\x01X\x01\x80\x016\x88\x01\xd3\x9a\x01\xa2\x01\x04\x08\x01\x10\x01\
        \xa2\x01\x04\x08\x01\x10\x01\xa2\x01\x0e\x08\x08\x10\x0a\x1a\x08\x00\x1b\xe7\xacuz\xc4\xc2\
        \xa9\x01\x04\x00\xef\x1fG%\x16@\xb0\x01\xcf\x03";
    const HOP_BY_HOP: &[u8] = b"\x0a\x111738667761.299507\x12\x0c\x08\x05\x10\x02\x18\x04\x22\x02\
        \x00\x00*\x00\x12\x06\x08\x01\x18\x02*\x00";

    fn columns<R: Record>() -> Vec<&'static Field> {
        R::SCHEMA.columns(Columns::default()).collect()
    }

    fn row_of<R: Record>(octets: &[u8], style: &CsvStyle) -> String {
        written::<R>(octets, |message, out| {
            row(message, &columns::<R>(), style, out)
        })
    }

    #[test]
    fn rows_of_the_original() {
        let style = CsvStyle::default();
        assert_eq!(
            row_of::<Tcp>(TCP, &style),
            "1300475168.652003,35634,true,,(1-1-)(1-1-)(8-10-001be7ac757ac4c2),5.53640413,463\n"
        );
        assert_eq!(
            row_of::<HopByHop>(HOP_BY_HOP, &style),
            "1738667761.299507,(5240000(0-0))(102(0-0))\n"
        );
    }

    #[test]
    fn delimiters_and_dates_are_the_users() {
        let style = CsvStyle {
            separator: b"; ".to_vec(),
            begin: b"[".to_vec(),
            end: b"]".to_vec(),
            struct_sep: b"/".to_vec(),
            utc: true,
            ..CsvStyle::default()
        };
        assert_eq!(
            row_of::<HopByHop>(HOP_BY_HOP, &style),
            "2025-02-04T11:16:01.299507Z; [5240000[0/0]][102[0/0]]\n"
        );
    }

    #[test]
    fn times_have_six_digits() {
        let style = CsvStyle::default();
        for (stored, expected) in [
            ("\x0a\x035.7", "5.000007,\n"),
            ("\x0a\x01x", "x,\n"),
            ("", ",\n"),
        ] {
            assert_eq!(row_of::<HopByHop>(stored.as_bytes(), &style), expected);
        }
    }

    #[test]
    fn every_kind_of_value() {
        let values = crate::testing::Values {
            number: -2,
            double: 0.5,
            texts: vec![b"x".to_vec(), b"yz".to_vec()],
        };
        let style = CsvStyle {
            types: vec![Tcp::SCHEMA],
            ..CsvStyle::default()
        };
        assert_eq!(
            row_of::<Everything<'_>>(&encoded(&values.record()), &style),
            "-2.000000,x,-2,-2,4294967294,18446744073709551614,false,0.5,0.500,797a,,65534,\
             (0-254),(0.5-0.5),(x-yz),(x-yz),-'-2',x-'-2'yz-'-2',(x-'-2'false-yz-'-2'true)\n"
        );
        assert_eq!(
            row_of::<Everything<'_>>(b"\x58\x26", &style),
            ",,0,0,0,0,false,0,0.000,,,NC_TCP,(),(),(),(),,,()\n"
        );
    }

    /// The row of a record with this text in a cell of its own and with this list.
    fn row_with(text: &[u8], texts: &[&[u8]], style: &CsvStyle) -> Vec<u8> {
        let values = crate::testing::Values {
            number: 0,
            double: 0.0,
            texts: texts.iter().map(|text| text.to_vec()).collect(),
        };
        let record = Everything {
            string: crate::Text(text),
            ..values.record()
        };
        let octets = encoded(&record);
        let message = Message::parse(Everything::SCHEMA, &octets).unwrap();
        let columns = select(Everything::SCHEMA, Columns::default(), "String,Names").unwrap();
        let mut out = Vec::new();
        row(&message, &columns, style, &mut out);
        out
    }

    #[test]
    fn values_are_escaped_where_they_must_be() {
        let style = CsvStyle::default();
        for (value, alone, shared) in [
            (&b"a-(b)\\"[..], &br"a-(b)\"[..], &br"'a-(b)\'"[..]),
            (b"it's", b"it's", b"it's"),
            (b"'", b"'", b"''''"),
            (b"a-'b'", b"a-'b'", b"'a-''b'''"),
            (b"-\xff", b"-\\xff", b"'-\\xff'"),
            (b"a\\b\xff", br"a\\b\xff", br"a\\b\xff"),
            (
                b"\xc3\xa4\x9b\x1b",
                b"\xc3\xa4\\x9b\x1b",
                b"\xc3\xa4\\x9b\x1b",
            ),
            // Text that looks escaped, and text that nearly does.
            (br"\x2d", br"\\x2d", br"\\x2d"),
            (br"\\x2d", br"\\\\x2d", br"\\\\x2d"),
            (br"\x2D\x2\", br"\x2D\x2\", br"\x2D\x2\"),
        ] {
            let row = row_with(value, &[value, b"y"], &style);
            let expected = [alone, b",(", shared, b"-y)\n"].concat();
            assert_eq!(
                row.escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
            assert_eq!(unescaped(alone), value);
            assert_eq!(list(&[b"(", shared, b"-y)"].concat()), [value, b"y"]);
            let plain = CsvStyle {
                quote: false,
                ..style.clone()
            };
            let expected = [value, b",(", value, b"-y)\n"].concat();
            assert_eq!(row_with(value, &[value, b"y"], &plain), expected);
        }
        // A delimiter of several octets.
        let style = CsvStyle {
            struct_sep: "\u{2013}".into(),
            ..style
        };
        let row = row_with(b"", &["a\u{2013}\u{2014}".as_bytes(), b"b"], &style);
        assert_eq!(
            String::from_utf8(row).unwrap(),
            ",('a\u{2013}\u{2014}'\u{2013}b)\n"
        );
    }

    /// The values of a list.
    fn list(cell: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = cell
            .strip_prefix(b"(")
            .and_then(|rest| rest.strip_suffix(b")"))
            .unwrap();
        let mut values = Vec::new();
        loop {
            let (value, after) = match rest {
                [b'\'', enclosed @ ..] => {
                    let mut value = Vec::new();
                    let mut rest = enclosed;
                    loop {
                        rest = match rest {
                            [b'\'', b'\'', after @ ..] => {
                                value.push(b'\'');
                                after
                            }
                            [b'\'', after @ ..] => break (value, after),
                            [octet, after @ ..] => {
                                value.push(*octet);
                                after
                            }
                            [] => panic!("it has no end"),
                        }
                    }
                }
                _ => {
                    let end = rest.iter().position(|octet| *octet == b'-');
                    let (value, after) = rest.split_at(end.unwrap_or(rest.len()));
                    (value.to_vec(), after)
                }
            };
            values.push(unescaped(&value));
            match after {
                [b'-', after @ ..] => rest = after,
                after => {
                    assert!(after.is_empty());
                    return values;
                }
            }
        }
    }

    #[test]
    fn nothing_acts_on_a_terminal() {
        let style = CsvStyle {
            terminal: true,
            separator: b"\t".to_vec(),
            ..CsvStyle::default()
        };
        let text = "\x1b]0;owned\x07\t\u{9b}2J\u{202e}\u{7f}\n\"";
        for quote in [true, false] {
            let style = CsvStyle {
                quote,
                ..style.clone()
            };
            let row = row_with(text.as_bytes(), &[text.as_bytes(), b"\xff\r"], &style);
            let row = String::from_utf8(row).unwrap();
            let (line, separators) = (row.strip_suffix('\n').unwrap(), row.matches('\t').count());
            assert!(
                line.replace('\t', "").chars().all(crate::table::is_plain),
                "{row}"
            );
            assert!(
                separators == 1 && row.contains(r"\x1b]0;owned\x07\t\u{9b}2J\u{202e}\x7f\n"),
                "{row}"
            );
        }
    }

    #[test]
    fn a_single_empty_cell_is_no_empty_line() {
        let message = Message::parse(Tcp::SCHEMA, b"").unwrap();
        let mut out = Vec::new();
        let columns = select(Tcp::SCHEMA, Columns::default(), "Padding").unwrap();
        row(&message, &columns, &CsvStyle::default(), &mut out);
        row(
            &message,
            &columns,
            &CsvStyle {
                quote: false,
                ..CsvStyle::default()
            },
            &mut out,
        );
        assert_eq!(out, b"\"\"\n\n");
    }

    #[test]
    fn quotes_where_the_separator_would_be_misread() {
        let style = |separator: &str, quote| CsvStyle {
            separator: separator.into(),
            quote,
            ..CsvStyle::default()
        };
        for (padding, separator, expected) in [
            ("a,b", ",", "\"a,b\",0\n"),
            ("a,b", ";", "a,b;0\n"),
            ("say \"hi\"", ",", "\"say \"\"hi\"\"\",0\n"),
            ("a\r\nb", ",", "\"a\r\nb\",0\n"),
            ("a;", ";;", "\"a;\";;0\n"),
            ("a;", "; ", "a;; 0\n"),
            ("a", "aba", "aaba0\n"),
            ("aab", "aba", "\"aab\"aba0\n"),
            ("\u{e4}\t", ",", "\u{e4}\t,0\n"),
        ] {
            let octets = [&[0x9a, 1, padding.len() as u8], padding.as_bytes()].concat();
            let message = Message::parse(Tcp::SCHEMA, &octets).unwrap();
            let columns = select(Tcp::SCHEMA, Columns::default(), "Padding,PayloadSize").unwrap();
            let mut out = Vec::new();
            row(&message, &columns, &style(separator, true), &mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                expected,
                "{padding} {separator}"
            );

            let quoted = needs_quoting(&message, &columns, &style(separator, true));
            let is_quoted = expected.starts_with('"');
            assert_eq!(quoted, if is_quoted { &columns[..1] } else { &[] });
            assert!(reads_back(&message, &columns, &style(separator, true)));
            let reads_plain = !is_quoted || padding.contains('"');
            assert_eq!(
                reads_back(&message, &columns, &style(separator, false)),
                reads_plain
            );
        }
    }

    #[test]
    fn rows_that_are_none() {
        let style = CsvStyle::default();
        for row in ["\"a", "\"a\"b", "a\"b", "a\nb", "a,\"b\"\""] {
            assert_eq!(parse_row(row.as_bytes(), &style), None, "{row}");
        }
        assert_eq!(
            parse_row(b",\"\"\"\",", &style).unwrap(),
            [&b""[..], b"\"", b""]
        );
        // A separator that cannot work is told, not believed.
        let message = Message::parse(Tcp::SCHEMA, TCP).unwrap();
        for separator in ["", "\""] {
            let style = CsvStyle {
                separator: separator.into(),
                ..CsvStyle::default()
            };
            assert!(!reads_back(&message, &columns::<Tcp<'_>>(), &style));
        }
    }

    #[test]
    fn headers_and_selections() {
        let names = |columns: &[&'static Field]| {
            let mut out = Vec::new();
            header(columns, &CsvStyle::default(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            names(&columns::<Tcp<'_>>()),
            "Timestamp,SrcPort,ACK,Padding,Options,PayloadEntropy,PayloadSize\n"
        );
        let chosen = select(
            Tcp::SCHEMA,
            Columns::default(),
            "size,ACK, srcPORT,ACK,Payload",
        )
        .unwrap();
        assert_eq!(names(&chosen), "PayloadSize,ACK,SrcPort,ACK,Payload\n");
    }

    #[test]
    fn unknown_fields_are_explained_in_one_line() {
        let explain = |name| {
            select(Tcp::SCHEMA, Columns::WITH_PAYLOADS, name)
                .unwrap_err()
                .to_string()
        };
        let available = "available fields: \
            Timestamp,SrcPort,ACK,Padding,Options,PayloadEntropy,PayloadSize,Payload";
        assert_eq!(
            explain("ACK,srcprot"),
            format!("unknown field \"srcprot\", did you mean SrcPort? {available}")
        );
        assert_eq!(
            explain("x\n\x1b"),
            format!("unknown field \"x\\n\\u{{1b}}\"; {available}")
        );
        assert_eq!(explain(""), format!("unknown field \"\"; {available}"));
    }

    proptest! {
        #[test]
        fn rows_read_back(values in values(), separator in "[,;|\t ab(1-]{1,3}") {
            let octets = encoded(&values.record());
            let message = Message::parse(Everything::SCHEMA, &octets).unwrap();
            let style = CsvStyle { separator: separator.into(), ..CsvStyle::default() };
            let columns = columns::<Everything<'_>>();
            prop_assert!(reads_back(&message, &columns, &style));
            let mut line = Vec::new();
            row(&message, &columns, &style, &mut line);
            prop_assert!(std::str::from_utf8(&line).is_ok());
            for column in &columns {
                prop_assert!(reads_back(&message, &[column], &style));
            }
            let texts: Vec<&[u8]> = values.texts.iter().map(Vec::as_slice).collect();
            let text = texts.first().copied().unwrap_or_default();
            let line = row_with(text, &texts, &style);
            let cells = parse_row(&line[..line.len() - 1], &style).unwrap();
            prop_assert_eq!(unescaped(&cells[0]), text);
            let expected = if texts.is_empty() { vec![&b""[..]] } else { texts };
            prop_assert_eq!(list(&cells[1]), expected);
            // Without quotes, and so without escapes, the row is sound where no cell wants them.
            let plain = CsvStyle { quote: false, ..style.clone() };
            if needs_quoting(&message, &columns, &plain).is_empty() {
                prop_assert!(reads_back(&message, &columns, &plain));
            }
        }
    }
}
