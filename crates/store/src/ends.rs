//! Where records end in a stream of octets that comes in pieces, by the format of its file.

use crate::LONGEST_RECORD;

/// A pcap file's header, and that of a packet (draft-ietf-opsawg-pcap, sections 4 and 5).
const PCAP: usize = 24;
const PACKET: usize = 16;

/// Looks for the ends of records.
pub(crate) struct Ends {
    form: Form,
    /// Octets that have come, and those up to the end of the last whole record.
    octets: u64,
    whole: u64,
    /// Records that are whole, and those among them that are a header.
    records: u64,
    headers: u64,
}

/// A format, and what is known of the record that is under way.
enum Form {
    /// Each with its length before it, as an unsigned LEB128 number.
    Frames {
        length: u64,
        shift: u32,
        left: Option<u64>,
    },
    /// Lines; line ends between quotes do not count.
    Lines { is_quoted: bool, quotes: bool },
    /// Packets behind their headers.
    Packets {
        head: Vec<u8>,
        left: u64,
        is_big: bool,
    },
}

impl Ends {
    /// For a file of that name, without what it says of compression.
    pub(crate) fn of(name: &str) -> Ends {
        let (form, headers) = match name.rsplit('.').next() {
            Some("csv") => (lines(true), 1),
            Some("pcap") => (
                Form::Packets {
                    head: Vec::new(),
                    left: 0,
                    is_big: false,
                },
                1,
            ),
            Some("log") => (lines(false), 0),
            _ => (
                Form::Frames {
                    length: 0,
                    shift: 0,
                    left: None,
                },
                1,
            ),
        };
        Ends {
            form,
            octets: 0,
            whole: 0,
            records: 0,
            headers,
        }
    }

    /// Octets up to the end of the last whole record.
    pub(crate) fn whole(&self) -> u64 {
        self.whole
    }

    /// Whole records, without the header.
    pub(crate) fn records(&self) -> u64 {
        self.records.saturating_sub(self.headers)
    }

    /// Takes the next octets; `false` where they make no sense, and no more do.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> bool {
        while let [first, rest @ ..] = piece {
            let taken = match &mut self.form {
                Form::Lines { is_quoted, quotes } => {
                    *is_quoted ^= *quotes && *first == b'"';
                    let is_end = *first == b'\n' && !*is_quoted;
                    self.take(1, is_end);
                    piece = rest;
                    continue;
                }
                Form::Frames {
                    left: Some(left), ..
                } => skip(left, piece),
                Form::Frames {
                    length,
                    shift,
                    left,
                } => {
                    *length |= u64::from(first & 0x7f) << *shift;
                    *shift += 7;
                    if *shift > 35 || *length > LONGEST_RECORD as u64 {
                        return false;
                    }
                    // What a crash leaves of a file: a record has a time, and is never empty.
                    if *length == 0 && first & 0x80 == 0 {
                        return false;
                    }
                    if first & 0x80 == 0 {
                        *left = Some(*length);
                    }
                    1
                }
                Form::Packets { left, .. } if *left > 0 => skip(left, piece),
                Form::Packets { head, left, is_big } => {
                    let size = if self.records == 0 { PCAP } else { PACKET };
                    let taken = piece.len().min(size - head.len());
                    head.extend_from_slice(&piece[..taken]);
                    if head.len() == size {
                        match packet(head, is_big) {
                            Some(length) => *left = length,
                            None => return false,
                        }
                    }
                    taken
                }
            };
            let is_end = self.form.ends();
            self.take(taken, is_end);
            piece = &piece[taken..];
        }
        true
    }

    fn take(&mut self, octets: usize, is_end: bool) {
        self.octets += octets as u64;
        if is_end {
            self.whole = self.octets;
            self.records += 1;
        }
    }
}

impl Form {
    /// Whether the record under way ends here; then the next begins.
    fn ends(&mut self) -> bool {
        match self {
            Form::Lines { .. } => false,
            Form::Frames {
                length,
                shift,
                left,
            } => {
                let is_end = *left == Some(0);
                if is_end {
                    (*length, *shift, *left) = (0, 0, None);
                }
                is_end
            }
            Form::Packets { head, left, .. } => {
                let is_end = *left == 0 && (head.len() == PCAP || head.len() == PACKET);
                if is_end {
                    head.clear();
                }
                is_end
            }
        }
    }
}

fn lines(quotes: bool) -> Form {
    Form::Lines {
        is_quoted: false,
        quotes,
    }
}

/// Takes what is left of a record out of a piece.
fn skip(left: &mut u64, piece: &[u8]) -> usize {
    let taken = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
    *left -= taken as u64;
    taken
}

/// Octets behind a header of a file or a packet; none behind zeros, which a crash may leave.
fn packet(head: &[u8], is_big: &mut bool) -> Option<u64> {
    if head.iter().all(|octet| *octet == 0) {
        return None;
    }
    if head.len() == PCAP {
        *is_big = matches!(head, [0xa1, ..]);
        return Some(0);
    }
    let length: [u8; 4] = head.get(8..12)?.try_into().ok()?;
    let length = match is_big {
        true => u32::from_be_bytes(length),
        false => u32::from_le_bytes(length),
    };
    (length as usize <= LONGEST_RECORD).then_some(u64::from(length))
}
