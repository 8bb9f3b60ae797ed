//! Tags that rules choose by when their images were created (`min_age`, `sort: created`).

use image_sync_shared::image::media_type::OCI_INDEX;
use image_sync_testkit::Image;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::{ImageBuilder, index_of};

use crate::support::{REPOSITORY, TestSync};

/// What many builds state so that they are reproducible.
const EPOCH: &str = "1970-01-01T00:00:00Z";
const STATE: [&str; 2] = ["--state-dir", "state"];

fn created(name: &str, at: &str) -> Image {
    ImageBuilder::new(name).created(at).build()
}

/// A [`TestSync`] whose source has these tags of `team/app`, with images that were created then.
async fn with_tags(tags: &[(&str, &str)]) -> TestSync {
    let fixture = TestSync::start().await;
    for (tag, at) in tags {
        let image = created(tag, at);
        fixture.source.put_image(REPOSITORY, tag, &image);
    }
    fixture
}

/// How often the configuration of an image was asked for.
fn reads_of_config(fixture: &TestSync, image: &Image) -> usize {
    let path = format!("/v2/{REPOSITORY}/blobs/{}", image.blobs[0].digest);
    fixture.source.count("GET", &path)
}

#[tokio::test]
async fn sort_created_puts_the_youngest_first_and_a_created_that_lies_last() {
    let fixture = with_tags(&[
        ("old", "2019-01-01T00:00:00Z"),
        ("young", "2021-01-01T00:00:00Z"),
        ("epoch", EPOCH),
        ("from-the-future", "9000-01-01T00:00:00Z"),
    ])
    .await;
    for (latest, expected) in [
        (1, &["young"][..]),
        (2, &["old", "young"]),
        (3, &["from-the-future", "old", "young"]),
    ] {
        let rules = format!("{{sort: created, latest: {latest}}}");
        let catalog = fixture
            .empty_catalog()
            .image(fixture.tags(REPOSITORY, &rules));
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(fixture.target.tags(REPOSITORY), expected);
    }
}

#[tokio::test]
async fn min_age_leaves_out_an_image_without_a_believable_creation_time() {
    let fixture = with_tags(&[
        ("old", "2019-01-01T00:00:00Z"),
        ("epoch", EPOCH),
        ("none", ""),
    ])
    .await;
    let rules = "{min_age: {created: 7d}}";
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, rules));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), ["old"]);
}

#[tokio::test]
async fn a_creation_time_is_read_once_per_digest_of_tags_that_the_stages_before_left_and_remembered()
 {
    let fixture = with_tags(&[
        ("v1", "2019-01-01T00:00:00Z"),
        ("v2", "2021-01-01T00:00:00Z"),
        ("nightly", "2022-01-01T00:00:00Z"),
    ])
    .await;
    let (old, nightly) = (
        created("v1", "2019-01-01T00:00:00Z"),
        created("nightly", "2022-01-01T00:00:00Z"),
    );
    fixture.source.tag(REPOSITORY, "v1.0", old.digest());
    let rules = "{include: 'v.*', sort: created, latest: 1}";
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, rules));
    let ended = fixture.program.sync(&catalog, &STATE).await;
    assert_eq!(fixture.target.tags(REPOSITORY), ["v2"], "{ended:#?}");
    assert_eq!(reads_of_config(&fixture, &old), 1);
    assert_eq!(reads_of_config(&fixture, &nightly), 0);
    let of_nightly = format!("/v2/{REPOSITORY}/manifests/nightly");
    assert_eq!(fixture.source.count("*", &of_nightly), 0);
    fixture.source.reset();
    let again = fixture.program.sync(&catalog, &STATE).await;
    assert_eq!(again.report().head.summary.already_cached, 1, "{again:#?}");
    // One for each candidate, and one for the check of the chosen one.
    let requests = (
        fixture.source.count("HEAD", "*"),
        fixture.source.requests().len(),
    );
    assert_eq!(
        requests,
        (4, 5),
        "and the listing: {:#?}",
        fixture.source.requests()
    );
}

#[tokio::test]
async fn of_an_index_the_image_of_the_wanted_platform_has_the_creation_time() {
    let fixture = TestSync::start().await;
    for (tag, amd64, arm64) in [
        ("a", "2019-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
        ("b", "2021-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
    ] {
        let child = |platform: &str, at: &str| {
            let name = format!("{tag} {platform}");
            ImageBuilder::new(name)
                .platform(platform)
                .created(at)
                .build()
        };
        let children = vec![child("linux/amd64", amd64), child("linux/arm64", arm64)];
        let index = index_of(OCI_INDEX, children);
        fixture.source.put_image(REPOSITORY, tag, &index);
    }
    for (platform, expected) in [("linux/amd64", "b"), ("linux/arm64", "a")] {
        let rules = "{sort: created, latest: 1}";
        let entry = fixture.tags(REPOSITORY, rules).platform(platform);
        let ended = fixture
            .program
            .sync(&fixture.empty_catalog().image(entry), &STATE)
            .await;
        let result = ended.only_result();
        assert_eq!(
            (result.tag.as_str(), result.error),
            (expected, None),
            "{platform}"
        );
    }
}

#[tokio::test]
async fn creation_times_that_cannot_be_read_are_asked_for_again_and_then_one_failed_result() {
    let fixture = with_tags(&[("a", "2019-01-01T00:00:00Z"), ("b", "2021-01-01T00:00:00Z")]).await;
    let rules = "{sort: created, latest: 1}";
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, rules));
    let blobs = || Rule::new("GET", "/v2/*/blobs/*");
    fixture.source.stage(blobs().first(2), Fault::status(503));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), ["b"]);
    fixture.source.clear_faults();
    fixture.source.stage(blobs(), Fault::status(503));
    let ended = fixture
        .program
        .sync(&catalog, &["--state-dir", "other"])
        .await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let result = ended.only_result();
    assert_eq!(result.tag, "*");
    let error = result.error.unwrap();
    assert!(
        error.contains("pull blob") && error.contains("503"),
        "{error}"
    );
}

#[tokio::test]
async fn wrong_bytes_of_a_config_are_no_creation_time() {
    let fixture = with_tags(&[("a", "2019-01-01T00:00:00Z")]).await;
    fixture
        .source
        .stage(Rule::new("GET", "/v2/*/blobs/*"), Fault::WrongBytes);
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "{sort: created, latest: 1}"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    let result = ended.only_result();
    assert_eq!(result.tag, "*", "{ended:#?}");
    let error = result.error.unwrap();
    assert!(error.contains("the bytes have the digest"), "{error}");
}

#[tokio::test]
async fn a_tag_that_vanishes_after_the_listing_and_an_image_that_is_not_whole_are_warnings() {
    let fixture = with_tags(&[
        ("gone", "2022-01-01T00:00:00Z"),
        ("half", "2021-01-01T00:00:00Z"),
        ("whole", "2019-01-01T00:00:00Z"),
    ])
    .await;
    let gone = Rule::new("*", format!("/v2/{REPOSITORY}/manifests/gone"));
    fixture.source.stage(gone, Fault::status(404));
    let half = created("half", "2021-01-01T00:00:00Z");
    fixture
        .source
        .remove_blob(REPOSITORY, &half.blobs[0].digest);
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "{sort: created, latest: 1}"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), ["whole"]);
    for told in ["it has gone since", "no creation time"] {
        assert!(ended.stderr.contains(told), "{ended:#?}");
    }
}
