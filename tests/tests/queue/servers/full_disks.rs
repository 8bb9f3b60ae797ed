//! The disk of the nats-server is full: what cannot go on says so, and goes on when there is room and the server was started
//! again. By itself it takes nothing any more, whatever room there is.

use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_testkit::network::proxy::Toward;
use image_sync_tests::Watched;

use crate::support::{A_PIECE_OF_A_REPORT, PRODUCER, TIMES, TestPipeline};

/// What says that a role cannot go on.
const CANNOT: &str = "cannot go on";
/// What says that it goes on.
const GOES_ON: &str = "NATS does what it is asked again";

async fn start_anew(pipeline: &mut TestPipeline) {
    pipeline.nats.kill().unwrap();
    pipeline.nats.restart().await.unwrap();
}

/// How many lines of it say so.
fn told(log: &str, what: &str) -> usize {
    log.lines().filter(|line| line.contains(what)).count()
}

#[tokio::test]
async fn a_worker_whose_server_has_a_full_disk_says_so_once_and_goes_on_when_there_is_room() {
    let mut pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(12));
    let gate = Gate::new();
    let blobs = Rule::new("GET", "/v2/team/*/blobs/*");
    pipeline.source.stage(blobs, Fault::hold(&gate));
    let aggregator = pipeline.aggregator();
    let worker = "worker -c config.yaml --slots 4 --heartbeat 500ms --listen 127.0.0.1:0";
    let worker = Watched::over(pipeline.role(worker)).await;
    worker.readiness_is(200).await;
    let producer = pipeline.role(PRODUCER);
    gate.reached_by(4).await;
    pipeline.nats.fill_disk().unwrap();
    gate.release();

    worker.role.line(CANNOT).await;
    let why = worker.readiness_is(503).await;
    assert!(why.starts_with("cannot "), "{why}");
    assert_eq!(worker.get("/livez").await.0, 200);

    start_anew(&mut pipeline).await;
    worker.role.line(GOES_ON).await;
    worker.readiness_is(200).await;
    pipeline.assert_all_pulled(&producer.ended().await, 12);
    worker.role.signal("TERM").await;
    let ended = worker.role.ended().await;
    assert_eq!(told(&ended.stderr, CANNOT), 1, "{ended:#?}");
    assert_eq!(told(&ended.stderr, GOES_ON), 1, "{ended:#?}");
    drop(aggregator);
}

#[tokio::test]
async fn a_producer_whose_server_has_a_full_disk_says_so_and_publishes_the_rest_when_there_is_room()
{
    let mut pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(300));
    let proxy = pipeline.proxy().await;
    let under_way = proxy.hold(Toward::Server, "HPUB imgsync.job.bulk", 150);
    let producer = pipeline.role_at(&proxy, "producer -c config.yaml");
    under_way.reached().await;
    pipeline.nats.fill_disk().unwrap();
    under_way.release();
    producer.line(CANNOT).await;
    start_anew(&mut pipeline).await;
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(told(&ended.stderr, CANNOT), 1, "{ended:#?}");
    assert!(ended.stderr.contains("run sealed"), "{ended:#?}");
    assert!(ended.stderr.contains("jobs=300"), "{ended:#?}");
}

#[tokio::test]
async fn a_producer_whose_server_has_a_full_disk_ends_a_while_after_the_deadline_of_its_run() {
    let pipeline = TestPipeline::start().await;
    let catalog = pipeline.catalog(300).setting("run_timeout: 2s");
    pipeline.write(&catalog);
    let proxy = pipeline.proxy().await;
    let under_way = proxy.hold(Toward::Server, "HPUB imgsync.job.bulk", 150);
    let producer = "producer -c config.yaml --wait --sign-of-life 500ms";
    let producer = pipeline.role_at(&proxy, producer);
    under_way.reached().await;
    pipeline.nats.fill_disk().unwrap();
    under_way.release();
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert_eq!(told(&ended.stderr, CANNOT), 1, "{ended:#?}");
    let why = ended.stderr.lines().last().unwrap();
    assert!(why.contains("the deadline of run"), "{why}");
    assert!(why.contains("settings.run_timeout"), "{why}");
}

#[tokio::test]
async fn an_aggregator_whose_server_has_a_full_disk_is_not_ready_and_stores_its_report_when_there_is_room()
 {
    let mut pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let proxy = pipeline.proxy().await;
    let reported = proxy.hold(Toward::Server, A_PIECE_OF_A_REPORT, 1);
    let aggregator = pipeline.role_at(&proxy, "aggregator --listen 127.0.0.1:0");
    let aggregator = Watched::over(aggregator).await;
    aggregator.readiness_is(200).await;
    let worker = pipeline.worker("a");
    let producer = pipeline.producer();
    reported.reached().await;
    pipeline.nats.fill_disk().unwrap();
    reported.release();
    aggregator.role.line(CANNOT).await;
    let why = aggregator.readiness_is(503).await;
    assert!(why.contains("reports"), "{why}");
    start_anew(&mut pipeline).await;
    aggregator.role.line(GOES_ON).await;
    aggregator.readiness_is(200).await;
    pipeline.assert_all_pulled(&producer.ended().await, 1);
    drop(worker);
}
