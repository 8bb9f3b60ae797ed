//! Making an installation, and finding that one is not as it should be.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use image_sync_queue::jetstream::{
    Change, ConnectSettings, Connection, JetStream, Prefix, ProvisionError, ProvisionSettings,
    Role, installed, provision, verify,
};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_testkit::servers::NatsServer;

use crate::samples::job;
use crate::support::{MAX_DELIVER, clock, connect, fresh_prefix, open, shared_server, small};

const ROLES: [Role; 5] = [
    Role::Producer,
    Role::Webhook,
    Role::Worker,
    Role::Aggregator,
    Role::Operator,
];

/// The server, a connection with a prefix of its own, and another client of the server.
async fn setup() -> (Arc<NatsServer>, Prefix, Connection, jetstream::Context) {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let connection = connect(&server, &prefix).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    (server, prefix, connection, jetstream::new(client))
}

fn jobs_stream(prefix: &Prefix) -> String {
    format!("{}_JOBS", prefix.as_str().to_uppercase())
}

#[tokio::test]
async fn what_is_made_once_is_left_alone_the_second_time() {
    let (_server, _prefix, connection, _) = setup().await;
    let made = provision(&connection, &small(), clock().now())
        .await
        .unwrap();
    assert_eq!(made.len(), 13, "{made:?}");
    assert!(
        made.iter().all(|(_, change)| *change == Change::Created),
        "{made:?}"
    );
    let again = provision(&connection, &small(), clock().now())
        .await
        .unwrap();
    assert!(
        again.iter().all(|(_, change)| *change == Change::None),
        "{again:?}"
    );
    for role in ROLES {
        verify(&connection, role).await.unwrap();
    }
}

#[tokio::test]
async fn what_has_other_sizes_and_times_is_changed() {
    let (_server, prefix, connection, context) = setup().await;
    provision(&connection, &small(), clock().now())
        .await
        .unwrap();
    let larger = ProvisionSettings {
        jobs_max_bytes: 2 * small().jobs_max_bytes,
        visibility: Duration::from_secs(3),
        ..small()
    };
    let changes = provision(&connection, &larger, clock().now())
        .await
        .unwrap();
    let updated: Vec<&str> = changes
        .iter()
        .filter(|(_, change)| *change == Change::Updated)
        .map(|(object, _)| object.as_str())
        .collect();
    assert_eq!(
        updated.len(),
        6,
        "the stream of jobs and its consumers: {updated:?}"
    );
    let stream = context.get_stream(jobs_stream(&prefix)).await.unwrap();
    let bytes = stream.cached_info().config.max_bytes;
    assert_eq!(u64::try_from(bytes), Ok(larger.jobs_max_bytes));
    let consumer = stream.consumer_info("bulk").await.unwrap();
    assert_eq!(consumer.config.ack_wait, larger.visibility);
}

#[tokio::test]
async fn a_stream_of_another_kind_is_not_taken_for_ours() {
    let (_server, prefix, connection, context) = setup().await;
    let stream = jobs_stream(&prefix);
    let other = stream::Config {
        name: stream.clone(),
        subjects: vec![format!("{prefix}.something.else")],
        ..stream::Config::default()
    };
    context.create_stream(other).await.unwrap();
    let text = provision(&connection, &small(), clock().now())
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains(&format!("stream {stream}")), "{text}");
    let text = verify(&connection, Role::Worker)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with(&format!(
            "stream {stream}: discard should be \"new\", but is \"old\""
        )),
        "{text}"
    );
}

#[tokio::test]
async fn settings_that_lose_jobs_are_refused_before_anything_is_made() {
    let (_server, prefix, connection, context) = setup().await;
    let settings = ProvisionSettings {
        dedupe_window: small().visibility,
        ..small()
    };
    let text = provision(&connection, &settings, clock().now())
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("dedupe window"), "{text}");
    assert!(context.get_stream(jobs_stream(&prefix)).await.is_err());
}

#[tokio::test]
async fn a_role_that_lacks_something_says_what_to_do() {
    // Of its own: where others are installed, they are told too.
    let (server, prefix) = (NatsServer::start().await.unwrap(), fresh_prefix());
    let connection = connect(&server, &prefix).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = jetstream::new(client);
    for role in ROLES {
        let text = verify(&connection, role).await.unwrap_err().to_string();
        let expected = format!(
            "stream {} is missing: run `image-sync provision`",
            jobs_stream(&prefix)
        );
        assert_eq!(text, expected);
    }
    provision(&connection, &small(), clock().now())
        .await
        .unwrap();
    let stream = context.get_stream(jobs_stream(&prefix)).await.unwrap();
    stream.delete_consumer("held").await.unwrap();
    verify(&connection, Role::Producer).await.unwrap();
    let error = JetStream::open(connection, Role::Worker, Arc::new(clock()), MAX_DELIVER)
        .await
        .err();
    let object = format!("consumer held of stream {}", jobs_stream(&prefix));
    assert_eq!(error, Some(ProvisionError::Missing { object }));
}

#[tokio::test]
async fn another_prefix_than_that_of_the_installation_is_told_with_those_that_are_there() {
    let server = NatsServer::start().await.unwrap();
    let as_prefix = async |prefix: &str| {
        let settings = ConnectSettings {
            prefix: prefix.parse().unwrap(),
            ..ConnectSettings::new(server.url())
        };
        Connection::open(settings).await.unwrap()
    };
    let team = as_prefix("team").await;
    provision(&team, &small(), clock().now()).await.unwrap();
    let error = verify(&as_prefix("taem").await, Role::Worker).await;
    let text = error.unwrap_err().to_string();
    let expected = "there is no installation taem at this server, but team; name it by --prefix or IMAGE_SYNC_PREFIX";
    assert!(text.contains(expected), "{text}");
}

#[tokio::test]
async fn too_little_storage_is_told_with_what_is_needed_and_given() {
    let config = "accounts { A: { jetstream: {max_file: 8MiB}, users: [{user: a, password: b}] } }";
    let server = NatsServer::start_configured(config).await.unwrap();
    let url = server.url().replace("//", "//a:b@");
    let connection = Connection::open(ConnectSettings::new(url)).await.unwrap();
    let settings = ProvisionSettings::default();
    let error = provision(&connection, &settings, clock().now()).await;
    let text = error.unwrap_err().to_string();
    for part in [
        "reserves 2112 MiB",
        "the account holds 0 B and may hold 8192 KiB",
        "--jobs-max-bytes",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_consumer_of_another_kind_is_named_with_its_field() {
    let (_server, prefix, connection, context) = setup().await;
    provision(&connection, &small(), clock().now())
        .await
        .unwrap();
    let stream = context.get_stream(jobs_stream(&prefix)).await.unwrap();
    stream.delete_consumer("bulk").await.unwrap();
    let other = consumer::pull::Config {
        durable_name: Some("bulk".to_owned()),
        filter_subject: format!("{prefix}.job.bulk.>"),
        max_deliver: 3,
        ..consumer::pull::Config::default()
    };
    stream.create_consumer(other).await.unwrap();
    let text = verify(&connection, Role::Worker)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.ends_with("max_deliver should be -1, but is 3"),
        "{text}"
    );
}

#[tokio::test]
async fn more_than_the_server_has_is_an_error_that_leaves_nothing_behind() {
    let (_server, prefix, connection, context) = setup().await;
    let settings = ProvisionSettings {
        reports_max_bytes: 1 << 50,
        ..small()
    };
    let error = provision(&connection, &settings, clock().now()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("insufficient storage"), "{error}");
    assert!(context.get_stream(jobs_stream(&prefix)).await.is_err());
}

#[tokio::test]
async fn where_the_last_stream_is_another_none_is_made() {
    let (_server, prefix, connection, context) = setup().await;
    let last = format!("OBJ_{prefix}_reports");
    let other = stream::Config {
        name: last.clone(),
        subjects: vec![format!("$O.{prefix}_reports.>")],
        ..stream::Config::default()
    };
    context.create_stream(other).await.unwrap();
    let error = provision(&connection, &small(), clock().now()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with(&format!("stream {last}: ")), "{error}");
    assert!(context.get_stream(jobs_stream(&prefix)).await.is_err());
    assert!(context.get_stream(last).await.is_ok());
}

#[tokio::test]
async fn an_installation_is_read_as_it_was_provisioned() {
    const DAY: Duration = Duration::from_secs(86_400);
    let (_server, _prefix, connection, _) = setup().await;
    let before = installed(&connection).await;
    assert_eq!(before, Ok(ProvisionSettings::default()), "nothing is there");
    let settings = ProvisionSettings {
        lease_term: Duration::from_secs(3),
        max_held: 10,
        jobs_max_age: DAY,
        jobs_max_bytes: 15 * 1024 * 1024,
        log_max_age: 2 * DAY,
        letters_max_age: 3 * DAY,
        reports_max_age: 4 * DAY,
        reports_max_bytes: 17 * 1024 * 1024,
        bucket_max_bytes: 2 * 1024 * 1024,
        ..small()
    };
    provision(&connection, &settings, clock().now())
        .await
        .unwrap();
    assert_eq!(installed(&connection).await, Ok(settings));
}

#[tokio::test]
async fn a_stream_that_is_too_small_for_its_jobs_is_refused_before_anything_is_changed() {
    let (_server, _prefix, connection, _) = setup().await;
    provision(&connection, &small(), clock().now())
        .await
        .unwrap();
    let clock = clock();
    let queue = open(connection.clone(), &clock).await;
    for idx in 0..20 {
        let job = job(idx);
        let stored = queue.ports().jobs.publish(Lane::Bulk, &job);
        stored.await.unwrap();
    }
    let smaller = ProvisionSettings {
        visibility: Duration::from_secs(3),
        jobs_max_bytes: 4 * 1024,
        ..small()
    };
    let refused = provision(&connection, &smaller, clock.now()).await;
    let text = refused.unwrap_err().to_string();
    assert!(
        text.ends_with("more than 4096: nothing was changed"),
        "{text}"
    );
    assert_eq!(installed(&connection).await, Ok(small()));
    let old = provision(
        &connection,
        &small(),
        clock.now() + small().jobs_max_age * 2,
    )
    .await;
    let text = old.unwrap_err().to_string();
    assert!(text.contains("holds a job that is"), "{text}");
}
