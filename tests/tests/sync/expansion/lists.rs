//! Images that stand in a list of their own.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::image;

use crate::support::{TAG, TestSync};

#[tokio::test]
async fn each_line_of_a_list_is_at_each_of_its_targets_and_no_repository_is_listed() {
    let fixture = TestSync::start().await;
    let second = FakeRegistry::start().await.unwrap();
    let host = fixture.source.host();
    for name in ["a", "b", "c"] {
        let repository = format!("team/{name}");
        fixture.source.put_image(&repository, TAG, &image(name));
    }
    let lines = ["a", "b", "c", "a", "missing"];
    let lines = lines.map(|name| format!("{host}/team/{name}:{TAG}\r\n"));
    let lines = format!("# four images\r\n\r\n{}", lines.concat());
    fixture.program.write("images.txt", &lines);
    let catalog = fixture
        .empty_catalog()
        .target("second", second.host())
        .list("{file: images.txt, targets: [cache, second], platform: all}");
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let summary = ended.report().head.summary;
    assert_eq!(
        (summary.total, summary.pulled, summary.failed),
        (8, 6, 2),
        "{ended:#?}"
    );
    for registry in [&fixture.target, &second] {
        assert_eq!(registry.repositories().len(), 3);
    }
    let listed = |repository: &str| {
        let path = format!("/v2/{repository}/tags/list*");
        fixture.source.count("GET", &path)
    };
    // Once, and for both of its targets, for the words of its failure.
    assert_eq!((listed("*"), listed("team/missing")), (1, 1));
}

#[tokio::test]
async fn what_rules_choose_beside_a_list_is_worked_once() {
    let fixture = TestSync::start().await;
    for tag in ["1", "2"] {
        fixture.source.put_image("team/a", tag, &image(tag));
    }
    let source = format!("{}/team/a", fixture.source.host());
    fixture
        .program
        .write("images.txt", &format!("{source}:1\n"));
    let catalog = fixture
        .empty_catalog()
        .list("{file: images.txt, platform: all}")
        .image(image_sync_tests::Entry::of_tags(&source, "all").platform("all"));
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let mut tags: Vec<String> = ended
        .report()
        .results
        .into_iter()
        .map(|result| result.tag)
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1", "2"]);
}
