//! The fleet of a single process: whoever works in it.

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::{Asked, Fleet, Presence, Told};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// So much may be told before who is slow to hear it misses the oldest.
const UNHEARD: usize = 256;

/// Passes on what is asked and told.
pub(super) struct InProcessFleet {
    asks: Sender<()>,
    told: Sender<Presence>,
}

impl Default for InProcessFleet {
    fn default() -> Self {
        Self {
            asks: Sender::new(UNHEARD),
            told: Sender::new(UNHEARD),
        }
    }
}

#[async_trait]
impl Fleet for InProcessFleet {
    async fn ask(&self) -> Result<(), QueueError> {
        // That nobody hears it is no failure.
        self.asks.send(()).ok();
        Ok(())
    }

    async fn asked(&self) -> Result<Box<dyn Asked>, QueueError> {
        Ok(Box::new(Hearing(self.asks.subscribe())))
    }

    async fn tell(&self, presence: &Presence) -> Result<(), QueueError> {
        self.told.send(presence.clone()).ok();
        Ok(())
    }

    async fn listen(&self) -> Result<Box<dyn Told>, QueueError> {
        Ok(Box::new(Hearing(self.told.subscribe())))
    }
}

struct Hearing<T>(Receiver<T>);

impl<T: Clone> Hearing<T> {
    async fn heard(&mut self) -> T {
        loop {
            match self.0.recv().await {
                Ok(heard) => return heard,
                Err(RecvError::Lagged(_)) => {}
                // The queue is gone, and nothing comes any more.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[async_trait]
impl Asked for Hearing<()> {
    async fn next(&mut self) {
        self.heard().await;
    }
}

#[async_trait]
impl Told for Hearing<Presence> {
    async fn next(&mut self) -> Presence {
        self.heard().await
    }
}
