//! Registries that have enough of it, or are in trouble for a while.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Request, Rule};
use image_sync_testkit::images::image;
use image_sync_tests::{Catalog, Entry, Running};

use crate::support::{TAG, TestPipeline, repository};

/// Images of a registry that answers 429, and behind them as many of another one.
const EACH: usize = 6;

/// A catalog that begins with images of `limited`, and goes on with those of the source.
fn catalog(pipeline: &TestPipeline, limited: &FakeRegistry) -> Catalog {
    let mut catalog = Catalog::new(pipeline.target.host());
    for (registry, name) in [(limited, "limited"), (&pipeline.source, "other")] {
        for number in 1..=EACH {
            let repository = format!("{name}/app{number}");
            registry.put_image(&repository, TAG, &image(&repository));
            let source = format!("{}/{repository}", registry.host());
            catalog = catalog.image(Entry::new(&source, TAG).cache_as(&repository));
        }
    }
    catalog
}

/// Starts a worker of one slot, and others once the first one knows that the registry is left alone.
async fn workers(pipeline: &TestPipeline) -> [Running; 3] {
    let first = pipeline.worker_with("first", "--slots 1 --heartbeat 500ms");
    first.line("is left alone until").await;
    [first, pipeline.worker("second"), pipeline.worker("third")]
}

#[tokio::test]
async fn a_429_stops_the_jobs_of_its_registry_alone_and_for_all_workers() {
    let pipeline = TestPipeline::start().await;
    let limited = FakeRegistry::start().await.unwrap();
    limited.stage(Rule::new("*", "*"), Fault::rate_limited(Some("3600")));
    pipeline.write(&catalog(&pipeline, &limited));
    let _aggregator = pipeline.aggregator();
    let _producer = pipeline.producer();
    let _workers = workers(&pipeline).await;
    for number in 1..=EACH {
        let tag = format!("/v2/other/app{number}/manifests/{TAG}");
        let is_written = |r: &Request| r.is("PUT", &tag) && r.answered.is_some();
        pipeline.target.wait_for(is_written).await;
    }
    assert_eq!(limited.requests().len(), 1, "{:#?}", limited.requests());
}

#[tokio::test]
async fn jobs_go_on_when_a_pause_ends_and_no_attempt_is_counted() {
    let pipeline = TestPipeline::start().await;
    let limited = FakeRegistry::start().await.unwrap();
    // As a registry that means it: it answers nothing else for as long as it said.
    let first = OnceLock::new();
    let too_early = move |_: &_| first.get_or_init(Instant::now).elapsed() < Duration::from_secs(2);
    let refusal = limited.stage(
        Rule::new("*", "*").when(too_early),
        Fault::rate_limited(Some("2")),
    );
    pipeline.write(&catalog(&pipeline, &limited));
    let _aggregator = pipeline.aggregator();
    let producer = pipeline.producer();
    let _workers = workers(&pipeline).await;
    let ended = producer.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.summary.pulled as usize, 2 * EACH, "{report:#?}");
    assert!(
        report.results.iter().all(|result| result.attempts == 1),
        "{report:#?}"
    );
    assert_eq!(refusal.hits(), 1, "nobody came before the pause was over");
    pipeline.target.assert_every_tag_is_complete();
}

/// Long enough to use up what is tried in place, once for image 1 and twice for image 2.
#[tokio::test]
async fn a_registry_that_answers_503_for_a_while_costs_attempts_and_no_image() {
    let pipeline = TestPipeline::start().await;
    pipeline.write(&pipeline.catalog(4));
    for (number, answers) in [(1, 3), (2, 6)] {
        let tag = format!("/v2/{}/manifests/{TAG}", repository(number));
        let rule = Rule::new("HEAD", tag).first(answers);
        pipeline.source.stage(rule, Fault::status(503));
    }
    let _aggregator = pipeline.aggregator();
    let _workers = ["a", "b"].map(|name| pipeline.worker(name));
    let producer = pipeline.producer();
    let report = pipeline.assert_all_pulled(&producer.ended().await, 4);
    let attempts: Vec<u32> = report
        .results
        .iter()
        .map(|result| result.attempts)
        .collect();
    assert_eq!(attempts, [2, 3, 1, 1]);
}
