//! How many requests it takes to know which images there are.

use image_sync_testkit::images::image;
use image_sync_testkit::servers::DockerRegistry;
use image_sync_tests::{Catalog, Entry};

use crate::support::{REPOSITORY, TestSync, program};

const LISTING: &str = "/v2/*/tags/list*";

#[tokio::test]
async fn ten_thousand_tags_are_listed_page_by_page_and_exact_tags_need_no_listing() {
    let fixture = TestSync::start().await;
    let image = image("app");
    fixture.source.put_image(REPOSITORY, "v0.0.0", &image);
    for number in 1..10_000 {
        let tag = format!("v{}.{}.{}", number / 1000, number / 10 % 100, number % 10);
        fixture.source.tag(REPOSITORY, &tag, image.digest());
    }
    assert_eq!(fixture.source.tags(REPOSITORY).len(), 10_000);
    let exact = fixture.tags(REPOSITORY, "[v9.99.9, v0.0.0]");
    let ended = fixture
        .program
        .sync(&fixture.empty_catalog().image(exact), &[])
        .await;
    assert_eq!(ended.report().head.summary.total, 2, "{}", ended.stderr);
    assert_eq!(fixture.source.count("GET", LISTING), 0);
    let rules = fixture.tags(REPOSITORY, "{semver: '>=3', latest: 3}");
    let ended = fixture
        .program
        .sync(&fixture.empty_catalog().image(rules), &[])
        .await;
    let tags: Vec<String> = ended
        .report()
        .results
        .into_iter()
        .map(|result| result.tag)
        .collect();
    assert_eq!(tags, ["v9.99.9", "v9.99.8", "v9.99.7"], "{}", ended.stderr);
    assert_eq!(fixture.source.count("GET", LISTING), 10);
}

#[tokio::test]
async fn at_docker_registry_too_exact_tags_need_no_listing_and_rules_one_per_page() {
    let (source, target) = (
        DockerRegistry::start().await.unwrap(),
        DockerRegistry::start().await.unwrap(),
    );
    for number in 0..30 {
        let tag = format!("v1.{number}");
        source.push(REPOSITORY, &tag, &image("app")).await.unwrap();
    }
    let of = format!("{}/{REPOSITORY}", source.host());
    let program = program();
    for (tags, listings, expected) in [("[v1.3]", 0, 1), ("{semver: 1.x, latest: 4}", 1, 4)] {
        source.forget_requests().await.unwrap();
        let catalog =
            Catalog::new(target.host()).image(Entry::of_tags(&of, tags).cache_as(REPOSITORY));
        let ended = program.sync(&catalog, &[]).await;
        assert_eq!(ended.report().head.summary.total, expected, "{ended:#?}");
        let requests = source.requests().await.unwrap();
        let lists = requests
            .iter()
            .filter(|request| request.path.contains("/tags/list"));
        assert_eq!(lists.count(), listings, "{requests:#?}");
    }
}
