//! Registries that are paused by mistake: seen, and asked again.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use image_sync_tests::{Catalog, Entry, Running};
use serde_json::Value;

use crate::support::{TAG, TestPipeline};

/// A pipeline in which a registry answered 429 once, with a day of Retry-After, and is well again.
struct Paused {
    pipeline: TestPipeline,
    registry: FakeRegistry,
    _roles: [Running; 2],
}

impl Paused {
    async fn start() -> Self {
        let pipeline = TestPipeline::start().await;
        let registry = FakeRegistry::start().await.unwrap();
        let day = Fault::rate_limited(Some("86400"));
        registry.stage(Rule::new("*", "*").first(1), day);
        for file in ["one", "two"] {
            registry.put_image(file, TAG, &image(file));
            let source = format!("{}/{file}", registry.host());
            let catalog = Catalog::new(pipeline.target.host());
            let catalog = catalog.image(Entry::new(&source, TAG).cache_as(file));
            let name = format!("{file}.yaml");
            pipeline.program.write(&name, &catalog.yaml());
        }
        pipeline.write(&pipeline.catalog(0));
        let (worker, aggregator) = (pipeline.worker("w"), pipeline.aggregator());
        pipeline.run_well("producer -c one.yaml").await;
        worker.line("host paused until").await;
        Self {
            pipeline,
            registry,
            _roles: [worker, aggregator],
        }
    }

    async fn hosts(&self) -> Vec<Value> {
        let list = self.pipeline.run_well("hosts list").await;
        serde_json::from_str(&list.stdout).unwrap()
    }
}

#[tokio::test]
async fn a_paused_registry_is_listed_and_after_its_resume_all_workers_ask_it_again() {
    let paused = Paused::start().await;
    let (pipeline, host) = (&paused.pipeline, paused.registry.host());
    let hosts = paused.hosts().await;
    assert_eq!(hosts.len(), 1, "{hosts:?}");
    assert_eq!(hosts[0]["host"], host);
    let text = |key: &str| hosts[0][key].as_str().unwrap().to_owned();
    assert!(text("since") < text("paused_until"), "{hosts:?}");
    let reason = text("reason");
    assert!(
        reason.contains("source: check") && reason.contains("429"),
        "{reason}"
    );
    let table = pipeline.run_well("hosts list --output table").await.stdout;
    assert!(
        table.starts_with("HOST ") && table.contains(host),
        "{table}"
    );

    let resume = format!("hosts resume {host}");
    let unknown = pipeline.run("hosts resume index.docker.io").await;
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
    let told = format!("error: docker.io is not paused; {host} is");
    assert!(unknown.stderr.ends_with(&told), "{unknown:#?}");
    pipeline.run_well(&resume).await;
    assert_eq!(paused.hosts().await, [] as [Value; 0]);
    let again = pipeline.run(&resume).await;
    assert_eq!(again.code, Some(2), "{again:#?}");

    // The worker was told of it meanwhile: it does as the bulk does.
    pipeline.run_well("producer -c two.yaml --wait").await;
    let copied = pipeline.target.digest("two", TAG);
    assert_eq!(copied.as_ref(), Some(image("two").digest()));
}

#[tokio::test]
async fn an_image_enqueued_by_hand_is_copied_from_a_paused_registry_and_ends_its_pause() {
    let paused = Paused::start().await;
    let (pipeline, host) = (&paused.pipeline, paused.registry.host());
    let line = format!("enqueue -c two.yaml {host}/two:{TAG} --wait");
    let ended = pipeline.run_well(&line).await;
    assert_eq!(ended.report().head.summary.pulled, 1, "{ended:#?}");
    assert_eq!(paused.hosts().await, [] as [Value; 0]);
}
