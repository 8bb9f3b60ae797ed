//! How far an open run is, which is a fold over its log.

use std::io::Write as _;
use std::time::Duration;

use image_sync_producer::fold::Fold;
use image_sync_queue::jetstream::JetStream;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::run_states::RunState;
use image_sync_shared::report::Summary;
use image_sync_shared::run::{RunEvent, RunId, RunOpened, Trigger};
use image_sync_shared::text::JsonWriter;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::info;

use crate::exit::Problem;
use crate::outputs::Shape;
use crate::stdout;

/// The time between two lines about a run that is watched.
const TELL: Duration = Duration::from_secs(5);

/// A run that is open, as a report that is not finished.
#[derive(Serialize)]
struct Snapshot {
    run_id: RunId,
    status: &'static str,
    trigger: Trigger,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    deadline_at: OffsetDateTime,
    cache_registry: String,
    bytes_copied: u64,
    summary: Summary,
    is_published_whole: bool,
}

/// Writes how far a run is to stdout.
pub(super) async fn show(queue: &JetStream, state: &RunState, shape: Shape) -> Result<(), Problem> {
    let fold = read(queue, &state.run)
        .await
        .map_err(Problem::not_carried_out)?;
    let opened = fold.opened().ok_or_else(|| no_log(&state.run))?;
    let snapshot = Snapshot {
        run_id: state.run.clone(),
        status: "open",
        trigger: opened.trigger,
        started_at: opened.started_at,
        deadline_at: opened.deadline_at,
        cache_registry: opened.cache_registry.clone(),
        bytes_copied: fold.bytes_copied(),
        summary: fold.summary(),
        is_published_whole: fold.is_sealed(),
    };
    stdout::write_aside(move |out| match shape {
        Shape::Json => {
            serde_json::to_writer_pretty(JsonWriter::new(&mut *out), &snapshot)?;
            writeln!(out)
        }
        Shape::Table(_) => writeln!(
            out,
            "Run {}: {}",
            snapshot.run_id,
            sentence(&snapshot.summary)
        ),
    })
    .await
}

/// How a run was opened, if its log has that.
pub(super) async fn opened(queue: &JetStream, run: &RunId) -> Result<Option<RunOpened>, Problem> {
    let log = queue.ports().log.read(run).await;
    let mut log = log.map_err(Problem::not_carried_out)?;
    let first = log.next(Duration::ZERO).await;
    match first.map_err(Problem::not_carried_out)? {
        Some(RunEvent::Open(opened)) => Ok(Some(opened)),
        _ => Ok(None),
    }
}

/// Logs now and then how far a run is. Ends only when that fails.
pub(super) async fn tell(queue: &JetStream, run: &RunId) -> Problem {
    match try_tell(queue, run).await {
        Ok(never) => match never {},
        Err(error) => Problem::not_carried_out(error),
    }
}

async fn try_tell(queue: &JetStream, run: &RunId) -> Result<std::convert::Infallible, QueueError> {
    let (mut log, mut fold) = (queue.ports().log.read(run).await?, Fold::default());
    let (mut told, mut next) = (None, Instant::now() + TELL);
    loop {
        match log.next(TELL).await {
            Ok(Some(event)) => {
                fold.apply(event);
            }
            // Who waits for the end of the run says that NATS is away.
            Ok(None) | Err(QueueError::Unreachable(_)) => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= next {
            next = Instant::now() + TELL;
            let summary = fold.summary();
            if told.replace(summary) != Some(summary) {
                info!(%run, "{}", sentence(&summary));
            }
        }
    }
}

async fn read(queue: &JetStream, run: &RunId) -> Result<Fold, QueueError> {
    let (mut log, mut fold) = (queue.ports().log.read(run).await?, Fold::default());
    while let Some(event) = log.next(Duration::ZERO).await? {
        fold.apply(event);
    }
    Ok(fold)
}

fn no_log(run: &RunId) -> Problem {
    Problem::not_carried_out(format!(
        "run {run} has no log, expected one that begins with its opening"
    ))
}

fn sentence(summary: &Summary) -> String {
    format!(
        "{} of {} images done: {} copied, {} in place, {} failed",
        summary.results(),
        summary.total,
        summary.pulled,
        summary.already_cached,
        summary.failed
    )
}
