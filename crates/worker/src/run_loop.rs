//! The loop of a worker: pulls as many jobs as it has free slots (`slots`), has each delivery checked and copied (`delivery`), and
//! settles it (`settle`), until it is told to stop (`shutdown`).

pub(crate) mod delivery;
pub(crate) mod settle;
pub(crate) mod shutdown;
pub(crate) mod slots;

use std::sync::Arc;

use image_sync_shared::ports::QueueError;

use crate::context::settings::WorkerSettings;
use crate::context::{WorkerContext, WorkerPorts};
use shutdown::Shutdown;
use slots::{ServedLanes, Slots};

/// Takes jobs from the queue and works them.
pub struct Worker {
    context: Arc<WorkerContext>,
}

impl Worker {
    /// A worker that has taken no job yet.
    #[must_use]
    pub fn new(ports: WorkerPorts, settings: WorkerSettings) -> Self {
        Self {
            context: Arc::new(WorkerContext::new(ports, settings)),
        }
    }

    /// Works jobs until `shutdown` says stop or the queue is closed; returns when every job in flight is settled. Fails if the
    /// queue refuses to hand out jobs. The call must run to its end: dropping it drops the jobs in flight, which come again
    /// after the queue's visibility time.
    pub async fn run(&self, shutdown: &Shutdown) -> Result<(), QueueError> {
        let settings = &self.context.settings;
        let slots = |serves, count| Slots::new(Arc::clone(&self.context), serves, count);
        let common = slots(ServedLanes::All, settings.common_slots());
        let reserved = slots(ServedLanes::Now, settings.reserved_for_now);
        // If the queue refuses one set of slots, both end, and nobody else does.
        let shutdown = shutdown.child();
        let (common, reserved) = tokio::join!(common.serve(&shutdown), reserved.serve(&shutdown));
        common.and(reserved)
    }
}
