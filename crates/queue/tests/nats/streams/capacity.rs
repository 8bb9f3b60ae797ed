//! Streams that are nearly full, but for jobs.

use std::time::Duration;

use image_sync_queue::jetstream::ProvisionSettings;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::run::report::{ReportHead, RunStatus, SCHEMA_VERSION, Summary};
use image_sync_shared::run::{RunId, Trigger};
use time::OffsetDateTime;

use crate::support::{fresh_prefix, provisioned, shared_server, small};

fn ended(run: &RunId) -> ReportHead {
    ReportHead {
        schema_version: SCHEMA_VERSION,
        program_version: "0.1.0".to_owned(),
        timestamp: OffsetDateTime::UNIX_EPOCH,
        cache_registry: "localhost:5000".to_owned(),
        run_id: run.clone(),
        trigger: Trigger::Enqueue,
        status: RunStatus::Complete,
        dry_run: false,
        started_at: OffsetDateTime::UNIX_EPOCH,
        duration_ms: 0,
        bytes_copied: 0,
        summary: Summary::default(),
        left_out: None,
    }
}

#[tokio::test]
async fn a_run_that_begins_can_end_even_where_no_other_can_begin() {
    let settings = ProvisionSettings {
        bucket_max_bytes: 16 * 1024,
        ..small()
    };
    let server = shared_server().await;
    let (queue, clock) = provisioned(&server, &fresh_prefix(), &settings).await;
    let (runs, until) = (&queue.ports().runs, clock.now() + Duration::from_secs(600));
    let mut count = 0;
    let error = loop {
        let run = RunId::new(format!("r{count}"));
        if let Err(error) = runs.open(run.as_str(), &run, until).await {
            break error;
        }
        queue.ports().states.end(&ended(&run)).await.unwrap();
        runs.close(run.as_str(), &run).await.unwrap();
        count += 1;
    };
    assert!(matches!(error, QueueError::Full(_)), "{error}");
    assert!(error.to_string().contains("--bucket-max-bytes"), "{error}");
    assert!(count > 10, "{count}");
}

#[tokio::test]
async fn the_log_of_a_run_that_cannot_be_kept_is_refused_with_numbers() {
    let settings = ProvisionSettings {
        log_max_bytes: 64 * 1024,
        ..small()
    };
    let server = shared_server().await;
    let (queue, _) = provisioned(&server, &fresh_prefix(), &settings).await;
    assert_eq!(queue.ports().log.check_room(58).await, Ok(()));
    let text = queue
        .ports()
        .log
        .check_room(59)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("59 images takes some 66080 bytes"), "{text}");
    assert!(text.contains("has 65536"), "{text}");
}
