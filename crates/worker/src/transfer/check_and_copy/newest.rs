//! Where registries tell of pushes, the newest image is the one that ends up at the target, whoever is copying an older one.
//!
//! A check that an event leads to has the lease of its target before it looks: a copy that is under way would put an older image
//! in the place of what is found up to date. And a copy that gets the lease resolves its source's tag once more: an
//! event may have led to a check in between, which saw the newer one and is over.
//!
//! Registries tell of a push before its tag has the new digest for all who ask. An event that says the digest is believed so far that
//! it is looked for again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::run::Trigger;
use image_sync_shared::run::outcome::Action;
use tokio::time::sleep;
use tracing::info;

use super::Attempt;
use crate::decide::verdict::ResolvedTags;

/// The waits before the digest that an event told of is looked for again. What was overwritten by then never comes.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

impl Attempt<'_> {
    /// Copies what is there, and what an event told of if that comes a moment later.
    pub(super) async fn until_awaited(&self) -> Result<Action, Failure> {
        let mut ended = self.look_and_copy().await;
        for wait in LOOKS {
            if !self.may_come(&ended) {
                break;
            }
            sleep(wait).await;
            self.tally.lock().recount();
            let next = self.look_and_copy().await;
            // What was copied before stays done.
            ended = match (ended, next) {
                (Ok(before), Ok(Action::AlreadyCached)) => Ok(before),
                (_, next) => next,
            };
        }
        ended
    }

    /// Whether what an event told of is not seen yet.
    fn may_come(&self, ended: &Result<Action, Failure>) -> bool {
        let Some(awaited) = &self.job.awaited else {
            return false;
        };
        match ended {
            Ok(_) => self.tally.lock().remote.as_ref() != Some(awaited),
            Err(failure) => {
                failure.side == Side::Source
                    && failure.step == Step::Check
                    && failure.class == FailureClass::NotFound
            }
        }
    }

    /// Takes the lease before anything is looked at, if an event led to this job.
    pub(super) async fn wait_for_copies(&self) -> Result<(), Failure> {
        if self.is_of_an_event() && !self.job.policy.dry_run {
            self.lease.acquire().await?;
        }
        Ok(())
    }

    /// Fails, once, if the source's tag has another digest than before the lease was taken.
    pub(super) async fn confirm_source(&self, tags: &ResolvedTags) -> Result<(), Failure> {
        // Who looked with the lease in hand has seen the newest.
        let is_sure = self.is_of_an_event() || self.has_moved.load(Ordering::Relaxed);
        if is_sure || !self.job.policy.confirms_source {
            return Ok(());
        }
        let reference = &self.job.source.image.reference;
        let now = self.requests.resolve(&self.source, reference).await?;
        if now.is_some_and(|now| now.digest == tags.source.digest) {
            return Ok(());
        }
        self.has_moved.store(true, Ordering::Relaxed);
        Err(Failure::new(
            Side::Source,
            Step::Check,
            &self.job.source.image,
            FailureClass::NotFound,
            "its tag has another digest than before the lease of the target was taken",
        ))
    }

    /// Whether the attempt is to begin anew, for this reason.
    pub(super) fn begins_anew(&self) -> bool {
        let has_moved = self.has_moved.load(Ordering::Relaxed);
        if has_moved {
            info!("the source's tag has moved since the check: checking once more");
            self.tally.lock().recount();
        }
        has_moved
    }

    fn is_of_an_event(&self) -> bool {
        self.job.trigger == Trigger::Webhook
    }
}
