//! Holds this program against the files that the original of 2019 wrote.
//!
//! Needs `../shared/reference/netcap` and `../shared/captures` beside the checkout; says so and
//! does nothing where they are missing. Three things must hold: every file of the original can be
//! read and rendered; our CSV of its records is its own CSV, once the listed defects are put back;
//! and our records of the same capture are its records, except for what [`EXCEPTIONS`] lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netcap_dissect::Selection;
use netcap_pipeline::{Config, FileConfig, Files};
use netcap_record::csv::{self, CsvStyle};
use netcap_record::{Columns, Field, Message, Scalar, Schema, Timestamp, find_schema};
use netcap_store::Reader;

/// Where our records may differ from the original's, and why.
struct Exception {
    /// Name of the reference, or `*`.
    reference: &'static str,
    /// Record type by its file name, or `*`.
    stem: &'static str,
    differs: Differs,
    /// The defect of the original, or the decision of ours, behind it.
    reason: &'static str,
}

/// How they may differ.
#[derive(Clone, Copy)]
enum Differs {
    /// The original's records are not of this capture in any useful sense.
    Altogether,
    /// We have so many records more, between those of the original.
    More(usize),
    /// This field has these values, the original's and ours; empty is any value.
    Field(&'static str, &'static str, &'static str),
}

use Differs::{Altogether, Field as InField, More};

const HIDDEN: &str = "a layer without a record hides what is beneath from the original (decision)";
const OVER_TCP: &str = "the original never dissects what TCP carries (decision ModbusTCP)";
const MULTICAST_DNS: &str = "multicast DNS and LLMNR have DNS records (decision)";
const LOOPBACK: &str = "the original takes every link type for Ethernet (defect 16)";
const SIMPLE_PACKET: &str =
    "a simple packet block of pcapng has no time: Go's is the year 1, ours the epoch";
const IPV6_FRAGMENTS: &str = "IPv6 fragments are put together; the original leaves them apart";

#[rustfmt::skip]
const EXCEPTIONS: &[Exception] = &[
    except("ipv6-fragmented-dns", "DNS", More(1), IPV6_FRAGMENTS),
    except("ipv6-fragmented-dns", "UDP", More(1), IPV6_FRAGMENTS),
    except("mdns", "DNS", More(18), MULTICAST_DNS),
    except("wikipedia", "DNS", More(12), MULTICAST_DNS),
    except("modbusSmall", "ModbusTCP", More(32), OVER_TCP),
    except("geneve", "TLS", More(1), "the original asks the first TCP layer of a packet alone"),
    except("*", "TLS", InField("DstPort", "", ""), "the source port (defect 11)"),
    except("*", "TLS", InField("Ja3", "", ""), "GREASE stays in it (defect 11)"),
    except("pppoe", "DHCPv6", More(4), HIDDEN),
    except("pppoe", "ICMPv6", More(21), HIDDEN),
    except("pppoe", "ICMPv6Echo", More(10), HIDDEN),
    except("pppoe", "ICMPv6NeighborAdvertisement", More(1), HIDDEN),
    except("pppoe", "ICMPv6RouterAdvertisement", More(1), HIDDEN),
    except("pppoe", "ICMPv6RouterSolicitation", More(1), HIDDEN),
    except("pppoe", "IPv6", More(25), HIDDEN),
    except("pppoe", "IPv6HopByHop", More(8), HIDDEN),
    except("pppoe", "UDP", More(4), HIDDEN),
    except("test010", "*", InField("Timestamp", "-62135596800.000000", "0.000000"), SIMPLE_PACKET),
    except("test_loopback", "Ethernet", Altogether, LOOPBACK),
    except("test_loopback", "IPv6", More(24), LOOPBACK),
    except("test_loopback", "TCP", More(24), LOOPBACK),
];

const fn except(
    reference: &'static str,
    stem: &'static str,
    differs: Differs,
    reason: &'static str,
) -> Exception {
    Exception {
        reference,
        stem,
        differs,
        reason,
    }
}

/// The flow models, in any order in the original; their records are compared by themselves. HTTP is
/// not compared here: two runs of the original give two results (defect 12).
const FLOWS: [&str; 5] = [
    "Connection",
    "Flow",
    "LinkFlow",
    "NetworkFlow",
    "TransportFlow",
];

/// Flows that differ: reference, model, name of the flow or all, and why.
#[rustfmt::skip]
const FLOW_EXCEPTIONS: &[(&str, &str, &str, &str)] = &[
    ("gre-sample", "Connection", "*", OUTER_ENDS),
    ("gre-sample", "Flow", "*", OUTER_ENDS),
    ("ipv6-fragmented-dns", "Connection", "*", FRAGMENTS_IN_FLOWS),
    ("ipv6-fragmented-dns", "Flow", "*", FRAGMENTS_IN_FLOWS),
    ("ipv6-fragmented-dns", "TransportFlow", "*", FRAGMENTS_IN_FLOWS),
    ("test010", "*", "*", SIMPLE_PACKET),
    ("test_loopback", "*", "*", LOOPBACK),
    ("vlan-collisions", "Connection", "*", VLANS),
    ("vlan-collisions", "Flow", "*", VLANS),
];
const OUTER_ENDS: &str = "the ends are of the outermost layer, and protocols without ports flows of their own (decision)";
const VLANS: &str = "flows of different VLANs are different (decision)";
const FRAGMENTS_IN_FLOWS: &str = "fragments have the ports of their datagram (decision)";

/// Numbers from here on are fields that the original does not have.
const FIRST_ADDED_FIELD: u32 = 100;
/// Differences that are printed of one file; the rest are counted.
const MOST_SHOWN: usize = 5;

/// The captures and the original's files of them.
struct Reference {
    name: String,
    capture: PathBuf,
    directory: PathBuf,
}

impl Reference {
    /// All of them, or `None` with a message where they are missing.
    fn all() -> Option<Vec<Reference>> {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
        let root = shared.join("reference/netcap");
        let index = fs::read_to_string(root.join("INDEX.tsv"));
        let (Ok(index), true) = (index, shared.join("captures").is_dir()) else {
            eprintln!(
                "skipped: no reference files of the original in {}",
                shared.display()
            );
            return None;
        };
        let rows = index.lines().filter_map(|line| line.split_once('\t'));
        let references = rows.map(|(name, capture)| Reference {
            name: name.to_owned(),
            capture: shared.join(capture),
            directory: root.join(name),
        });
        Some(references.collect())
    }

    /// The original's files of records, by their names without extensions.
    fn files(&self) -> BTreeMap<String, PathBuf> {
        let directory = fs::read_dir(self.directory.join("ncap")).expect("a folder of files");
        let files = directory.map(|entry| entry.expect("an entry").path());
        let named = files.filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            Some((name.strip_suffix(".ncap.gz")?.to_owned(), path.clone()))
        });
        named.collect()
    }
}

/// Every type of record that we have a definition of.
fn schemas() -> Vec<&'static Schema> {
    netcap_pipeline::schemas()
}

/// The definition of what a file holds, if we have one, and its records.
fn read(path: &Path) -> (Option<&'static Schema>, Vec<Vec<u8>>) {
    let mut reader = Reader::open(path).unwrap_or_else(|error| panic!("{error}"));
    let schema = find_schema(&schemas(), reader.header().record_type);
    let mut records = Vec::new();
    while let Some(record) = reader
        .next_record()
        .unwrap_or_else(|error| panic!("{error}"))
    {
        records.push(record.to_vec());
    }
    (schema, records)
}

fn parse<'a>(schema: &'static Schema, record: &'a [u8], path: &Path) -> Message<'a> {
    Message::parse(schema, record).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rendering of 2019: nothing quoted.
fn style_of_2019() -> CsvStyle {
    CsvStyle {
        quote: false,
        ..CsvStyle::default()
    }
}

#[test]
fn every_file_of_the_original_is_read() {
    let Some(references) = Reference::all() else {
        return;
    };
    let (mut files, mut records) = (0, 0);
    for reference in &references {
        for (stem, path) in reference.files() {
            let reader = Reader::open(&path).unwrap_or_else(|error| panic!("{error}"));
            let header = reader.header();
            assert_eq!(header.version, "v0.3.9", "{}", path.display());
            assert!(
                header.created.is_some() && header.record_type > 1,
                "{}",
                path.display()
            );
            let (schema, found) = read(&path);
            files += 1;
            records += found.len();
            let Some(schema) = schema else {
                continue;
            };
            assert_eq!(schema.stem, stem, "{}", path.display());
            let columns: Vec<_> = schema
                .columns(Columns {
                    payloads: header.contains_payloads,
                    ..Columns::default()
                })
                .collect();
            let style = CsvStyle::default();
            let mut row = Vec::new();
            for record in &found {
                let message = parse(schema, record, &path);
                let time = message.value(&schema.fields[0]);
                assert!(
                    matches!(time, Some(Scalar::Timestamp(_))),
                    "{}",
                    path.display()
                );
                row.clear();
                csv::row(&message, &columns, &style, &mut row);
                assert!(
                    csv::reads_back(&message, &columns, &style),
                    "{}",
                    path.display()
                );
            }
        }
    }
    eprintln!("{files} files with {records} records read");
    assert!(files > 0 && records > 0);
}

#[test]
fn csv_is_that_of_the_original() {
    let Some(references) = Reference::all() else {
        return;
    };
    let mut trouble = String::new();
    for reference in &references {
        for (stem, path) in reference.files() {
            let (Some(schema), records) = read(&path) else {
                continue;
            };
            let theirs = fs::read(reference.directory.join("csv").join(format!("{stem}.csv")))
                .expect("the original's CSV");
            let ours = csv_of_2019(schema, &records, &path);
            if ours != theirs {
                let (ours, theirs) = (lines(&ours), lines(&theirs));
                let (i, (ours, theirs)) = ours
                    .zip(theirs)
                    .enumerate()
                    .find(|(_, (ours, theirs))| ours != theirs)
                    .unwrap_or((0, ("fewer or more lines", "")));
                let _ = writeln!(
                    trouble,
                    "{} {stem} line {}:\n  theirs {theirs}\n  ours   {ours}",
                    reference.name,
                    i + 1,
                );
            }
        }
    }
    assert!(trouble.is_empty(), "\n{trouble}");
}

fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|octet| *octet == b'\n')
        .map(|line| std::str::from_utf8(line).unwrap_or("not UTF-8"))
}

/// Our CSV with the original's defects put back: times as they stand in the record, nothing quoted,
/// of the sections of a DNS message only the last record after all questions, and a trailer.
fn csv_of_2019(schema: &'static Schema, records: &[Vec<u8>], path: &Path) -> Vec<u8> {
    let style = style_of_2019();
    let columns: Vec<_> = schema.columns(Columns::WITH_PAYLOADS).collect();
    let mut out = Vec::new();
    csv::header(&columns, &style, &mut out);
    if schema.name == "LinkFlow" {
        // Its old name is the alias of ours.
        let header = String::from_utf8_lossy(&out).replace("SrcMAC", "SourceMAC");
        out = header.into_bytes();
    }
    for record in records {
        let message = parse(schema, record, path);
        for (i, field) in columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            match message.value(field) {
                Some(Scalar::Timestamp(text)) => out.extend_from_slice(text),
                _ if schema.name == "DNS" && is_section(field) => {
                    section_of_2019(&message, field, &style, &mut out);
                }
                _ => csv::cell(&message, field, &style, &mut out),
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(format!("{} records.\n", records.len()).as_bytes());
    out
}

fn is_section(field: &Field) -> bool {
    matches!(field.name, "Answers" | "Authorities" | "Additionals")
}

fn section_of_2019(
    message: &Message<'_>,
    field: &'static Field,
    style: &CsvStyle,
    out: &mut Vec<u8>,
) {
    let Some(Scalar::Message(last)) = message.values(field).last() else {
        return;
    };
    let questions = message.schema().field("Questions").expect("a DNS message");
    csv::cell(message, questions, style, out);
    let members: Vec<_> = last.schema().columns(Columns::WITH_PAYLOADS).collect();
    let inner = CsvStyle {
        separator: style.struct_sep.clone(),
        ..style.clone()
    };
    out.extend_from_slice(&style.begin);
    csv::row(&last, &members, &inner, out);
    // The line's end.
    out.pop();
    out.extend_from_slice(&style.end);
}

#[test]
fn records_are_those_of_the_original() {
    let Some(references) = Reference::all() else {
        return;
    };
    let mut used = vec![false; EXCEPTIONS.len()];
    let mut trouble = String::new();
    let mut equal = 0;
    for reference in &references {
        let directory = tempfile::tempdir().expect("a directory");
        run(&reference.capture, directory.path());
        let theirs = reference.files();
        let is_layer = |schema: &&Schema| !FLOWS.contains(&schema.name) && schema.name != "HTTP";
        for schema in schemas().into_iter().filter(is_layer) {
            let mut comparison = Comparison::new(reference, schema, &mut used);
            if comparison.is_pointless {
                continue;
            }
            let ours = directory.path().join(format!("{}.ncap", schema.stem));
            let ours = if ours.exists() {
                read(&ours).1
            } else {
                Vec::new()
            };
            let theirs = theirs
                .get(schema.stem)
                .map_or_else(Vec::new, |path| read(path).1);
            comparison.compare(&ours, &theirs);
            equal += theirs.len();
            for line in comparison.differences.iter().take(MOST_SHOWN) {
                let _ = writeln!(trouble, "{} {} {line}", reference.name, schema.stem);
            }
            let rest = comparison.differences.len().saturating_sub(MOST_SHOWN);
            if rest > 0 {
                let _ = writeln!(
                    trouble,
                    "{} {} and {rest} more",
                    reference.name, schema.stem
                );
            }
        }
    }
    for (exception, used) in EXCEPTIONS.iter().zip(used) {
        if !used {
            let Exception {
                reference,
                stem,
                reason,
                ..
            } = exception;
            let _ = writeln!(
                trouble,
                "{reference} {stem}: nothing differs though {reason}"
            );
        }
    }
    eprintln!("{equal} records compared");
    assert!(trouble.is_empty(), "\n{trouble}");
}

#[test]
fn flows_are_those_of_the_original() {
    let Some(references) = Reference::all() else {
        return;
    };
    let mut used = vec![false; FLOW_EXCEPTIONS.len()];
    let (mut trouble, mut equal) = (String::new(), 0);
    for reference in &references {
        let directory = tempfile::tempdir().expect("a directory");
        run(&reference.capture, directory.path());
        let files = reference.files();
        for model in FLOWS {
            let ours = directory.path().join(format!("{model}.ncap"));
            let mut ours = if ours.exists() {
                flows(&ours)
            } else {
                BTreeMap::new()
            };
            let theirs = files.get(model).map(|path| flows(path));
            for (uid, mut flow) in theirs.unwrap_or_default() {
                correct(model, &mut flow);
                let mine = ours.remove(&uid).unwrap_or_default();
                let differences = difference(model, &flow, &mine);
                equal += usize::from(differences.is_empty());
                if !differences.is_empty() && !excepted(reference, model, &uid, &mut used) {
                    let _ = writeln!(trouble, "{} {model} {uid}: {differences}", reference.name);
                }
            }
            for (uid, flow) in ours {
                if !excepted(reference, model, &uid, &mut used) {
                    let _ = writeln!(
                        trouble,
                        "{} {model} {uid}: only ours {flow:?}",
                        reference.name
                    );
                }
            }
        }
    }
    for (exception, used) in FLOW_EXCEPTIONS.iter().zip(used) {
        if !used {
            let _ = writeln!(trouble, "the exception {exception:?} is none");
        }
    }
    eprintln!("{equal} flows equal");
    assert!(trouble.is_empty(), "\n{trouble}");
    assert!(equal > 400);
}

/// A flow by its fields, as texts.
type FlowFields = BTreeMap<&'static str, String>;

/// The flows of a file by their names.
fn flows(path: &Path) -> BTreeMap<String, FlowFields> {
    let (schema, records) = read(path);
    let schema = schema.expect("a flow model");
    let style = CsvStyle::default();
    let mut flows = BTreeMap::new();
    for record in &records {
        let message = parse(schema, record, path);
        let fields: FlowFields = schema
            .columns(Columns::default())
            .map(|field| {
                let mut text = Vec::new();
                csv::cell(&message, field, &style, &mut text);
                (field.name, String::from_utf8_lossy(&text).into_owned())
            })
            .collect();
        flows.insert(fields["UID"].clone(), fields);
    }
    flows
}

/// Mends the listed defects of the original in a flow: the first packet of Flow and Connection does
/// not count (defect 10), flows of one packet have no last time (defect 15).
fn correct(model: &str, flow: &mut FlowFields) {
    if flow["TimestampLast"].is_empty() {
        let first = flow["TimestampFirst"].clone();
        flow.insert("TimestampLast", first);
    }
    if matches!(model, "Flow" | "Connection") {
        let packets: u64 = flow["NumPackets"].parse().expect("a number");
        flow.insert("NumPackets", (packets + 1).to_string());
    }
}

/// How a flow of ours differs from the original's.
fn difference(model: &str, theirs: &FlowFields, ours: &FlowFields) -> String {
    let mut text = String::new();
    for (name, value) in theirs {
        let mine = ours.get(name).map_or("", String::as_str);
        let octets = |text: &str| text.parse::<u64>().unwrap_or_default();
        let is_equal = match (model, *name) {
            // The first packet is missing from the sum.
            ("Flow" | "Connection", "TotalSize") => octets(mine) > octets(value),
            // The original names what has ports, tells what dissectors of packets have read in the
            // first packet, and counts that (decisions).
            ("Flow" | "Connection", "TransportProto") => mine == value || value.is_empty(),
            ("Flow" | "Connection", "ApplicationProto") => {
                mine == value || ["", "Payload", "Fragment"].contains(&value.as_str())
            }
            // Theirs are of the first packet, and of a payload or a body alone (decision).
            ("Flow" | "Connection", "AppPayloadSize") => octets(mine) >= octets(value),
            _ => mine == value,
        };
        if !is_equal {
            let _ = write!(text, "{name}: theirs {value}, ours {mine}; ");
        }
    }
    text
}

fn excepted(reference: &Reference, model: &str, uid: &str, used: &mut [bool]) -> bool {
    let place = FLOW_EXCEPTIONS.iter().position(|(name, of, which, _)| {
        *name == reference.name && ["*", model].contains(of) && ["*", uid].contains(which)
    });
    place.is_some_and(|place| {
        used[place] = true;
        true
    })
}

/// Processes a capture as the program does.
fn run(capture: &Path, directory: &Path) {
    let source = netcap_capture::open(capture).expect("a capture");
    let registry = netcap_pipeline::registry(&Selection::default()).expect("everything");
    let config = Config {
        // The original hardly ever closes a flow before the end of such short captures.
        flows: netcap_pipeline::FlowLimits {
            flow_timeout: 0,
            connection_timeout: 0,
            ..netcap_pipeline::FlowLimits::default()
        },
        ignore_unknown: true,
        ..Config::default()
    };
    let files = FileConfig {
        compress: false,
        ..FileConfig::new(directory)
    };
    let mut files = Files::new(files, &registry).expect("a directory");
    let stop = Arc::default();
    let report = netcap_pipeline::run(source, &registry, &config, &mut files, &stop, &mut |_| {})
        .unwrap_or_else(|error| panic!("{}: {error}", capture.display()));
    assert!(report.ledger.balances(), "{}", capture.display());
}

/// The records of one type of one capture.
struct Comparison<'a> {
    schema: &'static Schema,
    exceptions: Vec<(usize, &'static Exception)>,
    used: &'a mut [bool],
    is_pointless: bool,
    differences: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn new(reference: &Reference, schema: &'static Schema, used: &'a mut [bool]) -> Comparison<'a> {
        let is_it = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        let exceptions: Vec<_> = EXCEPTIONS
            .iter()
            .enumerate()
            .filter(|(_, e)| is_it(e.reference, &reference.name) && is_it(e.stem, schema.stem))
            .collect();
        let altogether = exceptions
            .iter()
            .find(|(_, e)| matches!(e.differs, Altogether));
        if let Some((place, _)) = altogether {
            used[*place] = true;
        }
        Comparison {
            schema,
            is_pointless: altogether.is_some(),
            exceptions,
            used,
            differences: Vec::new(),
        }
    }

    /// Finds each record of the shorter list in the longer one, in order, and notes differences.
    fn compare(&mut self, ours: &[Vec<u8>], theirs: &[Vec<u8>]) {
        let surplus = ours.len() as isize - theirs.len() as isize;
        let mut allowed = 0;
        for (place, exception) in &self.exceptions {
            allowed += match exception.differs {
                More(n) => n as isize,
                Altogether | InField(..) => continue,
            };
            self.used[*place] |= surplus != 0;
        }
        if surplus != allowed {
            let (ours, theirs) = (ours.len(), theirs.len());
            self.differences
                .push(format!("number of records: theirs {theirs}, ours {ours}"));
        }
        // Where more is missing than is allowed, records are compared pair by pair.
        let mut skippable = if surplus == allowed {
            surplus.unsigned_abs()
        } else {
            0
        };
        let (mut our, mut their) = (0, 0);
        while our < ours.len() && their < theirs.len() {
            let fields = self.fields_that_differ(&ours[our], &theirs[their]);
            if !fields.is_empty() && skippable > 0 {
                skippable -= 1;
                *(if surplus > 0 { &mut our } else { &mut their }) += 1;
                continue;
            }
            for field in fields {
                self.differences
                    .push(format!("record {}: {field}", their + 1));
            }
            (our, their) = (our + 1, their + 1);
        }
    }

    fn fields_that_differ(&mut self, ours: &[u8], theirs: &[u8]) -> Vec<String> {
        let (ours, theirs) = (flat(self.schema, ours), flat(self.schema, theirs));
        let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let none = Leaf::Text("absent".to_owned());
        let mut found = Vec::new();
        for path in paths {
            let our = ours.get(path).unwrap_or(&none);
            let their = theirs.get(path).unwrap_or(&none);
            if !our.equals(their) && !self.is_excepted(path, &our.shown(), &their.shown()) {
                found.push(format!(
                    "{path}: theirs {}, ours {}",
                    their.shown(),
                    our.shown()
                ));
            }
        }
        found
    }

    fn is_excepted(&mut self, path: &str, our: &str, their: &str) -> bool {
        let is = |expected: &str, value: &str| expected.is_empty() || expected == value;
        let row = self
            .exceptions
            .iter()
            .find(|(_, exception)| match exception.differs {
                InField(field, theirs, ours) => field == path && is(theirs, their) && is(ours, our),
                Altogether | More(_) => false,
            });
        if let Some((place, _)) = row {
            self.used[*place] = true;
        }
        row.is_some()
    }
}

/// A value without anything inside.
enum Leaf {
    Text(String),
    Double(f64),
}

impl Leaf {
    fn equals(&self, other: &Leaf) -> bool {
        match (self, other) {
            (Leaf::Double(a), Leaf::Double(b)) => (a - b).abs() < 1e-9,
            (Leaf::Text(a), Leaf::Text(b)) => a == b,
            _ => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Leaf::Text(text) => text.clone(),
            Leaf::Double(x) => x.to_string(),
        }
    }
}

/// The fields of a record by their paths, `Answers.0.Name`.
fn flat(schema: &'static Schema, record: &[u8]) -> BTreeMap<String, Leaf> {
    let mut leaves = BTreeMap::new();
    let message = parse(schema, record, Path::new(schema.name));
    flatten(&message, "", &mut leaves);
    leaves
}

fn flatten(message: &Message<'_>, prefix: &str, leaves: &mut BTreeMap<String, Leaf>) {
    let schema = message.schema();
    for field in schema
        .fields
        .iter()
        .filter(|field| field.number < FIRST_ADDED_FIELD)
    {
        let path = format!("{prefix}{}", field.name);
        if field.repeated {
            for (i, value) in message.values(field).enumerate() {
                leaf(value, format!("{path}.{i}"), leaves);
            }
        } else if let Some(value) = message.value(field) {
            leaf(value, path, leaves);
        }
    }
}

fn leaf(value: Scalar<'_>, path: String, leaves: &mut BTreeMap<String, Leaf>) {
    let value = match value {
        Scalar::Message(message) => return flatten(&message, &format!("{path}."), leaves),
        Scalar::Double(x) => Leaf::Double(x),
        Scalar::Timestamp(text) => match Timestamp::parse(text) {
            Some(time) => Leaf::Text(String::from_utf8_lossy(time.text()).into_owned()),
            None => Leaf::Text(text.escape_ascii().to_string()),
        },
        Scalar::Text(text) => Leaf::Text(text.escape_ascii().to_string()),
        Scalar::Bytes(octets) => {
            let hex = octets
                .iter()
                .fold("0x".to_owned(), |hex, octet| hex + &format!("{octet:02x}"));
            Leaf::Text(hex)
        }
        Scalar::Int(n) => Leaf::Text(n.to_string()),
        Scalar::Uint(n) | Scalar::RecordType(n) => Leaf::Text(n.to_string()),
        Scalar::Bool(b) => Leaf::Text(b.to_string()),
    };
    leaves.insert(path, value);
}
