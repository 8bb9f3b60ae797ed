use image_sync_shared::failure::{FailureClass, Side};
use image_sync_shared::run::job::{Job, Overwrite};
use image_sync_shared::run::outcome::{Action, ImageResult};
use image_sync_testkit::images::{docker_image, image, index};

use crate::tests::staged_faults::Call;
use crate::tests::{TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

fn with(overwrite: Overwrite) -> Job {
    let mut job = job(SOURCE, TARGET);
    job.policy.image.overwrite = overwrite;
    job
}

/// Another process writes the tag after the check and before the copy.
async fn written_meanwhile(overwrite: Overwrite, by_another: &str) -> (TestWorker, ImageResult) {
    let fixture = TestWorker::new();
    let app = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &app);
    let gate = fixture.registries.gate(Call::PullManifest, "source.test");
    let mut job = with(overwrite);
    job.platforms = "linux/arm64".parse().unwrap();
    let other = index(by_another, &["linux/arm64", "linux/amd64"]);
    let ran = fixture.work([job]);
    let written = async {
        gate.arrived().await;
        let child = other.child("linux/arm64").unwrap();
        fixture.registries.put_image(TARGET, child);
        gate.open();
    };
    let (ran, ()) = tokio::join!(ran, written);
    let entry = ran.only().entry.clone();
    (fixture, entry)
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_came_up_between_check_and_lease_is_not_overwritten() {
    let (fixture, entry) = written_meanwhile(Overwrite::Error, "other").await;
    assert_eq!(entry.action, Action::Failed);
    assert!(entry.error.unwrap().contains("overwrite: error"));
    assert_eq!(fixture.registries.count("PUT manifest"), 0);
    let (fixture, entry) = written_meanwhile(Overwrite::Never, "other").await;
    assert_eq!(entry.action, Action::Kept);
    assert!(entry.note.unwrap().starts_with("overwrite: never"));
    assert_eq!(fixture.registries.count("PUT manifest"), 0);
    let (_, entry) = written_meanwhile(Overwrite::Error, "app").await;
    assert_eq!(
        entry.action,
        Action::AlreadyCached,
        "an equal one is success"
    );
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_refuses_a_tag_which_is_equal_by_now_is_success() {
    for (at_target, expected) in [("app", Action::AlreadyCached), ("other", Action::Failed)] {
        let fixture = TestWorker::new();
        fixture.registries.put_image(SOURCE, &image("app"));
        let (side, class) = (Side::Target, FailureClass::ImmutableTag);
        fixture
            .registries
            .fail(Call::PushManifest, "cache.test/app", side, class, 1);
        let gate = fixture.registries.gate(Call::PullManifest, "source.test");
        let ran = fixture.work([with(Overwrite::Always)]);
        let written = async {
            gate.arrived().await;
            fixture.registries.put_image(TARGET, &image(at_target));
            gate.open();
        };
        let (ran, ()) = tokio::join!(ran, written);
        assert_eq!(ran.only().entry.action, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_converted_is_equal_whatever_overwrite_says() {
    let fixture = TestWorker::new();
    fixture.registries.put_image(SOURCE, &docker_image("app"));
    fixture.registries.take_no_docker("cache.test");
    let ran = fixture.work([with(Overwrite::Error)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    let mut fixture = fixture;
    fixture.memo = std::sync::Arc::default();
    let ran = fixture.work([with(Overwrite::Error)]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
}
