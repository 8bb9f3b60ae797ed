//! Values by place, kept outside of memory.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sparse::Sparse;

/// How many bytes gather in memory before they are moved to the file.
const TAIL_BYTES: usize = 64 * 1024;
/// How many bytes are kept in memory where no file can be written, at most.
const MAX_IN_MEMORY: usize = 256 * 1024 * 1024;

/// The first value of each place, as lines of JSON: the last ones in memory, those before in a temporary file without a
/// name. Where none can be made or written, up to 256 MiB stay in memory.
pub(super) struct Spool<T> {
    file: Option<File>,
    /// Why no file can be written, if so.
    unwritable: Option<io::Error>,
    max_in_memory: usize,
    spilled: u64,
    tail: Vec<u8>,
    offsets: Sparse<u64>,
    values: PhantomData<fn() -> T>,
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        Self {
            file: None,
            unwritable: None,
            max_in_memory: MAX_IN_MEMORY,
            spilled: 0,
            tail: Vec::new(),
            offsets: Sparse::default(),
            values: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// Keeps `value` at `idx`, unless there is one already. Says whether it did.
    pub(super) fn put_first(&mut self, idx: u32, value: &T) -> io::Result<bool> {
        if let Some(error) = &self.unwritable
            && self.tail.len() >= self.max_in_memory
        {
            let limit = self.max_in_memory / (1024 * 1024);
            return Err(io::Error::other(format!(
                "{error}, and the {limit} MiB that are kept in memory instead are full: set TMPDIR to a folder that can be written"
            )));
        }
        let end = self.spilled + self.tail.len() as u64;
        if !self.offsets.insert_first(idx, end) {
            return Ok(false);
        }
        serde_json::to_writer(&mut self.tail, value)?;
        self.tail.push(b'\n');
        if self.unwritable.is_none()
            && self.tail.len() >= TAIL_BYTES
            && let Err(error) = self.spill()
        {
            let limit = self.max_in_memory / (1024 * 1024);
            tracing::warn!(
                %error,
                "no temporary file can be written (in TMPDIR, else /tmp): up to {limit} MiB of results stay in memory instead"
            );
            self.unwritable = Some(error);
        }
        Ok(true)
    }

    /// All values in the order of their places.
    pub(super) fn values(&mut self) -> io::Result<impl Iterator<Item = io::Result<T>>> {
        let (spilled, tail) = (self.spilled, self.tail.as_slice());
        let mut file = self.file.as_mut().map(BufReader::new);
        let mut position = match &mut file {
            Some(file) => file.seek(SeekFrom::Start(0))?,
            None => 0,
        };
        let mut line = Vec::new();
        Ok(self.offsets.iter().map(move |(_, offset)| {
            line.clear();
            match (offset.checked_sub(spilled), &mut file) {
                (None, Some(file)) => {
                    // Results mostly come in the order of the catalog, so the next one is mostly in the buffer already.
                    file.seek_relative(offset.cast_signed() - position.cast_signed())?;
                    position = offset + file.read_until(b'\n', &mut line)? as u64;
                }
                (in_tail, _) => {
                    let start = usize::try_from(in_tail.unwrap_or(0)).map_err(io::Error::other)?;
                    let mut rest = tail.get(start..).unwrap_or_default();
                    rest.read_until(b'\n', &mut line)?;
                }
            }
            Ok(serde_json::from_slice(&line)?)
        }))
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.spilled))?;
        file.write_all(&self.tail)?;
        self.spilled += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 20_000;

    /// Puts values at all even places, or at all odd ones, from the last to the first.
    fn fill(spool: &mut Spool<String>, odd: bool) {
        for idx in (0..COUNT).rev().filter(|idx| (idx % 2 == 1) == odd) {
            assert!(spool.put_first(idx, &value(idx)).unwrap());
            assert!(!spool.put_first(idx, &"second".to_owned()).unwrap());
        }
    }

    fn value(idx: u32) -> String {
        format!("value {idx}")
    }

    fn assert_all(mut spool: Spool<String>) {
        for _ in 0..2 {
            let values: Vec<String> = spool.values().unwrap().map(Result::unwrap).collect();
            assert!(values == (0..COUNT).map(value).collect::<Vec<_>>());
        }
    }

    #[test]
    fn keeps_no_more_than_its_tail_in_memory() {
        let mut spool = Spool::default();
        fill(&mut spool, false);
        fill(&mut spool, true);
        assert!(spool.spilled > 0 && spool.tail.len() < TAIL_BYTES);
        assert!(spool.tail.capacity() <= 2 * TAIL_BYTES);
        assert_all(spool);
    }

    #[test]
    fn what_cannot_be_written_stays_in_memory() {
        let full_disk = tempfile::NamedTempFile::new().unwrap();
        let mut spool = Spool {
            file: Some(File::open(full_disk.path()).unwrap()),
            ..Spool::default()
        };
        fill(&mut spool, false);
        fill(&mut spool, true);
        assert!(spool.unwritable.is_some() && spool.spilled == 0);
        assert_all(spool);
    }

    #[test]
    fn what_stays_in_memory_has_a_limit_that_is_told() {
        let mut spool: Spool<String> = Spool {
            unwritable: Some(io::ErrorKind::ReadOnlyFilesystem.into()),
            max_in_memory: 1024 * 1024,
            ..Spool::default()
        };
        let value = "x".repeat(1024 * 1024);
        assert!(spool.put_first(0, &value).unwrap());
        let error = spool.put_first(1, &value).unwrap_err().to_string();
        assert!(error.contains("the 1 MiB that are kept"), "{error}");
        assert!(error.contains("set TMPDIR"), "{error}");
    }

    #[test]
    fn what_was_spilled_before_a_failure_is_still_read() {
        let mut spool = Spool::default();
        fill(&mut spool, false);
        spool.unwritable = Some(io::ErrorKind::StorageFull.into());
        fill(&mut spool, true);
        assert!(spool.spilled > 0 && spool.tail.len() > TAIL_BYTES);
        assert_all(spool);
    }
}
