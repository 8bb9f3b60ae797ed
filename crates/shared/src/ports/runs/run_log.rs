//! The log of every run: what happened, in the order in which it was stored.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::QueueError;
use crate::run::{RunEvent, RunId, RunOpened};

/// Appends to and reads the logs of runs.
#[async_trait]
pub trait RunLog: Send + Sync {
    /// Stores an event, and returns only then. A repeat ([`RunEvent::message_id`]) inside the dedupe window is dropped.
    async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError>;

    /// Reads the log of a run from its first event on.
    async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError>;

    /// What the log of a run says of it as a whole.
    async fn frame(&self, run: &RunId) -> Result<RunFrame, QueueError> {
        let (mut reader, mut frame) = (self.read(run).await?, RunFrame::default());
        while let Some(event) = reader.next(Duration::ZERO).await? {
            match event {
                RunEvent::Open(opened) => {
                    frame.opened.get_or_insert(opened);
                }
                RunEvent::Seal { expected } => {
                    frame.jobs.get_or_insert(expected);
                }
                _ => {}
            }
        }
        Ok(frame)
    }

    /// Makes sure that the log of a run of so many images can be kept whole, if it were the only one: [`QueueError::Full`] if
    /// it cannot. A log without a limit can.
    async fn check_room(&self, images: usize) -> Result<(), QueueError> {
        let _ = images;
        Ok(())
    }
}

/// What the log of a run says of it as a whole. What it does not have, or not any more, is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFrame {
    /// How it was opened.
    pub opened: Option<RunOpened>,
    /// How many jobs it has, once all are published.
    pub jobs: Option<u32>,
}

/// A place in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPlace {
    /// Where the last event before it lies. It grows from event to event.
    pub last: u64,
    /// How many events of the run lie before it, those that cannot be read included.
    pub events: u64,
}

impl LogPlace {
    /// Whether who stands here has read all up to `end`. A reader that is `quiet` was told that there is no further event,
    /// which is to be believed only if none is missing: a server of a cluster may lag behind the one that knows the end.
    #[must_use]
    pub fn reaches(self, end: Self, quiet: bool) -> bool {
        self.last >= end.last || (quiet && self.events >= end.events)
    }
}

/// Reads one log from its start.
#[async_trait]
pub trait RunLogReader: Send {
    /// The next event, or none if there is no further one within `wait`. A log has no end: more may come later.
    async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError>;

    /// How far it has been read.
    fn place(&self) -> LogPlace;

    /// How far the log goes now. It may lie behind the last event of the run, where other runs share the log.
    async fn end(&mut self) -> Result<LogPlace, QueueError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reached_by_place_or_by_count_where_nothing_more_comes() {
        let place = |last, events| LogPlace { last, events };
        let end = place(9, 4);
        assert!(place(9, 1).reaches(end, false));
        assert!(place(7, 4).reaches(end, true), "what follows is of others");
        assert!(!place(7, 4).reaches(end, false));
        assert!(!place(7, 3).reaches(end, true), "the server lags behind");
    }
}
