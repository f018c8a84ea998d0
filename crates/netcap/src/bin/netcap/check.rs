//! `-check`: would the rows read back, and which would not without quotes.

use netcap_record::csv::{self, CsvStyle};
use netcap_record::table::{Colour, RESET, visible};
use netcap_record::{Field, Message};
use netcap_shell::Failure;
use netcap_shell::console::has_colours;
use netcap_shell::figures::grouped;

/// Octets of a cell that are shown.
const ROW: usize = 64 << 10;

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Check {
    rows: u64,
    quoted: u64,
    lost: u64,
}

impl Check {
    /// Looks at a record's row, and appends it, as it is without quotes, if it needs them.
    pub(crate) fn row(
        &mut self,
        message: &Message<'_>,
        columns: &[&'static Field],
        style: &CsvStyle,
        out: &mut Vec<u8>,
    ) {
        self.rows += 1;
        self.lost += u64::from(!csv::reads_back(message, columns, style));
        let found = csv::needs_quoting(message, columns, style);
        if found.is_empty() {
            return;
        }
        self.quoted += 1;
        let names: Vec<&str> = found.iter().map(|column| column.name).collect();
        let separator = visible(&style.separator);
        let row: Vec<String> = csv::beginnings(message, columns, style, ROW)
            .iter()
            .map(|cell| highlighted(&visible(cell), &separator))
            .collect();
        let line = format!(
            "row {}: {}: {}\n",
            self.rows,
            names.join(", "),
            row.join(&separator)
        );
        out.extend_from_slice(line.as_bytes());
    }

    pub(crate) fn trailer(&self) -> String {
        format!(
            "{} of {} rows need quotes, {} read back",
            grouped(self.quoted),
            grouped(self.rows),
            grouped(self.rows - self.lost)
        )
    }

    /// Whether every row reads back.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        match self.lost {
            0 => Ok(()),
            lost => Err(Failure::Usage(format!(
                "{} rows do not read back; choose another -sep, or leave -no-quote out",
                grouped(lost)
            ))),
        }
    }
}

/// The cell with the separators in it in red, on a terminal.
fn highlighted(cell: &str, separator: &str) -> String {
    if has_colours() {
        cell.replace(
            separator,
            &format!("{}{separator}{RESET}", Colour::Red.sequence()),
        )
    } else {
        cell.to_owned()
    }
}
