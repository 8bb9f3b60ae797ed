//! The logs of runs, as lines of JSON in a spool. Appending and reading are short calls to the page cache and are not moved to
//! other threads.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_log::{LogPlace, RunLog, RunLogReader};
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_spool::Spool;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::InProcessSettings;
use super::recent_ids::RecentIds;
use super::waiting::within;
use crate::messages::{self, LeftOut};

struct Log {
    stored: Mutex<StoredEvents>,
    appended: Notify,
}

struct StoredEvents {
    spool: Spool,
    end: LogPlace,
    recent: RecentIds,
}

/// Keeps the logs of runs for as long as the process lives.
pub(super) struct InProcessRunLog {
    dedupe_window: Duration,
    dedupe_capacity: usize,
    temp_dir: Option<PathBuf>,
    logs: Mutex<HashMap<RunId, Arc<Log>>>,
}

impl InProcessRunLog {
    pub(super) fn new(settings: InProcessSettings) -> Self {
        Self {
            dedupe_window: settings.dedupe_window,
            dedupe_capacity: settings.dedupe_capacity,
            temp_dir: settings.temp_dir,
            logs: Mutex::default(),
        }
    }

    fn log_of(&self, run: &RunId) -> Arc<Log> {
        let mut logs = lock(&self.logs);
        if let Some(log) = logs.get(run) {
            return Arc::clone(log);
        }
        let log = Arc::new(Log {
            stored: Mutex::new(StoredEvents {
                spool: Spool::new(self.temp_dir.clone()),
                end: LogPlace::default(),
                recent: RecentIds::new(self.dedupe_window, self.dedupe_capacity),
            }),
            appended: Notify::new(),
        });
        logs.insert(run.clone(), Arc::clone(&log));
        log
    }

    /// Keeps the log of a run no longer. Who reads it already goes on.
    pub(super) fn forget(&self, run: &RunId) {
        lock(&self.logs).remove(run);
    }

    /// Stores a message of a log as it is, unless there is one with this id.
    pub(super) fn store(&self, run: &RunId, id: &str, mut line: Vec<u8>) -> Result<(), QueueError> {
        line.push(b'\n');
        let log = self.log_of(run);
        let mut stored = lock(&log.stored);
        let now = Instant::now();
        if !stored.recent.contains(id, now) {
            stored.spool.append(&line).map_err(unusable)?;
            stored.recent.insert(id, now);
            stored.end = behind(stored.end, &line);
            log.appended.notify_waiters();
        }
        Ok(())
    }
}

#[async_trait]
impl RunLog for InProcessRunLog {
    async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError> {
        let json = messages::encode_event(event, usize::MAX)?;
        self.store(run, &event.message_id(run), json)
    }

    async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError> {
        let log = self.log_of(run);
        Ok(Box::new(Reader {
            lines: BufReader::new(LogCursor {
                log: Arc::clone(&log),
                offset: 0,
            }),
            log,
            run: run.clone(),
            place: LogPlace::default(),
            left_out: LeftOut::default(),
        }))
    }
}

/// A place in a log.
struct LogCursor {
    log: Arc<Log>,
    offset: u64,
}

impl Read for LogCursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = lock(&self.log.stored).spool.read_at(self.offset, buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}

struct Reader {
    log: Arc<Log>,
    lines: BufReader<LogCursor>,
    run: RunId,
    place: LogPlace,
    left_out: LeftOut,
}

#[async_trait]
impl RunLogReader for Reader {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError> {
        let log = Arc::clone(&self.log);
        within(wait, async {
            loop {
                // Before the look, so that what is appended in between is heard of.
                let appended = log.appended.notified();
                if let Some(event) = self.next_stored()? {
                    return Ok(Some(event));
                }
                appended.await;
            }
        })
        .await
    }

    fn place(&self) -> LogPlace {
        self.place
    }

    async fn end(&mut self) -> Result<LogPlace, QueueError> {
        Ok(lock(&self.log.stored).end)
    }
}

/// The place behind a line that stands at `place`.
fn behind(place: LogPlace, line: &[u8]) -> LogPlace {
    LogPlace {
        last: place.last + line.len() as u64,
        events: place.events + 1,
    }
}

impl Reader {
    /// The next event. Lines are appended whole, so one that was begun also ends.
    fn next_stored(&mut self) -> Result<Option<RunEvent>, QueueError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = self.lines.read_until(b'\n', &mut line).map_err(unusable)?;
            if count == 0 {
                return Ok(None);
            }
            self.place = behind(self.place, &line);
            match messages::decode_event(&line) {
                Ok(event) => return Ok(Some(event)),
                Err(why) => self.left_out.tell(&self.run, self.place.events, &why),
            }
        }
    }
}

fn unusable(error: impl std::fmt::Display) -> QueueError {
    QueueError::Refused(format!("the log of the run cannot be used: {error}"))
}
