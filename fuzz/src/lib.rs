//! What must be true of every walk and every record, shared by the targets.

pub mod family;
pub mod laws;
pub mod stream;

use netcap_record::csv::{self, CsvStyle};
use netcap_record::{Columns, Message, Schema, json, text};

/// Renders a record in every format and holds that each is sound.
///
/// # Panics
/// Where a row does not read back to its cells, or a line of JSON is none.
pub fn render(schema: &'static Schema, message: &Message<'_>) {
    let columns: Vec<_> = schema
        .columns(Columns {
            payloads: true,
            packet_numbers: true,
        })
        .collect();
    let mut out = Vec::new();
    for utc in [false, true] {
        let style = CsvStyle {
            utc,
            ..CsvStyle::default()
        };
        out.clear();
        csv::row(message, &columns, &style, &mut out);
        assert!(
            csv::reads_back(message, &columns, &style),
            "{}",
            out.escape_ascii()
        );
        assert_eq!(cells(&out), columns.len(), "{}", out.escape_ascii());
    }
    out.clear();
    json::line(message, &[schema], &mut out);
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(&out) {
        panic!("{error}: {}", out.escape_ascii());
    }
    out.clear();
    text::write(message, &[schema], &mut out);
}

/// The cells that another reader of CSV finds in one row.
fn cells(row: &[u8]) -> usize {
    // That reader takes a while to build, and most rows are plain.
    if !row.contains(&b'"') {
        return row.iter().filter(|octet| **octet == b',').count() + 1;
    }
    let mut reader = rfc4180::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(row);
    let mut rows = reader.byte_records();
    let cells = rows.next().and_then(Result::ok).map_or(0, |row| row.len());
    assert!(rows.next().is_none(), "one row: {}", row.escape_ascii());
    cells
}
