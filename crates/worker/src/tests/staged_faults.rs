//! Failures and gates that a test puts in the way of calls.

use std::sync::Arc;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::FOREVER;

/// Which call of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Resolve,
    PullManifest,
    PushManifest,
    HasBlob,
    CopyBlob,
    Referrers,
    Tags,
}

/// Something that happens to a call whose description contains `about`.
pub(crate) struct Fault {
    pub(crate) call: Call,
    pub(crate) about: String,
    /// How often yet.
    pub(crate) times: usize,
    pub(crate) effect: Effect,
}

#[derive(Clone)]
pub(crate) enum Effect {
    Fail(Side, FailureClass),
    Hold(Gate),
    Panic,
}

/// Holds a call until the test lets it go on.
#[derive(Clone)]
pub(crate) struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self {
            arrived: closed(),
            open: closed(),
        }
    }

    /// Waits until a call is held.
    pub(crate) async fn arrived(&self) {
        let arrived = timeout(FOREVER, self.arrived.acquire()).await;
        arrived.expect("no call came to the gate").unwrap().forget();
    }

    /// Lets one call go on.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    pub(crate) async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }
}

impl Fault {
    pub(crate) fn failure(side: Side, class: FailureClass, call: Call, subject: &str) -> Failure {
        let step = match call {
            Call::Resolve => Step::Check,
            Call::PullManifest => Step::PullManifest,
            Call::PushManifest => Step::PushManifest,
            Call::HasBlob => Step::CheckBlob,
            Call::CopyBlob if side == Side::Source => Step::PullBlob,
            Call::CopyBlob => Step::PushBlob,
            Call::Referrers => Step::ListReferrers,
            Call::Tags => Step::ListTags,
        };
        Failure::new(side, step, subject, class, "staged")
    }
}
