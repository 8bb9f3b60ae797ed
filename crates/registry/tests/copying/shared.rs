//! Blobs of a source that several targets need at the same time.

use futures_util::future::{join, join_all};
use image_sync_registry::Router;
use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy, Registries as _};
use image_sync_shared::run::job::Remote;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Request, Rule, Synthetic};
use tokio::sync::watch;

use crate::support::{RouterBuilder, blob, copy, repository, source, target};

const MIB: u64 = 1024 * 1024;
/// What is kept of a stream for those who read it, and a blob far beyond it and all buffers of sockets.
const WINDOW: u64 = 8 * MIB;
const LARGE: u64 = 64 * MIB;

/// One source, several targets, and a router that reads once for all of them.
struct Fixture {
    source: FakeRegistry,
    targets: Vec<FakeRegistry>,
    router: Router,
    blob: Descriptor,
}

impl Fixture {
    /// With a blob of so many bytes at the source.
    async fn with(size: u64) -> Self {
        let source = FakeRegistry::start().await.unwrap();
        Self::with_router(source, size, RouterBuilder::new()).await
    }

    async fn with_router(source: FakeRegistry, size: u64, setup: RouterBuilder) -> Self {
        let mut targets = Vec::new();
        for _ in 0..3 {
            let target = FakeRegistry::start().await.unwrap();
            target.behave(|behaviour| behaviour.discards_blobs = true);
            targets.push(target);
        }
        let content = Synthetic::new("layer", size);
        let json = serde_json::json!({
            "mediaType": "application/octet-stream", "digest": content.digest(), "size": size,
        });
        let blob: Descriptor = serde_json::from_value(json).unwrap();
        source.put_synthetic_blob("from", &blob.digest, &content);
        let router = setup.sharing().router();
        Self {
            source,
            targets,
            router,
            blob,
        }
    }

    fn from(&self) -> Remote {
        source(repository(self.source.host(), "from"))
    }

    fn to(&self, number: usize) -> Remote {
        target(repository(self.targets[number].host(), "to"))
    }

    async fn copy_to(&self, number: usize) -> Result<Arrival, Failure> {
        copy(&self.router, &self.from(), &self.to(number), &self.blob).await
    }

    /// The same, with the bytes that were sent told to `sent`.
    async fn copy_and_tell(
        &self,
        number: usize,
        sent: &watch::Sender<u64>,
    ) -> Result<Arrival, Failure> {
        let copy = BlobCopy {
            source: &self.from(),
            target: &self.to(number),
            blob: &self.blob,
            mount_from: None,
            may_mount: true,
            on_bytes: &|bytes| sent.send_modify(|sent| *sent += bytes),
        };
        self.router.copy_blob(copy).await
    }

    /// Copies to all targets at the same time: each has asked for the blob before the source has answered the first one.
    async fn copy_to_all(&self) -> Vec<Result<Arrival, Failure>> {
        join_all((0..self.targets.len()).map(|number| self.copy_to(number))).await
    }

    fn copied(&self) -> Arrival {
        let bytes = self.blob.size;
        Arrival::Copied { bytes }
    }

    fn gets(&self) -> Vec<Request> {
        let requests = self.source.requests();
        requests.into_iter().filter(|r| r.method == "GET").collect()
    }

    /// Where in the blob each GET began.
    fn starts(&self) -> Vec<u64> {
        let gets = self.gets();
        let start = |request: &Request| {
            let range = request.header("range")?;
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        };
        gets.iter().map(|get| start(get).unwrap_or(0)).collect()
    }

    fn assert_at(&self, targets: &[usize]) {
        for &number in targets {
            let target = &self.targets[number];
            assert!(target.has_blob("to", &self.blob.digest), "{number}");
            assert_eq!(target.open_uploads(), [""; 0]);
        }
    }
}

fn any_put() -> Rule {
    Rule::new("PUT", "/v2/to/blobs/uploads/*")
}

fn any_get() -> Rule {
    Rule::new("GET", "/v2/from/blobs/*")
}

#[tokio::test]
async fn a_blob_is_read_once_for_three_targets_at_the_same_time() {
    for size in [0, 1, 100_000, WINDOW] {
        let fixture = Fixture::with(size).await;
        for copied in fixture.copy_to_all().await {
            assert_eq!(copied, Ok(fixture.copied()));
        }
        fixture.assert_at(&[0, 1, 2]);
        assert_eq!(fixture.starts(), [0], "{size}");
    }
}

#[tokio::test]
async fn a_small_blob_is_read_once_for_targets_that_come_one_after_the_other() {
    let fixture = Fixture::with(100_000).await;
    for number in 0..3 {
        assert_eq!(fixture.copy_to(number).await, Ok(fixture.copied()));
    }
    fixture.assert_at(&[0, 1, 2]);
    assert_eq!(fixture.starts(), [0]);
}

#[tokio::test]
async fn no_more_than_some_small_blobs_stay_in_memory() {
    let fixture = Fixture::with(100).await;
    assert_eq!(fixture.copy_to(0).await, Ok(fixture.copied()));
    let (from, to) = (fixture.from(), fixture.to(0));
    // Each counts as 64 KiB, of 16 MiB.
    for number in 0..256 {
        let other = blob(&format!("other {number}"), 100);
        fixture
            .source
            .put_blob("from", &other.digest, other.bytes.clone());
        let copied = copy(&fixture.router, &from, &to, &other.descriptor()).await;
        assert!(copied.is_ok(), "{copied:?}");
    }
    assert_eq!(fixture.copy_to(1).await, Ok(fixture.copied()));
    assert_eq!(fixture.gets().len(), 258, "the first one was read again");
}

#[tokio::test]
async fn who_comes_too_late_for_a_large_blob_reads_it_by_a_request_of_its_own() {
    let fixture = Fixture::with(WINDOW + 1).await;
    for number in 0..2 {
        assert_eq!(fixture.copy_to(number).await, Ok(fixture.copied()));
    }
    fixture.assert_at(&[0, 1]);
    assert_eq!(fixture.starts(), [0, 0]);
}

#[tokio::test]
async fn a_target_that_hangs_in_its_upload_holds_no_other_and_goes_on_by_range() {
    let fixture = Fixture::with(LARGE).await;
    let gate = Gate::new();
    fixture.targets[2].stage(any_put(), Fault::stall(At::RequestBody(1), &gate));
    let others = async {
        let others = join(fixture.copy_to(0), fixture.copy_to(1)).await;
        assert_eq!(others, (Ok(fixture.copied()), Ok(fixture.copied())));
        fixture.assert_at(&[0, 1]);
        gate.reached().await;
        gate.release();
    };
    let (hung, ()) = join(fixture.copy_to(2), others).await;
    assert_eq!(hung, Ok(fixture.copied()));
    fixture.assert_at(&[0, 1, 2]);
    let starts = fixture.starts();
    let from_the_start = starts.iter().filter(|start| **start == 0).count();
    assert_eq!(from_the_start, 1, "{starts:?}");
    assert!(starts.iter().any(|start| *start > 0), "{starts:?}");
    assert_eq!(fixture.targets[2].count("PUT", "*"), 1, "it took no notice");
}

#[tokio::test]
async fn a_target_that_fails_while_it_reads_first_leaves_the_stream_to_the_others() {
    let fixture = Fixture::with(WINDOW).await;
    fixture.targets[0].stage(any_put(), Fault::AnswerEarly(500));
    let copied = fixture.copy_to_all().await;
    let failure = copied[0].as_ref().unwrap_err();
    assert_eq!(failure.side, Side::Target, "{failure}");
    assert_eq!(copied[1..], [Ok(fixture.copied()), Ok(fixture.copied())]);
    fixture.assert_at(&[1, 2]);
    assert_eq!(fixture.starts(), [0]);
}

#[tokio::test]
async fn a_copy_that_is_cancelled_while_it_reads_first_leaves_the_stream_to_the_others() {
    let fixture = Fixture::with(WINDOW).await;
    let gate = Gate::new();
    let stall = Fault::stall(At::Body(MIB), &gate);
    fixture.source.stage(any_get().first(1), stall);
    let sent = watch::Sender::new(0);
    let first = async {
        let mut told = sent.subscribe();
        tokio::select! {
            biased;
            copied = fixture.copy_and_tell(0, &sent) => panic!("the source stands still: {copied:?}"),
            told = told.wait_for(|sent| *sent > 0) => assert!(told.is_ok()),
        }
        gate.release();
    };
    // In this order, so that the first one makes the request.
    let ((), copied) = join(first, fixture.copy_to(1)).await;
    assert_eq!(copied, Ok(fixture.copied()));
    fixture.assert_at(&[1]);
    assert_eq!(fixture.starts(), [0]);
}

#[tokio::test]
async fn a_copy_that_is_cancelled_before_the_source_answers_leaves_the_request_to_the_next() {
    let fixture = Fixture::with(100_000).await;
    let gate = Gate::new();
    fixture.source.stage(any_get().first(1), Fault::hold(&gate));
    let first = async {
        tokio::select! {
            biased;
            copied = fixture.copy_to(0) => panic!("the source does not answer: {copied:?}"),
            () = gate.reached() => {}
        }
    };
    let ((), copied) = join(first, fixture.copy_to(1)).await;
    assert_eq!(copied, Ok(fixture.copied()));
    assert_eq!(fixture.starts(), [0, 0]);
}

#[tokio::test]
async fn a_source_that_is_cut_is_asked_once_for_the_rest_for_all_targets() {
    let fixture = Fixture::with(WINDOW / 2).await;
    let cut = Fault::close(At::Body(MIB));
    fixture.source.stage(any_get().first(1), cut);
    for copied in fixture.copy_to_all().await {
        assert_eq!(copied, Ok(fixture.copied()));
    }
    fixture.assert_at(&[0, 1, 2]);
    let starts = fixture.starts();
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert!(0 < starts[1] && starts[1] <= MIB, "{starts:?}");
}

#[tokio::test]
async fn a_refusal_of_the_source_fails_all_who_wait_for_it_and_the_next_try_asks_again() {
    let fixture = Fixture::with(100_000).await;
    fixture.source.stage(any_get().first(1), Fault::status(503));
    for copied in fixture.copy_to_all().await {
        let failure = copied.unwrap_err();
        assert_eq!(failure.side, Side::Source);
        assert_eq!(failure.class, FailureClass::Unavailable, "{failure}");
    }
    assert_eq!(fixture.starts(), [0]);
    for copied in fixture.copy_to_all().await {
        assert_eq!(copied, Ok(fixture.copied()));
    }
    assert_eq!(fixture.starts(), [0, 0]);
}

#[tokio::test]
async fn wrong_bytes_fail_the_digest_of_each_target_and_are_not_kept() {
    let fixture = Fixture::with(100_000).await;
    fixture.source.stage(any_get().first(1), Fault::WrongBytes);
    for copied in fixture.copy_to_all().await {
        let failure = copied.unwrap_err();
        assert_eq!(failure.class, FailureClass::DigestMismatch, "{failure}");
    }
    for target in &fixture.targets {
        assert!(!target.has_blob("to", &fixture.blob.digest));
    }
    for copied in fixture.copy_to_all().await {
        assert_eq!(copied, Ok(fixture.copied()));
    }
    assert_eq!(fixture.starts(), [0, 0]);
}

#[tokio::test]
async fn who_reads_with_others_waits_for_no_permit_of_max_connections() {
    let source = FakeRegistry::start().await.unwrap();
    let one = RouterBuilder::new().connections(source.host(), 1);
    let fixture = Fixture::with_router(source, WINDOW, one).await;
    for copied in fixture.copy_to_all().await {
        assert_eq!(copied, Ok(fixture.copied()));
    }
    assert_eq!(fixture.starts(), [0]);
    assert_eq!(fixture.source.most_in_flight(), 1);
}

#[tokio::test]
async fn who_is_left_behind_at_the_limit_of_max_connections_waits_and_starts_over() {
    let source = FakeRegistry::start().await.unwrap();
    let one = RouterBuilder::new().connections(source.host(), 1);
    let fixture = Fixture::with_router(source, LARGE, one).await;
    let (at_target, at_source) = (Gate::new(), Gate::new());
    let slow = any_put().first(1);
    fixture.targets[1].stage(slow, Fault::stall(At::RequestBody(1), &at_target));
    let stands = Fault::stall(At::Body(LARGE - 1), &at_source);
    fixture.source.stage(any_get().first(1), stands);
    let sent = watch::Sender::new(0);
    let first = fixture.copy_and_tell(0, &sent);
    let staged = async {
        // All but the last piece: far ahead of the other target.
        let ahead = LARGE - MIB;
        sent.subscribe()
            .wait_for(|sent| *sent > ahead)
            .await
            .unwrap();
        at_target.release();
        // It gives up its upload, and waits for its turn at the source.
        let target = &fixture.targets[1];
        target.wait_for(|request| request.method == "DELETE").await;
        at_source.release();
    };
    let (first, second, ()) = tokio::join!(first, fixture.copy_to(1), staged);
    assert_eq!(
        (first, second),
        (Ok(fixture.copied()), Ok(fixture.copied()))
    );
    fixture.assert_at(&[0, 1]);
    assert_eq!(fixture.starts(), [0, 0]);
    assert_eq!(fixture.source.most_in_flight(), 1);
}

#[tokio::test]
async fn a_target_that_reads_with_others_still_fails_where_the_source_stalls() {
    let source = FakeRegistry::start().await.unwrap();
    let impatient = RouterBuilder::new().impatient();
    let fixture = Fixture::with_router(source, WINDOW, impatient).await;
    let gate = Gate::new();
    fixture
        .source
        .stage(any_get(), Fault::stall(At::Body(MIB), &gate));
    for copied in fixture.copy_to_all().await {
        let failure = copied.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
        assert_eq!(failure.side, Side::Source);
    }
    assert_eq!(fixture.starts(), [0]);
    gate.release();
}
