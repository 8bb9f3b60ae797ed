//! Workers that are there, and what they have in hand.

use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_tests::Running;
use serde_json::Value;

use crate::support::{PRODUCER, TestPipeline, repository};

/// The workers that answer.
async fn workers(pipeline: &TestPipeline) -> Vec<Value> {
    let list = pipeline.run_well("workers list").await;
    serde_json::from_str(&list.stdout).unwrap()
}

/// What a producer that waits says in a terminal of so many columns.
fn in_terminal(pipeline: &TestPipeline, columns: u16) -> Running {
    let words: Vec<&str> = PRODUCER.split_whitespace().collect();
    pipeline.program.start_in_terminal(columns, &words)
}

#[tokio::test]
async fn workers_are_listed_with_what_they_have_in_hand_until_they_end() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    assert_eq!(workers(&pipeline).await, [] as [Value; 0]);
    let gate = pipeline.hold_a_blob(1);
    let aggregator = pipeline.aggregator();
    let [one, two] = ["one", "two"].map(|name| pipeline.worker_of(2, name));
    for worker in [&one, &two] {
        worker.line("worker started").await;
    }
    let producer = pipeline.producer();
    gate.reached().await;
    let listed = workers(&pipeline).await;
    let names: Vec<&str> = listed
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["one", "two"], "and no aggregator");
    let in_hand = listed.iter().map(|row| row["in_hand"].as_u64().unwrap());
    assert_eq!(in_hand.sum::<u64>(), 1);
    let images = listed
        .iter()
        .flat_map(|row| row["images"].as_array().unwrap());
    let images: Vec<&Value> = images.collect();
    let image = images[0]["image"].as_str().unwrap();
    assert!(image.contains(&repository(1)), "{listed:#?}");
    assert_eq!(listed[0]["slots"], 2);
    assert_eq!(listed[0]["version"], env!("CARGO_PKG_VERSION"));
    gate.release();
    assert_eq!(producer.ended().await.code, Some(0));
    one.stop().await;
    let listed = workers(&pipeline).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["in_hand"]),
        (&"two".into(), &0.into())
    );
    for role in [two, aggregator] {
        role.stop().await;
    }
}

#[tokio::test]
async fn who_waits_in_a_terminal_sees_the_run_and_what_each_worker_has_in_hand() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(3));
    let gates = [1, 2].map(|number| pipeline.hold_a_blob(number));
    let _aggregator = pipeline.aggregator();
    let _workers = ["one", "two"].map(|name| pipeline.worker_of(1, name));
    let producer = in_terminal(&pipeline, 160);
    for (number, gate) in (1..).zip(&gates) {
        gate.reached().await;
        let image = format!("{}:1.0", repository(number));
        let line = producer.line(&format!("{image} ")).await;
        assert!(
            line.contains(" on one") || line.contains(" on two"),
            "{line}"
        );
    }
    producer.line("0/3 images").await;
    gates[0].release();
    producer.line("2/3 images").await;
    gates[1].release();
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn who_waits_in_a_terminal_sees_which_registry_is_waited_for() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(2));
    let busy = Fault::rate_limited(Some("3600"));
    let of_one = format!("/v2/{}/manifests/*", repository(1));
    pipeline.source.stage(Rule::new("*", of_one), busy);
    let _aggregator = pipeline.aggregator();
    let _worker = pipeline.worker_of(1, "w");
    let producer = in_terminal(&pipeline, 160);
    producer.line("2 waiting").await;
    let line = producer.line("2 images waiting, the first for ").await;
    assert!(line.contains(pipeline.source.host()), "{line}");
    assert!(line.contains("429"), "{line}");
}

#[tokio::test]
async fn the_lines_of_a_worker_that_is_gone_go_too() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(2));
    let gate = pipeline.hold_a_blob(2);
    let _aggregator = pipeline.aggregator();
    let mut doomed = pipeline.worker_of(1, "doomed");
    let producer = in_terminal(&pipeline, 160);
    gate.reached().await;
    producer.line(" on doomed").await;
    doomed.kill().await;
    for _ in 0..60 {
        let (frames, lines) = (producer.count("1/2 images"), producer.count(" on doomed"));
        producer.lines("1/2 images", frames + 5).await;
        if producer.count(" on doomed") == lines {
            return;
        }
    }
    panic!("it is still shown: {producer:#?}");
}

#[tokio::test]
async fn who_waits_is_told_that_no_aggregator_is_there_until_one_comes() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(1));
    let worker = pipeline.worker("w");
    let producer = pipeline.producer();
    producer.line("no aggregator is there").await;
    let aggregator = pipeline.aggregator();
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.matches("no aggregator is there").count(), 1);
    assert!(!ended.stderr.contains("no worker is there"), "{ended:#?}");
    for role in [worker, aggregator] {
        role.stop().await;
    }
}
