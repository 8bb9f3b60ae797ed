//! Clients whose machines' clocks are ten minutes off, in both directions: times are by the server's clock, which is that of
//! the machine here.

use std::sync::Arc;
use std::time::Duration;

use image_sync_queue::jetstream::{Connection, JetStream, Prefix, Role, provision};
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::{Delivery, Lane};
use image_sync_shared::ports::runs::run_control::Opening;
use image_sync_shared::run::RunId;
use image_sync_testkit::TokioClock;
use image_sync_testkit::servers::NatsServer;
use time::OffsetDateTime;

use crate::samples::{failure, job};
use crate::support::{MAX_DELIVER, clock, connect, fresh_prefix, shared_server, small};
use crate::waiting::{PATIENCE, eventually};

const OFF: time::Duration = time::Duration::minutes(10);
const HOST: &str = "ghcr.io";
const LONGEST: Duration = Duration::from_secs(60);
/// More than the server's time can be wrong, and less than the clocks are off.
const NEAR: time::Duration = time::Duration::seconds(20);

/// An installation, and clients that see it with a clock that is off.
struct Site {
    server: Arc<NatsServer>,
    prefix: Prefix,
}

impl Site {
    async fn new() -> Self {
        let (server, prefix) = (shared_server().await, fresh_prefix());
        let connection = connect(&server, &prefix).await;
        provision(&connection, &small(), clock().now())
            .await
            .unwrap();
        Self { server, prefix }
    }

    async fn client(&self, role: Role, ahead: time::Duration) -> JetStream {
        let connection = connect(&self.server, &self.prefix).await;
        Self::client_of(connection, role, ahead).await
    }

    async fn client_of(connection: Connection, role: Role, ahead: time::Duration) -> JetStream {
        let clock = TokioClock::starting_at(clock().now() + ahead);
        let opened = JetStream::open(connection, role, Arc::new(clock), MAX_DELIVER);
        opened.await.unwrap()
    }

    async fn worker(&self, ahead: time::Duration) -> JetStream {
        self.client(Role::Worker, ahead).await
    }

    /// How many consumers the streams have that anybody reads.
    async fn consumers(&self) -> u64 {
        let client = async_nats::connect(self.server.url()).await.unwrap();
        let mut count = 0;
        for stream in ["KV_PREFIX_runs", "OBJ_PREFIX_reports"] {
            let stream = stream.replace("PREFIX", &self.prefix.to_string());
            let subject = format!("$JS.API.STREAM.INFO.{stream}");
            let answer = client.request(subject, "".into()).await.unwrap();
            let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
            count += info["state"]["consumer_count"].as_u64().unwrap();
        }
        count
    }
}

async fn pull_one(queue: &JetStream) -> Delivery {
    let pulled = queue.ports().jobs.pull(&Lane::ALL, 1, PATIENCE).await;
    pulled.unwrap().pop().expect("a job that is due")
}

#[tokio::test]
async fn every_role_tells_the_servers_time_and_leaves_no_consumer_behind() {
    let (site, mut connections) = (Site::new().await, Vec::new());
    for role in [
        Role::Producer,
        Role::Webhook,
        Role::Worker,
        Role::Aggregator,
        Role::Operator,
    ] {
        for ahead in [OFF, -OFF] {
            let connection = connect(&site.server, &site.prefix).await;
            let queue = Site::client_of(connection.clone(), role, ahead).await;
            let wrong = queue.ports().clock.now() - clock().now();
            assert!(wrong.abs() < NEAR, "{role:?}: {wrong}");
            drop(queue);
            connections.push(connection);
        }
    }
    let left = async {
        while site.consumers().await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, left)
        .await
        .expect("no consumer");
}

#[tokio::test]
async fn who_provisions_goes_by_the_servers_time() {
    let site = Site::new().await;
    let far = TokioClock::starting_at(clock().now() - OFF);
    let connection = connect(&site.server, &site.prefix).await;
    let wrong = connection.time(&far).await - clock().now();
    assert!(wrong.abs() < NEAR, "{wrong}");
    let nothing_there = connect(&site.server, &fresh_prefix()).await;
    let wrong = nothing_there.time(&far).await - far.now();
    assert!(wrong.abs() < NEAR, "by the clock here: {wrong}");
}

#[tokio::test]
async fn a_job_put_back_for_a_second_is_due_after_a_second_for_workers_whose_clocks_are_off() {
    for off in [OFF, -OFF] {
        let site = Site::new().await;
        let (one, other) = (site.worker(off).await, site.worker(-off).await);
        one.ports().jobs.publish(Lane::Bulk, &job(0)).await.unwrap();
        let taken = pull_one(&one).await;
        let (now, second) = (one.ports().clock.now(), Duration::from_secs(1));
        let put_back_at = clock().now();
        let successor = taken.job.clone().after_attempt(now, failure(), second);
        taken.settle.requeue(&successor).await.unwrap();
        drop(one);
        let again = pull_one(&other).await;
        let due: OffsetDateTime = again.job.not_before.unwrap();
        assert!((due - (put_back_at + second)).abs() < NEAR, "{due}");
        // As long as was said, but for what the server's time may be wrong by.
        let waited = clock().now() - put_back_at;
        assert!(waited > time::Duration::milliseconds(500), "{waited}");
        again.settle.done().await.unwrap();
    }
}

#[tokio::test]
async fn a_pause_is_honoured_and_ended_alike_by_workers_whose_clocks_are_off() {
    for off in [OFF, -OFF] {
        let site = Site::new().await;
        let (one, other) = (site.worker(off).await, site.worker(-off).await);
        let (pauses, others) = (&one.ports().pauses, &other.ports().pauses);
        let until = one.ports().clock.now() + LONGEST / 2;
        assert!(
            (until - (clock().now() + LONGEST / 2)).abs() < NEAR,
            "{until}"
        );
        assert_eq!(pauses.pause(HOST, until, "429", LONGEST).await, Ok(true));
        eventually(|| others.paused_until(HOST, LONGEST) == Some(until)).await;
        let operator = site.client(Role::Operator, -off).await;
        let listed = operator.ports().pauses.list().await.unwrap();
        assert_eq!(listed.first().map(|pause| pause.until), Some(until));
        assert_eq!(others.resume(HOST).await, Ok(true));
        eventually(|| pauses.paused_until(HOST, LONGEST).is_none()).await;

        let soon = one.ports().clock.now() + Duration::from_secs(2);
        assert_eq!(pauses.pause(HOST, soon, "429", LONGEST).await, Ok(true));
        eventually(|| others.paused_until(HOST, LONGEST) == Some(soon)).await;
        for pauses in [pauses, others] {
            eventually(|| pauses.paused_until(HOST, LONGEST).is_none()).await;
            let over = clock().now();
            assert!((over - soon).abs() < NEAR && over > soon - Duration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn a_catalog_is_claimed_until_the_runs_deadline_for_producers_whose_clocks_are_off() {
    for off in [OFF, -OFF] {
        let site = Site::new().await;
        let one = site.client(Role::Producer, off).await;
        let other = site.client(Role::Producer, -off).await;
        let (first, second) = (RunId::new("first"), RunId::new("second"));
        let open = |queue: &JetStream, run: &RunId, time| {
            let (runs, run) = (Arc::clone(&queue.ports().runs), run.clone());
            let until = queue.ports().clock.now() + time;
            async move { runs.open("catalog", &run, until).await.unwrap() }
        };
        let minute = time::Duration::MINUTE;
        assert_eq!(open(&one, &first, minute).await, Opening::Opened);
        let opening = open(&other, &second, minute).await;
        assert_eq!(opening, Opening::Busy(first.clone()));
        let over = -minute / 2;
        assert_eq!(open(&one, &first, over).await, Opening::Opened);
        assert_eq!(open(&other, &second, minute).await, Opening::Opened);
    }
}

#[tokio::test]
async fn a_lease_lasts_as_long_for_workers_whose_clocks_are_off() {
    let site = Site::new().await;
    let (one, other) = (site.worker(OFF).await, site.worker(-OFF).await);
    let (leases, others) = (&one.ports().leases, &other.ports().leases);
    let taken = leases.acquire("a.test/b:1", "one").await.unwrap();
    assert!(taken.is_some());
    assert_eq!(others.acquire("a.test/b:1", "other").await, Ok(None));
    let over = async {
        while others
            .acquire("a.test/b:1", "other")
            .await
            .unwrap()
            .is_none()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.expect("its end");
}

/// As where the machine's clock is put right while a worker runs.
#[tokio::test]
async fn a_clock_that_is_set_while_a_worker_runs_changes_no_time() {
    let site = Site::new().await;
    let connection = connect(&site.server, &site.prefix).await;
    let hands = Arc::new(Hands::default());
    let local: Arc<dyn Clock> = Arc::<Hands>::clone(&hands);
    let queue = JetStream::open(connection, Role::Worker, local, MAX_DELIVER)
        .await
        .unwrap();
    for set in [OFF, -OFF, 100 * OFF] {
        *hands.0.lock().unwrap() = set;
        let wrong = queue.ports().clock.now() - clock().now();
        assert!(wrong.abs() < NEAR, "{wrong}");
    }
}

/// A clock that is so far ahead.
#[derive(Default)]
struct Hands(std::sync::Mutex<time::Duration>);

impl Clock for Hands {
    fn now(&self) -> OffsetDateTime {
        clock().now() + *self.0.lock().unwrap()
    }
}
