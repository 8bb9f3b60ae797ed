//! How far a run is by its log, for the display of who waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use image_sync_aggregator::fold::Fold;
use image_sync_queue::Ports;
use image_sync_shared::image::reference::split;
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::{ImageName, RunEvent, RunId};
use tokio::time::Instant;
use tracing::debug;

use crate::terminal::progress::{FleetBoard, Standing};

/// The time between two changes of the numbers that are shown: all results are counted for them.
const STEP: Duration = Duration::from_millis(250);
/// How long one wait for news is.
const NEWS: Duration = Duration::from_secs(5);

/// Shows how far the run is. Who may not read its log sees what workers tell all the same.
pub(super) async fn show(queue: &Ports, run: &RunId, board: &FleetBoard) -> Infallible {
    match follow(queue, run, board).await {
        Ok(never) => match never {},
        Err(error) => debug!(%error, "how far the run is is not known"),
    }
    std::future::pending().await
}

async fn follow(queue: &Ports, run: &RunId, board: &FleetBoard) -> Result<Infallible, QueueError> {
    let mut log = queue.log.read(run).await?;
    let (mut fold, mut hosts) = (Fold::default(), Hosts::default());
    let (mut shown, mut wait) = (Instant::now(), Duration::ZERO);
    loop {
        let is_all = match log.next(wait).await {
            Ok(Some(event)) => {
                take(event, &mut fold, &mut hosts, board);
                wait = STEP;
                false
            }
            Ok(None) => true,
            // Who waits for the end of the run says that NATS is away.
            Err(QueueError::Unreachable(_)) => continue,
            Err(error) => return Err(error),
        };
        if is_all || shown.elapsed() >= STEP {
            board.stands(standing(&fold));
            shown = Instant::now();
        }
        if is_all {
            board.is_up_to_date();
            wait = NEWS;
        }
    }
}

fn take(event: RunEvent, fold: &mut Fold, hosts: &mut Hosts, board: &FleetBoard) {
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
