//! What jobs are worked with: the ports, the settings and the knowledge that all jobs of a process share, and what one attempt
//! runs under, which is its lease, its time limit, its retries and its operations in flight.

pub(crate) mod artifact_tags;
pub(crate) mod blob_index;
pub(crate) mod half_open;
pub(crate) mod in_flight;
pub(crate) mod lease_guard;
pub(crate) mod near_tags;
pub(crate) mod retry;
pub(crate) mod settings;
pub(crate) mod single_flight;
pub(crate) mod tag_lease;
pub(crate) mod target_shares;
pub(crate) mod time_limit;

use std::sync::Arc;

use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::memo::Memo;
use image_sync_shared::ports::queue::host_pauses::HostPauses;
use image_sync_shared::ports::queue::job_queue::JobQueue;
use image_sync_shared::ports::queue::leases::Leases;
use image_sync_shared::ports::runs::run_control::RunControl;
use image_sync_shared::ports::runs::run_log::RunLog;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::ports::telemetry::progress::Progress;
use image_sync_shared::ports::telemetry::trace_context::Propagator;
use image_sync_shared::ports::transfer::known_blobs::KnownBlobs;
use image_sync_shared::ports::transfer::registries::Registries;
use image_sync_shared::ports::transfer::single_flight::SingleFlight;
use tokio::sync::Semaphore;

use crate::decide::manifest_budget::LARGE_AT_ONCE;
use artifact_tags::ArtifactTags;
use near_tags::NearTags;
use settings::WorkerSettings;
use target_shares::TargetShares;

/// All that a worker reaches the outside through.
#[derive(Clone)]
pub struct WorkerPorts {
    /// Where images are read and written.
    pub registries: Arc<dyn Registries>,
    /// Where jobs come from and go back to.
    pub queue: Arc<dyn JobQueue>,
    /// Where results go to.
    pub run_log: Arc<dyn RunLog>,
    /// Who may write a target.
    pub leases: Arc<dyn Leases>,
    /// Which hosts are left alone.
    pub pauses: Arc<dyn HostPauses>,
    /// Which runs were cancelled.
    pub runs: Arc<dyn RunControl>,
    /// What need not be asked again.
    pub memo: Arc<dyn Memo>,
    /// What is known of targets.
    pub known_blobs: Arc<dyn KnownBlobs>,
    /// Who sends which blob.
    pub single_flight: Arc<dyn SingleFlight>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// Who counts.
    pub measures: Arc<dyn Measures>,
    /// Makes the traces of jobs lead to their run's.
    pub traces: Arc<dyn Propagator>,
}

/// What all jobs of a process share.
pub(crate) struct WorkerContext {
    pub(crate) ports: WorkerPorts,
    pub(crate) settings: WorkerSettings,
    /// The right to hold the manifests of a large image in memory.
    pub(crate) large_images: Arc<Semaphore>,
    pub(crate) target_shares: TargetShares,
    pub(crate) artifact_tags: ArtifactTags,
    pub(crate) near_tags: NearTags,
}

impl WorkerContext {
    /// What a worker that knows nothing yet shares.
    pub(crate) fn new(ports: WorkerPorts, settings: WorkerSettings) -> Self {
        let target_shares = TargetShares::new(settings.common_slots(), settings.target_hosts);
        Self {
            ports,
            settings,
            target_shares,
            artifact_tags: ArtifactTags::default(),
            near_tags: NearTags::default(),
            large_images: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }
}
