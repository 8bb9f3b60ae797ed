//! How far a run is by its log, for who waits for it: on the display, or else in a line from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use image_sync_aggregator::fold::Fold;
use image_sync_queue::Ports;
use image_sync_shared::image::reference::split;
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::{ImageName, RunEvent, RunId};
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use crate::terminal::progress::{FleetBoard, Standing};

/// The time between two changes of the numbers that are shown: all results are counted for them.
const STEP: Duration = Duration::from_millis(250);
/// How long one wait for news is.
const NEWS: Duration = Duration::from_secs(5);
/// The time between two lines.
const LINES: Duration = Duration::from_secs(30);
/// Where there is no display, the log is not read for so long: most runs are over by then.
const UNREAD: Duration = Duration::from_secs(15);

/// Shows how far the run is. Who may not read its log sees what workers tell all the same.
pub(super) async fn show(queue: &Ports, run: &RunId, board: Option<&FleetBoard>) -> Infallible {
    let followed = if let Some(board) = board {
        follow(queue, run, &mut Shown::On(board)).await
    } else {
        sleep(UNREAD).await;
        follow(queue, run, &mut Shown::InLines(Lines::new(run))).await
    };
    match followed {
        Ok(never) => match never {},
        Err(error) => debug!(%error, "how far the run is is not known"),
    }
    std::future::pending().await
}

/// Where it is shown.
enum Shown<'a> {
    On(&'a FleetBoard),
    InLines(Lines<'a>),
}

impl Shown<'_> {
    fn stands(&mut self, standing: Standing, is_all: bool) {
        match self {
            Self::On(board) => {
                board.stands(standing);
                if is_all {
                    board.is_up_to_date();
                }
            }
            Self::InLines(lines) => lines.stands(&standing),
        }
    }

    /// Whether it is time to count all results, which was done `last`.
    fn is_due(&self, is_all: bool, last: Instant) -> bool {
        match self {
            Self::On(_) => is_all || last.elapsed() >= STEP,
            Self::InLines(_) => last.elapsed() >= LINES,
        }
    }

    fn board(&self) -> Option<&FleetBoard> {
        match self {
            Self::On(board) => Some(board),
            Self::InLines(_) => None,
        }
    }
}

/// Lines of how far a run is, each with something new.
struct Lines<'a> {
    run: &'a RunId,
    /// When the last one came, and how many images were done by then.
    said: (Instant, u32),
}

impl<'a> Lines<'a> {
    fn new(run: &'a RunId) -> Self {
        // What came before is read within moments, and is no news.
        let said = (Instant::now(), 0);
        Self { run, said }
    }

    fn stands(&mut self, standing: &Standing) {
        let Standing { done, failed, .. } = *standing;
        let (at, said) = self.said;
        if at.elapsed() >= LINES && said != done {
            self.said = (Instant::now(), done);
            info!(run_id = %self.run, done, failed, total = standing.images, "the run goes on");
        }
    }
}

async fn follow(
    queue: &Ports,
    run: &RunId,
    shown_on: &mut Shown<'_>,
) -> Result<Infallible, QueueError> {
    let mut log = queue.log.read(run).await?;
    let (mut fold, mut hosts) = (Fold::default(), Hosts::default());
    let (mut shown, mut wait) = (Instant::now(), Duration::ZERO);
    loop {
        let is_all = match log.next(wait).await {
            Ok(Some(event)) => {
                take(event, &mut fold, &mut hosts, shown_on.board());
                wait = STEP;
                false
            }
            Ok(None) => true,
            // Who waits for the end of the run says that NATS is away.
            Err(QueueError::Unreachable(_)) => continue,
            Err(error) => return Err(error),
        };
        if shown_on.is_due(is_all, shown) {
            shown_on.stands(standing(&fold), is_all);
            shown = Instant::now();
        }
        if is_all {
            wait = NEWS;
        }
    }
}

fn take(event: RunEvent, fold: &mut Fold, hosts: &mut Hosts, board: Option<&FleetBoard>) {
    let Some(board) = board else {
        fold.apply(event);
        return;
    };
    match &event {
        RunEvent::Chunk { first_idx, items } => hosts.add(*first_idx, items),
        RunEvent::Attempt {
            idx,
            error,
            due: Some(due),
            ..
        } => {
            board.put_back(*idx, hosts.of(*idx), error.clone(), *due);
        }
        _ => {}
    }
    for result in fold.apply(event) {
        board.ended(result.idx);
    }
}

fn standing(fold: &Fold) -> Standing {
    let (summary, opened) = (fold.summary(), fold.opened());
    let is_known = fold.is_sealed() || opened.is_some_and(|opened| opened.images.is_some());
    Standing {
        images: is_known.then_some(summary.total),
        done: summary.results(),
        failed: summary.failed,
        bytes: fold.bytes_copied(),
        started_at: opened.map(|opened| opened.started_at),
    }
}

/// The registries that images come from, by the places of these.
#[derive(Default)]
struct Hosts {
    all: BTreeSet<Arc<str>>,
    of: BTreeMap<u32, Arc<str>>,
}

impl Hosts {
    fn add(&mut self, first_idx: u32, images: &[ImageName]) {
        for (idx, ImageName { image, .. }) in (first_idx..=u32::MAX).zip(images) {
            let named = split(image).ok();
            let host = named.as_ref().and_then(|(repository, _)| repository.host());
            let host = host.unwrap_or(image.as_str());
            let known = self.all.get(host).map(Arc::clone);
            let host = known.unwrap_or_else(|| {
                let new: Arc<str> = host.into();
                self.all.insert(Arc::clone(&new));
                new
            });
            self.of.insert(idx, host);
        }
    }

    /// The registry of an image. Its name may come after what is said of it.
    fn of(&self, idx: u32) -> String {
        let host = self.of.get(&idx).map_or("another registry", |host| host);
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_comes_each_half_minute_if_there_is_something_new() {
        let run = RunId::new("r1");
        let mut lines = Lines::new(&run);
        let mut said_after = async |seconds, done| {
            sleep(Duration::from_secs(seconds)).await;
            lines.stands(&Standing {
                images: Some(300),
                done,
                failed: 0,
                bytes: 0,
                started_at: None,
            });
            lines.said.1
        };
        assert_eq!(said_after(0, 7).await, 0);
        assert_eq!(said_after(29, 8).await, 0);
        assert_eq!(said_after(1, 9).await, 9);
        assert_eq!(said_after(60, 9).await, 9);
        assert_eq!(said_after(0, 10).await, 10);
    }
}
