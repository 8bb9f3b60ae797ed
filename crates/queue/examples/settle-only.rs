//! A worker that looks at no image: it takes jobs, gives each the result "in place" and settles it. For measuring what
//! the queue can carry.
//!
//! `settle-only URL` works until no job has come for two seconds.

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use image_sync_queue::Ports;
use image_sync_queue::jetstream::{ConnectSettings, Connection, JetStream, Role};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::{DEFAULT_MAX_DELIVER, Delivery, Lane};
use image_sync_shared::run::RunEvent;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::{Action, BlobCounts, ImageResult, JobResult};
use time::OffsetDateTime;

/// Jobs in hand.
const SLOTS: usize = 256;
/// How long a job may be on its way.
const WAIT: Duration = Duration::from_secs(2);

struct TimeOfDay;

impl Clock for TimeOfDay {
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge of this program, where time comes in"
    )]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(url) = std::env::args().nth(1) else {
        return Err("expected the URL of a NATS server".into());
    };
    let connection = Connection::open(ConnectSettings::new(url)).await?;
    let clock = Arc::new(TimeOfDay);
    let queue = JetStream::open(connection, Role::Worker, clock, DEFAULT_MAX_DELIVER).await?;
    let ports = queue.ports();
    let mut settled = 0;
    loop {
        let taken = ports.jobs.pull(&[Lane::Bulk], SLOTS, WAIT).await?;
        if taken.is_empty() {
            break;
        }
        settled += taken.len();
        try_join_all(taken.into_iter().map(|delivery| settle(ports, delivery))).await?;
    }
    queue.close().await?;
    writeln!(io::stdout(), "{settled} jobs settled")?;
    Ok(())
}

async fn settle(ports: &Ports, delivery: Delivery) -> Result<(), QueueError> {
    let event = RunEvent::Result(Box::new(in_place(&delivery.job)));
    ports.log.append(&delivery.job.run_id, &event).await?;
    delivery.settle.done().await
}

fn in_place(job: &Job) -> JobResult {
    JobResult {
        idx: job.idx,
        worker: "settle-only".to_owned(),
        class: None,
        mac: job.mac,
        entry: ImageResult {
            image: job.image.clone(),
            tag: job.tag.clone(),
            action: Action::AlreadyCached,
            remote_digest: None,
            cached_digest: None,
            duration_ms: 0,
            error: None,
            target: job.target.image.to_string(),
            platform: job.platforms.to_string(),
            expected_digest: None,
            attempts: job.attempt,
            bytes_copied: 0,
            blobs: BlobCounts::default(),
            would_copy: None,
            note: None,
            attestations_left_out: 0,
            artifacts: None,
            ended_at: None,
            failure: None,
            started_at: None,
        },
    }
}
