//! `sync --only-failed`: what failed in an earlier run, and nothing else.

use image_sync_testkit::fake_registry::{Fault, Rule};
use image_sync_testkit::images::image;
use image_sync_tests::{Catalog, Ended};

use crate::support::{REPOSITORY, TAG, TestSync, all};

/// Runs with what failed in the report of the run before.
async fn again(fixture: &TestSync, catalog: &Catalog, before: &Ended) -> Ended {
    fixture.program.write("report.json", &before.stdout);
    let arguments = ["--only-failed", "report.json"];
    fixture.program.sync(catalog, &arguments).await
}

#[tokio::test]
async fn only_images_that_failed_in_the_report_are_worked() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.put_image("team/other", TAG, &image("other"));
    let fault = Rule::new("GET", "/v2/team/other/blobs/*").first(1);
    fixture.source.stage(fault, Fault::status(403));
    let catalog = fixture.catalog().image(fixture.entry("team/other", TAG));
    let first = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(first.code, Some(1), "{first:#?}");
    let checks = fixture.source.count("HEAD", "/v2/team/app/manifests/*");
    let ended = again(&fixture, &catalog, &first).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let result = ended.only_result();
    assert!(result.image.ends_with("team/other"), "{ended:#?}");
    assert_eq!(fixture.target.tags("team/other"), [TAG]);
    let after = fixture.source.count("HEAD", "/v2/team/app/manifests/*");
    assert_eq!(after, checks, "the other image is left alone");
    let nothing = again(&fixture, &catalog, &ended).await;
    assert_eq!(nothing.code, Some(0), "{nothing:#?}");
    assert_eq!(nothing.report().head.summary.total, 0);
    assert!(nothing.stderr.contains("nothing to do"), "{nothing:#?}");
}

#[tokio::test]
async fn rules_are_expanded_and_what_failed_of_them_is_worked() {
    let fixture = TestSync::start().await;
    for tag in ["1.0", "1.1", "1.2"] {
        fixture.source.put_image(REPOSITORY, tag, &image(tag));
    }
    fixture.source.put_image("team/other", TAG, &image("other"));
    for method in ["HEAD", "GET"] {
        let fault = Rule::new(method, "/v2/team/app/manifests/1.1").first(1);
        fixture.source.stage(fault, Fault::status(403));
    }
    let catalog = fixture
        .empty_catalog()
        .image(fixture.tags(REPOSITORY, "all"))
        .image(fixture.tags("team/other", "all"));
    let first = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(first.report().head.summary.failed, 1, "{first:#?}");
    let others = "/v2/team/other/tags/list*";
    assert_eq!(fixture.source.count("GET", others), 1);
    let ended = again(&fixture, &catalog, &first).await;
    assert_eq!(ended.only_result().tag, "1.1", "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), ["1.0", "1.1", "1.2"]);
    assert_eq!(
        fixture.source.count("GET", others),
        1,
        "nothing failed there"
    );
}

#[tokio::test]
async fn what_failed_in_a_namespace_is_worked_and_its_other_repositories_are_not_listed() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.put_image("team/other", TAG, &image("other"));
    let fault = Rule::new("GET", "/v2/team/app/blobs/*").first(1);
    fixture.source.stage(fault, Fault::status(403));
    let host = fixture.source.host();
    let config = fixture.empty_catalog().yaml();
    let config = format!("{config}repositories: [{{source: '{host}/team', tags: all}}]\n");
    fixture.program.write("config.yaml", &config);
    let sync = ["sync", "-c", "config.yaml"];
    let first = fixture.program.run(&sync).await;
    assert_eq!(first.report().head.summary.failed, 1, "{first:#?}");
    fixture.program.write("report.json", &first.stdout);
    let again = ["--only-failed", "report.json"];
    let ended = fixture.program.run(&[&sync[..], &again].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.only_result().image.ends_with("team/app"),
        "{ended:#?}"
    );
    assert!(
        !ended.stderr.contains("no image of the config"),
        "{ended:#?}"
    );
    let listings = fixture.source.count("GET", "/v2/team/other/tags/list*");
    assert_eq!(listings, 1, "{ended:#?}");
}

#[tokio::test]
async fn a_listing_that_failed_is_all_that_its_rules_choose() {
    let fixture = TestSync::with(&image("app")).await;
    let listing = Rule::new("GET", "/v2/*/tags/list*").first(1);
    fixture.source.stage(listing, Fault::status(403));
    let catalog = fixture.empty_catalog();
    let catalog = catalog.image(fixture.tags(REPOSITORY, "all"));
    let first = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(first.only_result().tag, "*");
    let ended = again(&fixture, &catalog, &first).await;
    assert_eq!(ended.only_result().tag, TAG, "{ended:#?}");
    assert!(
        !ended.stderr.contains("no image of the config"),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn images_that_the_config_does_not_have_any_more_are_told() {
    let fixture = TestSync::with(&image("app")).await;
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::status(403));
    let entry = fixture.entry(REPOSITORY, TAG);
    let both = fixture
        .empty_catalog()
        .image(entry)
        .image(fixture.entry(REPOSITORY, "gone"));
    let first = fixture.program.sync(&both, &[]).await;
    let rules = fixture.empty_catalog();
    let rules = rules.image(fixture.tags(REPOSITORY, "all"));
    for catalog in [fixture.catalog(), rules] {
        let ended = again(&fixture, &catalog, &first).await;
        assert_eq!(ended.only_result().tag, TAG, "{ended:#?}");
        let warned = ended.stderr.matches("no image of the config now").count();
        assert_eq!(warned, 1, "{ended:#?}");
        let named = format!("{REPOSITORY}:gone for {}", fixture.target.host());
        assert!(ended.stderr.contains(&named), "{ended:#?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_report_is_refused_before_anything_is_contacted() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.program.write("config.json", "{\"images\": []}");
    for (file, reason) in [
        ("config.json", "no report of a run: missing field `run_id`"),
        ("missing.json", "cannot read missing.json: No such file"),
    ] {
        let ended = fixture
            .program
            .sync(&fixture.catalog(), &["--only-failed", file])
            .await;
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(reason), "{ended:#?}");
    }
    assert_eq!(fixture.source.requests(), []);
}
