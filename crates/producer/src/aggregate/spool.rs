//! Values by place, kept outside of memory.

use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::SpooledTempFile;

use crate::sparse::Sparse;

/// Up to this many bytes stay in memory, so that a small run needs no writable folder for temporary files.
const IN_MEMORY: usize = 1024 * 1024;

/// The first value of each place, as lines of JSON in a temporary file without a name.
pub(super) struct Spool<T> {
    file: BufWriter<SpooledTempFile>,
    offsets: Sparse<u64>,
    end: u64,
    values: PhantomData<fn() -> T>,
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        Self {
            file: BufWriter::new(tempfile::spooled_tempfile(IN_MEMORY)),
            offsets: Sparse::default(),
            end: 0,
            values: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Keeps `value` at `idx`, unless there is one already. Says whether it did.
    pub(super) fn put_first(&mut self, idx: u32, value: &T) -> io::Result<bool> {
        if !self.offsets.insert_first(idx, self.end) {
            return Ok(false);
        }
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.end += line.len() as u64;
        Ok(true)
    }

    /// All values in the order of their places.
    pub(super) fn values(&mut self) -> io::Result<impl Iterator<Item = io::Result<T>>> {
        self.file.flush()?;
        let mut file = BufReader::new(self.file.get_mut());
        let mut position = file.seek(SeekFrom::Start(0))?;
        let mut line = Vec::new();
        Ok(self.offsets.iter().map(move |(_, offset)| {
            // Results mostly come in the order of the catalog, so the next one is mostly in the buffer already.
            file.seek_relative(offset.cast_signed() - position.cast_signed())?;
            line.clear();
            position = offset + file.read_until(b'\n', &mut line)? as u64;
            Ok(serde_json::from_slice(&line)?)
        }))
    }
}
