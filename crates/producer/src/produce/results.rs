//! The results of the jobs of a run, as its log tells them to who has to wait for them.

use std::collections::BTreeSet;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_log::{RunLog, RunLogReader};
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_shared::secret::mac::MacKey;

/// How long one look into the log waits.
const LOOK: Duration = Duration::from_secs(1);

/// What was read of the log of a run. It is not read before something has to be waited for.
pub(super) struct Results<'a> {
    log: &'a dyn RunLog,
    run: &'a RunId,
    /// Only who knew it made the jobs, so that a result without their codes is none.
    key: Option<&'a MacKey>,
    reader: Option<Box<dyn RunLogReader>>,
    /// All jobs before this one have results,
    up_to: u32,
    /// and so have these.
    beyond: BTreeSet<u32>,
}

impl<'a> Results<'a> {
    /// Those of the jobs of `run` that have codes made with `key`.
    pub(super) fn of(log: &'a dyn RunLog, run: &'a RunId, key: Option<&'a MacKey>) -> Self {
        Self {
            log,
            run,
            key,
            reader: None,
            up_to: 0,
            beyond: BTreeSet::new(),
        }
    }

    /// Waits until the first `jobs` of the run have their results, for as long as it takes.
    pub(super) async fn wait_for(&mut self, jobs: u32) -> Result<(), QueueError> {
        while self.up_to < jobs {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => self.reader.insert(self.log.read(self.run).await?),
            };
            if let Some(RunEvent::Result(result)) = reader.next(LOOK).await?
                && self.key.is_none_or(|key| result.is_proven_by(key))
            {
                self.take(result.idx);
            }
        }
        Ok(())
    }

    fn take(&mut self, idx: u32) {
        if idx >= self.up_to {
            self.beyond.insert(idx);
        }
        while self.beyond.remove(&self.up_to) {
            self.up_to += 1;
        }
    }
}
