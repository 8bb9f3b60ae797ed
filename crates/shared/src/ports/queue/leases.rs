//! Who may write a target: at most one worker at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::QueueError;

/// A lease that is held. Dropping it does not release it; it then ends when its time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is for: the target.
    pub key: String,
    /// Which state of it this is: a renewal makes a new one, and an old one cannot be renewed.
    pub revision: u64,
}

/// Whether a lease is still one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is, for a full term from now on.
    Held(Lease),
    /// It ran out, or another holds it.
    Lost,
}

/// Grants leases that end by themselves after their term.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease for `key`, or none if another has it.
    async fn acquire(&self, key: &str, holder: &str) -> Result<Option<Lease>, QueueError>;

    /// Starts its term anew, if it is still the one held.
    async fn renew(&self, lease: &Lease) -> Result<Renewal, QueueError>;

    /// Who holds which lease now, by key.
    async fn holders(&self) -> Result<BTreeMap<String, String>, QueueError>;

    /// How long a lease lasts that is not renewed.
    async fn term(&self) -> Result<Duration, QueueError>;

    /// Gives it back; one that is no longer held is left alone.
    async fn release(&self, lease: Lease) -> Result<(), QueueError>;
}
