//! What a request is about.

/// A stream of an installation, by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// The stream of jobs.
    Jobs,
    /// The stream of the events of runs.
    Logs,
    /// The stream of dead letters.
    Letters,
    /// The bucket of runs.
    Runs,
    /// The bucket of leases.
    Leases,
    /// The bucket of paused hosts.
    Hosts,
    /// The bucket of facts.
    Facts,
    /// The object store of reports.
    Reports,
    /// None of these: `JetStream` as such.
    Any,
}

/// What a request is about, as far as one may be answered and another not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestKind {
    pub(crate) stream: StreamKind,
    /// Whether something is to be stored there; else it is only asked for, or acknowledged.
    pub(crate) writes: bool,
}

impl StreamKind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Jobs,
        Self::Logs,
        Self::Letters,
        Self::Runs,
        Self::Leases,
        Self::Hosts,
        Self::Facts,
        Self::Reports,
        Self::Any,
    ];

    /// By the end of the name of its stream or bucket, which is the same in all installations.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "JOBS" => Self::Jobs,
            "RUNLOG" => Self::Logs,
            "DLQ" => Self::Letters,
            "runs" => Self::Runs,
            "leases" => Self::Leases,
            "hosts" => Self::Hosts,
            "memo" => Self::Facts,
            "reports" => Self::Reports,
            _ => Self::Any,
        }
    }
}

impl RequestKind {
    /// What cannot be done if there is no answer.
    pub(crate) fn not_done(self) -> &'static str {
        match (self.stream, self.writes) {
            (StreamKind::Jobs, true) => "write jobs",
            (StreamKind::Jobs, false) => "read jobs",
            (StreamKind::Logs, true) => "write the logs of runs",
            (StreamKind::Logs, false) => "read the logs of runs",
            (StreamKind::Letters, true) => "write dead letters",
            (StreamKind::Letters, false) => "read dead letters",
            (StreamKind::Runs, true) => "write the states of runs",
            (StreamKind::Runs, false) => "read the states of runs",
            (StreamKind::Leases, true) => "write leases of targets",
            (StreamKind::Leases, false) => "read leases of targets",
            (StreamKind::Hosts, true) => "write which hosts are paused",
            (StreamKind::Hosts, false) => "read which hosts are paused",
            (StreamKind::Facts, true) => "write facts",
            (StreamKind::Facts, false) => "read facts",
            (StreamKind::Reports, true) => "write reports",
            (StreamKind::Reports, false) => "read reports",
            (StreamKind::Any, _) => "reach JetStream",
        }
    }
}
