//! Labels, of which there are never many: Prometheus keeps a series for each combination.

use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::telemetry::measures::BlobEnd;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::outcome::{Action, ResultKind};
use image_sync_shared::run::report::RunStatus;
use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ClassLabel {
    pub(super) class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ArrivalLabel {
    arrival: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct LaneLabel {
    pub(super) lane: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StoreLabel {
    pub(super) store: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct HostLabel {
    pub(super) host: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) host: String,
    pub(super) method: String,
    pub(super) status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StatusLabel {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RunLabels {
    trigger: &'static str,
    status: &'static str,
}

/// What all words of other versions are called here.
const OTHER: &str = "other";

/// All ways in which a run ends.
pub(super) const STATUSES: [RunStatus; 4] = [
    RunStatus::Complete,
    RunStatus::Incomplete,
    RunStatus::Abandoned,
    RunStatus::Cancelled,
];

/// The word of the report.
pub(super) fn run_status(status: RunStatus) -> StatusLabel {
    StatusLabel {
        status: status_word(status),
    }
}

/// The words of the report.
pub(super) fn run(trigger: Trigger, status: RunStatus) -> RunLabels {
    RunLabels {
        trigger: match trigger {
            Trigger::Other(_) => OTHER,
            known => known.name(),
        },
        status: status_word(status),
    }
}

fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Other(_) => OTHER,
        known => known.name(),
    }
}

/// The word of the report.
pub(super) fn outcome(kind: ResultKind) -> OutcomeLabel {
    let outcome = match kind {
        ResultKind::AlreadyCached => Action::AlreadyCached.name(),
        ResultKind::Pulled => Action::Pulled.name(),
        ResultKind::Skipped => Action::Skipped.name(),
        ResultKind::Kept => Action::Kept.name(),
        ResultKind::Failed => Action::Failed.name(),
        ResultKind::Other => OTHER,
    };
    OutcomeLabel { outcome }
}

pub(super) fn arrival(how: BlobEnd) -> ArrivalLabel {
    let arrival = match how {
        BlobEnd::Copied => "copied",
        BlobEnd::Mounted => "mounted",
        BlobEnd::Present => "present",
    };
    ArrivalLabel { arrival }
}

pub(super) fn lane(lane: Lane) -> LaneLabel {
    LaneLabel { lane: lane.name() }
}

/// The statuses that registries give, as they are; others by their class, as in `4xx`; `none` where there was no answer.
pub(super) fn status(status: Option<u16>) -> String {
    match status {
        None => "none".to_owned(),
        Some(
            known @ (200 | 201 | 202 | 204 | 206 | 301 | 302 | 303 | 307 | 308 | 400 | 401 | 403
            | 404 | 405 | 409 | 412 | 413 | 416 | 429 | 500 | 502 | 503 | 504),
        ) => known.to_string(),
        Some(rare) => format!("{}xx", rare / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_statuses_share_a_series() {
        let of = |number| status(Some(number));
        assert_eq!(
            [of(200), of(429), of(418), of(599)],
            ["200", "429", "4xx", "5xx"]
        );
        assert_eq!(status(None), "none");
    }
}
