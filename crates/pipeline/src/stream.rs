//! Records to a stream as they come: standard output, a pipe, a socket. What a batch gave is written
//! at once.

use std::io::Write;
use std::sync::Arc;

use netcap_record::Timestamp;
use netcap_store::{About, Encoding};

use crate::outlet::{Delivery, Outlet, Workers};
use crate::{Error, Registry};

/// Writes records to a stream, in one encoding. Of several types they come in the order in which
/// they came to be, and only an encoding that names their types tells them apart.
pub struct Stream<W> {
    out: W,
    encoding: Arc<dyn Encoding>,
    buffer: Vec<u8>,
}

impl<W: Write> Stream<W> {
    /// Begins a stream; of a single type, with what the encoding puts before its records.
    pub fn new(
        out: W,
        encoding: Arc<dyn Encoding>,
        registry: &Registry,
        (source, version, created): (&str, &str, Timestamp),
    ) -> Stream<W> {
        let mut buffer = Vec::new();
        if let [schema] = registry.selected() {
            let columns = encoding.columns(schema, registry.columns());
            let about = About {
                schema,
                columns: &columns,
                payloads: registry.payloads(),
                created,
                source,
                version,
            };
            encoding.head(&about, &mut buffer);
        }
        Stream {
            out,
            encoding,
            buffer,
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(self.out.flush()?)
    }
}

impl<W: Write> Outlet for Stream<W> {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Arc::clone(&self.encoding)
    }

    fn take(
        &mut self,
        delivery: &mut Delivery<'_>,
        _workers: &mut Workers<'_>,
    ) -> Result<(), Error> {
        match delivery.chunks {
            [chunk] if self.buffer.is_empty() => {
                self.out.write_all(&chunk.octets)?;
                return Ok(self.out.flush()?);
            }
            [chunk] => self.buffer.extend_from_slice(&chunk.octets),
            _ => {
                let records = delivery.in_order();
                records.for_each(|(_, _, octets)| self.buffer.extend_from_slice(octets));
            }
        }
        self.write()
    }

    fn end_period(&mut self, _workers: &mut Workers<'_>) -> Result<(), Error> {
        self.encoding.tail(&mut self.buffer);
        self.write()
    }
}
