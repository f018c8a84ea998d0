//! Files of audit records into text.

use std::io::{BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use netcap_record::csv::{self, CsvStyle, Line};
use netcap_record::json::{self, JsonStyle};
use netcap_record::table::{LONGEST_CELL, Table};
use netcap_record::{
    Columns, Field, FileHeader, Message, PACKET_NUMBER, Schema, find_schema, text,
};
use netcap_shell::Failure;
use netcap_shell::console::{fitted, is_terminal, print, say, stdout};
use netcap_store::Reader;

use crate::PROGRAM;
use crate::check::Check;
use crate::effects::{NESTED, ROWS};
use crate::flags::Flags;
use crate::stdout::each_once;

/// Rows of a table, after which it is printed and the next begins.
const TABLE_ROWS: usize = 100;
/// Octets of a cell from which a table takes what it shows: a character has four at most.
const CELL: usize = 4 * LONGEST_CELL;

/// A record file that has been opened.
struct Input {
    path: PathBuf,
    reader: Reader,
}

/// Prints the files one after the other, in the layout that the flags ask for.
pub(crate) fn run(flags: &Flags, paths: &[PathBuf]) -> Result<(), Failure> {
    let layout = layout(flags)?;
    let mut inputs = Vec::new();
    for path in paths {
        let (path, reader) = (path.clone(), open(path)?);
        inputs.push(Input { path, reader });
    }
    if layout == Layout::Header {
        let tables = inputs
            .iter()
            .map(|input| header_table(input.reader.header()));
        return print(&fitted(tables.collect()));
    }

    let schema = common_schema(&inputs)?;
    let mut headers = inputs.iter().map(|input| input.reader.header());
    let shown = Columns {
        payloads: headers.any(|header| header.contains_payloads),
        packet_numbers: flags.records.packet_numbers,
    };
    let mut columns = match &flags.select {
        Some(names) => csv::select(schema, shown, names)
            .map_err(|unknown| Failure::Usage(unknown.to_string()))?,
        None => schema.columns(shown).collect(),
    };
    if flags.records.packet_numbers && !columns.contains(&&PACKET_NUMBER) {
        columns.push(&PACKET_NUMBER);
    }
    let mut out = stdout();
    let mut printer = Printer::new(layout, columns, flags);
    if layout == Layout::Fields && flags.select.is_none() {
        printer.more = schema.fields.iter().collect();
        printer
            .more
            .retain(|field| !printer.columns.contains(field));
    }
    printer.begin(&mut out).map_err(Failure::stdout)?;
    if layout == Layout::Fields {
        return out.flush().map_err(Failure::stdout);
    }

    let mut failure = None;
    for input in &mut inputs {
        if let Err(trouble) = dump(input, schema, &mut printer, &mut out) {
            // The other files can be read all the same, unless it is we who cannot write.
            if !matches!(trouble, Failure::Input(_)) {
                return Err(trouble);
            }
            failure
                .into_iter()
                .for_each(|earlier: Failure| PROGRAM.note(earlier));
            failure = Some(trouble);
        }
    }
    printer
        .end(&mut out)
        .and_then(|()| out.flush())
        .map_err(Failure::stdout)?;
    if !flags.quiet {
        say(printer.trailer());
    }
    match failure {
        Some(failure) => Err(failure),
        None => printer.verdict(),
    }
}

/// Opens a file. What comes by standard input may well be a capture.
fn open(path: &Path) -> Result<Reader, Failure> {
    Reader::open(path).map_err(|error| match path.to_str() {
        Some("-") if error.is_input_fault() => Failure::Input(format!(
            "{error}; if it is a capture, add -out - to print its records"
        )),
        _ => error.into(),
    })
}

/// Prints the records of one file.
fn dump(
    input: &mut Input,
    schema: &'static Schema,
    printer: &mut Printer,
    out: &mut BufWriter<StdoutLock<'static>>,
) -> Result<(), Failure> {
    let (mut malformed, mut first) = (0, None);
    let mut number = 0;
    let mut room = Vec::new();
    while printer.wants_more()
        && let Some(record) = input.reader.next_record().map_err(trouble)?
    {
        number += 1;
        match Message::parse_pieces(schema, record, &mut room) {
            Ok(message) => printer.record(&message, out).map_err(Failure::stdout)?,
            Err(error) => {
                malformed += 1;
                first.get_or_insert((number, error));
            }
        }
    }
    match first {
        None => Ok(()),
        Some((number, error)) if malformed == 1 => Err(Failure::Input(format!(
            "{}: a malformed record, number {number}, was left out: {error}",
            input.path.display()
        ))),
        Some((number, error)) => Err(Failure::Input(format!(
            "{}: {malformed} malformed records were left out; in the first, number {number}, {error}",
            input.path.display()
        ))),
    }
}

/// What an error of a reader means: with the names of types.
fn trouble(error: netcap_store::Error) -> Failure {
    let netcap_store::Error::AnotherType { types, .. } = &error else {
        return error.into();
    };
    let (before, behind) = (records_of(types.0), records_of(types.1));
    Failure::Input(format!(
        "{error} (before it are {before}, behind it {behind})"
    ))
}

/// What records of a type are called.
fn records_of(number: u16) -> String {
    match find_schema(&netcap_pipeline::schemas(), number) {
        Some(schema) => format!("{} records", schema.name),
        None => format!("records of type {number}"),
    }
}

/// The type of the records, the same in all files.
fn common_schema(inputs: &[Input]) -> Result<&'static Schema, Failure> {
    let known = netcap_pipeline::schemas();
    let mut common = None;
    for Input { path, reader } in inputs {
        let number = reader.header().record_type;
        let schema = find_schema(&known, number).ok_or_else(|| {
            Failure::Environment(format!(
                "{} holds records of type {number}, which this version does not know; \
                 -header shows what the file says about itself",
                path.display()
            ))
        })?;
        if *common.get_or_insert(schema) != schema {
            return Err(Failure::Usage(format!(
                "{} holds {} records and the files before it do not; print one type at a time",
                path.display(),
                schema.name
            )));
        }
    }
    common.ok_or_else(|| Failure::Bug("there is nothing to print".to_owned()))
}

/// The text of `-header`.
fn header_table(header: &FileHeader) -> String {
    let mut created = Vec::new();
    if let Some(time) = &header.created {
        time.write_utc(&mut created);
    }
    let known = netcap_pipeline::schemas();
    let record_type = match find_schema(&known, header.record_type) {
        Some(schema) => format!("NC_{}", schema.name),
        None => header.record_type.to_string(),
    };
    let mut table = Table::new(["Field", "Value"]).with_longest(LONGEST_VALUE);
    table.row([&b"Created"[..], &created]);
    table.row([&b"Source"[..], &header.source]);
    table.row(["Version", &header.version]);
    table.row(["Type", &record_type]);
    table.row(["ContainsPayloads", &header.contains_payloads.to_string()]);
    let mut text = table.render();
    text.push('\n');
    text
}

/// Characters of a value that `-header` shows: no name of an input comes near.
const LONGEST_VALUE: usize = 1 << 20;

/// How records are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Csv,
    Table,
    Text,
    Json,
    Check,
    Fields,
    Header,
}

/// The one layout that is asked for.
fn layout(flags: &Flags) -> Result<Layout, Failure> {
    let mut asked = [
        ("-table", flags.table, Layout::Table),
        ("-struc", flags.struc, Layout::Text),
        ("-json", flags.json, Layout::Json),
        ("-check", flags.check, Layout::Check),
        ("-fields", flags.fields, Layout::Fields),
        ("-header", flags.header, Layout::Header),
    ]
    .into_iter()
    .filter(|(_, is_asked, _)| *is_asked);
    let Some((name, _, layout)) = asked.next() else {
        return Ok(Layout::Csv);
    };
    if let Some((other, _, _)) = asked.next() {
        return Err(Failure::Usage(format!(
            "{name} and {other} cannot be had at once; leave one of them out"
        )));
    }
    if let Some(flag) = without_effect(layout)
        .iter()
        .find(|flag| flags.is_given(flag))
    {
        return Err(Failure::Usage(format!(
            "-{flag} has no effect with {name}; leave one of them out"
        )));
    }
    Ok(layout)
}

/// The flags for printing that have no effect in a layout, by their long names.
fn without_effect(layout: Layout) -> Vec<&'static str> {
    const COLUMNS: [&str; 2] = ["select", "packet-numbers"];
    let groups: &[&[&str]] = match layout {
        Layout::Csv => &[],
        Layout::Table => &[&ROWS],
        Layout::Json => &[&ROWS, &NESTED],
        Layout::Check => &[&["csv"]],
        Layout::Fields => &[&["csv", "no-quote", "utc", "count"], &NESTED],
        Layout::Text => &[&ROWS, &NESTED, &COLUMNS, &["utc"]],
        Layout::Header => &[&ROWS, &NESTED, &COLUMNS, &["utc", "count"]],
    };
    groups.concat()
}

/// Prints records in a layout. Its buffers are used again for every record.
struct Printer {
    layout: Layout,
    columns: Vec<&'static Field>,
    style: CsvStyle,
    /// Fields that are no columns unless they are selected.
    more: Vec<&'static Field>,
    json: JsonStyle,
    line: Vec<u8>,
    table: Table,
    check: Check,
    records: u64,
    /// Records that are printed at most.
    most: Option<u64>,
}

impl Printer {
    fn new(layout: Layout, columns: Vec<&'static Field>, flags: &Flags) -> Printer {
        let style = flags.csv_style();
        // People read tables, and what is verified is read by programs.
        let style = match layout {
            Layout::Table => CsvStyle {
                quote: false,
                ..style
            },
            Layout::Csv => CsvStyle {
                terminal: is_terminal(),
                ..style
            },
            _ => style,
        };
        let select = match flags.select {
            Some(_) => each_once(columns.clone()),
            None => Vec::new(),
        };
        Printer {
            layout,
            more: Vec::new(),
            json: JsonStyle {
                types: netcap_pipeline::schemas(),
                select,
                utc: flags.utc,
            },
            line: Vec::new(),
            table: Table::new(columns.iter().map(|column| column.name)),
            check: Check::default(),
            records: 0,
            most: flags.input.count(),
            columns,
            style,
        }
    }

    /// Whether there are fewer records than were asked for.
    fn wants_more(&self) -> bool {
        self.most.is_none_or(|most| self.records < most)
    }

    /// Prints what stands before the records.
    fn begin(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        if matches!(self.layout, Layout::Csv | Layout::Fields) {
            csv::header(&self.columns, &self.style, &mut self.line);
        }
        if !self.more.is_empty() {
            let mut line = Line::new(&self.style, &mut self.line);
            for field in &self.more {
                line.text(format!("+{}", field.name).as_bytes());
            }
            line.end();
        }
        out.write_all(&self.line)
    }

    fn record(&mut self, message: &Message<'_>, out: &mut impl Write) -> std::io::Result<()> {
        self.records += 1;
        self.line.clear();
        match self.layout {
            Layout::Csv => {
                return csv::write_row(message, &self.columns, &self.style, &mut self.line, out);
            }
            Layout::Text => return text::write_to(message, &self.json.types, &mut self.line, out),
            Layout::Json => return json::write_line(message, &self.json, &mut self.line, out),
            Layout::Table => {
                let cells = csv::beginnings(message, &self.columns, &self.style, CELL);
                self.table.row(cells);
                if self.table.len() == TABLE_ROWS {
                    self.flush_table();
                }
            }
            Layout::Check => self
                .check
                .row(message, &self.columns, &self.style, &mut self.line),
            Layout::Fields | Layout::Header => {}
        }
        out.write_all(&self.line)
    }

    /// Prints what stands after the records.
    fn end(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        self.line.clear();
        // Of a file without records the columns are shown.
        if self.layout == Layout::Table && (!self.table.is_empty() || self.records == 0) {
            self.flush_table();
        }
        out.write_all(&self.line)
    }

    fn flush_table(&mut self) {
        let text = fitted(self.table.render());
        self.line.extend_from_slice(text.as_bytes());
        self.table.clear();
    }

    /// What is said at the end, on standard error.
    fn trailer(&self) -> String {
        match self.layout {
            Layout::Check => self.check.trailer(),
            _ => format!("{} records.", self.records),
        }
    }

    /// Whether the records could be printed as asked for.
    fn verdict(&self) -> Result<(), Failure> {
        self.check.verdict()
    }
}
