//! Pauses of hosts among clients that do not agree, and one of which may be hostile.

use std::time::Duration;

use image_sync_queue::jetstream::{JetStream, Prefix};
use image_sync_shared::ports::clock::Clock as _;
use image_sync_testkit::TokioClock;
use image_sync_testkit::servers::NatsServer;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::support::{clock, connect, fresh_prefix, open, provisioned, shared_server, small};
use crate::waiting::eventually;

const HOST: &str = "ghcr.io";
const LONGEST: Duration = Duration::from_secs(60);
const END_OF_TIME: OffsetDateTime = datetime!(9999-12-31 23:59:59.999999999 UTC);

/// A client whose clock is so far ahead.
async fn ahead_by(server: &NatsServer, prefix: &Prefix, time: Duration) -> JetStream {
    let clock = TokioClock::starting_at(clock().now() + time);
    open(connect(server, prefix).await, &clock).await
}

#[tokio::test]
async fn a_pause_for_years_counts_from_when_it_was_written_also_for_workers_that_start_later() {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (queue, _) = provisioned(&server, &prefix, &small()).await;
    let before = clock().now();
    let set = queue
        .ports()
        .pauses
        .pause(HOST, END_OF_TIME, "429", Duration::MAX);
    assert_eq!(set.await, Ok(true));
    let after = clock().now();
    let late = ahead_by(&server, &prefix, Duration::ZERO).await;
    let pauses = &late.ports().pauses;
    let until = pauses.paused_until(HOST, LONGEST).unwrap();
    let second = Duration::from_secs(1);
    let written = before + LONGEST - second..after + LONGEST + second;
    assert!(written.contains(&until), "{until}");
    // For who leaves nobody alone for longer than what has passed by now, it is over.
    assert_eq!(pauses.paused_until(HOST, Duration::from_nanos(1)), None);
    let listed = pauses.list().await.unwrap();
    let until: Vec<OffsetDateTime> = listed.iter().map(|pause| pause.until).collect();
    assert!(
        until[0] < clock().now() + Duration::from_secs(86_401),
        "{until:?}"
    );
}

#[tokio::test]
async fn what_stands_in_the_bucket_keeps_nobody_from_a_pause_of_its_own() {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (queue, _) = provisioned(&server, &prefix, &small()).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let key = format!("$KV.{prefix}_hosts.ghcr=2Eio");
    let pauses = &queue.ports().pauses;
    for nonsense in [
        "hello",
        "{}",
        r#"{"paused_until":"never","reason":"x"}"#,
        r#"{"paused_until":"+99999-01-01T00:00:00Z","reason":"x"}"#,
        r#"{"paused_until":"0001-01-01T00:00:00Z","reason":"x"}"#,
    ] {
        let value = nonsense.as_bytes().to_vec();
        let stored = client.request(key.clone(), value.into()).await.unwrap();
        assert!(stored.payload.starts_with(b"{\"stream\""), "{stored:?}");
        assert_eq!(pauses.paused_until(HOST, LONGEST), None, "{nonsense}");
        assert_eq!(pauses.list().await, Ok(Vec::new()), "{nonsense}");
        let until = clock().now() + LONGEST / 2;
        assert_eq!(pauses.pause(HOST, until, "429", LONGEST).await, Ok(true));
        assert_eq!(pauses.list().await.unwrap().len(), 1, "{nonsense}");
        assert_eq!(pauses.resume(HOST).await, Ok(true));
    }
}

#[tokio::test]
async fn a_pause_that_is_lifted_is_lifted_for_all_workers_and_those_that_start_later() {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (queue, clock) = provisioned(&server, &prefix, &small()).await;
    let other = ahead_by(&server, &prefix, Duration::ZERO).await;
    let (pauses, others) = (&queue.ports().pauses, &other.ports().pauses);
    for _ in 0..2 {
        let until = clock.now() + LONGEST / 2;
        assert_eq!(pauses.pause(HOST, until, "429", LONGEST).await, Ok(true));
        eventually(|| others.paused_until(HOST, LONGEST) == Some(until)).await;
        assert_eq!(others.resume(HOST).await, Ok(true));
        eventually(|| pauses.paused_until(HOST, LONGEST).is_none()).await;
        let late = ahead_by(&server, &prefix, Duration::ZERO).await;
        assert_eq!(late.ports().pauses.paused_until(HOST, LONGEST), None);
    }
}

#[tokio::test]
async fn a_pause_is_lifted_although_the_clock_of_who_lifts_it_is_ahead() {
    let (server, prefix) = (shared_server().await, fresh_prefix());
    let (queue, clock) = provisioned(&server, &prefix, &small()).await;
    let pauses = &queue.ports().pauses;
    let until = clock.now() + LONGEST / 2;
    assert_eq!(pauses.pause(HOST, until, "429", LONGEST).await, Ok(true));
    let ahead = ahead_by(&server, &prefix, LONGEST).await;
    assert_eq!(
        ahead.ports().pauses.resume(HOST).await,
        Ok(true),
        "its clock is the server's"
    );
    eventually(|| pauses.paused_until(HOST, LONGEST).is_none()).await;
}
