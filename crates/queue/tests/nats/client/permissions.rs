//! Each role gets by with what it may do, and says what is missing where that is less.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use image_sync_queue::jetstream::{
    Auth, ConnectError, ConnectSettings, Connection, JetStream, Prefix, ProvisionError, Role,
    provision,
};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::clock::Clock as _;
use image_sync_shared::ports::memo::Fact;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::ports::queue::leases::Renewal;
use image_sync_shared::ports::runs::run_control::Opening;
use image_sync_shared::run::job::{Job, JobId};
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::{RunEvent, RunId};
use image_sync_shared::secret::Secret;
use image_sync_shared::secret::mac::MacKey;
use image_sync_testkit::servers::NatsServer;
use tokio::time::timeout;

use crate::samples::{all_of, failure, held_job, job, letter, result, run, seal};
use crate::stored_reports::{put_report, report_of};
use crate::support::{MAX_DELIVER, clock, small};
use crate::waiting::PATIENCE;

pub(super) const ROLES: &str = include_str!("../../../../../deploy/nats-roles.conf");
/// The password of every user of [`ROLES`].
const PASSWORDS: &str = "
    PROVISION_PASSWORD: p
    PRODUCER_PASSWORD: p
    WEBHOOK_PASSWORD: p
    WORKER_PASSWORD: p
    AGGREGATOR_PASSWORD: p
    OPERATOR_PASSWORD: p
";

/// What is not allowed is said at once, and not when the time of a request is over.
const NEVER: Duration = Duration::from_secs(86_400);

/// A server on which every role has a user, and an installation on it.
pub(super) struct Guarded {
    server: NatsServer,
}

impl Guarded {
    /// `config` is that of the roles, perhaps with something left out.
    pub(super) async fn new(config: &str) -> Self {
        let config = format!("{PASSWORDS}{config}");
        let server = NatsServer::start_configured(&config).await.unwrap();
        let guarded = Self { server };
        let connection = guarded.connect("provision").await.unwrap();
        provision(&connection, &small(), clock().now())
            .await
            .unwrap();
        guarded
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    async fn connect(&self, user: &str) -> Result<Connection, ConnectError> {
        Connection::open(self.settings(user)).await
    }

    fn settings(&self, user: &str) -> ConnectSettings {
        ConnectSettings {
            auth: Auth::Password {
                user: user.to_owned(),
                password: Secret::new("p"),
            },
            inbox_prefix: Some(format!("_INBOX_{user}")),
            request_timeout: NEVER,
            ..ConnectSettings::new(self.server.url())
        }
    }

    pub(super) async fn open(&self, user: &str, role: Role) -> Result<JetStream, ProvisionError> {
        let connection = self.connect(user).await.unwrap();
        JetStream::open(connection, role, Arc::new(clock()), MAX_DELIVER).await
    }
}

/// The config without one permission, which the user that provisions keeps.
pub(super) fn without(permission: &str) -> String {
    let quoted = format!("\"{permission}\"");
    let roles = ROLES.find("MAY_PRODUCE").unwrap();
    let (provision, others) = ROLES.split_at(roles);
    assert!(others.contains(&quoted), "{permission}");
    format!("{provision}{}", others.replace(&quoted, "\"nothing\""))
}

async fn produce(queue: &JetStream) {
    let ports = queue.ports();
    let until = clock().now() + PATIENCE;
    let opening = ports.runs.open("catalog", &run(), until).await.unwrap();
    assert_eq!(opening, Opening::Opened);
    let chunk = RunEvent::Chunk {
        first_idx: 0,
        items: Vec::new(),
    };
    ports.log.append(&run(), &chunk).await.unwrap();
    for idx in 0..4 {
        ports.jobs.publish(Lane::Bulk, &job(idx)).await.unwrap();
    }
    let later = clock().now() + Duration::from_millis(500);
    ports
        .jobs
        .publish(Lane::Now, &held_job(4, later))
        .await
        .unwrap();
    ports.log.append(&run(), &seal(5)).await.unwrap();
    ports.runs.close("catalog", &run()).await.unwrap();
}

/// Does all that a worker does; one job kills it until it is poison.
async fn work(queue: &JetStream) {
    let ports = queue.ports();
    let lease = ports.leases.acquire("target", "w1").await.unwrap().unwrap();
    let Renewal::Held(lease) = ports.leases.renew(&lease).await.unwrap() else {
        panic!("the lease should have been held");
    };
    ports.leases.release(lease).await.unwrap();
    let until = clock().now() + PATIENCE;
    for host in ["ghcr.io", "quay.io"] {
        let paused = ports.pauses.pause(host, until, "429", PATIENCE);
        assert_eq!(paused.await, Ok(true));
    }
    assert_eq!(ports.pauses.resume("quay.io").await, Ok(true));
    let fact = Fact::Converted {
        refused: Digest::of(b"1"),
        host: "h".to_owned(),
    };
    let (key, now) = (|| Some(MacKey::of_text("k")), clock().now());
    queue
        .ports()
        .memos
        .of(key())
        .remember(&fact, &Digest::of(b"2"), now)
        .await;
    let recalled = queue.ports().memos.of(key()).recall(&fact, now).await;
    assert_eq!(recalled, Some(Digest::of(b"2")));
    let (mut settled, mut crashes) = (0, 0);
    while settled < 5 || crashes < MAX_DELIVER {
        for delivery in ports
            .jobs
            .pull(&Lane::ALL, 1, Duration::from_secs(1))
            .await
            .unwrap()
        {
            let event = result(delivery.job.idx, Action::Pulled);
            let (job, settle) = (delivery.job.clone(), delivery.settle);
            settle.in_progress().await.unwrap();
            match (job.idx, job.attempt) {
                (0, 1) => {
                    let successor =
                        job.after_attempt(clock().now(), failure(), Duration::from_millis(500));
                    settle.requeue(&successor).await.unwrap();
                }
                (1, _) => {
                    settle.bury(letter("r1:1", "gone")).await.unwrap();
                    settle.done().await.unwrap();
                }
                (2, _) => {
                    crashes += 1;
                    continue;
                }
                _ => {
                    ports.log.append(&job.run_id, &event).await.unwrap();
                    settle.done().await.unwrap();
                }
            }
            settled += 1;
        }
    }
}

async fn aggregate(queue: &JetStream) {
    let ports = queue.ports();
    let mut reader = ports.log.read(&run()).await.unwrap();
    assert!(reader.next(PATIENCE).await.unwrap().is_some());
    let mut poisoned = ports.jobs.poisoned(PATIENCE).await.unwrap();
    let delivery = poisoned.pop().unwrap();
    assert_eq!(delivery.job.idx, 2);
    ports
        .log
        .append(&run(), &result(2, Action::Failed))
        .await
        .unwrap();
    let settle = delivery.settle;
    settle.bury(letter("r1:2", "poison")).await.unwrap();
    settle.done().await.unwrap();
    for report in ["{}", "{ }"] {
        put_report(&*queue.ports().reports, &run(), report.as_bytes())
            .await
            .unwrap();
    }
    ports.runs.close("catalog", &run()).await.unwrap();
}

async fn operate(queue: &JetStream) {
    let ports = queue.ports();
    assert_eq!(report_of(queue, &run()).await.as_deref(), Some(&b"{ }"[..]));
    let mut reader = ports.log.read(&run()).await.unwrap();
    assert!(reader.next(PATIENCE).await.unwrap().is_some());
    assert_eq!(all_of(&*ports.letters).await.len(), 2);
    let letter = ports.letters.take("r1:1").await.unwrap().unwrap();
    ports
        .jobs
        .publish(
            Lane::Now,
            &letter.job.unwrap().deferred(queue.ports().clock.now()),
        )
        .await
        .unwrap();
    let paused = ports.pauses.list().await.unwrap();
    let hosts: Vec<&str> = paused.iter().map(|pause| pause.host.as_str()).collect();
    assert_eq!(hosts, ["ghcr.io"]);
    assert_eq!(ports.pauses.resume("ghcr.io").await, Ok(true));
    ports.runs.cancel(&run()).await.unwrap();
    assert_eq!(ports.jobs.purge(&run()).await, Ok(1));
}

/// Does all that a webhook does: a run of checks, some of them due later, and one that is taken back.
async fn take_events(queue: &JetStream) {
    let ports = queue.ports();
    let (run, until) = (RunId::new("events"), clock().now() + PATIENCE);
    let opening = ports.runs.open("own", &run, until).await.unwrap();
    assert_eq!(opening, Opening::Opened);
    let of_run = |idx| Job {
        job_id: JobId::new(&run, idx),
        run_id: run.clone(),
        ..job(idx)
    };
    ports.jobs.publish(Lane::Now, &of_run(0)).await.unwrap();
    let later = Job {
        not_before: Some(clock().now() + PATIENCE),
        ..of_run(1)
    };
    ports.jobs.publish(Lane::Now, &later).await.unwrap();
    ports.log.append(&run, &seal(2)).await.unwrap();
    ports.runs.cancel(&run).await.unwrap();
    assert_eq!(ports.jobs.purge(&run).await, Ok(2));
    ports.runs.close("own", &run).await.unwrap();
}

#[tokio::test]
async fn a_webhook_publishes_to_the_lane_now_and_hears_what_zot_says_and_no_more() {
    let with_zot = ROLES.replace("users = [", "users = [ { user: zot, password: p }");
    let guarded = Guarded::new(&with_zot).await;
    let webhook = guarded.open("webhook", Role::Webhook).await.unwrap();
    let of_bulk = job(0);
    let bulk = webhook.ports().jobs.publish(Lane::Bulk, &of_bulk);
    assert_names("publish to imgsync.job.bulk", bulk).await;
    let connection = guarded.connect("webhook").await.unwrap();
    let mut events = connection
        .subscribe("zot.events", "webhooks")
        .await
        .unwrap();
    let zot = async_nats::ConnectOptions::with_user_and_password("zot".into(), "p".into());
    let zot = zot.connect(guarded.server.url()).await.unwrap();
    zot.publish("zot.events", "{}".into()).await.unwrap();
    assert_eq!(timeout(PATIENCE, events.next()).await.unwrap(), b"{}");
}

#[tokio::test]
async fn each_role_gets_by_with_what_it_may_do() {
    let guarded = Guarded::new(ROLES).await;
    produce(&guarded.open("producer", Role::Producer).await.unwrap()).await;
    take_events(&guarded.open("webhook", Role::Webhook).await.unwrap()).await;
    work(&guarded.open("worker", Role::Worker).await.unwrap()).await;
    aggregate(&guarded.open("aggregator", Role::Aggregator).await.unwrap()).await;
    operate(&guarded.open("operator", Role::Operator).await.unwrap()).await;
}

#[tokio::test]
async fn the_streams_of_others_are_out_of_reach_of_the_user_that_provisions() {
    let guarded = Guarded::new(ROLES).await;
    let other: Prefix = "other".parse().unwrap();
    let settings = guarded.settings("provision");
    let settings = ConnectSettings {
        prefix: other,
        ..settings
    };
    let connection = Connection::open(settings).await.unwrap();
    let settings = small();
    let made = Box::pin(provision(&connection, &settings, clock().now()));
    assert_names("publish to $JS.API.STREAM.INFO.OTHER_JOBS", made).await;
    let (_, block) = ROLES.split_once("MAY_PROVISION = {").unwrap();
    let (block, _) = block.split_once('}').unwrap();
    let of_streams = block.split('"').filter(|text| text.contains(".STREAM."));
    for subject in of_streams {
        let (_, stream) = subject.rsplit_once('.').unwrap();
        assert!(stream.to_lowercase().contains("imgsync_"), "{subject}");
    }
}

/// Sees to it that what is asked for is refused soon, as this permission is missing.
async fn assert_names<T, E: Display>(permission: &str, asked: impl Future<Output = Result<T, E>>) {
    let answer = timeout(PATIENCE, asked).await.expect("an error at once");
    let text = answer.err().expect("a refusal").to_string();
    let expected = format!("NATS does not let this user {permission}");
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test]
async fn a_permission_to_publish_that_is_missing_is_named() {
    let guarded = Guarded::new(&without("imgsync.job.>")).await;
    let producer = guarded.open("producer", Role::Producer).await.unwrap();
    let ports = producer.ports();
    let (job, subject) = (job(0), "imgsync.job.bulk.docker=2Eio.r1");
    let published = ports.jobs.publish(Lane::Bulk, &job);
    assert_names(&format!("publish to {subject}"), published).await;
    let again = ports.log.append(&RunId::new("r2"), &seal(0)).await;
    again.expect("what is allowed still works");
}

#[tokio::test]
async fn a_permission_to_take_jobs_that_is_missing_is_named() {
    let guarded = Guarded::new(&without("$JS.API.CONSUMER.MSG.NEXT.IMGSYNC_JOBS.*")).await;
    let worker = guarded.open("worker", Role::Worker).await.unwrap();
    let pulled = worker.ports().jobs.pull(&[Lane::Bulk], 1, NEVER);
    let subject = "$JS.API.CONSUMER.MSG.NEXT.IMGSYNC_JOBS.bulk";
    assert_names(&format!("publish to {subject}"), pulled).await;
}

#[tokio::test]
async fn a_permission_to_settle_that_is_missing_is_named() {
    let guarded = Guarded::new(&without("$JS.ACK.IMGSYNC_JOBS.>")).await;
    let worker = guarded.open("worker", Role::Worker).await.unwrap();
    let jobs = &worker.ports().jobs;
    jobs.publish(Lane::Bulk, &job(0)).await.unwrap();
    let mut pulled = jobs.pull(&[Lane::Bulk], 1, PATIENCE).await.unwrap();
    let delivery = pulled.pop().unwrap();
    let settled = delivery.settle.done();
    assert_names("publish to $JS.ACK.IMGSYNC_JOBS.bulk.", settled).await;
}

#[tokio::test]
async fn a_permission_to_read_that_is_missing_is_named() {
    for (permission, subject) in [
        (
            "$JS.API.CONSUMER.CREATE.IMGSYNC_RUNLOG.>",
            "$JS.API.CONSUMER.CREATE.IMGSYNC_RUNLOG.",
        ),
        (
            "$JS.API.CONSUMER.MSG.NEXT.IMGSYNC_RUNLOG.*",
            "$JS.API.CONSUMER.MSG.NEXT.IMGSYNC_RUNLOG.",
        ),
    ] {
        let guarded = Guarded::new(&without(permission)).await;
        let aggregator = guarded.open("aggregator", Role::Aggregator).await.unwrap();
        let mut reader = aggregator.ports().log.read(&run()).await.unwrap();
        assert_names(&format!("publish to {subject}"), reader.next(NEVER)).await;
    }
}

#[tokio::test]
async fn a_permission_for_reports_that_is_missing_is_named() {
    for (permission, subject) in [
        ("$O.imgsync_reports.>", "$O.imgsync_reports."),
        (
            "$JS.API.STREAM.MSG.GET.OBJ_imgsync_reports",
            "$JS.API.STREAM.MSG.GET.OBJ_imgsync_reports",
        ),
    ] {
        let guarded = Guarded::new(&without(permission)).await;
        let aggregator = guarded.open("aggregator", Role::Aggregator).await.unwrap();
        let (run, reports) = (run(), &*aggregator.ports().reports);
        let stored = Box::pin(put_report(reports, &run, b"{}"));
        assert_names(&format!("publish to {subject}"), stored).await;
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named_as_a_role_starts() {
    let subject = "$JS.API.STREAM.INFO.KV_imgsync_leases";
    let guarded = Guarded::new(&without(subject)).await;
    let opened = Box::pin(guarded.open("worker", Role::Worker));
    assert_names(&format!("publish to {subject}"), opened).await;
}

#[tokio::test]
async fn an_inbox_that_may_not_be_read_is_named() {
    let guarded = Guarded::new(&without("_INBOX_worker.>")).await;
    let connected = guarded.connect("worker");
    assert_names("subscribe to _INBOX_worker.", connected).await;
}
