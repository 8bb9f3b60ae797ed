//! The roles of clients, and what each uses.

use super::{Names, bucket_stream, object_stream};

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens runs and publishes their jobs.
    Producer,
    /// Publishes the checks that events of registries lead to.
    Webhook,
    /// Works jobs.
    Worker,
    /// Folds the logs of runs into reports, and looks after poison.
    Aggregator,
    /// Looks at runs and dead letters, and cancels or replays them.
    Operator,
}

impl Role {
    pub(crate) fn streams(self, names: &Names) -> Vec<String> {
        let runs = bucket_stream(&names.runs());
        match self {
            Self::Producer | Self::Webhook => vec![names.jobs(), names.run_log(), runs],
            Self::Worker => vec![
                names.jobs(),
                names.run_log(),
                names.dead_letters(),
                runs,
                bucket_stream(&names.leases()),
                bucket_stream(&names.hosts()),
                bucket_stream(&names.memo()),
            ],
            Self::Aggregator | Self::Operator => vec![
                names.jobs(),
                names.run_log(),
                names.dead_letters(),
                runs,
                object_stream(&names.reports()),
            ],
        }
    }

    /// Whether it goes on until it is told to stop, and waits for what it lacks meanwhile.
    #[must_use]
    pub fn lasts(self) -> bool {
        matches!(self, Self::Webhook | Self::Worker | Self::Aggregator)
    }

    pub(crate) fn takes_jobs(self) -> bool {
        matches!(self, Self::Worker | Self::Aggregator)
    }
}
