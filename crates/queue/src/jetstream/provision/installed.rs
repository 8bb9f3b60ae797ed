//! The sizes and times of an installation as it is.

use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Lane;
use serde_json::Value;

use super::settings::ProvisionSettings;
use crate::jetstream::client::Connection;
use crate::jetstream::names::{Consumer, bucket_stream, object_stream};
use crate::jetstream::streams::{consumer_config, stream_config};

/// What was provisioned, with the defaults for what is missing.
pub async fn installed(connection: &Connection) -> Result<ProvisionSettings, QueueError> {
    let names = connection.names();
    let stream = async |name: String| {
        let config = stream_config(connection, &name).await;
        config.map(Option::unwrap_or_default)
    };
    let consumer = async |consumer: Consumer| {
        let config = consumer_config(connection, &names.jobs(), consumer.name()).await;
        config.map(Option::unwrap_or_default)
    };
    let (jobs, log) = (stream(names.jobs()).await?, stream(names.run_log()).await?);
    let letters = stream(names.dead_letters()).await?;
    let reports = stream(object_stream(&names.reports())).await?;
    let runs = stream(bucket_stream(&names.runs())).await?;
    let leases = stream(bucket_stream(&names.leases())).await?;
    let bulk = consumer(Consumer::Lane(Lane::Bulk)).await?;
    let held = consumer(Consumer::Delayed).await?;
    let usual = ProvisionSettings::default();
    Ok(ProvisionSettings {
        replicas: count(&jobs, "num_replicas").unwrap_or(usual.replicas),
        visibility: time(&bulk, "ack_wait").unwrap_or(usual.visibility),
        dedupe_window: time(&jobs, "duplicate_window").unwrap_or(usual.dedupe_window),
        lease_term: time(&leases, "max_age").unwrap_or(usual.lease_term),
        max_held: count(&held, "max_ack_pending").unwrap_or(usual.max_held),
        jobs_max_age: time(&jobs, "max_age").unwrap_or(usual.jobs_max_age),
        jobs_max_bytes: number(&jobs, "max_bytes").unwrap_or(usual.jobs_max_bytes),
        log_max_age: time(&log, "max_age").unwrap_or(usual.log_max_age),
        log_max_bytes: number(&log, "max_bytes").unwrap_or(usual.log_max_bytes),
        letters_max_age: time(&letters, "max_age").unwrap_or(usual.letters_max_age),
        letters_max_bytes: number(&letters, "max_bytes").unwrap_or(usual.letters_max_bytes),
        reports_max_age: time(&reports, "max_age").unwrap_or(usual.reports_max_age),
        reports_max_bytes: number(&reports, "max_bytes").unwrap_or(usual.reports_max_bytes),
        bucket_max_bytes: number(&runs, "max_bytes").unwrap_or(usual.bucket_max_bytes),
    })
}

/// A number of a config, if there is one. 0 and less are no limit.
fn number(config: &Value, field: &str) -> Option<u64> {
    config.get(field)?.as_u64().filter(|number| *number > 0)
}

fn time(config: &Value, field: &str) -> Option<Duration> {
    number(config, field).map(Duration::from_nanos)
}

fn count<T: TryFrom<u64>>(config: &Value, field: &str) -> Option<T> {
    T::try_from(number(config, field)?).ok()
}
