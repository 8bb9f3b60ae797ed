//! Jobs that were given up, kept to be looked at and replayed.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::ports::QueueError;
use crate::run::job::Job;
use crate::text;

/// A job that was given up, or a message that was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its identity: the job's, or one made by the queue for a message that is no job.
    #[serde(with = "text::field")]
    pub id: String,
    /// When it died.
    #[serde(with = "time::serde::rfc3339")]
    pub died_at: OffsetDateTime,
    /// Why, in words.
    #[serde(with = "text::field")]
    pub reason: String,
    /// The job, where the message could be decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The message, where it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// Keeps dead letters.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Keeps a letter; one with the same id is replaced.
    async fn put(&self, letter: DeadLetter) -> Result<(), QueueError>;

    /// Reads the letters that there are now, oldest first. What comes later is left out, so that who replays letters comes
    /// to an end though they die again.
    async fn read(&self) -> Result<Box<dyn DeadLetterReader>, QueueError>;

    /// A letter, which stays.
    async fn get(&self, id: &str) -> Result<Option<DeadLetter>, QueueError>;

    /// Removes a letter and returns it.
    async fn take(&self, id: &str) -> Result<Option<DeadLetter>, QueueError>;
}

/// Reads letters one by one: all of them may be too many to be held.
#[async_trait]
pub trait DeadLetterReader: Send {
    /// The next letter, or none after the last.
    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError>;
}
