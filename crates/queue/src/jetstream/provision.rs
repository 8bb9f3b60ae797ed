//! Making an installation, or making it what it should be.

mod difference;
mod error;
mod installed;
mod settings;
mod storage;
pub(super) mod timing;
mod topology;
mod update_check;
mod verify;

pub use difference::Difference;
pub use error::ProvisionError;
pub use installed::installed;
pub use settings::ProvisionSettings;
pub use storage::{NoRoom, Storage, storage};
pub use verify::verify;

use async_nats::jetstream::stream;
use image_sync_shared::ports::QueueError;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use crate::jetstream::client::{Connection, PAUSE, Retries};
use crate::jetstream::streams::{
    Described, StreamInfo, consumer_config, consumer_object, describe, stream_object,
};
use difference::first_difference;
use topology::ConsumerPlan;
use verify::CONSUMER_KIND;

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

/// Something to be made or changed.
struct Step {
    change: Change,
    object: String,
    /// The stream that it makes, if it makes one.
    new_stream: Option<String>,
    /// Whom to ask, and what.
    subject: String,
    body: Value,
    /// The config that is to come of it.
    asked: Value,
}

/// Makes all streams and consumers of the installation, or changes them, and says of each what was done. What is there
/// afterwards is compared with what was asked for. It can be repeated at any time. Where something there is another's, or
/// would lose what it holds by `now`, nothing is done; where something cannot be made, the streams that were made before are
/// removed.
pub async fn provision(
    connection: &Connection,
    settings: &ProvisionSettings,
    now: OffsetDateTime,
) -> Result<Vec<(String, Change)>, ProvisionError> {
    settings.check().map_err(ProvisionError::Settings)?;
    let (mut steps, mut made) = (Vec::new(), Vec::new());
    // All is looked at before anything is asked for.
    for config in topology::streams(connection.names(), settings) {
        steps.push(stream_step(connection, &config, now).await?);
    }
    for plan in topology::consumers(connection.names(), settings) {
        steps.push(consumer_step(connection, &plan).await?);
    }
    if let Err(error) = carry_out(connection, settings, &steps, &mut made).await {
        remove(connection, &made).await;
        return Err(error);
    }
    let done = steps.into_iter().map(|step| (step.object, step.change));
    Ok(done.collect())
}

async fn stream_step(
    connection: &Connection,
    config: &stream::Config,
    now: OffsetDateTime,
) -> Result<Step, ProvisionError> {
    let (name, object, asked) = (&config.name, stream_object(&config.name), value(config)?);
    let subject = format!("STREAM.INFO.{name}");
    let found: Option<StreamInfo<Value>> = describe(connection, &subject, &object).await?;
    let change = match &found {
        None => Change::Created,
        Some(found) => {
            update_check::check(config, found, now)?;
            change(&asked, &found.config)
        }
    };
    let verb = if found.is_none() { "CREATE" } else { "UPDATE" };
    Ok(Step {
        change,
        object,
        new_stream: found.is_none().then(|| name.clone()),
        subject: format!("STREAM.{verb}.{name}"),
        body: asked.clone(),
        asked,
    })
}

async fn consumer_step(
    connection: &Connection,
    plan: &ConsumerPlan,
) -> Result<Step, ProvisionError> {
    let (stream, name) = (&plan.stream, plan.name);
    let (object, asked) = (consumer_object(name, stream), value(&plan.config)?);
    let change = match consumer_config(connection, stream, name).await? {
        None => Change::Created,
        Some(found) => {
            verify::check(&CONSUMER_KIND, &asked, Some(&found), object.clone())?;
            change(&asked, &found)
        }
    };
    Ok(Step {
        change,
        object,
        new_stream: None,
        subject: format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"),
        body: json!({ "stream_name": stream, "config": asked }),
        asked,
    })
}

fn change(asked: &Value, found: &Value) -> Change {
    match first_difference(asked, found) {
        Some(_) => Change::Updated,
        None => Change::None,
    }
}

/// First what is new: if there is no room for it, nothing else has changed. The streams in `made` are those that there are by
/// it: one that was refused may be another's by now.
async fn carry_out(
    connection: &Connection,
    settings: &ProvisionSettings,
    steps: &[Step],
    made: &mut Vec<String>,
) -> Result<(), ProvisionError> {
    for due in [Change::Created, Change::Updated] {
        for step in steps.iter().filter(|step| step.change == due) {
            make(connection, settings, step, made).await?;
        }
    }
    Ok(())
}

/// Removes streams that were just made, as far as they were.
async fn remove(connection: &Connection, streams: &[String]) {
    for stream in streams {
        if let Err(error) = remove_stream(connection, stream).await {
            tracing::warn!(%error, "a part of an installation is left behind");
        }
    }
}

async fn remove_stream(connection: &Connection, stream: &str) -> Result<(), QueueError> {
    let subject = format!("STREAM.DELETE.{stream}");
    match connection
        .api::<IgnoredAny>(&subject, &json!({}), Retries::None)
        .await?
    {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.refusing(&stream_object(stream))),
    }
}

/// Asks for something, and compares what comes of it.
async fn make(
    connection: &Connection,
    settings: &ProvisionSettings,
    step: &Step,
    made: &mut Vec<String>,
) -> Result<(), ProvisionError> {
    let start = Instant::now();
    let described: Described = loop {
        let answer = connection.api(&step.subject, &step.body, Retries::None);
        match answer.await? {
            // A cluster that has just been started says so of itself for a while.
            Err(error) if error.lacks_peers() && start.elapsed() < connection.outage() => {
                sleep(PAUSE).await;
            }
            Err(error) if error.lacks_storage() => {
                let no_room = NoRoom {
                    object: step.object.clone(),
                    said: error.description,
                    reserved: settings.reserved(),
                    // What the server cannot tell of itself now is left out.
                    storage: storage(connection).await.unwrap_or_default(),
                };
                return Err(no_room.into());
            }
            answer => break answer.map_err(|error| error.refusing(&step.object))?,
        }
    };
    made.extend(step.new_stream.clone());
    match first_difference(&step.asked, &described.config) {
        None => Ok(()),
        Some(difference) => Err(ProvisionError::Different {
            object: step.object.clone(),
            difference,
        }),
    }
}

pub(crate) fn value(config: &impl Serialize) -> Result<Value, QueueError> {
    serde_json::to_value(config)
        .map_err(|error| QueueError::Refused(format!("a config cannot be written: {error}")))
}
