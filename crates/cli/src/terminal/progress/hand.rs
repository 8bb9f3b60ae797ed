//! What a worker that others watch has in hand.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::queue::fleet::ImageInHand;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::ImageResult;
use time::OffsetDateTime;

use super::in_flight::InFlight;

/// The images that a worker has in hand.
pub(crate) struct Hand {
    /// How long a transfer may stand still before it is cut.
    stall: Duration,
    in_flight: Mutex<InFlight>,
}

impl Hand {
    /// None yet.
    pub(crate) fn new(stall: Duration) -> Self {
        Self {
            stall,
            in_flight: Mutex::default(),
        }
    }

    /// All of them as they are now, the oldest first.
    pub(crate) fn images(&self) -> Vec<ImageInHand> {
        self.in_flight().images(self.stall)
    }

    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        lock(&self.in_flight)
    }
}

impl Progress for Hand {
    fn image_started(&self, job: &Job) {
        self.in_flight().started(job);
    }

    fn blobs_planned(&self, job: &JobId, bytes: u64) {
        self.in_flight().planned(job, bytes);
    }

    fn blob_found(&self, job: &JobId, size: u64) {
        self.in_flight().found(job, size);
    }

    fn blob_started(&self, job: &JobId, blob: &Digest, size: u64) {
        self.in_flight().blob_started(job, blob, size);
    }

    fn blob_advanced(&self, job: &JobId, blob: &Digest, bytes: u64) {
        self.in_flight().blob_advanced(job, blob, bytes);
    }

    fn blob_ended(&self, job: &JobId, blob: &Digest) {
        self.in_flight().blob_ended(job, blob);
    }

    fn image_put_back(&self, job: &Job, _why: &str, _until: Option<OffsetDateTime>) {
        self.in_flight().ended(&job.job_id);
    }

    fn image_ended(&self, job: &Job, _result: &ImageResult) {
        self.in_flight().ended(&job.job_id);
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::outcome::Action;

    use super::*;
    use crate::samples;

    #[test]
    fn a_worker_has_in_hand_what_began_and_has_no_result_and_was_not_put_back() {
        let hand = Hand::new(Duration::from_secs(60));
        let jobs = [0, 1, 2].map(|number| samples::job(number, "nginx"));
        for job in &jobs {
            hand.image_started(job);
        }
        let blob = Digest::of(b"one");
        hand.blobs_planned(&jobs[2].job_id, 100);
        hand.blob_started(&jobs[2].job_id, &blob, 100);
        hand.blob_advanced(&jobs[2].job_id, &blob, 60);
        hand.image_put_back(&jobs[0], "429", None);
        hand.image_ended(&jobs[1], &samples::result("nginx", Action::Pulled));
        let [image] = &hand.images()[..] else {
            panic!("one: {:?}", hand.images())
        };
        assert_eq!((&image.run, &*image.image), (&jobs[2].run_id, "nginx:1.27"));
        assert_eq!(image.target, jobs[2].target.image.to_string());
        let transfers = image.transfers.unwrap();
        assert_eq!((transfers.sent, transfers.to_send), (60, 100));
    }
}
