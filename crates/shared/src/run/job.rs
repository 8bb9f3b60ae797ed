//! The unit of work: one image, one target.

mod kind;
mod policy;
mod referrers;
mod unworked;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::failure::{Failure, Side};
use crate::image::digest::Digest;
use crate::image::platform::Platforms;
use crate::image::reference::{ImageRef, Repository};
use crate::ports::clock::later;
use crate::ports::telemetry::trace_context::TraceContext;
use crate::run::outcome::Work;
use crate::run::{RunId, Trigger};
use crate::secret::mac::{Mac, MacKey};
use crate::text;

pub use kind::JobKind;
pub(crate) use policy::is_default;
pub use policy::{ImagePolicy, Overwrite, PlatformMissing, Policy};
pub use referrers::{Referrers, ReferrersFrom};

/// The highest version of messages that this program reads.
pub const MESSAGE_VERSION: u32 = 3;
/// How many past attempts a job remembers.
pub const MAX_HISTORY: usize = 5;

/// How far a host's identity must be proven, the strictest first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "TrustFields", into = "TrustFields")]
pub enum Trust {
    /// TLS with a verified certificate.
    #[default]
    Verified,
    /// Verified TLS first; unverified TLS or plain HTTP where that fails, without credentials unless the host is on
    /// loopback. What holds for a cache of which the config says nothing.
    InsecureByDefault,
    /// TLS unverified, and plain HTTP where the host speaks no TLS, with credentials: someone wrote so.
    Insecure,
}

/// [`Trust`] in a message. A reader that does not know the second field takes both kinds of insecure for one.
#[derive(Serialize, Deserialize)]
struct TrustFields {
    #[serde(default)]
    trust: TrustName,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    trust_by_default: bool,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TrustName {
    #[default]
    Verified,
    Insecure,
}

impl From<Trust> for TrustFields {
    fn from(trust: Trust) -> Self {
        let name = match trust {
            Trust::Verified => TrustName::Verified,
            Trust::InsecureByDefault | Trust::Insecure => TrustName::Insecure,
        };
        Self {
            trust: name,
            trust_by_default: trust == Trust::InsecureByDefault,
        }
    }
}

impl From<TrustFields> for Trust {
    fn from(fields: TrustFields) -> Self {
        match (fields.trust, fields.trust_by_default) {
            (TrustName::Verified, _) => Self::Verified,
            (TrustName::Insecure, true) => Self::InsecureByDefault,
            (TrustName::Insecure, false) => Self::Insecure,
        }
    }
}

/// What may be asked of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    PullPush,
}

/// One end of a copy: a repository, which side it is on, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Source or target.
    pub side: Side,
    /// The repository.
    pub repository: Repository,
    /// How far its host's identity must be proven.
    pub trust: Trust,
    /// What may be asked of it.
    pub access: Access,
}

/// An image and how its host is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The image.
    #[serde(flatten)]
    pub image: ImageRef,
    /// How far its host's identity must be proven.
    #[serde(flatten)]
    pub trust: Trust,
}

/// The identity of a job: its run and its place in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Why an id is not that of a job.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidJobId {
    /// It has another form.
    #[error("{0:?} is no id of a job, expected RUN:IDX as in 01JD3X8M5R6Q0T7V9W1Y2Z4A5B:17")]
    Form(String),
    /// It is that of another job.
    #[error("the job {found} says that it is {expected}")]
    Other {
        /// What stands there.
        found: JobId,
        /// What the job's run and place make it.
        expected: JobId,
    },
}

impl JobId {
    /// The job `idx` of `run`.
    #[must_use]
    pub fn new(run: &RunId, idx: u32) -> Self {
        Self(format!("{run}:{idx}"))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(':').and_then(|(run, idx)| {
            let id = Self::new(&run.parse().ok()?, idx.parse().ok()?);
            // A number has one form, and so has an id.
            (id.0 == text).then_some(id)
        });
        parsed.ok_or_else(|| InvalidJobId::Form(text::excerpt(text)))
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A past attempt at a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Why.
    pub failure: Failure,
}

/// A job: what is to be done with one image and one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The version of this message.
    pub v: u32,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "JobKind::is_default")]
    pub kind: JobKind,
    /// Its identity, the same for all its attempts.
    pub job_id: JobId,
    /// Its run.
    pub run_id: RunId,
    /// Its place in the run, from 0.
    pub idx: u32,
    /// What set the run off.
    pub trigger: Trigger,
    /// The image as the config names it, for the report.
    #[serde(with = "text::field")]
    pub image: String,
    /// The tag as the config names it, for the report.
    #[serde(with = "text::field")]
    pub tag: String,
    /// Where the image comes from.
    pub source: Place,
    /// Where it goes to.
    pub target: Place,
    /// Which platforms of it.
    pub platforms: Platforms,
    /// The rules it is worked under.
    pub policy: Policy,
    /// The digest that the source's tag is about to have, as an event says that led to it: registries tell of a push before
    /// they show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Digest>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How often it was put back without counting an attempt.
    #[serde(default)]
    pub defers: u32,
    /// When its first attempt was enqueued.
    #[serde(with = "time::serde::rfc3339")]
    pub first_enqueued_at: OffsetDateTime,
    /// Not to be worked before this time.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub not_before: Option<OffsetDateTime>,
    /// When its run is given up as incomplete: what would be tried later than that fails at once.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub deadline_at: Option<OffsetDateTime>,
    /// The last attempts, oldest first, at most [`MAX_HISTORY`].
    #[serde(
        default,
        deserialize_with = "last_attempts",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<PastAttempt>,
    /// What its past attempts did.
    #[serde(default, skip_serializing_if = "Work::is_nothing")]
    pub so_far: Work,
    /// What its result has to have, to be known as that of a job that was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The trace of its run. It rides in the headers of the message and is no part of its JSON.
    #[serde(skip)]
    pub trace: TraceContext,
}

impl Job {
    /// Its code with the key of its run: it stands for its place in the run and for the image's names, as a message has them.
    #[must_use]
    pub fn mac_with(&self, key: &MacKey) -> Mac {
        let names: [&dyn fmt::Display; 3] = [&self.image, &self.tag, &self.target.image];
        let [image, tag, target] = names.map(text::bounded);
        key.mac(&[&self.idx.to_string(), &image, &tag, &target])
    }

    /// Whether this program knows what it asks for: its version is not a newer one, nor its kind another's.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.v <= MESSAGE_VERSION && !matches!(self.kind, JobKind::Other(_))
    }

    /// The id by which a queue drops repeats of this message: a successor is another message than its predecessor.
    #[must_use]
    pub fn message_id(&self) -> String {
        match (self.attempt, self.defers) {
            (1, 0) => self.job_id.to_string(),
            (attempt, defers) => format!("{}:a{attempt}:d{defers}", self.job_id),
        }
    }

    /// The job after a failed attempt that counts.
    #[must_use]
    pub fn after_attempt(&self, now: OffsetDateTime, failure: Failure, wait: Duration) -> Self {
        let mut successor = self.remembering(now, failure);
        successor.attempt = self.attempt.saturating_add(1);
        successor.not_before = Some(later(now, wait));
        successor
    }

    /// The job put back until `due`, no attempt counted.
    #[must_use]
    pub fn deferred(&self, due: OffsetDateTime) -> Self {
        Self {
            defers: self.defers.saturating_add(1),
            not_before: Some(due),
            ..self.clone()
        }
    }

    fn remembering(&self, now: OffsetDateTime, failure: Failure) -> Self {
        let mut job = self.clone();
        job.history.push(PastAttempt { at: now, failure });
        keep_last(&mut job.history);
        job
    }

    /// Whether its id is that of its run and place, as everything about a job is told by the one or by the others.
    pub fn check_id(&self) -> Result<(), InvalidJobId> {
        let expected = JobId::new(&self.run_id, self.idx);
        if self.job_id == expected {
            Ok(())
        } else {
            Err(InvalidJobId::Other {
                found: self.job_id.clone(),
                expected,
            })
        }
    }

    /// The source as a remote: only ever read.
    #[must_use]
    pub fn source_remote(&self) -> Remote {
        Remote {
            side: Side::Source,
            repository: self.source.image.repository.clone(),
            trust: self.source.trust,
            access: Access::Pull,
        }
    }

    /// The target as a remote: written, unless this is a dry run.
    #[must_use]
    pub fn target_remote(&self) -> Remote {
        Remote {
            side: Side::Target,
            repository: self.target.image.repository.clone(),
            trust: self.target.trust,
            access: if self.policy.dry_run {
                Access::Pull
            } else {
                Access::PullPush
            },
        }
    }
}

/// No more attempts than a job remembers, whoever wrote it, and none that another version tells in another way: a job is not
/// lost for what is only told of it.
fn last_attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PastAttempt>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Known(PastAttempt),
        Other(IgnoredAny),
    }
    let told = Vec::<Told>::deserialize(deserializer)?;
    let known = told.into_iter().filter_map(|told| match told {
        Told::Known(past) => Some(past),
        Told::Other(_) => None,
    });
    let mut history = known.collect();
    keep_last(&mut history);
    Ok(history)
}

fn keep_last(history: &mut Vec<PastAttempt>) {
    let surplus = history.len().saturating_sub(MAX_HISTORY);
    history.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{FailureClass, Step};
    use crate::samples;

    #[test]
    fn successors_are_new_messages_of_the_same_job() {
        let job = samples::job("r1", 7);
        let failure = Failure::new(
            Side::Source,
            Step::Check,
            "t",
            FailureClass::Timeout,
            "no answer",
        );
        let now = job.first_enqueued_at;
        let second = job.after_attempt(now, failure.clone(), Duration::from_secs(3));
        assert_eq!((second.attempt, second.defers), (2, 0));
        assert_eq!(second.not_before, Some(now + Duration::from_secs(3)));
        let put_back = second.deferred(now);
        assert_eq!((put_back.attempt, put_back.defers), (2, 1));
        let ids = [job.message_id(), second.message_id(), put_back.message_id()];
        assert_eq!(ids, ["r1:7", "r1:7:a2:d0", "r1:7:a2:d1"]);
        assert!(ids.iter().all(|id| id.starts_with(job.job_id.as_str())));
    }

    #[test]
    fn history_keeps_the_last_five() {
        let mut job = samples::job("r1", 0);
        for attempt in 0..9 {
            let failure = Failure::new(
                Side::Source,
                Step::Check,
                attempt,
                FailureClass::Timeout,
                "",
            );
            job = job.after_attempt(job.first_enqueued_at, failure, Duration::ZERO);
        }
        let subjects: Vec<&str> = job
            .history
            .iter()
            .map(|past| past.failure.subject.as_str())
            .collect();
        assert_eq!(subjects, ["4", "5", "6", "7", "8"]);
    }

    #[test]
    fn the_id_of_a_job_is_that_of_its_run_and_place() {
        let read = |text: &str| serde_json::from_value::<JobId>(text.into());
        assert_eq!(read("r1:7").unwrap().as_str(), "r1:7");
        for bad in [
            "",
            "r1",
            "r1:",
            "r1:x",
            "r1:-1",
            "r1:+1",
            "r1:07",
            "r1:4294967296",
            "r1:1:2",
            "x\r\ny:0",
            &format!("r1:{}", "9".repeat(1_000_000)),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("expected RUN:IDX") && error.len() < 400);
        }
        let job = samples::job("r1", 7);
        assert_eq!(job.check_id(), Ok(()));
        let other = Job { idx: 8, ..job };
        let error = other.check_id().unwrap_err().to_string();
        assert_eq!(error, "the job r1:7 says that it is r1:8");
    }

    #[test]
    fn a_job_of_anybody_is_small_once_it_is_read_and_counts_to_no_end() {
        let mut job = samples::job("r1", 0);
        let failure = Failure::new(Side::Source, Step::Check, "x", FailureClass::Timeout, "x");
        job.history = vec![
            PastAttempt {
                at: samples::now(),
                failure: failure.clone()
            };
            5_000
        ];
        (job.attempt, job.defers) = (u32::MAX, u32::MAX);
        let mut json = serde_json::to_value(&job).unwrap();
        json["image"] = "\u{7f}".repeat(1_000_000).into();
        let job: Job = serde_json::from_value(json).unwrap();
        assert_eq!(job.history.len(), MAX_HISTORY);
        assert!(serde_json::to_vec(&job).unwrap().len() < 8 * text::MAX_TEXT);
        let next = job.after_attempt(samples::now(), failure, Duration::MAX);
        assert_eq!(next.deferred(samples::now()).defers, u32::MAX);
        assert_eq!(next.attempt, u32::MAX);
    }

    #[test]
    fn survives_its_own_json() {
        let job = samples::job("r1", 3).deferred(samples::now());
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), job);
    }

    #[test]
    fn what_no_one_wrote_about_trust_is_a_field_of_its_own_in_a_message() {
        let of = |trust| Place {
            trust,
            ..samples::job("r1", 3).target
        };
        for (trust, expected) in [
            (Trust::Verified, r#""trust":"verified"}"#),
            (Trust::Insecure, r#""trust":"insecure"}"#),
            (
                Trust::InsecureByDefault,
                r#""trust":"insecure","trust_by_default":true}"#,
            ),
        ] {
            let json = serde_json::to_string(&of(trust)).unwrap();
            assert!(json.ends_with(expected), "{json}");
            assert_eq!(serde_json::from_str::<Place>(&json).unwrap(), of(trust));
        }
        let without = r#"{"repository":"r.example/a","reference":"b"}"#;
        let place: Place = serde_json::from_str(without).unwrap();
        assert_eq!(place.trust, Trust::Verified);
        assert!(Trust::Verified < Trust::InsecureByDefault);
        assert!(Trust::InsecureByDefault < Trust::Insecure);
    }

    #[test]
    fn what_was_done_so_far_goes_with_the_job() {
        let new = samples::job("r1", 3);
        let json = serde_json::to_string(&new).unwrap();
        assert!(
            !json.contains("so_far"),
            "as in a message of before: {json}"
        );
        let so_far = Work {
            duration_ms: 9,
            bytes_copied: 1007,
            copied: 1,
            mounted: 2,
            artifacts: 0,
            started_at: None,
        };
        let job = Job { so_far, ..new }.deferred(samples::now());
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&json).unwrap().so_far, so_far);
    }

    #[test]
    fn the_deadline_goes_with_the_job_and_one_of_an_older_release_has_none() {
        let without = samples::job("r1", 3);
        let json = serde_json::to_string(&without).unwrap();
        assert!(!json.contains("deadline_at"), "as before: {json}");
        assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), without);
        let with = Job {
            deadline_at: Some(samples::now()),
            ..without
        };
        let json = serde_json::to_string(&with.deferred(samples::now())).unwrap();
        let read = serde_json::from_str::<Job>(&json).unwrap();
        assert_eq!(read.deadline_at, Some(samples::now()));
    }

    #[test]
    fn a_dry_run_asks_for_no_more_than_reading() {
        let mut job = samples::job("r1", 0);
        assert_eq!(job.target_remote().access, Access::PullPush);
        job.policy.dry_run = true;
        assert_eq!(job.target_remote().access, Access::Pull);
        assert_eq!(job.source_remote().access, Access::Pull);
    }
}
