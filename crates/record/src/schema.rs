//! The definition of a record as data: names, numbers, types, documentation.

/// The definition of one record or of one message inside records. A message may hold messages of
/// its own kind; its definition is a `static` then.
#[derive(Eq)]
pub struct Schema {
    /// Name of the protobuf message, `TCP`.
    pub name: &'static str,
    /// Value in the enumeration `Type` (`NC_TCP = 38`); some nested messages have none.
    pub number: Option<u16>,
    /// Name on the command line (`-include`, `-encoders`) where it is not [`Schema::name`].
    pub encoder: &'static str,
    /// File name without its extensions.
    pub stem: &'static str,
    /// Documentation, Markdown.
    pub doc: &'static str,
    /// How one message is written inside a CSV cell.
    pub nested: Nested,
    /// Fields in column order, which is not always the order of their numbers.
    pub fields: &'static [Field],
}

// By hand, since a definition that holds itself would be compared and printed without end.
impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        fn parts(schema: &Schema) -> impl PartialEq + use<'_> {
            let names = (schema.name, schema.number, schema.encoder, schema.stem);
            (names, schema.doc, schema.nested, schema.fields)
        }
        std::ptr::eq(self, other) || parts(self) == parts(other)
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Schema({})", self.name)
    }
}

impl Schema {
    /// The fields that are CSV columns of a file, in order.
    pub fn columns(&self, shown: Columns) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().filter(move |f| match f.csv {
            Csv::Hidden => false,
            Csv::Payload => shown.payloads,
            Csv::PacketNumber => shown.packet_numbers,
            _ => true,
        })
    }

    /// The field of this name or alias.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields
            .iter()
            .find(|f| f.name == name || f.alias == Some(name))
    }

    /// The same; a name in another case is known where none is exactly so.
    pub fn field_in_any_case(&self, name: &str) -> Option<&'static Field> {
        let has_name = |f: &&Field| {
            let alias = f.alias.unwrap_or(f.name);
            f.name.eq_ignore_ascii_case(name) || alias.eq_ignore_ascii_case(name)
        };
        self.field(name)
            .or_else(|| self.fields.iter().find(has_name))
    }

    /// The field of this number, with its place in [`Schema::fields`].
    #[inline]
    pub fn by_number(&self, number: u32) -> Option<(usize, &'static Field)> {
        let holds_it = |place: &usize| self.fields.get(*place).is_some_and(|f| f.number == number);
        // Most fields stand in the order of their numbers, which count from one.
        let likely = (number as usize).wrapping_sub(1);
        let place = Some(likely)
            .filter(holds_it)
            .or_else(|| (0..self.fields.len()).find(holds_it))?;
        Some((place, &self.fields[place]))
    }
}

/// The schema that a header's type number names.
pub fn find_schema(schemas: &[&'static Schema], number: u16) -> Option<&'static Schema> {
    schemas.iter().find(|s| s.number == Some(number)).copied()
}

/// Which of the columns that not every file has are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// `Payload`: in files whose header says that they hold payloads.
    pub payloads: bool,
    /// `PacketNumber`: where packet numbers are asked for.
    pub packet_numbers: bool,
}

impl Columns {
    /// All columns but the numbers of packets.
    pub const WITH_PAYLOADS: Columns = Columns {
        payloads: true,
        packet_numbers: false,
    };
}

/// The number of a record's packet: a field that all records with a file of their own share. Records
/// do not encode it; [`Numbered`](crate::Numbered) does, where it is asked for.
pub const PACKET_NUMBER: Field = Field {
    name: "PacketNumber",
    alias: None,
    number: 200,
    ty: Type::Uint64,
    repeated: false,
    csv: Csv::PacketNumber,
    doc: "Number of the packet that has the record's time, of a flow that of the first packet: from 1, in\n\
          the order in which packets were read, before any filter. `frame.number` of Wireshark. 0 where\n\
          it was not asked for.",
};

/// One field of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in the protobuf message and in the CSV header.
    pub name: &'static str,
    /// Another name by which `-select` knows the field.
    pub alias: Option<&'static str>,
    /// Protobuf field number. Additions to the schema of 2019 start at 100, fields that all records
    /// share at 200.
    pub number: u32,
    /// Type of the value, or of one element.
    pub ty: Type,
    /// Whether the field holds any number of values.
    pub repeated: bool,
    /// How the value is written in CSV.
    pub csv: Csv,
    /// Documentation, Markdown.
    pub doc: &'static str,
}

impl Field {
    /// Whether all records with a file of their own have this field, with this number.
    pub fn is_shared(&self) -> bool {
        self.number >= PACKET_NUMBER.number
    }
}

/// Protobuf type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `int32`, two's complement in ten octets when negative.
    Int32,
    /// `int64`.
    Int64,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `bool`.
    Bool,
    /// `double`.
    Double,
    /// `string`; may hold octets that are not UTF-8.
    String,
    /// `string` that holds `seconds.microseconds`.
    Timestamp,
    /// `bytes`.
    Bytes,
    /// Number of the enumeration `Type`.
    RecordType,
    /// Nested message.
    Message(&'static Schema),
}

/// How a field is written in CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Csv {
    /// By type: integers decimal, bytes lower-case hexadecimal, repeated scalars as one list
    /// `(a-b)`, repeated messages one after the other `(a-b)(a-b)`.
    Default,
    /// A number of 64 bits that is no count but names something, or is a fixed-point time: decimal here, a
    /// string in JSON.
    Identifier,
    /// Octets as they are.
    Raw,
    /// Repeated messages as one list `((a-b)-(a-b))`.
    List,
    /// Fixed number of decimals.
    Decimals(u8),
    /// A column only of files that hold payloads.
    Payload,
    /// A column only where packet numbers are asked for.
    PacketNumber,
    /// Not a column.
    Hidden,
}

/// How the members of a nested message stand in a CSV cell; the delimiters are the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// `(a-b-c)`.
    Separated,
    /// `a-b-c`, as the HT control field of 802.11 has always been written.
    Joined,
    /// `(abc)`, as the hop-by-hop options have always been written.
    Tight,
    /// `abc`, members that bring their own parentheses.
    Bare,
}
