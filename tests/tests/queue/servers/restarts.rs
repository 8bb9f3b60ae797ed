//! The nats-server is killed (SIGKILL) and started again, and nobody has to do anything about it.

use image_sync_testkit::fake_registry::{Fault, Gate, Request, Rule};
use image_sync_testkit::network::proxy::Toward;
use image_sync_tests::Running;

use crate::support::{A_PIECE_OF_A_REPORT, CUT, LARGE, PRODUCER, TIMES, TestPipeline, repository};

/// Kills the server at a moment when `roles` are connected, and starts it again when each has noticed.
async fn kill_and_restart(pipeline: &mut TestPipeline, roles: &[&Running]) {
    pipeline.nats.kill().unwrap();
    for role in roles {
        role.line(CUT).await;
    }
    pipeline.nats.restart().await.unwrap();
}

/// An aggregator and a worker, when both are past their start, which fails without a server.
async fn started(pipeline: &TestPipeline) -> [Running; 2] {
    let (aggregator, worker) = (pipeline.aggregator(), pipeline.worker("a"));
    aggregator.line("aggregator started").await;
    worker.line("worker started").await;
    [aggregator, worker]
}

#[tokio::test]
async fn a_restarted_nats_server_loses_no_job_that_is_being_published() {
    let mut pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(300));
    let proxy = pipeline.proxy().await;
    let under_way = proxy.hold(Toward::Server, "HPUB imgsync.job.bulk", 150);
    let [aggregator, worker] = started(&pipeline).await;
    let producer = pipeline.role_at(&proxy, PRODUCER);
    under_way.reached().await;
    kill_and_restart(&mut pipeline, &[&producer, &aggregator, &worker]).await;
    pipeline.assert_all_pulled(&producer.ended().await, 300);
}

/// The copies go on without it, up to the tag, for which the lease has to be asked for. It is away for longer than that
/// lasts.
#[tokio::test]
async fn a_restarted_nats_server_loses_no_job_that_is_being_copied() {
    let mut pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(6));
    let gate = Gate::new();
    let last_blobs = [1, 2, 3].map(|number| {
        let path = format!("/v2/{}/blobs/uploads/*", repository(number));
        let third = Rule::new("PUT", &path).nth(3);
        pipeline.target.stage(third, Fault::hold(&gate))
    });
    let [aggregator, worker] = started(&pipeline).await;
    let producer = pipeline.producer();
    gate.reached_by(last_blobs.len()).await;
    pipeline.nats.kill().unwrap();
    worker.line(CUT).await;
    let requests = pipeline.target.requests();
    let held = requests.iter().filter(|request| !request.ended);
    gate.release();
    for held in held {
        let is_answered = |r: &Request| r.sequence == held.sequence && r.answered.is_some();
        pipeline.target.wait_for(is_answered).await;
    }
    worker.line("the queue cannot be reached").await;
    pipeline.nats.restart().await.unwrap();
    pipeline.assert_all_pulled(&producer.ended().await, 6);
    for role in [aggregator, worker] {
        role.stop().await;
    }
}

#[tokio::test]
async fn a_restarted_nats_server_loses_no_outcome_that_is_being_read() {
    let mut pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(20));
    let (worker, producer) = (pipeline.worker("a"), pipeline.producer());
    worker.lines("copied", 20).await;
    let proxy = pipeline.proxy().await;
    let under_way = proxy.hold(Toward::Client, r#""event":"result""#, 10);
    let aggregator = pipeline.role_at(&proxy, "aggregator");
    under_way.reached().await;
    kill_and_restart(&mut pipeline, &[&aggregator, &worker, &producer]).await;
    pipeline.assert_all_pulled(&producer.ended().await, 20);
    aggregator.stop().await;
}

#[tokio::test]
async fn a_restarted_nats_server_loses_no_report_that_is_being_written() {
    let mut pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(LARGE));
    let (worker, producer) = (pipeline.worker("a"), pipeline.producer());
    let proxy = pipeline.proxy().await;
    let half_written = proxy.hold(Toward::Server, A_PIECE_OF_A_REPORT, 2);
    let aggregator = pipeline.role_at(&proxy, "aggregator");
    half_written.reached().await;
    kill_and_restart(&mut pipeline, &[&aggregator, &worker, &producer]).await;
    pipeline.assert_all_pulled(&producer.ended().await, LARGE);
    aggregator.stop().await;
}

/// A question that is not repeated of itself: what the lanes hold.
#[tokio::test]
async fn a_restarted_nats_server_ends_no_aggregator_that_looks_for_poison() {
    let mut pipeline = TestPipeline::with(TIMES).await;
    pipeline.write(&pipeline.catalog(3));
    let proxy = pipeline.proxy().await;
    let aggregator = pipeline.role_at(&proxy, "aggregator");
    aggregator.line("aggregator started").await;
    let asked = proxy.hold(Toward::Client, "consumer_info_response", 1);
    asked.reached().await;
    kill_and_restart(&mut pipeline, &[&aggregator]).await;
    aggregator.line("the queue cannot be reached").await;
    let _worker = pipeline.worker("a");
    let producer = pipeline.producer();
    pipeline.assert_all_pulled(&producer.ended().await, 3);
    aggregator.stop().await;
}

#[tokio::test]
async fn every_command_waits_for_a_nats_server_that_is_restarting() {
    let mut pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(2));
    pipeline.nats.kill().unwrap();
    let source = pipeline.source.host().to_owned();
    let enqueue = format!("enqueue -c config.yaml {source}/{}:1.0", repository(1));
    let commands = [
        "runs list",
        "dead-letters list",
        "hosts list",
        &enqueue,
        PRODUCER,
    ]
    .map(|line| (line.to_owned(), pipeline.role(line)));
    let roles = [pipeline.aggregator(), pipeline.worker("a")];
    for role in commands.iter().map(|(_, role)| role).chain(&roles) {
        role.line("waiting for NATS").await;
    }
    let told_to_stop = pipeline.worker("b");
    told_to_stop.line("waiting for NATS").await;
    told_to_stop.stop().await;
    pipeline.nats.restart().await.unwrap();
    for (line, command) in commands {
        let ended = command.ended().await;
        assert_eq!(ended.code, Some(0), "{line}: {ended:#?}");
    }
    for role in roles {
        role.stop().await;
    }
}
