//! What an installation is made of, as far as one may choose.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest time in which a worker can be expected to give a sign of life.
const SHORTEST: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;
/// Of runs, leases, hosts and facts.
const BUCKETS: u64 = 4;

/// The sizes and times of an installation. Sizes are in bytes and are reserved on the server's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionSettings {
    /// On how many servers of a cluster everything is kept: 1, 3 or 5.
    pub replicas: usize,
    /// How long a job may be out unsettled before it comes again.
    pub visibility: Duration,
    /// For how long repeats of a job or an event are dropped.
    pub dedupe_window: Duration,
    /// How long a lease lasts that is not renewed.
    pub lease_term: Duration,
    /// How many jobs that are not due yet are watched at once; the server needs some 500 bytes of memory for each. Were
    /// there more, the rest would be looked at when those became due.
    pub max_held: u32,
    /// For how long a job is kept that nobody works.
    pub jobs_max_age: Duration,
    /// The size of the stream of jobs. A job takes some 1,000 bytes. A full stream takes no more of them.
    pub jobs_max_bytes: u64,
    /// For how long the log of a run is kept.
    pub log_max_age: Duration,
    /// The size of the stream of the logs of runs. An image takes some 1,000 bytes. A full stream drops its oldest events.
    pub log_max_bytes: u64,
    /// For how long a dead letter is kept.
    pub letters_max_age: Duration,
    /// The size of the stream of dead letters. A full stream drops the oldest.
    pub letters_max_bytes: u64,
    /// For how long reports and the state of runs are kept.
    pub reports_max_age: Duration,
    /// The size of the store of reports. From a full store the oldest are dropped.
    pub reports_max_bytes: u64,
    /// The size of each of the buckets of runs, leases, hosts and facts.
    pub bucket_max_bytes: u64,
}

impl Default for ProvisionSettings {
    fn default() -> Self {
        Self {
            replicas: 1,
            visibility: Duration::from_secs(60),
            dedupe_window: Duration::from_secs(10 * 60),
            lease_term: Duration::from_secs(45),
            max_held: 1_000_000,
            jobs_max_age: 14 * DAY,
            jobs_max_bytes: 512 * MIB,
            log_max_age: 14 * DAY,
            log_max_bytes: 1024 * MIB,
            letters_max_age: 30 * DAY,
            letters_max_bytes: 64 * MIB,
            reports_max_age: 90 * DAY,
            reports_max_bytes: 256 * MIB,
            bucket_max_bytes: 64 * MIB,
        }
    }
}

impl ProvisionSettings {
    /// What is reserved on the disk of each server that keeps it, in bytes.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        [
            self.jobs_max_bytes,
            self.log_max_bytes,
            self.letters_max_bytes,
            self.reports_max_bytes,
            self.bucket_max_bytes.saturating_mul(BUCKETS),
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// What cannot be, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (window, visibility) = (self.dedupe_window, self.visibility);
        if visibility.min(self.lease_term) < SHORTEST {
            // To a server, 0 is no limit.
            return Err(format!(
                "the visibility time ({visibility:?}) and the lease term ({:?}) must be {SHORTEST:?} or more, for workers have to give signs of life in them",
                self.lease_term
            ));
        }
        if window <= visibility {
            // A worker dies between putting a job back and settling it: the next one puts it back as well.
            return Err(format!(
                "the dedupe window ({window:?}) must be longer than the visibility time ({visibility:?}), or jobs that are put back twice are worked twice"
            ));
        }
        if self.jobs_max_age < window || self.log_max_age < window {
            return Err(format!(
                "jobs and logs must be kept for longer than the dedupe window ({window:?})"
            ));
        }
        Ok(())
    }
}
