//! Why an image is not up to date: in an open run, and in one that ended.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Gate, Rule};
use image_sync_tests::{Entry, Running};
use serde_json::Value;

use crate::support::{TAG, TestPipeline, repository};

/// An open run of one image that is done, one that is in hand, one that failed, and one whose registry answers 429.
struct Stuck {
    pipeline: TestPipeline,
    /// The source of the one that is put back.
    limited: FakeRegistry,
    gate: Gate,
    _roles: [Running; 2],
}

impl Stuck {
    async fn start() -> Self {
        let pipeline = TestPipeline::start().await;
        let limited = FakeRegistry::start().await.unwrap();
        limited.stage(Rule::new("*", "*"), Fault::rate_limited(Some("3600")));
        let source = format!("{}/app", limited.host());
        let catalog = pipeline.catalog(2);
        let catalog = catalog
            .image(pipeline.entry("team/gone"))
            .image(Entry::new(&source, TAG).cache_as("limited"));
        pipeline.write(&catalog);
        let gate = pipeline.hold_a_blob(2);
        let roles = [pipeline.worker("w"), pipeline.aggregator()];
        pipeline.run_well("producer -c config.yaml").await;
        gate.reached().await;
        Self {
            pipeline,
            limited,
            gate,
            _roles: roles,
        }
    }

    async fn json(&self, line: &str) -> Value {
        let line = format!("{line} --output json");
        let ended = self.pipeline.run_well(&line).await;
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// What `why` says.
    async fn sentence(&self, image: &str) -> String {
        let why = self.json(&format!("why {image}")).await;
        why["sentence"].as_str().unwrap().to_owned()
    }

    fn limited_image(&self) -> String {
        format!("{}/app:{TAG}", self.limited.host())
    }

    /// The images of the open run that are not done well, once none waits any more.
    async fn images(&self) -> Vec<Value> {
        loop {
            let run = self.json("runs show latest").await;
            let images = run["images"].as_array().unwrap();
            let waits = |image: &Value| image["state"] == "waiting";
            if images.len() == 3 && !images.iter().any(waits) {
                return images.clone();
            }
        }
    }
}

#[tokio::test]
async fn an_open_run_tells_of_each_image_how_it_stands_and_until_when() {
    let stuck = Stuck::start().await;
    let images = stuck.images().await;
    let of = |state: &str| {
        let found = images.iter().find(|image| image["state"] == state);
        found.unwrap_or_else(|| panic!("{state} in {images:#?}"))
    };
    let text = |state: &str, key: &str| of(state)[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("in_hand", "worker"), "w");
    assert!(text("in_hand", "image").ends_with(&repository(2)));
    assert!(
        stuck
            .limited_image()
            .starts_with(&text("put_back", "image"))
    );
    assert!(text("put_back", "error").contains("429"));
    assert_ne!(text("put_back", "due"), "");
    assert!(text("failed", "error").contains("team/gone"));
    let table = "runs show latest --output table --image *limited*";
    let table = stuck.pipeline.run_well(table).await.stdout;
    assert!(
        table.contains("Put back (1):") && table.contains("429"),
        "{table}"
    );
    assert!(!table.contains("Failed"), "{table}");
    stuck.gate.release();
}

#[tokio::test]
async fn why_says_what_keeps_an_image_from_being_up_to_date() {
    let stuck = Stuck::start().await;
    stuck.images().await;
    let limited = stuck.limited_image();
    let sentence = stuck.sentence(&limited).await;
    for part in [
        "was put back in run",
        "429",
        "it comes again at",
        "hosts resume",
    ] {
        assert!(sentence.contains(part), "{part} in {sentence}");
    }
    let gone = stuck.sentence("*gone*").await;
    assert!(
        gone.contains("failed in run") && gone.contains("dead-letters show "),
        "{gone}"
    );
    stuck.gate.release();
    stuck.pipeline.run_well("runs cancel latest --wait").await;
    let sentence = stuck.sentence(&limited).await;
    assert!(sentence.contains("had no result when run"), "{sentence}");
    let some = stuck.json("runs show latest --image *limited*").await;
    let count = |list: &str| some[list].as_array().unwrap().len();
    assert_eq!((count("missing"), count("results")), (1, 0), "{some:#}");
    let nobody = stuck.sentence("nobody/knows:1").await;
    assert!(nobody.starts_with("None of the last 1 runs"), "{nobody}");
}
