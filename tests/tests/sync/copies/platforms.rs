//! One platform, several, all.

use image_sync_testkit::images::{image, index, index_with_attestations};

use crate::support::{REPOSITORY, TAG, TestSync};

#[tokio::test]
async fn one_platform_gives_the_childs_digest() {
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let fixture = TestSync::with(&index).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry(REPOSITORY, TAG).platform("linux/arm64"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    let child = index.child("linux/arm64").unwrap();
    let result = ended.only_result();
    assert_eq!(
        fixture.at_target().as_ref(),
        Some(child.digest()),
        "{ended:#?}"
    );
    assert_eq!(result.expected_digest.as_ref(), Some(child.digest()));
    assert_eq!(result.remote_digest.as_ref(), Some(index.digest()));
    fixture.nothing_broken();
}

#[tokio::test]
async fn one_platform_of_many_is_not_copied_again_when_another_platform_changes() {
    let fixture = TestSync::with(&index("app", &["linux/amd64", "linux/arm64"])).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry(REPOSITORY, TAG).platform("linux/amd64"));
    fixture.program.sync(&catalog, &[]).await;
    let wider = index("app", &["linux/amd64", "linux/s390x"]);
    fixture.source.put_image(REPOSITORY, TAG, &wider);
    fixture.target.reset();
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.already_cached, 1, "{ended:#?}");
    assert_eq!(fixture.target.count("*", "*"), 1);
}

#[tokio::test]
async fn several_platforms_of_more_give_a_stable_index() {
    let index = index_with_attestations("app", &["linux/amd64", "linux/arm64", "linux/s390x"]);
    let fixture = TestSync::with(&index).await;
    let entry = fixture
        .entry(REPOSITORY, TAG)
        .platform("linux/amd64,linux/arm64");
    let catalog = fixture.empty_catalog().image(entry);
    let first = fixture
        .program
        .sync(&catalog, &["--state-dir", "one"])
        .await;
    assert_eq!(first.report().head.summary.pulled, 1, "{first:#?}");
    let digest = fixture.at_target().unwrap();
    assert_eq!(first.only_result().expected_digest.as_ref(), Some(&digest));
    assert!(
        fixture
            .target
            .manifest(
                REPOSITORY,
                index.child("linux/s390x").unwrap().digest().as_str()
            )
            .is_none()
    );
    fixture.nothing_broken();
    for state in ["one", "a-new-one"] {
        let again = fixture
            .program
            .sync(&catalog, &["--state-dir", state])
            .await;
        assert_eq!(again.report().head.summary.already_cached, 1, "{again:#?}");
    }
    assert_eq!(fixture.at_target(), Some(digest));
}

#[tokio::test]
async fn a_platform_that_is_not_there_fails_and_lists_those_that_are() {
    let fixture = TestSync::with(&index("app", &["linux/amd64", "linux/arm64"])).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry(REPOSITORY, TAG).platform("linux/s390x"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    let error = ended.only_error();
    for word in [
        "source: choose platform",
        "linux/s390x",
        "linux/amd64",
        "linux/arm64",
    ] {
        assert!(error.contains(word), "{word:?} expected in {error:?}");
    }
    assert_eq!((ended.code, fixture.at_target()), (Some(1), None));
}

#[tokio::test]
async fn an_image_without_an_index_is_copied_whatever_the_platform() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry(REPOSITORY, TAG).platform("linux/s390x"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.at_target().as_ref(), Some(image.digest()));
}
