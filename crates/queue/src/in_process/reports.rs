//! Reports in temporary files, as they are written.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::reports::{Reports, StoredReport, WriteReport};
use image_sync_shared::run::RunId;
use image_sync_spool::Spool;
use tokio::task::spawn_blocking;

/// A report, which is not changed once it is whole.
type Kept = Arc<Mutex<Spool>>;

/// Keeps reports for as long as the process lives.
pub(super) struct InProcessReports {
    temp_dir: Option<PathBuf>,
    reports: Mutex<HashMap<RunId, Kept>>,
}

impl InProcessReports {
    pub(super) fn new(temp_dir: Option<PathBuf>) -> Self {
        Self {
            temp_dir,
            reports: Mutex::default(),
        }
    }

    /// Keeps the report of a run no longer.
    pub(super) fn forget(&self, run: &RunId) {
        lock(&self.reports).remove(run);
    }

    async fn written(&self, run: &RunId, write: WriteReport) -> Result<Appending, QueueError> {
        let mut report = Appending {
            spool: Spool::new(self.temp_dir.clone()),
            bytes: 0,
        };
        let written = spawn_blocking(move || write(&mut report).map(|()| report)).await;
        let written = written.map_err(io::Error::other).flatten();
        written.map_err(|error| {
            QueueError::Refused(format!("the report of run {run} cannot be stored: {error}"))
        })
    }
}

#[async_trait]
impl Reports for InProcessReports {
    async fn put(&self, run: &RunId, write: WriteReport) -> Result<(), QueueError> {
        let report = self.written(run, write).await?.spool;
        lock(&self.reports).insert(run.clone(), Arc::new(Mutex::new(report)));
        Ok(())
    }

    async fn get(&self, run: &RunId) -> Result<Option<Box<dyn StoredReport>>, QueueError> {
        let report = lock(&self.reports).get(run).cloned();
        Ok(report.map(|report| Box::new(Stored(report)) as Box<dyn StoredReport>))
    }

    async fn size_of(&self, run: &RunId, write: WriteReport) -> Result<u64, QueueError> {
        Ok(self.written(run, write).await?.bytes)
    }

    async fn largest(&self) -> Result<Option<u64>, QueueError> {
        Ok(None)
    }

    async fn tidy(&self) -> Result<bool, QueueError> {
        Ok(false)
    }
}

/// A report that is being written.
struct Appending {
    spool: Spool,
    bytes: u64,
}

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spool.append(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Stored(Kept);

impl StoredReport for Stored {
    fn text(&mut self) -> io::Result<Box<dyn Read + '_>> {
        let report = Arc::clone(&self.0);
        Ok(Box::new(BufReader::new(Cursor { report, offset: 0 })))
    }
}

struct Cursor {
    report: Kept,
    offset: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = lock(&self.report).read_at(self.offset, buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}
