//! What every queue offers.

use std::sync::Arc;

use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::memo::Memos;
use image_sync_shared::ports::queue::backlog::Backlog;
use image_sync_shared::ports::queue::dead_letters::DeadLetters;
use image_sync_shared::ports::queue::fleet::Fleet;
use image_sync_shared::ports::queue::host_pauses::HostPauses;
use image_sync_shared::ports::queue::job_queue::JobQueue;
use image_sync_shared::ports::queue::leases::Leases;
use image_sync_shared::ports::runs::reports::Reports;
use image_sync_shared::ports::runs::run_control::RunControl;
use image_sync_shared::ports::runs::run_log::RunLog;
use image_sync_shared::ports::runs::run_states::RunStates;

/// The ports of one queue, so that nobody who uses it knows which it is.
#[derive(Clone)]
pub struct Ports {
    /// Jobs.
    pub jobs: Arc<dyn JobQueue>,
    /// Jobs that were given up.
    pub letters: Arc<dyn DeadLetters>,
    /// How much there is to do.
    pub backlog: Arc<dyn Backlog>,
    /// The logs of runs.
    pub log: Arc<dyn RunLog>,
    /// Which runs are open or cancelled.
    pub runs: Arc<dyn RunControl>,
    /// Which runs there are, and how they ended.
    pub states: Arc<dyn RunStates>,
    /// Their reports.
    pub reports: Arc<dyn Reports>,
    /// Who may write a target.
    pub leases: Arc<dyn Leases>,
    /// Hosts to be left alone.
    pub pauses: Arc<dyn HostPauses>,
    /// Who works for it, and what they have in hand.
    pub fleet: Arc<dyn Fleet>,
    /// Facts that save requests.
    pub memos: Arc<dyn Memos>,
    /// The clock that all who meet here go by.
    pub clock: Arc<dyn Clock>,
}
