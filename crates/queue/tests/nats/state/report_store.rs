//! The store of reports when it fills, and what is left in it by those who died.

use async_nats::jetstream::{self, object_store::ObjectStore};
use image_sync_queue::jetstream::{JetStream, JetStreamReports, Prefix, ProvisionSettings};
use image_sync_shared::ports::QueueError;
use image_sync_shared::run::RunId;
use image_sync_testkit::images::deterministic_bytes;
use image_sync_testkit::servers::NatsServer;

use crate::stored_reports::{put_report, report_of};
use crate::support::{connect, fresh_prefix, provisioned, shared_server, small};

const KIB: usize = 1024;

/// An installation whose store of reports has so much room.
struct Store {
    queue: JetStream,
    reports: JetStreamReports,
    server: std::sync::Arc<NatsServer>,
    prefix: Prefix,
}

impl Store {
    async fn of(bytes: usize) -> Self {
        let settings = ProvisionSettings {
            reports_max_bytes: bytes as u64,
            ..small()
        };
        let (server, prefix) = (shared_server().await, fresh_prefix());
        let (queue, _) = provisioned(&server, &prefix, &settings).await;
        let reports = JetStreamReports::new(connect(&server, &prefix).await);
        Self {
            queue,
            reports,
            server,
            prefix,
        }
    }

    /// As another program sees it.
    async fn plain(&self) -> ObjectStore {
        let client = async_nats::connect(self.server.url()).await.unwrap();
        let name = format!("{}_reports", self.prefix);
        let context = jetstream::new(client);
        context.get_object_store(name).await.unwrap()
    }

    async fn put(&self, run: &RunId, bytes: usize) -> Result<(), QueueError> {
        let report = deterministic_bytes(run.as_str(), bytes);
        put_report(&*self.queue.ports().reports, run, &report).await
    }

    /// The sizes of the reports of these runs.
    async fn sizes(&self, runs: &[RunId]) -> Vec<Option<usize>> {
        let mut sizes = Vec::new();
        for run in runs {
            sizes.push(report_of(&self.queue, run).await.map(|report| report.len()));
        }
        sizes
    }

    async fn bytes(&self) -> u64 {
        self.reports.history().await.unwrap().bytes
    }

    /// A piece that belongs to nothing.
    async fn leave_a_piece(&self, nuid: &str) {
        let client = async_nats::connect(self.server.url()).await.unwrap();
        let subject = format!("$O.{}_reports.C.{nuid}", self.prefix);
        let context = jetstream::new(client);
        let stored = context.publish(subject, "piece".into()).await;
        stored.unwrap().await.unwrap();
    }
}

fn runs(count: usize) -> Vec<RunId> {
    (0..count)
        .map(|n| RunId::new(format!("01R{n:03}")))
        .collect()
}

#[tokio::test]
async fn the_oldest_reports_go_when_their_store_is_full() {
    let (store, runs) = (Store::of(512 * KIB).await, runs(20));
    for run in &runs {
        store.put(run, 50 * KIB).await.unwrap();
    }
    let sizes = store.sizes(&runs).await;
    let gone = sizes.iter().take_while(|size| size.is_none()).count();
    assert!((10..=15).contains(&gone), "{sizes:?}");
    let kept = vec![Some(50 * KIB); runs.len() - gone];
    assert_eq!(sizes[gone..], kept, "all later ones are whole");
    // One that is late is not the one that goes for itself.
    let late = RunId::new("01A");
    store.put(&late, 50 * KIB).await.unwrap();
    assert_eq!(store.sizes(&[late]).await, [Some(50 * KIB)]);
}

#[tokio::test]
async fn a_report_that_cannot_be_stored_leaves_no_pieces() {
    let (store, runs) = (Store::of(256 * KIB).await, runs(2));
    let error = store.put(&runs[0], 400 * KIB).await.unwrap_err();
    assert!(matches!(error, QueueError::Full(_)), "{error}");
    assert_eq!(store.bytes().await, 0);
    store.put(&runs[1], 200 * KIB).await.unwrap();
    // The same for one that cannot be written to its end.
    let before = store.bytes().await;
    let reports = &store.queue.ports().reports;
    let breaks = Box::new(|out: &mut dyn std::io::Write| {
        out.write_all(&deterministic_bytes("x", 40 * KIB))?;
        Err(std::io::ErrorKind::NotFound.into())
    });
    let broken = reports.put(&runs[0], breaks);
    let error = broken.await.unwrap_err();
    assert!(matches!(error, QueueError::Refused(_)), "{error}");
    assert_eq!(store.bytes().await, before);
    assert_eq!(store.sizes(&runs).await, [None, Some(200 * KIB)]);
}

#[tokio::test]
async fn pieces_of_nothing_are_found_and_removed_and_reports_are_not() {
    let (store, runs) = (Store::of(512 * KIB).await, runs(2));
    for run in &runs {
        store.put(run, 20 * KIB).await.unwrap();
    }
    let (reports, before) = (&store.queue.ports().reports, store.bytes().await);
    store.leave_a_piece("dead").await;
    store.leave_a_piece("growing").await;
    let found = reports.tidy().await.unwrap();
    assert!(found && store.bytes().await > before);
    store.leave_a_piece("growing").await;
    let found = reports.tidy().await.unwrap();
    let with_two = store.bytes().await;
    assert!(found && with_two > before, "it may be a report yet");
    assert_eq!(reports.tidy().await, Ok(false));
    assert_eq!(store.bytes().await, before);
    assert_eq!(store.sizes(&runs).await, [Some(20 * KIB); 2]);
}

#[tokio::test]
async fn a_store_that_is_full_of_pieces_of_nothing_takes_a_report() {
    let (store, runs) = (Store::of(64 * KIB).await, runs(1));
    for number in 0..400 {
        store.leave_a_piece(&format!("dead{number}")).await;
    }
    store.put(&runs[0], 40 * KIB).await.unwrap();
    assert_eq!(store.sizes(&runs).await, [Some(40 * KIB)]);
}

#[tokio::test]
async fn a_report_of_an_earlier_version_is_read_and_replaced() {
    let (store, runs) = (Store::of(512 * KIB).await, runs(1));
    let old = format!("{{\"results\": [{}]}}", "1, ".repeat(100_000));
    let plain = store.plain().await;
    plain
        .put(runs[0].as_str(), &mut old.as_bytes())
        .await
        .unwrap();
    let read = report_of(&store.queue, &runs[0]).await.unwrap();
    assert!(read == old.as_bytes());
    let before = store.bytes().await;
    put_report(&*store.queue.ports().reports, &runs[0], old.as_bytes())
        .await
        .unwrap();
    assert!(report_of(&store.queue, &runs[0]).await.unwrap() == old.as_bytes());
    assert!(store.bytes().await * 10 < before, "it is compressed");
    let info = plain.info(runs[0].as_str()).await.unwrap();
    assert!(info.digest.unwrap().starts_with("SHA-256="));
    assert_eq!(store.reports.history().await.unwrap().reports, 1);
}

/// Other programs can read a report too.
#[tokio::test]
async fn a_stored_report_is_an_object_like_any_other() {
    use tokio::io::AsyncReadExt as _;
    let (store, runs) = (Store::of(512 * KIB).await, runs(1));
    store.put(&runs[0], 50 * KIB).await.unwrap();
    let mut object = store.plain().await.get(runs[0].as_str()).await.unwrap();
    let mut stored = Vec::new();
    object.read_to_end(&mut stored).await.unwrap();
    assert_eq!(stored[..2], [0x1f, 0x8b]);
    assert!(stored.len() > 50 * KIB);
}
