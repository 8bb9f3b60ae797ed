//! Why an image is not up to date: in an open run, and in one that ended.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_tests::Entry;
use serde_json::Value;

use crate::support::{Installation, TAG, repository};

async fn json(installation: &Installation, line: &str) -> Value {
    let line = format!("{line} --output json");
    let ended = installation.run_well(&line).await;
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test]
async fn an_open_run_and_why_tell_of_each_image_how_it_stands_and_until_when() {
    let installation = Installation::start().await;
    let limited = FakeRegistry::start().await.unwrap();
    let hour = Fault::rate_limited(Some("3600"));
    limited.stage(Rule::new("*", "*"), hour);
    let source = format!("{}/app", limited.host());
    let catalog = installation.catalog(2);
    let gone = installation.entry("team/gone");
    let catalog = catalog
        .image(gone)
        .image(Entry::new(&source, TAG).cache_as("limited"));
    installation.write(&catalog);
    let gate = installation.hold_a_blob(2);
    let (worker, aggregator) = (installation.worker("w"), installation.aggregator());
    installation.run_well("producer -c config.yaml").await;
    gate.reached().await;
    let done = async |count: usize| {
        loop {
            let run = json(&installation, "runs show latest").await;
            let standing = |image: &Value| image["state"].as_str().unwrap().to_owned();
            let images = run["images"].as_array().unwrap().clone();
            let told = images.iter().filter(|image| standing(image) != "waiting");
            if told.count() == count && run["summary"]["pulled"] == 1 {
                return images;
            }
        }
    };
    let images = done(3).await;
    let of = |state: &str| {
        let found = images.iter().find(|image| image["state"] == state);
        found
            .unwrap_or_else(|| panic!("{state} in {images:#?}"))
            .clone()
    };
    assert_eq!(of("in_hand")["worker"], "w");
    assert!(
        of("in_hand")["image"]
            .as_str()
            .unwrap()
            .ends_with(&repository(2))
    );
    let put_back = of("put_back");
    assert_eq!(put_back["image"], source);
    assert!(put_back["error"].as_str().unwrap().contains("429"));
    assert!(put_back["due"].as_str().is_some(), "{put_back}");
    let failed = of("failed");
    assert!(failed["error"].as_str().unwrap().contains("team/gone"));
    let table = installation.run_well("runs show latest --output table --image *limited*");
    let table = table.await.stdout;
    assert!(
        table.contains("Put back (1):") && table.contains("429"),
        "{table}"
    );
    assert!(!table.contains("Failed"), "{table}");

    let why = json(&installation, &format!("why {source}:{TAG}")).await;
    let sentence = why["sentence"].as_str().unwrap();
    for part in [
        "was put back in run",
        "429",
        "it comes again at",
        "hosts resume",
    ] {
        assert!(sentence.contains(part), "{part} in {sentence}");
    }
    assert_eq!(why["paused_hosts"][0], limited.host());
    let gone = json(&installation, "why *gone*").await;
    let sentence = gone["sentence"].as_str().unwrap();
    assert!(sentence.contains("failed in run"), "{sentence}");
    let letter = gone["dead_letters"][0].as_str().unwrap();
    assert!(
        sentence.contains(&format!("dead-letters show {letter}")),
        "{sentence}"
    );

    gate.release();
    installation.run_well("runs cancel latest").await;
    let why = json(&installation, &format!("why {source}:{TAG}")).await;
    let sentence = why["sentence"].as_str().unwrap();
    assert!(sentence.contains("had no result when run"), "{sentence}");
    let some = json(&installation, "runs show latest --image *limited*").await;
    assert_eq!(some["missing"].as_array().unwrap().len(), 1, "{some:#}");
    assert_eq!(some["results"].as_array().unwrap().len(), 0, "{some:#}");
    let nobody = json(&installation, "why nobody/knows:1").await;
    let sentence = nobody["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("None of the last 1 runs"),
        "{sentence}"
    );
    for role in [worker, aggregator] {
        role.stop().await;
    }
}
