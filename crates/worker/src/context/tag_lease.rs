//! The lease of a tag that an attempt writes beside that of its image: of an index of referrers, which images of other tags may
//! write too.

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::reference::ImageRef;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::leases::{Lease, Leases, Renewal};
use image_sync_shared::retry::RetryPolicy;
use tokio::time::sleep;
use tracing::debug;

use crate::context::retry::retry_queue;

/// How long one waits for another: it reads and writes one index.
const WAITS: RetryPolicy = RetryPolicy {
    attempts: 12,
    initial: std::time::Duration::from_millis(100),
    max: std::time::Duration::from_secs(2),
};

/// A lease of one tag, as long as it is held.
pub(crate) struct TagLease<'a> {
    leases: &'a dyn Leases,
    tag: &'a ImageRef,
    lease: Lease,
}

impl<'a> TagLease<'a> {
    /// Takes the lease of `tag`, waiting for who has it.
    pub(crate) async fn acquire(
        leases: &'a dyn Leases,
        holder: &str,
        tag: &'a ImageRef,
    ) -> Result<Self, Failure> {
        let key = tag.to_string();
        let mut attempt = 1;
        loop {
            let taken = retry_queue(|| leases.acquire(&key, holder)).await;
            if let Some(lease) = taken.map_err(|error| unasked(tag, &error))? {
                return Ok(Self { leases, tag, lease });
            }
            if !WAITS.allows_another(attempt) {
                return Err(lost(tag, "another worker is writing this index"));
            }
            sleep(WAITS.delay(attempt)).await;
            attempt += 1;
        }
    }

    /// Makes sure that it is still held, for a full term from now on.
    pub(crate) async fn confirm(&mut self) -> Result<(), Failure> {
        let renewed = retry_queue(|| self.leases.renew(&self.lease)).await;
        match renewed.map_err(|error| unasked(self.tag, &error))? {
            Renewal::Held(lease) => {
                self.lease = lease;
                Ok(())
            }
            Renewal::Lost => Err(lost(self.tag, "the lease of this index ran out")),
        }
    }

    /// Gives it back.
    pub(crate) async fn release(self) {
        if let Err(error) = self.leases.release(self.lease).await {
            debug!(%error, "could not release the lease of an index: it will end by itself");
        }
    }
}

fn unasked(tag: &ImageRef, error: &QueueError) -> Failure {
    lost(tag, &error.to_string())
}

fn lost(tag: &ImageRef, answer: &str) -> Failure {
    Failure::new(
        Side::Target,
        Step::Lease,
        tag,
        FailureClass::LeaseLost,
        answer,
    )
}
