//! Tags at targets with a digest in them that only the source knows (`tag_as: "{tag}-{digest8}"`).

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::Image;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use image_sync_tests::{Catalog, Ended, Entry};

use crate::support::{REPOSITORY, TAG, TestSync};

const TAG_AS: &str = "tag_as: '{tag}-{digest8}'";

/// The tag that an image with this tag gets.
fn tagged(tag: &str, image: &Image) -> String {
    format!("{tag}-{}", &image.digest().hex()[..8])
}

/// An entry of the source, whose images have their digests in their tags in the cache.
fn entry(fixture: &TestSync, repository: &str, tag: &str) -> Entry {
    fixture.entry(repository, tag).with(TAG_AS)
}

/// How many requests there were for what a tag, and no digest, stands for.
fn by_tag(fixture: &TestSync, method: &str) -> usize {
    let all = fixture.source.count(method, "/v2/*/manifests/*");
    all - fixture.source.count(method, "/v2/*/manifests/sha256:*")
}

async fn again(fixture: &TestSync, catalog: &Catalog, before: &Ended) -> Ended {
    fixture.program.write("report.json", &before.stdout);
    let arguments = ["--only-failed", "report.json"];
    fixture.program.sync(catalog, &arguments).await
}

#[tokio::test]
async fn the_image_whose_digest_is_in_the_tag_is_copied_to_all_targets_and_the_tag_is_asked_for_once()
 {
    let (first, second) = (image("first"), image("second"));
    let fixture = TestSync::with(&first).await;
    let elsewhere = format!("{}/elsewhere", fixture.target.host());
    let catalog = fixture
        .empty_catalog()
        .target("more", &elsewhere)
        .image(entry(&fixture, REPOSITORY, TAG).with("targets: [cache, more]"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let tag = tagged(TAG, &first);
    for result in ended.report().results {
        assert_eq!(result.tag, TAG, "as the config names it");
        assert!(result.image.ends_with(REPOSITORY), "{}", result.image);
        assert!(result.target.ends_with(&tag), "{}", result.target);
        assert_eq!(result.remote_digest.as_ref(), Some(first.digest()));
    }
    for repository in [REPOSITORY, "elsewhere/team/app"] {
        assert_eq!(fixture.target.tags(repository), std::slice::from_ref(&tag));
    }
    assert_eq!(by_tag(&fixture, "HEAD"), 1);
    assert_eq!(by_tag(&fixture, "GET"), 0, "pinned from then on");
    let again = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(again.report().head.summary.already_cached, 2, "{again:#?}");
    fixture.source.put_image(REPOSITORY, TAG, &second);
    let moved = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(moved.report().head.summary.pulled, 2, "{moved:#?}");
    let mut both = [tag, tagged(TAG, &second)];
    both.sort();
    assert_eq!(fixture.target.tags(REPOSITORY), both);
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_tag_that_moves_after_its_digest_was_found_out_is_copied_as_it_was() {
    let (first, second) = (image("first"), image("second"));
    let fixture = TestSync::with(&first).await;
    // What the tag will stand for is there, and no request but the first one sees it.
    fixture.source.put_image(REPOSITORY, "2.0", &second);
    let moved = Rule::new("*", format!("/v2/{REPOSITORY}/manifests/{TAG}")).after(1);
    fixture.source.stage(moved, Fault::status(404));
    let catalog = fixture
        .empty_catalog()
        .image(entry(&fixture, REPOSITORY, TAG));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.only_result().action, Action::Pulled, "{ended:#?}");
    let digest = fixture.target.digest(REPOSITORY, &tagged(TAG, &first));
    assert_eq!(digest.as_ref(), Some(first.digest()));
}

#[tokio::test]
async fn a_digest_that_cannot_be_found_out_is_a_failed_result_of_its_image_alone() {
    let fixture = TestSync::with(&image("app")).await;
    let denied = Rule::new("*", "/v2/team/denied/manifests/*");
    fixture.source.stage(denied, Fault::status(403));
    let flaky = Rule::new("HEAD", "/v2/team/app/manifests/*").first(2);
    fixture.source.stage(flaky, Fault::status(503));
    let both = |entry: Entry| entry.with("targets: [cache, more]");
    let catalog = fixture
        .empty_catalog()
        .target("more", &format!("{}/more", fixture.target.host()))
        .image(both(entry(&fixture, "team/denied", TAG)))
        .image(entry(&fixture, REPOSITORY, TAG))
        .image(entry(&fixture, "team/gone", TAG));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let results = ended.report().results;
    let told = |nth: usize| {
        let result = &results[nth];
        let target = result.target.split_once('/').unwrap().1.to_owned();
        (result.action, result.tag.as_str(), target)
    };
    let any = |repository: &str| format!("{repository}:*");
    assert_eq!(told(0), (Action::Failed, TAG, any("team/denied")));
    assert_eq!(told(1), (Action::Failed, TAG, any("more/team/denied")));
    assert_eq!(told(2).0, Action::Pulled, "after two failures that pass");
    assert_eq!(told(3), (Action::Failed, TAG, any("team/gone")));
    let error = results[0].error.as_deref().unwrap();
    assert!(error.contains("403"), "{error}");
    let error = results[3].error.as_deref().unwrap();
    assert!(
        error.contains("there is no such repository or tag"),
        "{error}"
    );
    fixture.source.clear_faults();
    let app = image("denied");
    fixture.source.put_image("team/denied", TAG, &app);
    let ended = again(&fixture, &catalog, &ended).await;
    let summary = ended.report().head.summary;
    assert_eq!(
        (summary.pulled, summary.failed, summary.total),
        (2, 1, 3),
        "{ended:#?}"
    );
    assert!(
        !ended.stderr.contains("no image of the config"),
        "{ended:#?}"
    );
    assert_eq!(fixture.target.tags("team/denied"), [tagged(TAG, &app)]);
}

#[tokio::test]
async fn each_tag_that_rules_choose_and_each_repository_of_a_namespace_gets_its_own_digest() {
    let fixture = TestSync::start().await;
    let images = ["1.0", "1.1", "2.0"].map(|tag| (tag, image(tag)));
    for (tag, image) in &images {
        fixture.source.put_image(REPOSITORY, tag, image);
        fixture.source.put_image("other/app", tag, image);
    }
    let host = fixture.source.host();
    let namespace = format!("{{source: '{host}/other', tags: ['1.0'], {TAG_AS}, platform: all}}");
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "{semver: 1.x}").with(TAG_AS))
        .repositories(&namespace);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let [first, second, _] = images.map(|(tag, image)| tagged(tag, &image));
    let of_other = format!("{}/other/app", host.split_once(':').unwrap().0);
    assert_eq!(fixture.target.tags(REPOSITORY), [first.clone(), second]);
    assert_eq!(fixture.target.tags(&of_other), [first]);
    assert_eq!(by_tag(&fixture, "HEAD"), 3);
}

#[tokio::test]
async fn a_tag_whose_creation_time_counts_is_not_asked_for_again() {
    let fixture = TestSync::start().await;
    for tag in ["1.0", "1.1"] {
        fixture.source.put_image(REPOSITORY, tag, &image(tag));
    }
    let rules = fixture.tags(REPOSITORY, "{sort: created, latest: 1}");
    let catalog = fixture.empty_catalog().image(rules.with(TAG_AS));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.only_result().action, Action::Pulled, "{ended:#?}");
    assert_eq!(by_tag(&fixture, "HEAD"), 2);
}

#[tokio::test]
async fn only_leaves_out_what_it_does_not_match_and_takes_tags_with_digests() {
    let app = image("app");
    let fixture = TestSync::with(&app).await;
    fixture.source.put_image(REPOSITORY, "2.0", &image("other"));
    let catalog = fixture
        .empty_catalog()
        .image(entry(&fixture, REPOSITORY, TAG))
        .image(entry(&fixture, REPOSITORY, "2.0"))
        .image(entry(&fixture, REPOSITORY, "3.0"));
    for only in [format!("*app:{TAG}"), format!("*:{}", tagged(TAG, &app))] {
        let ended = fixture.program.sync(&catalog, &["--only", &only]).await;
        assert_eq!(ended.only_result().tag, TAG, "{only}: {ended:#?}");
    }
}
