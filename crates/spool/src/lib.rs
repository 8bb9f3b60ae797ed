//! Bytes that are appended and read from the start: the last ones in memory, those before in a temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Once;

/// How many bytes gather in memory before they are moved to the file.
const TAIL_BYTES: usize = 64 * 1024;

/// How many bytes are kept in memory where no file can be written, at most.
const MAX_IN_MEMORY: usize = 256 * 1024 * 1024;

/// Whether the log says that bytes stay in memory.
static TOLD: Once = Once::new();

/// Grows without taking more memory than its tail (64 KiB). The file has no name and ends with the process; where none can be made
/// or written, up to 256 MiB stay in memory.
pub struct Spool {
    dir: Option<PathBuf>,
    file: Option<File>,
    /// Why no file can be written, if so.
    unwritable: Option<io::Error>,
    max_in_memory: usize,
    spilled: u64,
    tail: Vec<u8>,
}

impl Spool {
    /// An empty one. Its file is made in `dir`, or in the system's own place, when it is needed.
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self {
            dir,
            file: None,
            unwritable: None,
            max_in_memory: MAX_IN_MEMORY,
            spilled: 0,
            tail: Vec::new(),
        }
    }

    /// Appends all of `bytes`, or nothing where there is no more room.
    ///
    /// # Errors
    ///
    /// Where no file can be written and the 256 MiB in memory are full.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(error) = &self.unwritable
            && self.tail.len() + bytes.len() > self.max_in_memory
        {
            let limit = self.max_in_memory / (1024 * 1024);
            return Err(io::Error::other(format!(
                "no temporary file can be written ({error}), and the {limit} MiB that are kept in memory are full: set TMPDIR \
                 to a folder that can be written"
            )));
        }
        self.tail.extend_from_slice(bytes);
        if self.unwritable.is_none()
            && self.tail.len() >= TAIL_BYTES
            && let Err(error) = self.spill()
        {
            let limit = self.max_in_memory / (1024 * 1024);
            // What keeps one spool from its file keeps them all from theirs.
            TOLD.call_once(|| {
                tracing::warn!(
                    %error,
                    "no temporary file can be written (in TMPDIR, else /tmp): up to {limit} MiB stay in memory instead"
                );
            });
            self.unwritable = Some(error);
        }
        Ok(())
    }

    /// Reads some bytes from `offset` on, none at the end.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match (offset.checked_sub(self.spilled), &mut self.file) {
            (None, Some(file)) => {
                file.seek(SeekFrom::Start(offset))?;
                // No further than what was moved whole: behind it there may be what a failure left.
                file.take(self.spilled - offset).read(buffer)
            }
            (in_tail, _) => {
                let start = usize::try_from(in_tail.unwrap_or(0)).map_err(io::Error::other)?;
                let mut rest = self.tail.get(start..).unwrap_or_default();
                rest.read(buffer)
            }
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.spilled + self.tail.len() as u64
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from the start. What it reads at once is little: put a buffer over it.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader {
            spool: self,
            offset: 0,
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(match &self.dir {
                Some(dir) => tempfile::tempfile_in(dir)?,
                None => tempfile::tempfile()?,
            }),
        };
        // Who read meanwhile moved its position.
        file.seek(SeekFrom::Start(self.spilled))?;
        file.write_all(&self.tail)?;
        self.spilled += self.tail.len() as u64;
        self.tail.clear();
        // One large piece made it large.
        self.tail.shrink_to(2 * TAIL_BYTES);
        Ok(())
    }
}

/// A place in a spool.
pub struct Reader<'a> {
    spool: &'a mut Spool,
    offset: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.spool.read_at(self.offset, buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.offset.checked_add_signed(by),
            SeekFrom::End(by) => self.spool.len().checked_add_signed(by),
        };
        self.offset = offset.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    const LINES: usize = 30_000;

    fn fill(spool: &mut Spool) -> Vec<u8> {
        let mut all = Vec::new();
        for number in 0..LINES {
            let line = format!("line {number}\n");
            spool.append(line.as_bytes()).unwrap();
            all.extend_from_slice(line.as_bytes());
        }
        all
    }

    fn read_all(spool: &mut Spool, step: usize) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; step]);
        loop {
            let count = spool.read_at(all.len() as u64, &mut buffer).unwrap();
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&buffer[..count]);
        }
    }

    #[test]
    fn keeps_no_more_than_its_tail_in_memory() {
        let mut spool = Spool::new(None);
        let all = fill(&mut spool);
        assert!(spool.spilled > 0 && spool.tail.len() < TAIL_BYTES);
        assert!(spool.tail.capacity() <= 2 * TAIL_BYTES);
        for step in [1_000, 8 * 1024, 1 << 20] {
            assert!(read_all(&mut spool, step) == all, "step {step}");
        }
    }

    #[test]
    fn a_reader_goes_to_any_place() {
        let mut spool = Spool::new(None);
        let all = fill(&mut spool);
        let mut reader = BufReader::new(spool.reader());
        for at in [0, 10, all.len() - 5, all.len() / 2, 3] {
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            let mut read = [0; 5];
            reader.read_exact(&mut read).unwrap();
            assert_eq!(read, all[at..at + 5], "{at}");
        }
        reader.seek(SeekFrom::End(-3)).unwrap();
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 3);
        let before = reader.seek(SeekFrom::Current(i64::MIN));
        assert_eq!(before.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn without_a_place_for_files_all_stays_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(Some(folder.path().join("gone")));
        let all = fill(&mut spool);
        assert!(spool.file.is_none() && spool.spilled == 0);
        assert!(read_all(&mut spool, 8 * 1024) == all);
    }

    #[test]
    fn what_stays_in_memory_has_a_limit_that_is_told() {
        let mut spool = Spool::new(None);
        spool.unwritable = Some(io::ErrorKind::ReadOnlyFilesystem.into());
        spool.max_in_memory = 1024 * 1024;
        spool.append(&vec![b'1'; 1024 * 1024]).unwrap();
        let error = spool.append(b"2").unwrap_err().to_string();
        assert!(error.contains("read-only filesystem"), "{error}");
        assert!(error.contains("the 1 MiB that are kept"), "{error}");
        assert!(error.contains("set TMPDIR"), "{error}");
        assert_eq!(read_all(&mut spool, 8 * 1024).len(), 1024 * 1024);
    }

    #[test]
    fn what_cannot_be_written_stays_in_memory() {
        let full_disk = tempfile::NamedTempFile::new().unwrap();
        let mut spool = Spool::new(None);
        spool.file = Some(File::open(full_disk.path()).unwrap());
        let all = fill(&mut spool);
        assert!(spool.unwritable.is_some() && spool.spilled == 0);
        assert!(read_all(&mut spool, 8 * 1024) == all);
    }

    #[test]
    fn what_was_spilled_before_a_failure_is_still_read() {
        let mut spool = Spool::new(None);
        let mut all = fill(&mut spool);
        spool.unwritable = Some(io::ErrorKind::StorageFull.into());
        all.extend(fill(&mut spool));
        assert!(spool.spilled > 0 && spool.tail.len() > TAIL_BYTES);
        assert!(read_all(&mut spool, 8 * 1024) == all);
    }
}
