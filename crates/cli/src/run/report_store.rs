//! The store of reports, as an aggregator fills it and keeps it tidy.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image_sync_aggregator::aggregate::FinishedRun;
use image_sync_aggregator::follow_runs::ReportStore;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::reports::Reports;
use image_sync_shared::run::RunId;
use image_sync_shared::run::report::{Extent, LeftOut};
use image_sync_shared::text::JsonWriter;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::terminal::summary;

/// How much of a report is written at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// The time between two looks for pieces of nothing, of which another aggregator may just be making a report.
const TIDY: Duration = Duration::from_secs(300);
/// The same where some were found.
const TIDY_AGAIN: Duration = Duration::from_secs(30);

/// The store of reports.
pub(crate) struct Store(Arc<dyn Reports>);

impl Store {
    pub(crate) fn new(reports: Arc<dyn Reports>) -> Self {
        Self(reports)
    }

    /// Removes what was left of reports that were never stored whole, again and again, until `stop` is cancelled.
    pub(crate) async fn tidy(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let mut is_untidy = false;
        loop {
            match self.0.tidy().await {
                Ok(found) => is_untidy = found,
                Err(error) => debug!(%error, "the store of reports cannot be tidied now"),
            }
            let wait = if is_untidy { TIDY_AGAIN } else { TIDY };
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

#[async_trait]
impl ReportStore for Store {
    async fn put(&self, finished: FinishedRun) -> Result<Option<LeftOut>, QueueError> {
        let largest = self.0.largest().await?.unwrap_or(u64::MAX);
        let run = finished.head.run_id.clone();
        let finished = Arc::new(Mutex::new(finished));
        let mut extents = Extent::ALL.into_iter().peekable();
        while let Some(extent) = extents.next() {
            let written = Arc::clone(&finished);
            let measured = self.0.size_of(
                &run,
                Box::new(move |out| {
                    let mut finished = lock(&written);
                    finished.limit_to(extent);
                    write(&mut finished, out)
                }),
            );
            let size = measured.await?;
            let left_out = lock(&finished).head.left_out;
            let is_last = extents.peek().is_none();
            // The last one is tried in any case: its error says what there is no room for.
            if size > largest && !is_last {
                continue;
            }
            let written = Arc::clone(&finished);
            let stored = self
                .0
                .put(&run, Box::new(move |out| write(&mut lock(&written), out)));
            match stored.await {
                // By its size it fits, and yet there is no room: less of it may fit.
                Err(QueueError::Full(_)) if !is_last => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    tell_of(&run, left_out.as_ref(), size, largest);
                    return Ok(left_out);
                }
            }
        }
        Ok(None)
    }
}

/// Writes the report in few large pieces: neither what escapes it nor what compresses it is good at small ones.
fn write(finished: &mut FinishedRun, out: &mut dyn Write) -> io::Result<()> {
    let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, JsonWriter::new(out));
    finished.write_json(&mut buffered)?;
    buffered.flush()
}

fn tell_of(run: &RunId, left_out: Option<&LeftOut>, size: u64, largest: u64) {
    if let Some(left_out) = left_out {
        warn!(
            run_id = %run, size, largest, left_out = %summary::left_out(left_out),
            "the whole report does not fit into its store, and is stored without some of its entries: provision a larger one \
             (--reports-max-bytes)"
        );
    }
}
