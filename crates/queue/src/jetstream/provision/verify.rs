//! Making sure, as a role starts, that what it needs is there and of the right kind. Sizes and times are the installation's
//! own.

use serde::Deserialize;
use serde_json::json;

use super::difference::first_difference_in;
use super::error::ProvisionError;
use super::settings::ProvisionSettings;
use super::topology;
use super::value;
use crate::jetstream::client::{Connection, Retries};
use crate::jetstream::names::{Names, Role};
use crate::jetstream::streams::{consumer_config, consumer_object, stream_config, stream_object};

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
        match stream_config(connection, &config.name).await? {
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
        Some(object) => return Err(no_installation(connection, object).await),
    }
    if !role.takes_jobs() {
        return Ok(());
    }
    for plan in topology::consumers(names, &settings) {
        let found = consumer_config(connection, &plan.stream, plan.name).await?;
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

/// That `object` is missing, with the installations that are there, if the server lists them to this user.
async fn no_installation(connection: &Connection, object: String) -> ProvisionError {
    let others = others(connection).await.unwrap_or_default();
    if others.is_empty() {
        return ProvisionError::Missing { object };
    }
    ProvisionError::NoInstallation {
        object,
        prefix: connection.names().prefix().to_string(),
        others,
    }
}

/// The prefixes of the installations at the server, as far as they are on the first page of its streams.
async fn others(connection: &Connection) -> Option<Vec<String>> {
    let all = json!({});
    let page = connection.api::<StreamNames>("STREAM.NAMES", &all, Retries::None);
    let names = page.await.ok()?.ok()?.streams.unwrap_or_default();
    let prefixes = names.iter().filter_map(|name| Names::prefix_of(name));
    Some(prefixes.map(|prefix| prefix.to_string()).collect())
}

#[derive(Deserialize)]
struct StreamNames {
    #[serde(default)]
    streams: Option<Vec<String>>,
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
