use image_sync_shared::image::media_type::OCI_INDEX;
use image_sync_shared::ports::queue::job_queue::Lane;
use image_sync_shared::run::outcome::{Action, BlobCounts};
use image_sync_testkit::images::{
    foreign_layer, image, image_with_layers, index, index_of, self_containing_index,
    unknown_artifact_manifest, with_urls,
};

use crate::tests::{Call, TestWorker, job};

const SOURCE: &str = "source.test/app:1";
const TARGET: &str = "cache.test/app:1";

#[tokio::test(start_paused = true)]
async fn a_cold_copy_takes_the_fewest_requests() {
    let fixture = TestWorker::new();
    let image = image_with_layers("app", 5, 100);
    fixture.registries.put_image(SOURCE, &image);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Pulled);
    assert_eq!(entry.remote_digest.as_ref(), Some(image.digest()));
    assert_eq!(entry.cached_digest, None);
    assert_eq!(entry.expected_digest.as_ref(), Some(image.digest()));
    let bytes: usize = image.all_blobs().iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(entry.bytes_copied, bytes as u64);
    let counts = BlobCounts {
        copied: 6,
        mounted: 0,
        present: 0,
    };
    assert_eq!((entry.blobs, entry.attempts), (counts, 1));

    let registries = &fixture.registries;
    assert_eq!(registries.tag(TARGET).as_ref(), Some(image.digest()));
    assert_eq!(registries.count("HEAD source manifest"), 1);
    assert_eq!(registries.count("GET source manifest"), 1);
    assert_eq!(registries.count("GET source blob"), 6);
    assert_eq!(registries.count("HEAD target manifest"), 1);
    assert_eq!(registries.count("HEAD target blob"), 0);
    assert_eq!(registries.count("POST target blob"), 6);
    assert_eq!(registries.count("PUT target blob"), 6);
    assert_eq!(registries.count("PUT target manifest"), 1);
    assert_eq!(registries.requests().len(), 22);
    assert!(registries.requests()[21].ends_with(TARGET), "the tag last");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_up_to_date_takes_two_requests() {
    let fixture = TestWorker::new();
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &index);
    fixture.registries.put_image(TARGET, &index);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::AlreadyCached);
    assert_eq!(entry.cached_digest, entry.remote_digest);
    assert_eq!(entry.expected_digest.as_ref(), Some(index.digest()));
    assert_eq!(fixture.registries.count("HEAD manifest"), 2);
    assert_eq!(fixture.registries.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn both_ends_are_asked_at_the_same_time() {
    let fixture = TestWorker::new();
    let image = image("app");
    fixture.registries.put_image(SOURCE, &image);
    fixture.registries.put_image(TARGET, &image);
    let source = fixture.registries.gate(Call::Resolve, SOURCE);
    let target = fixture.registries.gate(Call::Resolve, TARGET);
    tokio::join!(fixture.work([job(SOURCE, TARGET)]), async {
        source.arrived().await;
        target.arrived().await;
        source.open();
        target.open();
    });
}

#[tokio::test(start_paused = true)]
async fn an_index_is_copied_byte_for_byte_and_children_first() {
    let fixture = TestWorker::new();
    let inmost = index("inmost", &["linux/amd64", "linux/arm64"]);
    let inner = index_of(OCI_INDEX, vec![inmost]);
    let index = index_of(OCI_INDEX, vec![inner, image("plain")]);
    fixture.registries.put_image(SOURCE, &index);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(fixture.registries.written_incomplete().is_empty());
    let copied = fixture
        .registries
        .manifest("cache.test/app", index.digest());
    assert_eq!(copied.unwrap().bytes, *index.bytes());
    let requests = fixture.registries.requests();
    let first_manifest = requests
        .iter()
        .position(|r| r.starts_with("PUT target manifest"));
    let last_blob = requests
        .iter()
        .rposition(|r| r.starts_with("PUT target blob"));
    assert!(last_blob < first_manifest, "{requests:#?}");
    assert!(requests.last().unwrap().ends_with(TARGET), "{requests:#?}");
    assert_eq!(fixture.registries.count("GET source manifest"), 6);
    assert_eq!(
        fixture.registries.count("HEAD target"),
        1,
        "a new repository is not asked for children"
    );
}

#[tokio::test(start_paused = true)]
async fn no_tag_ever_points_at_an_image_that_is_not_complete() {
    let old = index("app", &["linux/amd64"]);
    let new = index_of(
        OCI_INDEX,
        vec![index("app", &["linux/arm64"]), image("app")],
    );
    for request in 1.. {
        let fixture = TestWorker::new();
        fixture.registries.put_image(SOURCE, &new);
        fixture.registries.put_image(TARGET, &old);
        fixture.registries.break_at(request);
        let ran = fixture.work([job(SOURCE, TARGET)]).await;
        assert!(fixture.registries.written_incomplete().is_empty());
        if ran.only().entry.action == Action::Pulled {
            assert!(request > 20, "only {request} requests");
            return;
        }
        let there = fixture.registries.tag(TARGET);
        assert_eq!(there.as_ref(), Some(old.digest()), "broken at {request}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_updated_index_only_the_changed_child_is_read() {
    let fixture = TestWorker::new();
    let old = index("app", &["linux/amd64", "linux/arm64"]);
    let mut children = old.children.clone();
    children[1] = image("changed");
    let new = index_of(OCI_INDEX, children);
    fixture.registries.put_image(SOURCE, &new);
    fixture.registries.put_image(TARGET, &old);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.cached_digest.as_ref(), Some(old.digest()));
    assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(new.digest()));
    assert!(fixture.registries.written_incomplete().is_empty());
    assert_eq!(fixture.registries.count("GET source manifest"), 2);
    assert_eq!(fixture.registries.count("PUT target manifest"), 2);
    assert_eq!(fixture.registries.count("GET source blob"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_second_tag_of_the_same_index_takes_its_root_alone() {
    let fixture = TestWorker::new();
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &index);
    fixture
        .registries
        .put_image("source.test/app:latest", &index);
    let (worker, _) = fixture
        .work_with(fixture.worker(), [job(SOURCE, TARGET)])
        .await;
    fixture.registries.forget_requests();
    let latest = job("source.test/app:latest", "cache.test/app:latest");
    let (_, ran) = fixture.work_with(worker, [latest]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert!(fixture.registries.written_incomplete().is_empty());
    let requests = fixture.registries.requests();
    assert_eq!(requests.len(), 4, "{requests:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_source_is_pinned_once_it_is_checked() {
    let fixture = TestWorker::new();
    let (old, new) = (image("old"), image("new"));
    fixture.registries.put_image(SOURCE, &old);
    let gate = fixture
        .registries
        .gate(Call::PullManifest, "source.test/app");
    let running = fixture.start();
    let (run, expected) = fixture.publish(Lane::Bulk, [job(SOURCE, TARGET)]).await;
    gate.arrived().await;
    fixture.registries.put_image(SOURCE, &new);
    gate.open();
    let ran = fixture.results(&run, expected).await;
    running.stop().await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(old.digest()));
    assert!(fixture.registries.written_incomplete().is_empty());
}

#[tokio::test(start_paused = true)]
async fn unknown_artifacts_are_copied_as_they_are() {
    let fixture = TestWorker::new();
    let artifact = unknown_artifact_manifest("artifact");
    fixture.registries.put_image(SOURCE, &artifact);
    fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(
        fixture.registries.tag(TARGET).as_ref(),
        Some(artifact.digest())
    );
    assert!(fixture.registries.written_incomplete().is_empty());
}

#[tokio::test(start_paused = true)]
async fn foreign_layers_are_left_out_only_where_the_source_lacks_them() {
    let fixture = TestWorker::new();
    let foreign = foreign_layer("windows", "https://example.test/layer");
    fixture.registries.put_image(SOURCE, &foreign);
    let kept = with_urls("app", "https://example.test/layer");
    fixture.registries.put_image("source.test/urls:1", &kept);
    let jobs = [
        job(SOURCE, TARGET),
        job("source.test/urls:1", "cache.test/urls:1"),
    ];
    let ran = fixture.work(jobs).await;
    assert_eq!(ran.results[0].entry.action, Action::Pulled);
    assert_eq!(ran.results[0].entry.blobs.copied, 2);
    assert_eq!(ran.results[1].entry.blobs.copied, 2);

    let ordinary = with_urls("lost", "https://example.test/layer");
    fixture
        .registries
        .put_image("source.test/lost:1", &ordinary);
    let layer = &ordinary.blobs[1].digest;
    fixture.registries.lose_blob("source.test/lost", layer);
    let ran = fixture
        .work([job("source.test/lost:1", "cache.test/lost:1")])
        .await;
    assert_eq!(ran.only().entry.action, Action::Failed);
    assert_eq!(fixture.registries.tag("cache.test/lost:1"), None);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_contains_itself_is_refused() {
    let fixture = TestWorker::new();
    let (index, claimed) = self_containing_index("loop");
    fixture.registries.put_image(SOURCE, &index);
    fixture
        .registries
        .put_manifest("source.test/app", &claimed, &index.manifest);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let error = ran.only().entry.error.as_deref().unwrap();
    assert!(error.contains("the index contains itself"), "{error}");
    assert_eq!(fixture.registries.count("GET source manifest"), 2);
}

#[tokio::test(start_paused = true)]
async fn indexes_are_not_followed_without_end() {
    let fixture = TestWorker::new();
    let deep = (0..5).fold(image("inmost"), |inner, _| index_of(OCI_INDEX, vec![inner]));
    fixture.registries.put_image(SOURCE, &deep);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    let error = ran.only().entry.error.as_deref().unwrap();
    assert!(error.contains("more than 4 levels deep"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_target_named_by_a_digest_is_never_another() {
    let fixture = TestWorker::new();
    let first = image("app");
    fixture.registries.put_image(SOURCE, &first);
    let named = format!("cache.test/app@{}", first.digest());
    let ran = fixture.work([job(SOURCE, &named)]).await;
    assert_eq!(ran.only().entry.action, Action::Pulled);
    fixture.registries.put_image(SOURCE, &image("moved"));
    let ran = fixture.work([job(SOURCE, &named)]).await;
    let error = ran.only().entry.error.as_deref().unwrap();
    assert!(error.contains("is named by a digest"), "{error}");
}
