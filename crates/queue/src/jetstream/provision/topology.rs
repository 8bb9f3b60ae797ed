//! The streams and consumers of an installation, as they should be.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use image_sync_shared::ports::queue::host_pauses::LONGEST_PAUSE;
use image_sync_shared::ports::queue::job_queue::Lane;

use super::settings::ProvisionSettings;
use crate::jetstream::names::{Consumer, Names, bucket_stream, key_subject, object_stream};

/// The longest dedupe window of streams that have no use for one.
const UNUSED_WINDOW: Duration = Duration::from_secs(2 * 60);
/// How many requests may wait at a consumer. None waits for long.
const MAX_WAITING: i64 = 512;
/// No limit.
const UNLIMITED: i64 = -1;

/// A consumer of a stream.
#[derive(Clone, Debug)]
pub(super) struct ConsumerPlan {
    pub(crate) stream: String,
    pub(crate) name: &'static str,
    pub(crate) config: pull::Config,
}

/// All streams.
pub(crate) fn streams(names: &Names, settings: &ProvisionSettings) -> Vec<Config> {
    let bucket = |name: &str, max_age| bucket(name, max_age, settings);
    vec![
        jobs(names, settings),
        run_log(names, settings),
        dead_letters(names, settings),
        bucket(&names.runs(), settings.reports_max_age),
        bucket(&names.leases(), settings.lease_term),
        bucket(&names.hosts(), LONGEST_PAUSE),
        Config {
            // A fact that is forgotten costs a request: better the oldest than the next.
            discard: DiscardPolicy::Old,
            ..bucket(&names.memo(), settings.reports_max_age)
        },
        reports(names, settings),
    ]
}

/// All consumers, each of one subject, as old servers know no more.
pub(crate) fn consumers(names: &Names, settings: &ProvisionSettings) -> Vec<ConsumerPlan> {
    let plan = |consumer: Consumer| ConsumerPlan {
        stream: names.jobs(),
        name: consumer.name(),
        config: pull::Config {
            durable_name: Some(consumer.name().to_owned()),
            name: Some(consumer.name().to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: settings.visibility,
            // What was delivered too often is found out by who takes it: see poison.rs.
            max_deliver: UNLIMITED,
            filter_subject: names.consumer_filter(consumer),
            max_waiting: MAX_WAITING,
            max_ack_pending: max_ack_pending(consumer, settings),
            ..pull::Config::default()
        },
    };
    Consumer::ALL.into_iter().map(plan).collect()
}

/// How many messages may be in hand.
fn max_ack_pending(consumer: Consumer, settings: &ProvisionSettings) -> i64 {
    match consumer {
        Consumer::Lane(Lane::Now) | Consumer::Poison => 1_000,
        Consumer::Lane(Lane::Retry) => 10_000,
        Consumer::Lane(Lane::Bulk) => 5_000,
        // Each job that waits counts as delivered here, from the first look at it until it is due.
        Consumer::Delayed => settings.max_held.into(),
    }
}

fn jobs(names: &Names, settings: &ProvisionSettings) -> Config {
    Config {
        description: Some("image-sync: jobs".to_owned()),
        subjects: names.job_subjects(),
        retention: RetentionPolicy::WorkQueue,
        // A full stream refuses: to drop the oldest would lose a job.
        discard: DiscardPolicy::New,
        max_bytes: bytes(settings.jobs_max_bytes),
        max_age: settings.jobs_max_age,
        duplicate_window: settings.dedupe_window,
        ..stream(names.jobs(), settings)
    }
}

fn run_log(names: &Names, settings: &ProvisionSettings) -> Config {
    Config {
        description: Some("image-sync: the logs of runs".to_owned()),
        subjects: vec![names.all_events()],
        max_bytes: bytes(settings.log_max_bytes),
        max_age: settings.log_max_age,
        duplicate_window: settings.dedupe_window,
        ..stream(names.run_log(), settings)
    }
}

fn dead_letters(names: &Names, settings: &ProvisionSettings) -> Config {
    Config {
        description: Some("image-sync: dead letters, one per job".to_owned()),
        subjects: vec![names.all_letters()],
        max_messages_per_subject: 1,
        max_bytes: bytes(settings.letters_max_bytes),
        max_age: settings.letters_max_age,
        duplicate_window: UNUSED_WINDOW.min(settings.letters_max_age),
        ..stream(names.dead_letters(), settings)
    }
}

/// A bucket is made as the stream that it is (NATS ADR-8): the call that makes buckets asks old servers for more than
/// they have.
fn bucket(name: &str, max_age: Duration, settings: &ProvisionSettings) -> Config {
    Config {
        subjects: vec![key_subject(name, ">")],
        max_messages_per_subject: 1,
        // A full bucket refuses: no lease or claim pushes out another.
        discard: DiscardPolicy::New,
        max_bytes: bytes(settings.bucket_max_bytes),
        max_age,
        duplicate_window: UNUSED_WINDOW.min(max_age),
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..stream(bucket_stream(name), settings)
    }
}

/// As is an object store (NATS ADR-20).
fn reports(names: &Names, settings: &ProvisionSettings) -> Config {
    let name = names.reports();
    Config {
        subjects: vec![format!("$O.{name}.C.>"), format!("$O.{name}.M.>")],
        // Whole reports go when it is full (see retention.rs), and not the oldest chunks of some.
        discard: DiscardPolicy::New,
        max_bytes: bytes(settings.reports_max_bytes),
        max_age: settings.reports_max_age,
        duplicate_window: UNUSED_WINDOW.min(settings.reports_max_age),
        allow_rollup: true,
        allow_direct: true,
        ..stream(object_stream(&name), settings)
    }
}

/// What all streams have in common. Limits that do not exist are named, so that the server's answer can be compared.
fn stream(name: String, settings: &ProvisionSettings) -> Config {
    Config {
        name,
        max_messages: UNLIMITED,
        max_messages_per_subject: UNLIMITED,
        max_message_size: -1,
        max_consumers: -1,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        ..Config::default()
    }
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_area_and_lane_has_one_consumer_and_no_message_has_two() {
        let names = Names::new("x".parse().unwrap());
        let settings = ProvisionSettings::default();
        let consumers = consumers(&names, &settings);
        let filters: Vec<&str> = consumers
            .iter()
            .map(|plan| plan.config.filter_subject.as_str())
            .collect();
        assert_eq!(
            filters,
            [
                "x.job.now.>",
                "x.job.retry.>",
                "x.job.bulk.>",
                "x.held.>",
                "x.poison.>"
            ]
        );
        assert!(consumers.iter().all(|plan| plan.stream == "X_JOBS"));
    }

    #[test]
    fn no_window_is_longer_than_messages_live() {
        let names = Names::new("x".parse().unwrap());
        let settings = ProvisionSettings {
            lease_term: Duration::from_secs(1),
            ..ProvisionSettings::default()
        };
        for stream in streams(&names, &settings) {
            assert!(stream.duplicate_window <= stream.max_age, "{}", stream.name);
        }
    }
}
