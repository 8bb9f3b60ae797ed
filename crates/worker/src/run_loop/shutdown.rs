//! How a worker is ended, in two steps.

use tokio_util::sync::CancellationToken;

/// The two steps. A clone is the same shutdown.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Take nothing new; finish what is in flight within the grace time.
    pub stop: CancellationToken,
    /// Put back what is in flight.
    pub abort: CancellationToken,
}

impl Shutdown {
    /// A shutdown that follows this one and can come before it.
    pub(crate) fn child(&self) -> Self {
        Self {
            stop: self.stop.child_token(),
            abort: self.abort.child_token(),
        }
    }
}
