//! Artifacts that cannot be copied.

use image_sync_shared::failure::{FailureClass, Side};

use super::*;

fn required() -> Job {
    with(Referrers {
        required: true,
        ..Referrers::default()
    })
}

#[tokio::test(start_paused = true)]
async fn an_image_comes_without_the_artifacts_that_its_target_refuses_unless_they_are_required() {
    for (job, action) in [(all(), Action::Pulled), (required(), Action::Failed)] {
        let fixture = TestWorker::new();
        fixture.registries.have_referrers_api("source.test");
        fixture.registries.take_no_artifacts("cache.test");
        let app = image("app");
        fixture.registries.put_image(SOURCE, &app);
        attach(&fixture, SOURCE, &artifact(SBOM, b"sbom", Some(&app)));
        let ran = fixture.work([job]).await;
        let entry = &ran.only().entry;
        assert_eq!(entry.action, action, "{entry:#?}");
        let came = action == Action::Pulled;
        assert_eq!(fixture.registries.tag(TARGET).is_some(), came);
        if came {
            let expected = ArtifactCounts {
                failed: 1,
                ..ArtifactCounts::default()
            };
            assert_eq!(entry.artifacts, Some(expected));
            let note = entry.note.as_deref().unwrap();
            assert!(
                note.starts_with("artifacts: ") && note.contains("MANIFEST_INVALID"),
                "{note}"
            );
        } else {
            assert!(
                entry.error.as_deref().unwrap().contains("MANIFEST_INVALID"),
                "{entry:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_without_artifacts_fails_where_some_are_required() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let ran = fixture.work([required()]).await;
    let entry = &ran.only().entry;
    let error = entry.error.as_deref().unwrap();
    assert!(
        error.contains("nothing of the wanted types belongs to it"),
        "{error}"
    );
    assert_eq!(
        fixture.registries.tag(TARGET),
        None,
        "nothing unsigned comes"
    );
    fixture.registries.put_image(TARGET, &app);
    for _ in 0..2 {
        let ran = fixture.work([required()]).await;
        assert_eq!(ran.only().entry.action, Action::Failed, "remembered or not");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_again_before_the_tag_is_written() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, signature) = cosign_signature(&app);
    tag(&fixture, SOURCE, &name, &signature);
    let sbom = image("sbom");
    tag(&fixture, SOURCE, &name.replace(".sig", ".sbom"), &sbom);
    let class = FailureClass::Unavailable;
    fixture
        .registries
        .fail(Call::PushManifest, &name, Side::Target, class, 6);
    let ran = fixture.work([all()]).await;
    let entry = &ran.only().entry;
    assert_eq!(
        (entry.action, entry.artifacts),
        (Action::Pulled, Some(counts(2, 0)))
    );
    assert!(entry.attempts > 1, "{entry:#?}");
    assert!(has(&fixture, &signature) && has(&fixture, &sbom));
}

#[tokio::test(start_paused = true)]
async fn what_fails_to_the_last_attempt_is_left_out_and_the_image_comes() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let class = FailureClass::Unavailable;
    fixture
        .registries
        .fail(Call::Referrers, "source.test", Side::Source, class, 1000);
    let ran = fixture.work([all()]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Pulled, "{entry:#?}");
    assert_eq!(entry.artifacts.unwrap().failed, 1);
    assert_eq!(fixture.registries.tag(TARGET).as_ref(), Some(app.digest()));
    let again = fixture.work([all()]).await;
    assert_eq!(
        again.only().entry.artifacts.unwrap().failed,
        1,
        "it is not taken for none"
    );
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_the_source_lists_and_does_not_serve_is_left_out() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    attach(&fixture, SOURCE, &sbom);
    fixture
        .registries
        .lose_blob("source.test/app", &sbom.blobs[1].digest);
    let ran = fixture.work([all()]).await;
    let entry = &ran.only().entry;
    assert_eq!(
        (entry.action, entry.artifacts.unwrap().failed),
        (Action::Pulled, 1),
        "{entry:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_list_its_tags_is_asked_for_each() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, signature) = cosign_signature(&app);
    tag(&fixture, SOURCE, &name, &signature);
    let class = FailureClass::Denied;
    fixture
        .registries
        .fail(Call::Tags, "source.test", Side::Source, class, 1);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    assert_eq!(
        fixture.registries.count("HEAD source manifest .sbom"),
        2,
        "of the image and of its signature"
    );
}

#[tokio::test(start_paused = true)]
async fn an_artifact_that_is_refused_does_not_have_its_image_converted() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    fixture.registries.take_no_artifacts("cache.test");
    let app = docker_image("app");
    fixture.registries.put_image(SOURCE, &app);
    attach(&fixture, SOURCE, &artifact(SBOM, b"sbom", Some(&app)));
    let ran = fixture.work([required()]).await;
    let entry = &ran.only().entry;
    assert_eq!(entry.action, Action::Failed, "{entry:#?}");
    assert_eq!(fixture.registries.tag(TARGET), None);
}

#[tokio::test(start_paused = true)]
async fn what_the_target_lost_of_an_artifact_is_sent_again() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    fixture.registries.verify();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (one, two) = (
        artifact(SBOM, b"one", Some(&app)),
        artifact("application/seal", b"two", Some(&app)),
    );
    attach(&fixture, SOURCE, &one);
    let (worker, ran) = fixture.work_with(fixture.worker(), [all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    // Both have the same configuration, which the worker knows to be there.
    let config = &two.blobs[0].digest;
    fixture.registries.lose_blob("cache.test/app", config);
    attach(&fixture, SOURCE, &two);
    let (_, ran) = fixture.work_with(worker, [all()]).await;
    let entry = &ran.only().entry;
    assert_eq!(
        (entry.artifacts, entry.attempts),
        (Some(counts(1, 1)), 1),
        "{entry:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_in_place_stays_so_where_its_children_cannot_be_read() {
    let fixture = TestWorker::new();
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &index);
    fixture.registries.put_image(TARGET, &index);
    let about = format!("cache.test/app@{}", index.digest());
    let class = FailureClass::Denied;
    fixture
        .registries
        .fail(Call::PullManifest, &about, Side::Target, class, 9);
    let ran = fixture.work([all()]).await;
    let entry = &ran.only().entry;
    let failed = entry.artifacts.unwrap().failed;
    assert_eq!(
        (entry.action, failed),
        (Action::AlreadyCached, 1),
        "{entry:#?}"
    );
    let ran = fixture.work([required()]).await;
    assert_eq!(ran.only().entry.action, Action::Failed);
}
