//! Artifacts of images that are up to date.

use std::time::Duration;

use image_sync_shared::run::Trigger;
use tokio::time::advance;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_late_signature_comes_to_an_image_that_is_in_place_and_the_requests_are_few() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    fixture.registries.have_referrers_api("cache.test");
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let cold = fixture.work([all()]).await;
    assert_eq!(cold.only().entry.artifacts, Some(counts(0, 0)));

    // That there is none is remembered for a time.
    fixture.registries.forget_requests();
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(0, 0)));
    assert_eq!(fixture.registries.requests().len(), 2);

    let (name, signature) = cosign_signature(&app);
    tag(&fixture, SOURCE, &name, &signature);
    attach(&fixture, SOURCE, &artifact(SBOM, b"sbom", Some(&app)));
    advance(Duration::from_secs(90 * 60)).await;
    let late = fixture.work([all()]).await;
    let entry = &late.only().entry;
    assert_eq!(
        (entry.action, entry.artifacts),
        (Action::AlreadyCached, Some(counts(2, 0)))
    );

    // In place: the two HEADs of the image, one question and one listing at the source with a HEAD of the tag, a question for
    // each artifact what belongs to it, and the same of the tag and the image at the target.
    advance(Duration::from_secs(90 * 60)).await;
    fixture.registries.forget_requests();
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(0, 2)));
    let registries = &fixture.registries;
    assert_eq!(registries.count("GET source referrers"), 3);
    assert_eq!(registries.count("GET source tags"), 1);
    assert_eq!(registries.count("HEAD source manifest"), 2);
    assert_eq!(registries.count("GET target referrers"), 1);
    assert_eq!(registries.count("HEAD target manifest"), 2);
    assert_eq!(
        registries.requests().len(),
        9,
        "{:#?}",
        registries.requests()
    );

    // What nothing belongs to is remembered of each artifact too.
    registries.forget_requests();
    fixture.work([all()]).await;
    assert_eq!(registries.count("GET source referrers"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_by_hand_or_was_told_of_a_push_learns_what_is_there_now() {
    for trigger in [Trigger::Enqueue, Trigger::Webhook] {
        let fixture = TestWorker::new();
        let app = image("app");
        fixture.registries.put_image(SOURCE, &app);
        fixture.work([all()]).await;
        let (name, signature) = cosign_signature(&app);
        tag(&fixture, SOURCE, &name, &signature);
        let ran = fixture.work([Job { trigger, ..all() }]).await;
        assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
        assert!(has(&fixture, &signature), "{trigger:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_up_to_date_costs_no_request_more_without_referrers() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    fixture.registries.put_image(TARGET, &app);
    let (name, signature) = cosign_signature(&app);
    tag(&fixture, SOURCE, &name, &signature);
    let ran = fixture.work([job(SOURCE, TARGET)]).await;
    assert_eq!(ran.only().entry.artifacts, None);
    assert_eq!(fixture.registries.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_children_of_an_index_in_place_are_read_at_the_target() {
    let fixture = TestWorker::new();
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    fixture.registries.put_image(SOURCE, &index);
    fixture.registries.put_image(TARGET, &index);
    let (name, signature) = cosign_signature(&index.children[1]);
    tag(&fixture, SOURCE, &name, &signature);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    assert!(has(&fixture, &signature));
    let of_the_signature = format!("GET source manifest source.test/app@{}", signature.digest());
    assert_eq!(
        fixture.registries.count("GET source manifest"),
        fixture.registries.count(&of_the_signature)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_at_the_source_is_kept_at_the_target_and_counted() {
    let fixture = TestWorker::new();
    fixture.registries.have_referrers_api("source.test");
    fixture.registries.have_referrers_api("cache.test");
    let app = image("app");
    let sbom = artifact(SBOM, b"sbom", Some(&app));
    let ours = artifact(SBOM, b"of before", Some(&app));
    fixture.registries.put_image(SOURCE, &app);
    fixture.registries.put_image(TARGET, &app);
    attach(&fixture, SOURCE, &sbom);
    attach(&fixture, TARGET, &ours);
    let ran = fixture.work([all()]).await;
    let expected = ArtifactCounts {
        copied: 1,
        kept: 1,
        ..ArtifactCounts::default()
    };
    assert_eq!(ran.only().entry.artifacts, Some(expected));
    assert!(has(&fixture, &ours));
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_signatures_that_grew_at_the_source_is_copied_and_one_that_grew_at_the_target_stays()
 {
    use image_sync_testkit::images::image_with_layers;
    let fixture = TestWorker::new();
    let app = image("app");
    let (name, _) = cosign_signature(&app);
    let (one, two) = (image_with_layers("s", 1, 10), image_with_layers("s", 2, 10));
    fixture.registries.put_image(SOURCE, &app);
    fixture.registries.put_image(TARGET, &app);
    tag(&fixture, SOURCE, &name, &two);
    tag(&fixture, TARGET, &name, &one);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(1, 0)));
    let at_target = || fixture.registries.tag(&format!("cache.test/app:{name}"));
    assert_eq!(at_target().as_ref(), Some(two.digest()));
    let three = image_with_layers("s", 3, 10);
    tag(&fixture, TARGET, &name, &three);
    let ran = fixture.work([all()]).await;
    assert_eq!(ran.only().entry.artifacts, Some(counts(0, 1)));
    assert_eq!(at_target().as_ref(), Some(three.digest()));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_counts_the_artifacts_that_would_come() {
    let fixture = TestWorker::new();
    let app = image("app");
    fixture.registries.put_image(SOURCE, &app);
    let (name, signature) = cosign_signature(&app);
    tag(&fixture, SOURCE, &name, &signature);
    let mut dry = all();
    dry.policy.dry_run = true;
    let ran = fixture.work([dry.clone()]).await;
    let entry = &ran.only().entry;
    assert_eq!(
        (entry.action, entry.would_copy.unwrap().artifacts),
        (Action::Skipped, 1)
    );
    fixture.registries.put_image(TARGET, &app);
    let ran = fixture.work([dry.clone()]).await;
    let entry = &ran.only().entry;
    let would_copy = entry.would_copy.unwrap();
    assert_eq!(
        (entry.action, would_copy.artifacts, would_copy.blobs),
        (Action::AlreadyCached, 1, 0)
    );
    tag(&fixture, TARGET, &name, &signature);
    let ran = fixture.work([dry]).await;
    assert_eq!(ran.only().entry.would_copy, None);
}
