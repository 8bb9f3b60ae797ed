//! What a request is about.

/// A stream of an installation, by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
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
pub(crate) struct Asked {
    pub(crate) store: Store,
    /// Whether something is to be stored there; else it is only asked for, or acknowledged.
    pub(crate) writes: bool,
}

impl Store {
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

impl Asked {
    /// What cannot be done if there is no answer.
    pub(crate) fn not_done(self) -> &'static str {
        match (self.store, self.writes) {
            (Store::Jobs, true) => "write jobs",
            (Store::Jobs, false) => "read jobs",
            (Store::Logs, true) => "write the logs of runs",
            (Store::Logs, false) => "read the logs of runs",
            (Store::Letters, true) => "write dead letters",
            (Store::Letters, false) => "read dead letters",
            (Store::Runs, true) => "write the states of runs",
            (Store::Runs, false) => "read the states of runs",
            (Store::Leases, true) => "write leases of targets",
            (Store::Leases, false) => "read leases of targets",
            (Store::Hosts, true) => "write which hosts are paused",
            (Store::Hosts, false) => "read which hosts are paused",
            (Store::Facts, true) => "write facts",
            (Store::Facts, false) => "read facts",
            (Store::Reports, true) => "write reports",
            (Store::Reports, false) => "read reports",
            (Store::Any, _) => "reach JetStream",
        }
    }
}
