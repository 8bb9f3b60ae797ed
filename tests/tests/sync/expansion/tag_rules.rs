//! Tags that rules choose.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use image_sync_tests::Entry;

use crate::support::{REPOSITORY, TAG, TestSync, program};

const LISTING: &str = "/v2/*/tags/list*";

/// A [`TestSync`] whose source has these tags of `team/app`.
async fn with_tags(tags: &[&str]) -> TestSync {
    let fixture = TestSync::start().await;
    for tag in tags {
        fixture.source.put_image(REPOSITORY, tag, &image(tag));
    }
    fixture
}

fn tags_at_target(fixture: &TestSync) -> Vec<String> {
    fixture.target.tags(REPOSITORY)
}

#[tokio::test]
async fn rules_choose_among_the_tags_of_the_source_and_new_ones_are_copied_by_the_next_run() {
    let fixture = with_tags(&[
        "v1.28.9",
        "v1.29.0",
        "v1.30.0-rc.1",
        "v1.30.0",
        "v2.0.0",
        "latest",
    ])
    .await;
    let rules = "{include: 'v.*', semver: '>=1.29, <2', latest: 5}";
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, rules));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(tags_at_target(&fixture), ["v1.29.0", "v1.30.0"]);
    assert_eq!(ended.report().head.summary.total, 2);
    fixture
        .source
        .put_image(REPOSITORY, "v1.31.0", &image("new"));
    let again = fixture.program.sync(&catalog, &[]).await;
    let summary = again.report().head.summary;
    assert_eq!(
        (summary.already_cached, summary.pulled),
        (2, 1),
        "{again:#?}"
    );
    fixture.nothing_broken();
}

#[tokio::test]
async fn named_tags_are_never_listed_and_a_repository_is_listed_once_for_all_rules() {
    let fixture = with_tags(&["1.0", "1.1", "2.0"]).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "['1.0', '2.0']"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(tags_at_target(&fixture), ["1.0", "2.0"], "{ended:#?}");
    assert_eq!(fixture.source.count("GET", LISTING), 0);
    let source = format!("{}/{REPOSITORY}", fixture.source.host());
    let catalog = fixture
        .empty_catalog()
        .image(Entry::of_tags(&source, "{semver: 1.x}").cache_as("first"))
        .image(Entry::of_tags(&source, "{semver: '>=1.1'}").cache_as("second"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.total, 4, "{ended:#?}");
    assert_eq!(fixture.source.count("GET", LISTING), 1);
}

#[tokio::test]
async fn all_tags_are_listed_page_by_page() {
    let source = FakeRegistry::builder().behaviour(|behaviour| behaviour.page_size = 10);
    let fixture = TestSync {
        source: source.start().await.unwrap(),
        target: FakeRegistry::start().await.unwrap(),
        program: program(),
    };
    let image = image("app");
    for number in 0..25 {
        fixture
            .source
            .put_image(REPOSITORY, &format!("t{number}"), &image);
    }
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "all"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.pulled, 25, "{ended:#?}");
    assert_eq!(fixture.source.count("GET", LISTING), 3);
}

#[tokio::test]
async fn a_listing_that_fails_is_one_failed_result_that_names_the_repository() {
    let fixture = with_tags(&[TAG]).await;
    let missing = fixture.tags("no/such", "all");
    let catalog = fixture.catalog().image(missing);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!(
        (report.head.summary.pulled, report.head.summary.failed),
        (1, 1)
    );
    let failed = report
        .results
        .iter()
        .find(|result| result.error.is_some())
        .unwrap();
    let error = failed.error.as_deref().unwrap();
    assert_eq!(failed.tag, "*");
    assert!(
        error.contains("no/such") && error.contains("list tags"),
        "{error}"
    );
}

#[tokio::test]
async fn a_listing_is_tried_again() {
    let fixture = with_tags(&[TAG]).await;
    fixture
        .source
        .stage(Rule::new("GET", LISTING).first(2), Fault::status(503));
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "all"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(tags_at_target(&fixture), [TAG]);
    assert_eq!(fixture.source.count("GET", LISTING), 3);
}

#[tokio::test]
async fn a_listing_waits_for_a_retry_after_no_longer_than_max_pause() {
    let fixture = with_tags(&[TAG]).await;
    let limited = Fault::rate_limited(Some("86400"));
    fixture
        .source
        .stage(Rule::new("GET", LISTING).first(1), limited);
    let catalog = fixture.empty_catalog().setting("max_pause: 10ms");
    let catalog = catalog.image(fixture.tags(REPOSITORY, "all"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.source.count("GET", LISTING), 2);
}

#[tokio::test]
async fn fewer_tags_than_are_required_are_a_failure_and_none_is_a_warning() {
    let fixture = with_tags(&["1.0", "2.0"]).await;
    for (rules, code, told) in [
        (
            "{semver: 1.x, require: 2}",
            1,
            "found 1 tags of 2 that the rules choose, expected 2 at least",
        ),
        ("{semver: 7.x}", 0, "the rules choose no tag"),
    ] {
        let catalog = fixture
            .empty_catalog()
            .image(fixture.tags(REPOSITORY, rules));
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(told), "{told:?}: {ended:#?}");
    }
}

#[tokio::test]
async fn a_tag_that_is_named_and_chosen_is_worked_once_and_another_image_for_its_target_fails() {
    let fixture = with_tags(&["1.0", "1.1"]).await;
    fixture
        .source
        .put_image("other/app", "1.0", &image("other"));
    let other = format!("{}/other/app", fixture.source.host());
    let catalog = fixture
        .catalog()
        .image(fixture.tags(REPOSITORY, "all"))
        .image(Entry::of_tags(&other, "all").cache_as(REPOSITORY));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    let summary = report.head.summary;
    assert_eq!((summary.pulled, summary.failed, summary.total), (2, 1, 3));
    let errors = report
        .results
        .iter()
        .filter_map(|result| result.error.as_deref());
    let errors: Vec<&str> = errors.collect();
    assert!(
        errors[0].contains("for which another entry has another image"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn only_chooses_among_what_the_rules_choose() {
    let fixture = with_tags(&["1.0", "1.1", "2.0"]).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "all"));
    let ended = fixture.program.sync(&catalog, &["--only", "*:1.*"]).await;
    assert_eq!(tags_at_target(&fixture), ["1.0", "1.1"], "{ended:#?}");
}
