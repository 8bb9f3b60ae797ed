//! Reports as they are stored.

use std::io::Read as _;

use image_sync_queue::jetstream::JetStream;
use image_sync_shared::run::RunId;

/// The report of a run.
pub(crate) async fn report_of(queue: &JetStream, run: &RunId) -> Option<Vec<u8>> {
    let mut file = queue.reports().get(run).await.unwrap()?;
    let mut report = Vec::new();
    file.read_to_end(&mut report).unwrap();
    Some(report)
}
