//! Reports as they are stored.

use std::io::{self, Read as _};

use image_sync_queue::jetstream::JetStream;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::reports::Reports;
use image_sync_shared::run::RunId;

/// The report of a run.
pub(crate) async fn report_of(queue: &JetStream, run: &RunId) -> Option<Vec<u8>> {
    let mut stored = queue.ports().reports.get(run).await.unwrap()?;
    let mut report = Vec::new();
    stored.text().unwrap().read_to_end(&mut report).unwrap();
    Some(report)
}

/// Stores a report.
pub(crate) async fn put_report(
    reports: &dyn Reports,
    run: &RunId,
    report: &[u8],
) -> Result<(), QueueError> {
    let report = report.to_vec();
    let write = Box::new(move |out: &mut dyn io::Write| out.write_all(&report));
    reports.put(run, write).await
}
