//! How far an open run is, which is a fold over its log.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use image_sync_aggregator::fold::Fold;
use image_sync_aggregator::image_states::{ImageState, ImageStates, Meant, Standing};
use image_sync_queue::Ports;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::run::report::Summary;
use image_sync_shared::run::{RunEvent, RunId, RunOpened, Trigger};
use image_sync_shared::text::JsonWriter;
use image_sync_shared::text::timestamp;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::output::Shape;
use crate::process::exit::Problem;
use crate::process::stdout::Stdout;
use crate::terminal::targets::{Shown, Targets};
use crate::terminal::text::printable;
use crate::terminal::units;

/// The time between two lines about a run that is watched.
const TELL: Duration = Duration::from_secs(5);

/// A run that is open, as a report that is not finished.
#[derive(Serialize)]
struct Snapshot {
    run_id: RunId,
    status: &'static str,
    trigger: Trigger,
    #[serde(with = "timestamp")]
    started_at: OffsetDateTime,
    #[serde(with = "timestamp")]
    deadline_at: OffsetDateTime,
    cache_registry: String,
    bytes_copied: u64,
    summary: Summary,
    is_published_whole: bool,
    /// Jobs wait, and none is taken or in hand.
    nobody_takes_jobs: bool,
    images: Vec<ImageState>,
}

/// So many images that wait are named in the table at most.
const MOST_WAITING: usize = 20;

/// Writes how far a run is to stdout.
pub(super) async fn show(
    queue: &Ports,
    state: &RunState,
    meant: Option<&Meant>,
    shape: Shape,
    stdout: &Stdout,
) -> Result<(), Problem> {
    let states = images_of(queue, &state.run)
        .await
        .map_err(Problem::not_carried_out)?;
    let fold = states.fold();
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
        nobody_takes_jobs: is_deserted(queue).await,
        images: states.images(meant, &holders(queue).await),
    };
    let written = stdout.write_aside(move |out| match shape {
        Shape::Json => {
            serde_json::to_writer_pretty(JsonWriter::new(&mut *out), &snapshot)?;
            writeln!(out)
        }
        Shape::Table(_) => write_text(&snapshot, out),
    });
    written.await
}

/// How a run was opened, if its log has that.
pub(super) async fn opened(queue: &Ports, run: &RunId) -> Result<Option<RunOpened>, Problem> {
    let log = queue.log.read(run).await;
    let mut log = log.map_err(Problem::not_carried_out)?;
    let first = log.next(Duration::ZERO).await;
    match first.map_err(Problem::not_carried_out)? {
        Some(RunEvent::Open(opened)) => Ok(Some(opened)),
        _ => Ok(None),
    }
}

/// Logs now and then how far a run is. Ends only when that fails.
pub(super) async fn tell(queue: &Ports, run: &RunId) -> Problem {
    match try_tell(queue, run).await {
        Ok(never) => match never {},
        Err(error) => Problem::not_carried_out(error),
    }
}

async fn try_tell(queue: &Ports, run: &RunId) -> Result<std::convert::Infallible, QueueError> {
    let (mut log, mut fold) = (queue.log.read(run).await?, Fold::default());
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
                info!(run_id = %run, "{}", sentence(&summary));
            }
        }
    }
}

fn write_text(snapshot: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    let Snapshot {
        run_id, summary, ..
    } = snapshot;
    let mut targets = Targets::default();
    for image in &snapshot.images {
        targets.add(&image.image, &image.tag, &image.target);
    }
    let targets = targets.shown();
    writeln!(out, "Run {run_id}: {}", sentence(summary))?;
    if snapshot.nobody_takes_jobs {
        writeln!(
            out,
            "Nobody takes jobs: they wait, and none is in a worker's hand"
        )?;
    }
    for (state, heading) in [
        (Standing::InHand, "In hand"),
        (Standing::PutBack, "Put back"),
        (Standing::Failed, "Failed"),
        (Standing::Waiting, "Waiting, or being looked at"),
        (Standing::Copied, "Copied"),
        (Standing::UpToDate, "Up to date"),
        (Standing::WouldCopy, "Would be copied"),
        (Standing::Kept, "Left as they are, as their policy says"),
    ] {
        let images = || snapshot.images.iter().filter(|image| image.state == state);
        let count = images().count();
        if count > 0 {
            writeln!(out, "\n{heading} ({count}):")?;
        }
        let shown = match state {
            Standing::Waiting => MOST_WAITING,
            _ => usize::MAX,
        };
        for image in images().take(shown) {
            write_image(image, targets, out)?;
        }
        if count > shown {
            writeln!(out, "  and {} more: see them with --image", count - shown)?;
        }
    }
    for image in &snapshot.images {
        if let Standing::Other(word) = image.state {
            writeln!(out, "\nDone, as {}:", printable(word.as_str()))?;
            write_image(image, targets, out)?;
        }
    }
    Ok(())
}

fn write_image(image: &ImageState, targets: Shown, out: &mut impl Write) -> io::Result<()> {
    let mut notes = Vec::new();
    if let Some(worker) = &image.worker {
        notes.push(format!("worker {worker}"));
    }
    if image.state == Standing::PutBack {
        notes.push(units::count(image.attempts, "failed attempt"));
        notes.push(format!("put off {} times", image.defers));
        notes.extend(image.due.map(|due| format!("until {}", units::time(due))));
    }
    let name = printable(&targets.name(&image.image, &image.tag, &image.target));
    let notes = printable(&notes.join(", "));
    writeln!(out, "{}", format!("  {name}  {notes}").trim_end())?;
    match &image.error {
        Some(error) => writeln!(out, "    {}", printable(error)),
        None => Ok(()),
    }
}

/// What the log of a run says of its images.
pub(crate) async fn images_of(queue: &Ports, run: &RunId) -> Result<ImageStates, QueueError> {
    let (mut log, mut states) = (queue.log.read(run).await?, ImageStates::default());
    while let Some(event) = log.next(Duration::ZERO).await? {
        states.take(event);
    }
    Ok(states)
}

/// Which targets are being written, and by which worker. Who may not know that sees the rest all the same.
pub(crate) async fn holders(queue: &Ports) -> BTreeMap<String, String> {
    let holders = queue.leases.holders().await;
    holders
        .inspect_err(|error| warn!(%error, "which images are in hand is not known"))
        .unwrap_or_default()
}

/// Whether nobody takes jobs. Who may not know that sees the rest all the same.
async fn is_deserted(queue: &Ports) -> bool {
    let is_deserted = queue.backlog.is_deserted().await;
    is_deserted
        .inspect_err(|error| warn!(%error, "whether there are workers is not known"))
        .unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use image_sync_testkit::samples::now;

    use super::*;

    fn image(image: &str, target: &str, state: Standing) -> ImageState {
        ImageState {
            image: image.to_owned(),
            tag: "1".to_owned(),
            target: target.to_owned(),
            state,
            attempts: 1,
            defers: 0,
            error: None,
            due: None,
            worker: None,
        }
    }

    /// What is told of an open run of these images.
    fn told(images: Vec<ImageState>) -> String {
        let snapshot = Snapshot {
            run_id: RunId::new("r1"),
            status: "open",
            trigger: Trigger::Enqueue,
            started_at: now(),
            deadline_at: now(),
            cache_registry: "localhost:5000".to_owned(),
            bytes_copied: 0,
            summary: Summary::default(),
            is_published_whole: true,
            nobody_takes_jobs: false,
            images,
        };
        let mut out = Vec::new();
        write_text(&snapshot, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn images_of_an_open_run_are_told_with_their_targets_where_these_are_several() {
        let (failed, waiting) = (Standing::Failed, Standing::Waiting);
        let one = told(vec![
            image("a", "localhost:5000/a:1", failed),
            image("b", "localhost:5000/b:1", waiting),
        ]);
        assert!(one.contains("\nFailed (1):\n  a:1\n\nWaiting"), "{one}");
        let two = told(vec![
            image("a", "localhost:5000/a:1", failed),
            image("a", "eu.example/a:1", failed),
        ]);
        let names = "\nFailed (2):\n  a:1 -> localhost:5000/a:1\n  a:1 -> eu.example/a:1\n";
        assert!(two.contains(names), "{two}");
    }
}
