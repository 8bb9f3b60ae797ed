//! A place where a test holds a request.

use std::sync::Arc;

use tokio::sync::watch;

use super::watchdog::watched;

/// Holds requests until it is released. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<State>);

#[derive(Debug)]
struct State {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(State {
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(false),
        }))
    }

    /// Returns when a request stands at the gate, or has stood there.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Returns when `count` requests have come to the gate since it was made.
    pub async fn reached_by(&self, count: usize) {
        let mut arrived = self.0.arrived.subscribe();
        let enough = arrived.wait_for(|n| *n >= count);
        let result = watched(enough, || format!("{count} requests at a gate")).await;
        debug_assert!(result.is_ok(), "the sender lives in self");
    }

    /// How many requests have come to the gate.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.0.arrived.borrow()
    }

    /// Lets all requests through, those that come later too.
    pub fn release(&self) {
        self.0.open.send_replace(true);
    }

    /// Holds again the requests that come from now on.
    pub fn close(&self) {
        self.0.open.send_replace(false);
    }

    pub(crate) async fn pass(&self) {
        self.0.arrived.send_modify(|n| *n += 1);
        let mut open = self.0.open.subscribe();
        let released = open.wait_for(|open| *open).await;
        debug_assert!(released.is_ok(), "the sender lives in self");
    }
}
