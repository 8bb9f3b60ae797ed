//! Making sure, as a role starts, that what it needs is there and of the right kind. Sizes and times are the installation's
//! own.

use super::difference::first_difference_in;
use super::settings::ProvisionSettings;
use super::topology;
use super::{
    ProvisionError, consumer_object, describe_consumer, describe_stream, stream_object, value,
};
use crate::jetstream::client::Connection;
use crate::jetstream::names::{Names, bucket_stream, object_stream};

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens runs and publishes their jobs.
    Producer,
    /// Works jobs.
    Worker,
    /// Folds the logs of runs into reports, and looks after poison.
    Aggregator,
    /// Looks at runs and dead letters, and cancels or replays them.
    Operator,
}

/// What makes a stream the right one, whatever its size.
pub(super) const STREAM_KIND: [&str; 5] = [
    "subjects",
    "retention",
    "discard",
    "max_msgs_per_subject",
    "storage",
];
/// What makes a consumer the right one.
pub(super) const CONSUMER_KIND: [&str; 4] = [
    "durable_name",
    "filter_subject",
    "ack_policy",
    "max_deliver",
];

impl Role {
    pub(crate) fn streams(self, names: &Names) -> Vec<String> {
        let runs = bucket_stream(&names.runs());
        match self {
            Self::Producer => vec![names.jobs(), names.run_log(), runs],
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
        matches!(self, Self::Worker | Self::Aggregator)
    }

    pub(crate) fn takes_jobs(self) -> bool {
        matches!(self, Self::Worker | Self::Aggregator)
    }
}

/// Makes sure that all that `role` needs is there.
pub async fn verify(connection: &Connection, role: Role) -> Result<(), ProvisionError> {
    let (names, settings) = (connection.names(), ProvisionSettings::default());
    let needed = role.streams(names);
    let (mut missing, mut is_any) = (None, false);
    for config in topology::streams(names, &settings) {
        if !needed.contains(&config.name) {
            continue;
        }
        let object = stream_object(&config.name);
        match describe_stream(connection, &config.name).await? {
            None => {
                missing.get_or_insert(object);
            }
            Some(found) => {
                is_any = true;
                check(&STREAM_KIND, &value(&config)?, Some(&found), object)?;
            }
        }
    }
    match missing {
        None => {}
        Some(object) if is_any => return Err(ProvisionError::Lost { object }),
        Some(object) => return Err(ProvisionError::Missing { object }),
    }
    if !role.takes_jobs() {
        return Ok(());
    }
    for plan in topology::consumers(names, &settings) {
        let found = describe_consumer(connection, &plan.stream, plan.name).await?;
        let object = consumer_object(plan.name, &plan.stream);
        check(
            &CONSUMER_KIND,
            &value(&plan.config)?,
            found.as_ref(),
            object,
        )?;
    }
    Ok(())
}

pub(crate) fn check(
    fields: &[&str],
    asked: &serde_json::Value,
    found: Option<&serde_json::Value>,
    object: String,
) -> Result<(), ProvisionError> {
    let Some(found) = found else {
        return Err(ProvisionError::Missing { object });
    };
    match first_difference_in(fields, asked, found) {
        None => Ok(()),
        Some(difference) => Err(ProvisionError::Different { object, difference }),
    }
}
