//! Runs and their events: the log of a run is all that its report is made of.

pub mod job;
pub mod outcome;
pub mod report;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::ports::telemetry::trace_context::TraceContext;
use crate::run::job::{Job, is_default};
use crate::run::outcome::JobResult;
use crate::secret::mac::MacKey;
use crate::text;
use crate::text::UnknownWord;
use crate::text::word::words;

/// The identity of a run, sortable by its start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// The longest id of a run, in bytes.
const MAX_RUN_ID: usize = 64;

/// A text that is no id of a run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{found:?} is no id of a run, expected 1 to {MAX_RUN_ID} letters and digits")]
pub struct InvalidRunId {
    found: String,
}

impl RunId {
    /// A run that this program names `text`: letters and digits only, as it becomes part of subjects, keys and headers. What
    /// others wrote is parsed.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What a run by itself claims in place of a catalog: no other run keeps it from starting, and it keeps none from it.
    #[must_use]
    pub fn own_catalog(&self) -> String {
        self.to_string()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = (1..=MAX_RUN_ID).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRunId {
                found: text::excerpt(text),
            })
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidRunId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What set a run off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody, of a catalog.
    Manual,
    /// Cron, a timer or `--every`.
    Schedule,
    /// A registry's event.
    Webhook,
    /// Somebody, of single images that are put ahead of the bulk.
    Enqueue,
    /// A dead letter put back.
    Replay,
    /// What another version calls so.
    Other(UnknownWord),
}

words!(Trigger {
    Manual = "manual",
    Schedule = "schedule" | "cron",
    Webhook = "webhook",
    Enqueue = "enqueue",
    Replay = "replay",
});

/// The opening of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOpened {
    /// When the run started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it is given up as incomplete.
    #[serde(with = "time::serde::rfc3339")]
    pub deadline_at: OffsetDateTime,
    /// What set it off.
    pub trigger: Trigger,
    /// The target of the catalog, for the report.
    #[serde(with = "text::field")]
    pub cache_registry: String,
    /// A digest of the catalog that the run was made from.
    #[serde(with = "text::field")]
    pub config_hash: String,
    /// How many images it is to have, where its producer knows that as it opens it: one that is interrupted leaves a run that
    /// was to have more than it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<u32>,
    /// Whether failed images leave the exit code at 0.
    #[serde(default)]
    pub skip_on_error: bool,
    /// Whether its jobs look, and write nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// For how long, in milliseconds, a run without a seal may be without a sign of its producer before it is abandoned.
    #[serde(default = "usual_silence")]
    pub silence_ms: u64,
    /// With this the producer authenticates the jobs of the run ([`Job::mac`](crate::run::job::Job::mac)), and a result counts only if
    /// it has the code of its job. Workers are not told it. None in a run of an earlier version, where any result counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<MacKey>,
    /// The trace that it is a part of.
    #[serde(default, skip_serializing_if = "TraceContext::is_empty")]
    pub trace: TraceContext,
}

fn usual_silence() -> u64 {
    90_000
}

/// The name of an image of a run, so that a missing one can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageName {
    /// The image as the config names it.
    #[serde(with = "text::field")]
    pub image: String,
    /// Its tag.
    #[serde(with = "text::field")]
    pub tag: String,
    /// Its target.
    #[serde(with = "text::field")]
    pub target: String,
}

/// The version of the events that this program writes. It says who wrote an event and not whether it can be read: a reader
/// takes what it understands of any version, and leaves an event out that it does not.
pub const EVENT_VERSION: u32 = 1;

/// An event in the log of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The first event.
    Open(RunOpened),
    /// Names of images, `first_idx` on.
    Chunk {
        /// The place of the first name.
        first_idx: u32,
        /// The names.
        items: Vec<ImageName>,
    },
    /// The producer is still publishing.
    Alive {
        /// When it said so.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// All jobs are published; this many results are to be expected.
    Seal {
        /// The number of jobs.
        expected: u32,
    },
    /// A job's outcome. Only the first of a job counts.
    Result(Box<JobResult>),
    /// An image has no result yet and comes again: an attempt failed, or it was put back.
    Attempt {
        /// The job's place in the run.
        idx: u32,
        /// How many attempts have failed.
        attempt: u32,
        /// How often it was put back without counting an attempt.
        #[serde(default)]
        defers: u32,
        /// Why, the last time.
        #[serde(with = "text::field")]
        error: String,
        /// When it comes again, if not at once. An earlier version did not tell.
        #[serde(
            default,
            with = "time::serde::rfc3339::option",
            skip_serializing_if = "Option::is_none"
        )]
        due: Option<OffsetDateTime>,
        /// Bytes of blobs that all attempts sent to the target.
        #[serde(default, skip_serializing_if = "is_default")]
        bytes_copied: u64,
    },
}

impl RunEvent {
    /// The same of an image that comes again as `successor`.
    #[must_use]
    pub fn followed_by(mut self, successor: &Job) -> Self {
        if let Self::Attempt {
            due, bytes_copied, ..
        } = &mut self
        {
            *due = successor.not_before;
            *bytes_copied = successor.so_far.bytes_copied;
        }
        self
    }

    /// Whether it shows that the producer is at work.
    #[must_use]
    pub fn is_sign_of_producer(&self) -> bool {
        matches!(
            self,
            Self::Open(_) | Self::Chunk { .. } | Self::Alive { .. }
        )
    }

    /// The id by which a log drops repeats of this event.
    #[must_use]
    pub fn message_id(&self, run: &RunId) -> String {
        match self {
            Self::Open(_) => format!("{run}:open"),
            Self::Chunk { first_idx, .. } => format!("{run}:chunk:{first_idx}"),
            Self::Alive { at } => format!("{run}:alive:{}", at.unix_timestamp_nanos()),
            Self::Seal { .. } => format!("{run}:seal"),
            // A result that was made up must not stand in the way of the true one.
            Self::Result(result) => match &result.mac {
                Some(mac) => format!("{run}:{}:final:{mac:?}", result.idx),
                None => format!("{run}:{}:final", result.idx),
            },
            Self::Attempt {
                idx,
                attempt,
                defers,
                ..
            } => format!("{run}:{idx}:attempt:{attempt}:d{defers}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn each_event_has_its_own_id() {
        let run = RunId::new("r1");
        let events = [
            RunEvent::Open(samples::opened()),
            RunEvent::Chunk {
                first_idx: 0,
                items: Vec::new(),
            },
            RunEvent::Chunk {
                first_idx: 9,
                items: Vec::new(),
            },
            RunEvent::Alive {
                at: samples::opened().started_at,
            },
            RunEvent::Alive {
                at: samples::opened().started_at + time::Duration::SECOND,
            },
            RunEvent::Seal { expected: 2 },
            RunEvent::Result(Box::new(samples::result(0))),
            RunEvent::Result(Box::new(samples::result(1))),
            attempt(1, 0),
            attempt(1, 1),
            attempt(2, 1),
        ];
        let ids: std::collections::HashSet<String> =
            events.iter().map(|event| event.message_id(&run)).collect();
        assert_eq!(ids.len(), events.len());
    }

    fn attempt(attempt: u32, defers: u32) -> RunEvent {
        RunEvent::Attempt {
            idx: 0,
            attempt,
            defers,
            error: "503".to_owned(),
            due: None,
            bytes_copied: 0,
        }
    }

    #[test]
    fn a_run_id_of_a_message_is_letters_and_digits() {
        let read = |text: &str| serde_json::from_value::<RunId>(text.into());
        for good in ["r1", "01M8EQ06KAZQEFA2AGH2JFG0E2", &"x".repeat(64)] {
            assert_eq!(read(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(1_000_000);
        for bad in ["", "x\r\ny", "a b", "a.b", "*", "é", "a:0", "\0", &long] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("expected 1 to 64 letters and digits"));
            assert!(error.len() < 400, "{}", error.len());
            assert!(!error.chars().any(text::is_deceptive), "{error:?}");
        }
    }

    #[test]
    fn attempts_of_an_older_release_were_never_put_back() {
        let json = r#"{"event":"attempt","idx":0,"attempt":2,"error":"503"}"#;
        assert_eq!(
            serde_json::from_str::<RunEvent>(json).unwrap(),
            attempt(2, 0)
        );
    }

    #[test]
    fn events_survive_their_own_json() {
        let event = RunEvent::Result(Box::new(samples::result(4)));
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(r#""event":"result""#), "{json}");
        assert_eq!(serde_json::from_str::<RunEvent>(&json).unwrap(), event);
    }
}
