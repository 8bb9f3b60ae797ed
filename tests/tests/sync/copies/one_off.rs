//! `copy`: one image, or what rules choose, to any number of targets.

use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::image;

use crate::support::{REPOSITORY, TAG, TestSync};

const LISTING: &str = "/v2/*/tags/list*";

#[tokio::test]
async fn one_image_is_copied_to_several_targets_without_a_config() {
    let app = image("app");
    let fixture = TestSync::with(&app).await;
    let other = FakeRegistry::start().await.unwrap();
    let source = format!("{}/{REPOSITORY}:{TAG}", fixture.source.host());
    let first = format!("{}/{REPOSITORY}", fixture.target.host());
    let second = format!("{}/web:stable", other.host());
    let arguments = [
        "copy",
        &source,
        &first,
        &second,
        "oci:./cache/app",
        "--platform",
        "all",
    ];
    let ended = fixture.program.run(&arguments).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report.head.summary.pulled, 3);
    assert_eq!(report.head.cache_registry, fixture.target.host());
    assert_eq!(fixture.at_target().as_ref(), Some(app.digest()));
    assert_eq!(other.digest("web", "stable").as_ref(), Some(app.digest()));
    let index = fixture.program.home().join("cache/app/index.json");
    let index = std::fs::read_to_string(index).unwrap();
    assert!(index.contains(app.digest().as_str()), "{index}");
    let again = fixture.program.run(&arguments).await;
    assert_eq!(again.report().head.summary.already_cached, 3, "{again:#?}");
    assert_eq!(fixture.source.count("GET", LISTING), 0);
    fixture.nothing_broken();
}

#[tokio::test]
async fn options_choose_among_the_tags_of_the_source() {
    let fixture = TestSync::start().await;
    for tag in ["1.0", "1.1", "1.2", "2.0", "nightly"] {
        fixture.source.put_image(REPOSITORY, tag, &image(tag));
    }
    let source = format!("{}/{REPOSITORY}", fixture.source.host());
    let target = format!("{}/{REPOSITORY}", fixture.target.host());
    let copy = ["copy", &source, &target];
    let rules = [
        "--semver",
        "1.x",
        "--exclude",
        "1.1",
        "--latest",
        "2",
        "--dry-run",
    ];
    let ended = fixture.program.run(&[&copy[..], &rules].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.skipped, 2, "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), [""; 0]);
    let ended = fixture
        .program
        .run(&[&copy[..], &rules[..6]].concat())
        .await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.target.tags(REPOSITORY), ["1.0", "1.2"]);
    let all = fixture
        .program
        .run(&[&copy[..], &["--all-tags"]].concat())
        .await;
    assert_eq!(all.report().head.summary.total, 5, "{all:#?}");
}

#[tokio::test]
async fn settings_and_defaults_are_those_of_the_config_and_its_images_are_left_alone() {
    let fixture = TestSync::with(&image("app")).await;
    let config = fixture.catalog().setting("skip_on_error: true");
    fixture.program.write("config.yaml", &config.yaml());
    let source = format!("{}/no/such:1", fixture.source.host());
    let target = format!("{}/x", fixture.target.host());
    let copy = ["copy", &source, &target];
    let ended = fixture
        .program
        .run(&[&copy[..], &["-c", "config.yaml"]].concat())
        .await;
    assert_eq!(ended.code, Some(0), "skip_on_error: {ended:#?}");
    assert_eq!(ended.only_result().tag, "1");
    let ended = fixture.program.run(&copy).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
}

#[tokio::test]
async fn what_cannot_be_ordered_is_refused_before_anything_is_contacted() {
    let fixture = TestSync::with(&image("app")).await;
    let source = format!("{}/{REPOSITORY}", fixture.source.host());
    let tagged = format!("{source}:{TAG}");
    let target = format!("{}/x", fixture.target.host());
    for (arguments, reason) in [
        (
            vec!["copy", &source, &target],
            "has no tag, expected one as in",
        ),
        (
            vec!["copy", &tagged, &target, "--all-tags"],
            "beside rules for tags",
        ),
        (vec!["copy", &tagged, "nginx"], "expected one of HOST/NAME"),
        (vec!["copy", &tagged], "TARGET"),
        (
            vec!["copy", &source, &target, "--semver", "x.y"],
            "--semver: \"x.y\" cannot be used",
        ),
        (
            vec!["copy", &tagged, &target, "--platform", "linux"],
            "--platform: ",
        ),
        (
            vec!["config", "tags", &tagged],
            "is one image, expected a repository",
        ),
        (
            vec!["config", "tags", &source, "--latest", "2"],
            "--latest: found no order",
        ),
    ] {
        let ended = fixture.program.run(&arguments).await;
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(reason), "{reason}: {ended:#?}");
    }
    assert_eq!(fixture.source.requests(), []);
    assert_eq!(fixture.target.requests(), []);
}

#[tokio::test]
async fn config_tags_says_which_stage_leaves_out_which_tag() {
    let fixture = TestSync::start().await;
    for tag in ["1.0", "1.1", "2.0", "nightly"] {
        fixture.source.put_image(REPOSITORY, tag, &image(tag));
    }
    let config = fixture.empty_catalog();
    let config = config.image(fixture.tags(REPOSITORY, "{semver: 1.x, latest: 1}"));
    fixture.program.write("config.yaml", &config.yaml());
    let source = format!("{}/{REPOSITORY}", fixture.source.host());
    let tags = ["config", "tags", &source];
    let table = [&tags[..], &["-c", "config.yaml", "--output", "table"]].concat();
    let ended = fixture.program.run(&table).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let expected = format!(
        "{source}: 4 tags

images[0] of config.yaml:
  artifacts  leaves 4
  semver     leaves 2
  latest     leaves 1

TAG      STAGE   WHY
1.1      chosen
1.0      latest  is behind those
2.0      semver  \"2.0\" is not in the range
nightly  semver  \"nightly\" is no version
"
    );
    assert_eq!(ended.stdout, expected);
    let ended = fixture
        .program
        .run(&[&tags[..], &["--include", "1.*"]].concat())
        .await;
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["tags"], 4, "{ended:#?}");
    assert_eq!(told["rules"][0]["from"], "the options");
    assert_eq!(told["rules"][0]["stages"][1]["left"], 2);
    assert_eq!(told["rules"][0]["tags"][2]["stage"], "include");
    assert_eq!(fixture.source.count("GET", LISTING), 2, "once each time");
    let ended = fixture.program.run(&tags).await;
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["rules"][0]["from"], "no rules");
}

#[tokio::test]
async fn config_tags_has_the_rules_of_a_namespace_that_has_the_source() {
    let fixture = TestSync::start().await;
    for tag in ["1.0", "2.0"] {
        fixture.source.put_image("team/app", tag, &image(tag));
    }
    let host = fixture.source.host();
    let item = format!("{{source: '{host}/team', exclude: '.*/old', tags: {{semver: 1.x}}}}");
    let config = fixture.empty_catalog().repositories(&item);
    fixture.program.write("config.yaml", &config.yaml());
    for (repository, from) in [
        ("team/app", "repositories[0] of config.yaml"),
        ("team/old", "no rules for it in config.yaml"),
    ] {
        fixture.source.put_image(repository, "1.0", &image("1.0"));
        let source = format!("{host}/{repository}");
        let line = ["config", "tags", &source, "-c", "config.yaml"];
        let ended = fixture.program.run(&line).await;
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(told["rules"][0]["from"], from, "{ended:#?}");
        assert_eq!(told["rules"].as_array().unwrap().len(), 1);
    }
    assert_eq!(fixture.source.count("GET", "/v2/_catalog"), 0);
}
