//! What is at the target after a copy, and in which order it came there.

use image_sync_testkit::images::{image, index};

use crate::support::{REPOSITORY, TAG, TestSync};

#[tokio::test]
async fn no_tag_at_a_target_ever_points_at_an_image_that_is_not_complete_there() {
    let index = index("app", &["linux/amd64", "linux/arm64", "linux/s390x"]);
    let fixture = TestSync::with(&index).await;
    fixture.is_copied(&index, 1).await;
    let requests = fixture.target.requests();
    let tag = requests
        .iter()
        .find(|request| request.is("PUT", "/v2/*/manifests/1.0"))
        .unwrap();
    let writes: Vec<_> = requests
        .iter()
        .filter(|request| request.method != "HEAD")
        .collect();
    assert!(writes.len() > 3);
    for write in writes.iter().filter(|write| write.sequence != tag.sequence) {
        let answered = write.answered.expect("every write was answered");
        assert!(
            answered < tag.sequence,
            "the tag came before {write:#?} was answered"
        );
    }
}

#[tokio::test]
async fn an_index_of_all_platforms_is_byte_identical() {
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let fixture = TestSync::with(&index).await;
    fixture.is_copied(&index, 1).await;
    let copied = fixture.target.manifest(REPOSITORY, TAG).unwrap();
    assert_eq!(
        (&copied.bytes, &copied.media_type),
        (&index.manifest.bytes, &index.manifest.media_type)
    );
    for blob in index.all_blobs() {
        assert_eq!(
            fixture.target.blob(REPOSITORY, &blob.digest).as_ref(),
            Some(&blob.bytes)
        );
    }
}

#[tokio::test]
async fn a_tag_that_moves_during_the_copy_changes_nothing() {
    let (first, second) = (image("first"), image("second"));
    let fixture = TestSync::with(&first).await;
    let gate = image_sync_testkit::fake_registry::Gate::new();
    fixture.source.stage(
        crate::support::all("GET", "manifests").first(1),
        image_sync_testkit::fake_registry::Fault::hold(&gate),
    );
    let child = fixture.program.spawn_sync(&fixture.catalog(), &[]);
    gate.reached().await;
    fixture.source.put_image(REPOSITORY, TAG, &second);
    gate.release();
    let ended: image_sync_tests::Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!(
        ended.only_result().remote_digest.as_ref(),
        Some(first.digest()),
        "{ended:#?}"
    );
    assert_eq!(fixture.at_target().as_ref(), Some(first.digest()));
    let next = fixture.sync().await;
    assert_eq!(
        next.only_result().remote_digest.as_ref(),
        Some(second.digest()),
        "the next run sees it"
    );
    assert_eq!(fixture.at_target().as_ref(), Some(second.digest()));
}

#[tokio::test]
async fn a_dry_run_sends_nothing_but_get_and_head() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    let ended = fixture
        .program
        .sync(&fixture.catalog(), &["--dry-run"])
        .await;
    let result = ended.only_result();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.skipped, 1);
    let would_copy = result.would_copy.unwrap();
    let blobs: u64 = image.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
    assert_eq!(would_copy.blobs as usize, image.blobs.len());
    assert_eq!(would_copy.bytes, blobs + image.manifest.bytes.len() as u64);
    for side in [&fixture.source, &fixture.target] {
        let others =
            side.count_where(|request| request.method != "GET" && request.method != "HEAD");
        assert_eq!(others, 0);
    }
    assert_eq!(fixture.target.repositories(), Vec::<String>::new());
}
