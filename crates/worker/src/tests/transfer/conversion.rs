use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::image::media_type;
use image_sync_shared::run::job::Job;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::images::{docker_image, docker_list};

use crate::tests::{TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "oci-only.test/app:1";

fn fixture() -> TestWorker {
    let fixture = TestWorker::new();
    fixture.registries.take_no_docker("oci-only.test");
    fixture
}

#[tokio::test(start_paused = true)]
async fn a_docker_image_keeps_its_digest_where_it_is_taken() {
    let fixture = fixture();
    let image = docker_image("app");
    fixture.registries.put_image(SOURCE, &image);
    fixture.work([job(SOURCE, "cache.test/app:1")]).await;
    let there = fixture.registries.tag("cache.test/app:1");
    assert_eq!(there.as_ref(), Some(image.digest()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_docker_image_is_converted_to_oci_and_up_to_date_from_then_on() {
    let fixture = fixture();
    fixture.registries.put_image(SOURCE, &docker_image("app"));
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Pulled);
    let there = fixture.registries.tag(TARGET).unwrap();
    assert_eq!(entry.expected_digest.as_ref(), Some(&there));
    assert_ne!(entry.remote_digest.as_ref(), Some(&there));
    let oci = fixture.registries.manifest("oci-only.test/app", &there);
    assert_eq!(oci.unwrap().media_type, media_type::OCI_MANIFEST);
    assert_eq!(fixture.registries.count("PUT target manifest"), 2);
    assert!(fixture.registries.written_incomplete().is_empty());

    fixture.registries.forget_requests();
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::AlreadyCached);
    assert_eq!(entry.expected_digest.as_ref(), Some(&there));
    assert_eq!(fixture.registries.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_list_is_converted_from_its_children_up() {
    let fixture = fixture();
    let list = docker_list("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &list);
    fixture.work([job(SOURCE, TARGET)]).await;
    let there = fixture.registries.tag(TARGET).unwrap();
    let index = fixture.registries.manifest("oci-only.test/app", &there);
    let index = index.unwrap();
    assert_eq!(index.media_type, media_type::OCI_INDEX);
    assert!(!String::from_utf8_lossy(&index.bytes).contains("docker"));
    assert!(fixture.registries.written_incomplete().is_empty());

    fixture.registries.forget_requests();
    let one = Job {
        platforms: "linux/arm64".parse().unwrap(),
        ..job(SOURCE, "oci-only.test/app:arm")
    };
    let ran = fixture.work([one.clone()]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    fixture.registries.forget_requests();
    let ran = fixture.work([one]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert_eq!(
        fixture.registries.requests().len(),
        2,
        "of one platform too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_memo_of_a_conversion_writes_nothing() {
    let mut fixture = fixture();
    fixture.registries.put_image(SOURCE, &docker_image("app"));
    fixture.work([job(SOURCE, TARGET)]).await;
    fixture.memo = Arc::default();
    fixture.registries.forget_requests();
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::AlreadyCached);
    assert_eq!(fixture.registries.requests().len(), 3);
    fixture.registries.forget_requests();
    fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(fixture.registries.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_conversion_is_proven_anew_after_some_days_and_nothing_is_written() {
    let fixture = fixture();
    fixture.registries.put_image(SOURCE, &docker_image("app"));
    fixture.work([job(SOURCE, TARGET)]).await;
    tokio::time::advance(Duration::from_secs(8 * 86_400)).await;
    for requests in [3, 2] {
        fixture.registries.forget_requests();
        let ran = fixture.work([job(SOURCE, TARGET)]).await;
        assert_eq!(ran.only().entry.action, Action::AlreadyCached);
        assert_eq!(fixture.registries.requests().len(), requests);
    }
}
