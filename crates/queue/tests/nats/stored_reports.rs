//! Reports as they are stored.

use std::io::Read as _;

use image_sync_queue::jetstream::{JetStream, Reports};
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::RunId;

/// The report of a run.
pub(crate) async fn report_of(queue: &JetStream, run: &RunId) -> Option<Vec<u8>> {
    let mut stored = queue.reports().get(run).await.unwrap()?;
    let mut report = Vec::new();
    stored.text().unwrap().read_to_end(&mut report).unwrap();
    Some(report)
}

/// Stores a report.
pub(crate) async fn put_report(
    reports: &Reports,
    run: &RunId,
    report: &[u8],
) -> Result<(), QueueError> {
    let report = report.to_vec();
    reports.put(run, move |out| out.write_all(&report)).await
}
