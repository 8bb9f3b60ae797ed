//! Making an installation, or making it what it should be.

use async_nats::jetstream::stream;
use image_sync_shared::ports::QueueError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use super::connection::{Connection, Tries};
use super::difference::{Difference, first_difference};
use super::provision_settings::ProvisionSettings;
use super::topology::{self, ConsumerPlan};

/// Why an installation is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProvisionError {
    /// The server does not do what it is asked for.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Settings(String),
    /// Something cannot be changed into what was asked for, or the server does not know a part of it.
    #[error("{object}: {difference}")]
    Different {
        /// The stream or consumer.
        object: String,
        /// How.
        difference: Difference,
    },
    /// Something is missing.
    #[error("{object} is missing: run `image-sync provision`")]
    Missing {
        /// The stream or consumer.
        object: String,
    },
}

/// What was done about a stream or consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was as it should be.
    None,
}

/// A stream or consumer as the server describes it.
#[derive(Deserialize)]
pub(super) struct Described {
    pub(super) config: Value,
}

/// Makes all streams and consumers of the installation, or changes them, and says of each what was done. What is there
/// afterwards is compared with what was asked for. It can be repeated at any time.
pub async fn provision(
    connection: &Connection,
    settings: &ProvisionSettings,
) -> Result<Vec<(String, Change)>, ProvisionError> {
    settings.check().map_err(ProvisionError::Settings)?;
    let mut changes = Vec::new();
    for config in topology::streams(connection.names(), settings) {
        let change = provision_stream(connection, &config).await?;
        changes.push((stream_object(&config.name), change));
    }
    for plan in topology::consumers(connection.names(), settings) {
        let change = provision_consumer(connection, &plan).await?;
        changes.push((consumer_object(plan.name, &plan.stream), change));
    }
    Ok(changes)
}

async fn provision_stream(
    connection: &Connection,
    config: &stream::Config,
) -> Result<Change, ProvisionError> {
    let (name, object, asked) = (&config.name, stream_object(&config.name), value(config)?);
    let (subject, change) = match describe_stream(connection, name).await? {
        Some(found) if first_difference(&asked, &found).is_none() => return Ok(Change::None),
        Some(_) => (format!("STREAM.UPDATE.{name}"), Change::Updated),
        None => (format!("STREAM.CREATE.{name}"), Change::Created),
    };
    make(connection, &subject, &asked, &asked, &object).await?;
    Ok(change)
}

async fn provision_consumer(
    connection: &Connection,
    plan: &ConsumerPlan,
) -> Result<Change, ProvisionError> {
    let (stream, name) = (&plan.stream, plan.name);
    let (object, asked) = (consumer_object(name, stream), value(&plan.config)?);
    let change = match describe_consumer(connection, stream, name).await? {
        Some(found) if first_difference(&asked, &found).is_none() => return Ok(Change::None),
        Some(_) => Change::Updated,
        None => Change::Created,
    };
    let subject = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
    let body = json!({ "stream_name": stream, "config": asked });
    make(connection, &subject, &body, &asked, &object).await?;
    Ok(change)
}

/// Asks for something, and compares what comes of it.
async fn make(
    connection: &Connection,
    subject: &str,
    body: &Value,
    asked: &Value,
    object: &str,
) -> Result<(), ProvisionError> {
    let made: Described = connection
        .api(subject, body, Tries::One)
        .await?
        .map_err(|error| error.refusing(object))?;
    match first_difference(asked, &made.config) {
        None => Ok(()),
        Some(difference) => Err(ProvisionError::Different {
            object: object.to_owned(),
            difference,
        }),
    }
}

/// The config of a stream, if it is there.
pub(super) async fn describe_stream(
    connection: &Connection,
    stream: &str,
) -> Result<Option<Value>, QueueError> {
    let subject = format!("STREAM.INFO.{stream}");
    describe(connection, &subject, &stream_object(stream)).await
}

/// The config of a consumer, if it is there.
pub(super) async fn describe_consumer(
    connection: &Connection,
    stream: &str,
    name: &str,
) -> Result<Option<Value>, QueueError> {
    let subject = format!("CONSUMER.INFO.{stream}.{name}");
    describe(connection, &subject, &consumer_object(name, stream)).await
}

async fn describe(
    connection: &Connection,
    subject: &str,
    object: &str,
) -> Result<Option<Value>, QueueError> {
    match connection
        .api::<Described>(subject, &json!({}), Tries::One)
        .await?
    {
        Ok(found) => Ok(Some(found.config)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.refusing(object)),
    }
}

pub(super) fn stream_object(stream: &str) -> String {
    format!("stream {stream}")
}

pub(super) fn consumer_object(name: &str, stream: &str) -> String {
    format!("consumer {name} of stream {stream}")
}

pub(super) fn value(config: &impl Serialize) -> Result<Value, QueueError> {
    serde_json::to_value(config)
        .map_err(|error| QueueError::Refused(format!("a config cannot be written: {error}")))
}
