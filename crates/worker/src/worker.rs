//! The worker.

use std::sync::Arc;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::host_pauses::HostPauses;
use image_sync_shared::ports::job_queue::JobQueue;
use image_sync_shared::ports::leases::Leases;
use image_sync_shared::ports::measures::Measures;
use image_sync_shared::ports::memo::Memo;
use image_sync_shared::ports::progress::Progress;
use image_sync_shared::ports::registries::Registries;
use image_sync_shared::ports::run_control::RunControl;
use image_sync_shared::ports::run_log::RunLog;
use image_sync_shared::ports::trace_context::Propagator;
use tokio::sync::Semaphore;

use crate::blob::FlightKey;
use crate::blob_index::BlobIndex;
use crate::flights::Flights;
use crate::held::LARGE_AT_ONCE;
use crate::settings::WorkerSettings;
use crate::shutdown::Shutdown;
use crate::slots::{Serves, Slots};

/// All that a worker reaches the outside through.
#[derive(Clone)]
pub struct Ports {
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
pub(crate) struct Workshop {
    pub(crate) ports: Ports,
    pub(crate) settings: WorkerSettings,
    pub(crate) blobs: BlobIndex,
    pub(crate) flights: Flights<FlightKey>,
    /// The right to hold the manifests of a large image in memory.
    pub(crate) large_images: Semaphore,
}

/// Takes jobs from the queue and works them.
pub struct Worker {
    workshop: Arc<Workshop>,
}

impl Worker {
    /// A worker that has taken no job yet.
    #[must_use]
    pub fn new(ports: Ports, settings: WorkerSettings) -> Self {
        Self {
            workshop: Arc::new(Workshop {
                ports,
                settings,
                blobs: BlobIndex::default(),
                flights: Flights::default(),
                large_images: Semaphore::new(LARGE_AT_ONCE),
            }),
        }
    }

    /// Works jobs until `shutdown` says stop or the queue is closed; returns when every job in hand is settled. Fails if the
    /// queue refuses to hand out jobs. The call must run to its end: dropping it drops the jobs in hand, which come again
    /// after the queue's visibility time.
    pub async fn run(&self, shutdown: &Shutdown) -> Result<(), QueueError> {
        let settings = &self.workshop.settings;
        let slots = |serves, count| Slots::new(Arc::clone(&self.workshop), serves, count);
        let common = slots(Serves::AllLanes, settings.common_slots());
        let reserved = slots(Serves::Now, settings.reserved_for_now);
        // If the queue refuses one set of slots, both end, and nobody else does.
        let shutdown = shutdown.child();
        let (common, reserved) = tokio::join!(common.serve(&shutdown), reserved.serve(&shutdown));
        common.and(reserved)
    }
}
