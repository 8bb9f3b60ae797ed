//! Images that are read where another entry of the same config writes them.

use image_sync_shared::run::outcome::Action;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::image;
use image_sync_tests::{Catalog, Entry};

use crate::support::{REPOSITORY, TAG, TestSync};

/// From the source to the target, and from there to a third registry, which the config says first.
async fn chain(first: impl Fn(&str) -> Entry) -> (TestSync, FakeRegistry, Catalog) {
    let fixture = TestSync::start().await;
    let last = FakeRegistry::start().await.unwrap();
    let from_target = first(&format!("{}/{REPOSITORY}", fixture.target.host()))
        .with(&format!("targets: ['{}/last/app']", last.host()));
    let catalog = fixture
        .empty_catalog()
        .registry(fixture.target.host(), "{insecure: true}")
        .image(from_target)
        .image(fixture.tags(REPOSITORY, "all"));
    (fixture, last, catalog)
}

#[tokio::test]
async fn an_image_goes_along_a_chain_of_entries_in_one_run() {
    let (fixture, last, catalog) = chain(|source| Entry::new(source, TAG)).await;
    for content in ["first", "second"] {
        let new = image(content);
        fixture.source.put_image(REPOSITORY, TAG, &new);
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(ended.report().head.summary.pulled, 2, "{ended:#?}");
        assert_eq!(last.digest("last/app", TAG), Some(new.digest().clone()));
    }
    let again = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(again.report().head.summary.already_cached, 2, "{again:#?}");
}

#[tokio::test]
async fn rules_choose_among_the_tags_that_a_chain_has_brought() {
    let (fixture, last, catalog) = chain(|source| Entry::of_tags(source, "{semver: 1.x}")).await;
    fixture.source.put_image(REPOSITORY, "1.1", &image("1.1"));
    fixture.source.put_image(REPOSITORY, "2.0", &image("2.0"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), ["1.1", "2.0"]);
    assert_eq!(last.tags("last/app"), ["1.1"]);
    assert_eq!(ended.report().head.summary.total, 3, "{ended:#?}");
}

#[tokio::test]
async fn an_image_is_checked_though_what_writes_it_has_failed() {
    let (fixture, last, catalog) = chain(|source| Entry::new(source, TAG)).await;
    let earlier = image("earlier");
    fixture.target.put_image(REPOSITORY, TAG, &earlier);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    let actions: Vec<&Action> = report.results.iter().map(|result| &result.action).collect();
    assert_eq!(actions, [&Action::Failed, &Action::Pulled], "{report:#?}");
    assert_eq!(last.digest("last/app", TAG), Some(earlier.digest().clone()));
}
