//! Reports as they are stored: compressed (RFC 1952), in chunks.

use std::io::{self, BufReader, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use image_sync_shared::ports::runs::reports::StoredReport;
use image_sync_spool::Spool;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::Sender;

/// How many bytes a chunk has, but for the last one. What a half of a report takes in memory.
pub(super) const CHUNK_BYTES: usize = 16 * 1024;
/// What a gzip stream begins with, and JSON never.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Makes chunks of a report that is written to it, and sends them on. Blocks while nobody takes them.
pub(super) struct ChunkWriter {
    encoder: GzEncoder<Vec<u8>>,
    made: WrittenChunks,
    chunks: Sender<Bytes>,
}

/// What was made of a report so far.
#[derive(Clone, Default)]
pub(super) struct WrittenChunks {
    pub(super) chunks: usize,
    pub(super) bytes: usize,
    hash: Sha256,
}

impl ChunkWriter {
    pub(super) fn new(chunks: Sender<Bytes>) -> Self {
        Self {
            encoder: GzEncoder::new(Vec::new(), Compression::default()),
            made: WrittenChunks::default(),
            chunks,
        }
    }

    /// Sends what is left at the end of the report, and says what it came to.
    pub(super) fn end(mut self) -> io::Result<WrittenChunks> {
        self.encoder.try_finish()?;
        self.send_full()?;
        let rest = std::mem::take(self.encoder.get_mut());
        if !rest.is_empty() {
            self.send(rest)?;
        }
        Ok(self.made)
    }

    fn send_full(&mut self) -> io::Result<()> {
        while self.encoder.get_ref().len() >= CHUNK_BYTES {
            let rest = self.encoder.get_mut().split_off(CHUNK_BYTES);
            let chunk = std::mem::replace(self.encoder.get_mut(), rest);
            self.send(chunk)?;
        }
        Ok(())
    }

    fn send(&mut self, chunk: Vec<u8>) -> io::Result<()> {
        let chunk = self.made.note(chunk);
        let sent = self.chunks.blocking_send(chunk);
        sent.map_err(|_closed| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.encoder.write(bytes)?;
        self.send_full()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WrittenChunks {
    fn note(&mut self, chunk: Vec<u8>) -> Bytes {
        self.chunks += 1;
        self.bytes += chunk.len();
        self.hash.update(&chunk);
        chunk.into()
    }

    /// As an object store has it (NATS ADR-20).
    pub(super) fn digest(&self) -> String {
        let hash = self.hash.clone().finalize();
        format!("SHA-256={}", URL_SAFE.encode(hash))
    }
}

/// Takes a report, and keeps nothing of it but how large it is when it is stored.
pub(super) struct StoredSize(GzEncoder<Count>);

#[derive(Default)]
struct Count(u64);

impl Default for StoredSize {
    fn default() -> Self {
        Self(GzEncoder::new(Count::default(), Compression::default()))
    }
}

impl StoredSize {
    /// In bytes.
    pub(super) fn bytes(self) -> io::Result<u64> {
        Ok(self.0.finish()?.0)
    }
}

impl Write for StoredSize {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A report as it was stored, outside of memory where that can be.
pub(super) struct CompressedReport {
    spool: Spool,
}

impl CompressedReport {
    pub(super) fn new() -> Self {
        Self {
            spool: Spool::new(None),
        }
    }

    pub(super) fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.spool.append(chunk)
    }
}

impl StoredReport for CompressedReport {
    /// One of an earlier version is stored as it is.
    fn text(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let mut start = [0; MAGIC.len()];
        let read = self.spool.read_at(0, &mut start)?;
        let stored = BufReader::new(self.spool.reader());
        if read == MAGIC.len() && start == MAGIC {
            Ok(Box::new(BufReader::new(MultiGzDecoder::new(stored))))
        } else {
            Ok(Box::new(stored))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn text_of(chunks: impl IntoIterator<Item = Bytes>) -> String {
        let mut stored = CompressedReport::new();
        for chunk in chunks {
            stored.append(&chunk).unwrap();
        }
        let read =
            |stored: &mut CompressedReport| io::read_to_string(stored.text().unwrap()).unwrap();
        let text = read(&mut stored);
        assert!(read(&mut stored) == text, "it can be read again");
        text
    }

    /// The chunks of a report.
    fn chunks_of(parts: &[&[u8]]) -> (Vec<Bytes>, WrittenChunks) {
        let (sender, mut receiver) = mpsc::channel(1_000);
        let mut writer = ChunkWriter::new(sender);
        for part in parts {
            writer.write_all(part).unwrap();
        }
        let made = writer.end().unwrap();
        let chunks = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        (chunks, made)
    }

    #[test]
    fn a_report_is_compressed_and_read_as_it_was() {
        let lines: Vec<String> = (0..20_000)
            .map(|number| format!("{{\"image\": \"docker.io/library/app{number}\"}}"))
            .collect();
        let report = lines.join("\n");
        let parts: Vec<&[u8]> = report.as_bytes().chunks(7_777).collect();
        let mut size = StoredSize::default();
        for part in &parts {
            size.write_all(part).unwrap();
        }
        let (stored, made) = chunks_of(&parts);
        assert!(stored.len() > 2 && made.chunks == stored.len());
        let all_but_last = stored.split_last().unwrap().1;
        assert!(all_but_last.iter().all(|chunk| chunk.len() == CHUNK_BYTES));
        assert!(made.bytes * 5 < report.len(), "{}", made.bytes);
        assert_eq!(size.bytes().unwrap(), made.bytes as u64);
        assert!(text_of(stored) == report);
    }

    #[test]
    fn nobody_writes_on_what_nobody_takes() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let error = ChunkWriter::new(sender).end().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_report_of_an_earlier_version_is_read_as_it_is() {
        for report in ["", "{", "{\"results\": []}"] {
            let stored = Bytes::from_static(report.as_bytes());
            assert_eq!(text_of([stored]), report);
        }
    }

    #[test]
    fn a_report_that_was_cut_off_is_an_error_and_no_short_report() {
        let chunk = chunks_of(&[b"{}"]).0.remove(0);
        let mut stored = CompressedReport::new();
        stored.append(&chunk[..chunk.len() - 1]).unwrap();
        io::read_to_string(stored.text().unwrap()).unwrap_err();
    }
}
