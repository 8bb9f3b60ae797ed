//! Whole namespaces, by the catalogs of registries.

use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;

use crate::support::TestSync;

/// A [`TestSync`] whose source has these images.
async fn with(images: &[(&str, &str)]) -> TestSync {
    let fixture = TestSync::start().await;
    for (repository, tag) in images {
        fixture.source.put_image(repository, tag, &image(tag));
    }
    fixture
}

/// What is at the target, without the path that the host of the source makes there.
fn at_target(fixture: &TestSync) -> Vec<String> {
    let names = fixture.target.repositories();
    let images = names.iter().flat_map(|name| {
        let short = name.split_once('/').map_or("", |(_, short)| short);
        let tags = fixture.target.tags(name);
        tags.into_iter().map(move |tag| format!("{short}:{tag}"))
    });
    images.collect()
}

#[tokio::test]
async fn all_repositories_of_a_namespace_are_found_in_the_catalog_and_listed_once_each() {
    let fixture = with(&[
        ("team/a", "v1"),
        ("team/a", "v2"),
        ("team/b/c", "v1"),
        ("team/scratch", "v1"),
        ("teams/d", "v1"),
    ])
    .await;
    fixture.source.create_repository("team/empty");
    let host = fixture.source.host();
    let all = format!(
        "{{source: '{host}/team', exclude: '.*/scratch', tags: {{semver: '*', latest: 1}}, platform: all}}"
    );
    let exact = format!("{{source: '{host}/team', include: 'team/a', tags: [v1], platform: all}}");
    let catalog = fixture
        .empty_catalog()
        .repositories(&all)
        .repositories(&exact);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(
        at_target(&fixture),
        ["team/a:v1", "team/a:v2", "team/b/c:v1"]
    );
    assert_eq!(fixture.source.count("GET", "/v2/_catalog"), 1);
    assert_eq!(
        fixture.source.count("GET", "/v2/*/tags/list"),
        3,
        "a, b/c and empty"
    );
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_host_alone_is_all_that_its_catalog_has_and_only_chooses_among_it() {
    let fixture = with(&[("a", "v1"), ("b/c", "v1"), ("d", "v1")]).await;
    let item = format!(
        "{{source: '{}', tags: all, platform: all}}",
        fixture.source.host()
    );
    let catalog = fixture.empty_catalog().repositories(&item);
    let ended = fixture.program.sync(&catalog, &["--only", "*/b/*"]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(at_target(&fixture), ["b/c:v1"]);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(at_target(&fixture), ["a:v1", "b/c:v1", "d:v1"]);
}

#[tokio::test]
async fn a_repository_that_vanished_or_has_no_tags_is_a_warning() {
    let fixture = with(&[("team/gone", "v1"), ("team/here", "v1")]).await;
    fixture.source.create_repository("team/empty");
    let gone = Rule::new("GET", "/v2/team/gone/tags/list");
    fixture.source.stage(gone, Fault::status(404));
    let item = format!(
        "{{source: '{}/team', tags: all, platform: all}}",
        fixture.source.host()
    );
    let ended = fixture
        .program
        .sync(&fixture.empty_catalog().repositories(&item), &[])
        .await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.total, 1);
    assert_eq!(at_target(&fixture), ["team/here:v1"]);
    for told in [
        "it is in the catalog and has no tags",
        "the rules choose no tag",
    ] {
        assert!(ended.stderr.contains(told), "{ended:#?}");
    }
}

#[tokio::test]
async fn a_registry_without_a_catalog_is_one_failed_result_and_the_other_images_are_copied() {
    let fixture = with(&[("team/app", "1.0")]).await;
    fixture
        .source
        .stage(Rule::new("GET", "/v2/_catalog"), Fault::status(404));
    let item = format!("{{source: '{}/team', tags: all}}", fixture.source.host());
    let ended = fixture
        .program
        .sync(&fixture.catalog().repositories(&item), &[])
        .await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let report = ended.report();
    let summary = report.head.summary;
    assert_eq!((summary.pulled, summary.failed, summary.total), (1, 1, 2));
    let failed = report
        .results
        .iter()
        .find(|result| result.error.is_some())
        .unwrap();
    assert_eq!(
        (&*failed.image, &*failed.tag),
        (&*format!("{}/team/*", fixture.source.host()), "*")
    );
    let error = failed.error.as_deref().unwrap();
    assert!(
        error.contains("no catalog of its repositories, so name them in images"),
        "{error}"
    );
}

#[tokio::test]
async fn a_catalog_is_asked_for_again_after_a_failure_that_may_pass() {
    let fixture = with(&[("team/app", "1.0")]).await;
    let catalog = Rule::new("GET", "/v2/_catalog").first(2);
    fixture.source.stage(catalog, Fault::status(503));
    let item = format!(
        "{{source: '{}/team', tags: all, platform: all}}",
        fixture.source.host()
    );
    let ended = fixture
        .program
        .sync(&fixture.empty_catalog().repositories(&item), &[])
        .await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(at_target(&fixture), ["team/app:1.0"]);
}
