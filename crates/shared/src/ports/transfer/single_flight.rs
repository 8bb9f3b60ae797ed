//! Single flight: one blob is sent to one registry by one image at a time, the leader; the followers wait, and find it there.

use async_trait::async_trait;

use crate::image::digest::Digest;
use crate::image::reference::Repository;

/// Repositories between which blobs can be mounted: those of one registry, and all folders.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// A registry, by its host.
    Registry(String),
    /// The folders, between which blobs are hard links.
    Folders,
}

impl Store {
    /// The store that `repository` belongs to.
    #[must_use]
    pub fn of(repository: &Repository) -> Self {
        repository
            .host()
            .map_or(Self::Folders, |host| Self::Registry(host.to_owned()))
    }
}

/// What must not be sent twice at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BlobFlight {
    /// A blob to a store within which it can be mounted afterwards.
    Store(Store, Digest),
    /// A blob to a repository of a registry that does not mount.
    Repository(Repository, Digest),
}

/// The part of who wants a blob to be sent.
pub enum Part {
    /// The caller sends.
    Leader(Box<dyn Leader>),
    /// Another image is at it.
    Follower(Box<dyn Follower>),
}

/// The right to send. Dropping it, in whatever way the sending ended, wakes all who wait.
pub trait Leader: Send + Sync {
    /// Some bytes were sent.
    fn advanced(&self, bytes: u64);
}

/// Who waits for a leader.
#[async_trait]
pub trait Follower: Send {
    /// Waits until the leader ends, or stands still.
    async fn wait(self: Box<Self>) -> LeaderState;
}

/// What became of a leader that was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderState {
    /// It ended, well or not.
    Ended,
    /// It stands still.
    Stalled,
}

/// Who sends what at this moment.
#[async_trait]
pub trait SingleFlight: Send + Sync {
    /// Leads for `flight`, or follows who does.
    async fn join(&self, flight: &BlobFlight) -> Part;
}
