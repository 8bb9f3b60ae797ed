//! The reports of runs that ended.

use std::io::{self, Read, Write};

use async_trait::async_trait;

use crate::ports::QueueError;
use crate::run::RunId;

/// Writes a report piece by piece: it may be too large to be held. May block.
pub type WriteReport = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// Keeps reports.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Stores the report of `run` that `write` writes, in place of one that it has. Until it is stored whole, the run has the
    /// old one; if it cannot be, nothing is left of it. The oldest reports of other runs go where there is no room:
    /// [`QueueError::Full`] if there is none even so.
    async fn put(&self, run: &RunId, write: WriteReport) -> Result<(), QueueError>;

    /// The report of `run`, or none if there is no report.
    async fn get(&self, run: &RunId) -> Result<Option<Box<dyn StoredReport>>, QueueError>;

    /// How many bytes what `write` writes would take if it were stored as the report of `run`.
    async fn size_of(&self, run: &RunId, write: WriteReport) -> Result<u64, QueueError>;

    /// How many bytes a report may take that is to be stored, if there is a limit.
    async fn largest(&self) -> Result<Option<u64>, QueueError>;

    /// Removes what was left of reports that were never stored whole, once it is sure that nobody is still storing them. Says
    /// whether there is anything to look at again.
    async fn tidy(&self) -> Result<bool, QueueError>;
}

/// A report as it was stored.
pub trait StoredReport: Send {
    /// Its text, from the start. To be read where blocking is allowed.
    fn text(&mut self) -> io::Result<Box<dyn Read + '_>>;
}
