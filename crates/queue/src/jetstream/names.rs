//! The names of everything that an installation has on its server. Several installations share a server by their prefix.

mod headers;
mod job_subject;
mod prefix;
mod request_kind;
mod role;
pub(super) mod token;

pub(super) use headers::{MESSAGE_ID, header_length, set_header};
pub(super) use job_subject::{Area, Consumer, JobSubject};
pub use prefix::{InvalidPrefix, Prefix};
pub(super) use request_kind::{RequestKind, StreamKind};
pub use role::Role;

use image_sync_shared::ports::queue::fleet::Duty;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::{RunEvent, RunId};

/// The last token of the subject of an opening.
const OPEN: &str = "open";
/// The last token of the subject of a seal.
const SEAL: &str = "seal";
/// The token of workers that tell of themselves.
const WORKER: &str = "worker";
/// The token of aggregators that do.
const AGGREGATOR: &str = "aggregator";

/// The names of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: Prefix,
}

impl Names {
    pub(crate) fn new(prefix: Prefix) -> Self {
        Self { prefix }
    }

    /// What sets the installation apart.
    pub(crate) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The prefix of the installation of which `stream` is the stream of jobs.
    pub(crate) fn prefix_of(stream: &str) -> Option<Prefix> {
        let prefix = stream.strip_suffix("_JOBS")?.to_ascii_lowercase().parse();
        let prefix: Prefix = prefix.ok()?;
        (Self::new(prefix.clone()).jobs() == stream).then_some(prefix)
    }

    /// The stream of jobs.
    pub(crate) fn jobs(&self) -> String {
        self.stream("JOBS")
    }

    /// The stream of the events of runs.
    pub(crate) fn run_log(&self) -> String {
        self.stream("RUNLOG")
    }

    /// The stream of dead letters.
    pub(crate) fn dead_letters(&self) -> String {
        self.stream("DLQ")
    }

    /// The bucket of runs: which are open, which are cancelled.
    pub(crate) fn runs(&self) -> String {
        self.bucket("runs")
    }

    /// The bucket of leases.
    pub(crate) fn leases(&self) -> String {
        self.bucket("leases")
    }

    /// The bucket of paused hosts.
    pub(crate) fn hosts(&self) -> String {
        self.bucket("hosts")
    }

    /// The bucket of facts.
    pub(crate) fn memo(&self) -> String {
        self.bucket("memo")
    }

    /// The object store of reports.
    pub(crate) fn reports(&self) -> String {
        self.bucket("reports")
    }

    /// The subject of a message about a job of `lane`.
    pub(crate) fn job(&self, area: Area, lane: Lane, job: &Job) -> String {
        let host = job.source.image.repository.host().unwrap_or("oci");
        self.subject_for(area, lane, host, &job.run_id)
    }

    pub(crate) fn subject_for(&self, area: Area, lane: Lane, host: &str, run: &RunId) -> String {
        self.job_subject(&JobSubject {
            area,
            lane,
            rest: format!("{}.{}", token::encode(host), token::encode(run.as_str())),
        })
    }

    pub(crate) fn job_subject(&self, subject: &JobSubject) -> String {
        let (area, lane) = (subject.area.name(), subject.lane.name());
        format!("{}.{area}.{lane}.{}", self.prefix, subject.rest)
    }

    /// Takes the subject of a job's message apart.
    pub(crate) fn parse_job(&self, subject: &str) -> Option<JobSubject> {
        let mut tokens = subject.strip_prefix(self.prefix.as_str())?.splitn(4, '.');
        let ("", area, lane, rest) = (
            tokens.next()?,
            tokens.next()?,
            tokens.next()?,
            tokens.next()?,
        ) else {
            return None;
        };
        Some(JobSubject {
            area: Area::ALL.into_iter().find(|known| known.name() == area)?,
            lane: Lane::ALL.into_iter().find(|known| known.name() == lane)?,
            rest: rest.to_owned(),
        })
    }

    /// All that the stream of jobs takes.
    pub(crate) fn job_subjects(&self) -> Vec<String> {
        Area::ALL
            .into_iter()
            .map(|area| format!("{}.{}.>", self.prefix, area.name()))
            .collect()
    }

    /// What a consumer of the stream of jobs gets.
    pub(crate) fn consumer_filter(&self, consumer: Consumer) -> String {
        match consumer {
            Consumer::Lane(lane) => {
                format!("{}.{}.{}.>", self.prefix, Area::Lane.name(), lane.name())
            }
            Consumer::Delayed => format!("{}.{}.>", self.prefix, Area::Delayed.name()),
            Consumer::Poison => format!("{}.{}.>", self.prefix, Area::Poison.name()),
        }
    }

    /// The jobs of a run, wherever they stand.
    pub(crate) fn jobs_of(&self, run: &RunId) -> String {
        format!("{}.*.*.*.{}", self.prefix, token::encode(run.as_str()))
    }

    /// The subject of an event of a run.
    pub(crate) fn event(&self, run: &RunId, event: &RunEvent) -> String {
        let kind = match event {
            RunEvent::Open(_) => OPEN,
            RunEvent::Chunk { .. } => "chunk",
            RunEvent::Alive { .. } => "alive",
            RunEvent::Seal { .. } => SEAL,
            RunEvent::Result(_) => "result",
            RunEvent::Attempt { .. } => "attempt",
        };
        self.event_of_kind(run, kind)
    }

    /// The opening of a run.
    pub(crate) fn opening_of(&self, run: &RunId) -> String {
        self.event_of_kind(run, OPEN)
    }

    /// The seal of a run.
    pub(crate) fn seal_of(&self, run: &RunId) -> String {
        self.event_of_kind(run, SEAL)
    }

    /// An event of a run, of this kind.
    pub(crate) fn event_of_kind(&self, run: &RunId, kind: &str) -> String {
        format!("{}.run.{}.{kind}", self.prefix, token::encode(run.as_str()))
    }

    /// All events of a run.
    pub(crate) fn events_of(&self, run: &RunId) -> String {
        format!("{}.run.{}.>", self.prefix, token::encode(run.as_str()))
    }

    /// The events of all runs.
    pub(crate) fn all_events(&self) -> String {
        format!("{}.run.>", self.prefix)
    }

    /// The subject of a dead letter.
    pub(crate) fn letter(&self, id: &str) -> String {
        format!("{}.dlq.{}", self.prefix, token::encode(id))
    }

    /// All dead letters.
    pub(crate) fn all_letters(&self) -> String {
        format!("{}.dlq.>", self.prefix)
    }

    /// How all subjects begin that are nobody's stream: what members of the fleet tell each other.
    pub(crate) fn fleet(&self) -> String {
        format!("{}.fleet.", self.prefix)
    }

    /// Where members are asked to tell of themselves.
    pub(crate) fn fleet_asks(&self) -> String {
        format!("{}.fleet.ask", self.prefix)
    }

    /// Where a member tells of itself.
    pub(crate) fn member(&self, duty: Duty, name: &str) -> String {
        let duty = match duty {
            Duty::Worker => WORKER,
            Duty::Aggregator => AGGREGATOR,
        };
        format!("{}.fleet.here.{duty}.{}", self.prefix, token::encode(name))
    }

    /// Where all members tell of themselves.
    pub(crate) fn members(&self) -> String {
        format!("{}.fleet.here.*.*", self.prefix)
    }

    /// What a member does that tells of itself on `subject`.
    pub(crate) fn duty_of(&self, subject: &str) -> Option<Duty> {
        let here = subject.strip_prefix(self.prefix.as_str())?;
        let (duty, _name) = here.strip_prefix(".fleet.here.")?.split_once('.')?;
        match duty {
            WORKER => Some(Duty::Worker),
            AGGREGATOR => Some(Duty::Aggregator),
            _ => None,
        }
    }

    /// What a request on `subject` is about.
    pub(super) fn kind_of_request(&self, subject: &str) -> RequestKind {
        let written = |stream| RequestKind {
            stream,
            writes: true,
        };
        if let Some(own) = subject.strip_prefix(self.prefix.as_str()) {
            return written(match own.split('.').nth(1) {
                Some("job" | "held" | "poison") => StreamKind::Jobs,
                Some("run") => StreamKind::Logs,
                Some("dlq") => StreamKind::Letters,
                _ => StreamKind::Any,
            });
        }
        let mut tokens = subject.split('.');
        let is_written = matches!(tokens.next(), Some("$KV" | "$O"));
        let name = |token: &str| {
            let (_, end) = token.rsplit_once('_')?;
            Some(StreamKind::named(end)).filter(|stream| *stream != StreamKind::Any)
        };
        RequestKind {
            stream: tokens.find_map(name).unwrap_or(StreamKind::Any),
            writes: is_written,
        }
    }

    /// What a stream of the installation holds, in one word.
    pub(crate) fn holds(&self, stream: &str) -> &'static str {
        let known = [
            (self.jobs(), "jobs"),
            (self.run_log(), "logs"),
            (self.dead_letters(), "dead_letters"),
            (bucket_stream(&self.runs()), "runs"),
            (bucket_stream(&self.leases()), "leases"),
            (bucket_stream(&self.hosts()), "hosts"),
            (bucket_stream(&self.memo()), "facts"),
            (object_stream(&self.reports()), "reports"),
        ];
        let found = known.into_iter().find(|(name, _)| name == stream);
        found.map_or("other", |(_, word)| word)
    }

    fn stream(&self, kind: &str) -> String {
        format!("{}_{kind}", self.prefix.as_str().to_ascii_uppercase())
    }

    fn bucket(&self, kind: &str) -> String {
        format!("{}_{kind}", self.prefix)
    }
}

/// The stream behind a bucket (NATS ADR-8).
pub(crate) fn bucket_stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject of a key of a bucket (NATS ADR-8).
pub(crate) fn key_subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// The stream behind an object store (NATS ADR-20).
pub(crate) fn object_stream(store: &str) -> String {
    format!("OBJ_{store}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str) -> Names {
        Names::new(prefix.parse().unwrap())
    }

    #[test]
    fn the_subject_of_a_job_is_taken_apart_again() {
        let names = names("team-a");
        let run = RunId::new("01J");
        for area in Area::ALL {
            for lane in Lane::ALL {
                let subject = names.subject_for(area, lane, "docker.io", &run);
                let parsed = names.parse_job(&subject).unwrap();
                assert_eq!((parsed.area, parsed.lane), (area, lane));
                assert_eq!(names.job_subject(&parsed), subject);
                let moved = names.job_subject(&parsed.on(Area::Delayed));
                assert_eq!(
                    moved,
                    names.subject_for(Area::Delayed, lane, "docker.io", &run)
                );
            }
        }
        let subject = names.subject_for(Area::Lane, Lane::Bulk, "docker.io", &run);
        assert_eq!(subject, "team-a.job.bulk.docker=2Eio.01J");
    }

    #[test]
    fn subjects_of_others_are_not_taken_apart() {
        let names = names("imgsync");
        for subject in [
            "imgsync",
            "imgsync.job.bulk",
            "imgsync.job.slow.h.r",
            "imgsync.run.bulk.h.r",
            "imgsync2.job.bulk.h.r",
            "other.job.bulk.h.r",
            "imgsync.job.bulk.",
        ] {
            let parsed = names.parse_job(subject);
            assert!(
                parsed.is_none_or(|parsed| parsed.rest.is_empty()),
                "{subject}"
            );
        }
    }

    #[test]
    fn what_a_request_is_about_is_seen_from_its_subject() {
        let names = names("team-a");
        let run = RunId::new("01J");
        let (writes, reads) = (true, false);
        let asked = |subject: &str| {
            let RequestKind { stream, writes } = names.kind_of_request(subject);
            (stream, writes)
        };
        let result = names.event_of_kind(&run, "result");
        assert_eq!(asked(&result), (StreamKind::Logs, writes));
        for area in Area::ALL {
            let job = names.subject_for(area, Lane::Now, "docker.io", &run);
            assert_eq!(asked(&job), (StreamKind::Jobs, writes));
        }
        assert_eq!(asked(&names.letter("r1:3")), (StreamKind::Letters, writes));
        for (bucket, stream) in [
            (names.runs(), StreamKind::Runs),
            (names.leases(), StreamKind::Leases),
            (names.hosts(), StreamKind::Hosts),
            (names.memo(), StreamKind::Facts),
        ] {
            assert_eq!(asked(&key_subject(&bucket, "a.b")), (stream, writes));
            let read = format!("$JS.API.STREAM.MSG.GET.{}", bucket_stream(&bucket));
            assert_eq!(asked(&read), (stream, reads));
        }
        let piece = format!("$O.{}.C.x", names.reports());
        assert_eq!(asked(&piece), (StreamKind::Reports, writes));
        for (subject, stream) in [
            (
                "$JS.API.STREAM.INFO.OBJ_team-a_reports",
                StreamKind::Reports,
            ),
            ("$JS.API.CONSUMER.INFO.TEAM-A_JOBS.bulk", StreamKind::Jobs),
            ("$JS.ACK.TEAM-A_JOBS.bulk.1.2.3.4.5", StreamKind::Jobs),
            (
                "$JS.ACK.hub.x.TEAM-A_JOBS.bulk.1.2.3.4.5.6",
                StreamKind::Jobs,
            ),
            ("$JS.API.CONSUMER.CREATE.TEAM-A_RUNLOG", StreamKind::Logs),
            ("$JS.API.INFO", StreamKind::Any),
        ] {
            assert_eq!(asked(subject), (stream, reads), "{subject}");
        }
    }

    #[test]
    fn members_are_told_apart_by_their_subjects() {
        let names = names("team-a");
        let subject = names.member(Duty::Worker, "host.1-7");
        assert_eq!(subject, "team-a.fleet.here.worker.host=2E1-7");
        for duty in [Duty::Worker, Duty::Aggregator] {
            assert_eq!(names.duty_of(&names.member(duty, "a")), Some(duty));
        }
        for other in [
            "team-b.fleet.here.worker.a",
            "team-a.fleet.here.producer.a",
            "team-a.fleet.here.worker",
            "team-a.fleet.ask",
        ] {
            assert_eq!(names.duty_of(other), None, "{other}");
        }
        assert!(names.fleet_asks().starts_with(&names.fleet()));
    }

    #[test]
    fn installations_share_no_name() {
        let (one, two) = (names("imgsync"), names("imgsync-2"));
        assert_ne!(one.jobs(), two.jobs());
        assert_ne!(one.runs(), two.runs());
        assert_ne!(one.job_subjects(), two.job_subjects());
        assert_eq!(one.jobs(), "IMGSYNC_JOBS");
        assert_eq!(bucket_stream(&one.runs()), "KV_imgsync_runs");
        let team = "team-a".parse().ok();
        assert_eq!(Names::prefix_of("TEAM-A_JOBS"), team);
        for other in ["TEAM-A_RUNLOG", "team-a_JOBS", "_JOBS", "KV_team_JOBS"] {
            assert_eq!(Names::prefix_of(other), None, "{other}");
        }
    }
}
