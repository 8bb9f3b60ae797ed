//! `--listen` of workers and aggregators.

use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_tests::Watched;

use crate::support::{PRODUCER, TestPipeline, repository};

/// Starts a role with probes on a free port.
async fn watched(pipeline: &TestPipeline, line: &str) -> Watched {
    Watched::over(pipeline.role(&format!("{line} --listen 127.0.0.1:0"))).await
}

/// Holds every request for a blob of image `number`.
fn hold_all_blobs(pipeline: &TestPipeline, number: usize) -> Gate {
    let gate = Gate::new();
    let blobs = Rule::new("GET", format!("/v2/{}/blobs/*", repository(number)));
    pipeline.source.stage(blobs, Fault::hold(&gate));
    gate
}

#[tokio::test]
async fn metrics_tell_what_the_roles_do() {
    let pipeline = TestPipeline::start().await;
    let catalog = pipeline.catalog(2);
    pipeline.write(&catalog.image(pipeline.entry("team/gone")));
    let gate = hold_all_blobs(&pipeline, 2);
    let aggregator = watched(&pipeline, "aggregator").await;
    let worker = watched(&pipeline, "worker -c config.yaml").await;
    for role in [&aggregator, &worker] {
        role.readiness_is(200).await;
    }
    let producer = pipeline.role(PRODUCER).ended();
    let look = async {
        gate.reached().await;
        let counted = [
            r#"image_sync_jobs_total{outcome="failed"} 1"#,
            r#"image_sync_jobs_total{outcome="pulled"} 1"#,
            "image_sync_slots_in_use 1",
        ];
        let working = worker.metrics_with(&counted).await;
        assert!(working.contains("image_sync_registry_request_duration_seconds_count"));
        assert!(!working.contains("image_sync_runs_open"), "{working}");
        // Both ask the server anew after some seconds: the job that is held is in hand, and the failed one a dead letter.
        let queue = [
            r#"image_sync_queue_jobs{lane="bulk"} 1"#,
            r#"image_sync_queue_jobs{lane="held"} 0"#,
            r#"image_sync_queue_jobs_in_hand{lane="bulk"} 1"#,
            "image_sync_dead_letters{} 1",
        ];
        for role in [&aggregator, &worker] {
            role.metrics_with(&queue).await;
        }
        let folded = [
            "image_sync_results_folded_total 2",
            "image_sync_runs_open 1",
        ];
        let folding = aggregator.metrics_with(&folded).await;
        assert!(!folding.contains("image_sync_slots_in_use"), "{folding}");
        gate.release();
    };
    let (ended, ()) = tokio::join!(producer, look);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let over = [
        "image_sync_runs_open 0",
        r#"image_sync_runs_total{status="complete"} 1"#,
    ];
    aggregator.metrics_with(&over).await;
}

#[tokio::test]
async fn a_role_is_ready_while_its_server_is_there_and_it_goes_on() {
    let mut pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let gate = hold_all_blobs(&pipeline, 1);
    let worker = watched(&pipeline, "worker -c config.yaml").await;
    worker.readiness_is(200).await;
    pipeline.nats.kill().unwrap();
    let why = worker.readiness_is(503).await;
    assert!(why.contains("not connected to NATS"), "{why}");
    assert_eq!(worker.get("/livez").await.0, 200);
    assert_eq!(worker.get("/metrics").await.0, 200);
    pipeline.nats.restart().await.unwrap();
    worker.readiness_is(200).await;

    let published = pipeline.role("producer -c config.yaml").ended().await;
    assert_eq!(published.code, Some(0), "{published:#?}");
    gate.reached().await;
    worker.role.signal("TERM").await;
    assert_eq!(worker.readiness_is(503).await, "shutting down\n");
    assert_eq!(worker.get("/livez").await.0, 200);
    gate.release();
    let ended = worker.role.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn a_role_whose_stream_is_gone_is_not_ready() {
    let pipeline = TestPipeline::start().await;
    let client = async_nats::connect(pipeline.nats.url()).await.unwrap();
    let deleted = client.request("$JS.API.STREAM.DELETE.OBJ_imgsync_reports", "".into());
    let aggregator = watched(&pipeline, "aggregator").await;
    aggregator.readiness_is(200).await;
    deleted.await.unwrap();
    let why = aggregator.readiness_is(503).await;
    assert!(why.contains("stream OBJ_imgsync_reports"), "{why}");
}
