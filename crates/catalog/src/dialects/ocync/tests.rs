use image_sync_shared::run::job::Referrers;

use super::super::samples::{converted, error, warnings, with_variables};
use super::filters::regex_of;
use crate::config_file::DialectOptions;

const SAMPLE: &str = r#"global: {max_concurrent_transfers: 50}
registries:
  hardened: {url: cgr.dev}
  east: {url: 1.dkr.ecr.us-east-1.example.com, auth_type: ecr}
  west: {url: "${WEST:-1.dkr.ecr.us-west-2.example.com}"}
target_groups: {prod: [east, west]}
defaults:
  source: hardened
  targets: prod
  platforms: [linux/amd64, linux/arm64]
  tags: {semver: ">=1.0", sort: semver, latest: 10}
mappings:
  - {from: hardened/nginx, to: nginx}
  - {from: hardened/python, tags: {glob: "*-slim", include: [latest]}, targets: [west], platforms: [linux/amd64]}
"#;
const REST: &str = "  exclude:
    - (?i).*-rc.*
    - (?i).*-alpha.*
    - (?i).*-beta.*
    - (?i).*-pre.*
    - (?i).*-snapshot.*
    - (?i).*-nightly.*
";

#[test]
fn mappings_go_to_all_registries_of_their_group_without_what_the_tool_leaves_out() {
    let (native, is_complete) = converted(SAMPLE, "c.yaml", &DialectOptions::default(), &[]);
    let rest = REST
        .replace("  exclude", "      exclude")
        .replace("    - ", "      - ");
    assert!(
        native.contains("west:\n    registry: ${WEST:-1.dkr.ecr.us-west-2.example.com}\n"),
        "{native}"
    );
    let first = "  - source: cgr.dev/hardened/nginx
    cache_as: nginx
    targets:
    - east
    - west
    platform:
    - linux/amd64
    - linux/arm64
    referrers: true
    tags:
";
    assert!(native.contains(first), "{native}");
    assert!(native.contains(&rest), "{native}");
    assert!(
        native.contains("      semver: '>=1.0'\n      latest: 10\n      sort: semver\n"),
        "{native}"
    );
    let exact = "    cache_as: hardened/python
    targets:
    - west
    platform:
    - linux/amd64
    referrers: true
    tags:
    - latest
";
    assert!(native.contains(exact), "{native}");
    assert!(
        native.contains("      include:\n      - .*-slim\n"),
        "{native}"
    );
    assert!(native.contains("  concurrency: 50\n"), "{native}");
    assert!(is_complete, "{native}");
}

#[test]
fn variables_have_the_values_of_the_environment() {
    let options = DialectOptions::default();
    let parsed = with_variables(SAMPLE, "c.yaml", &options, &[("WEST", "w.example.com")]).unwrap();
    let targets: Vec<String> = parsed
        .images
        .by_rules()
        .map(|image| image.target.to_string())
        .collect();
    let east = "1.dkr.ecr.us-east-1.example.com/nginx";
    assert_eq!(
        targets,
        [east, "w.example.com/nginx", "w.example.com/hardened/python"]
    );
    let told = warnings(&parsed);
    assert!(
        told.len() == 1 && told[0].contains("registries.east.auth_type"),
        "{told:?}"
    );
}

#[test]
fn artifacts_come_by_default_and_as_the_defaults_or_the_mapping_say() {
    let referrers = |defaults: &str, own: &str| {
        let text = SAMPLE.replace("  targets: prod", &format!("  targets: prod\n{defaults}"));
        let text = text.replace("to: nginx}", &format!("to: nginx{own}}}"));
        let parsed = with_variables(
            &text,
            "c.yaml",
            &DialectOptions::default(),
            &[("WEST", "w.io")],
        )
        .unwrap();
        let first = parsed.images.by_rules().next().unwrap();
        first.policy.referrers.map(|of| {
            let Referrers {
                types,
                exclude,
                required,
                depth,
                ..
            } = *of;
            format!("{types:?} {exclude:?} {required} {depth}")
        })
    };
    let all = Some("[] [] false 3".to_owned());
    assert_eq!(referrers("", ""), all);
    assert_eq!(
        referrers("  artifacts: {enabled: true, include: [], exclude: []}", ""),
        all
    );
    assert_eq!(referrers("  artifacts: {enabled: false}", ""), None);
    assert_eq!(
        referrers(
            "  artifacts: {enabled: false}",
            ", artifacts: {enabled: true}"
        ),
        all
    );
    assert_eq!(referrers("", ", artifacts: {enabled: false}"), None);
    let chosen = "  artifacts: {include: [application/spdx+json], exclude: [application/x.y], require_artifacts: true}";
    let expected = r#"["application/spdx+json"] ["application/x.y"] true 3"#;
    assert_eq!(referrers(chosen, "").as_deref(), Some(expected));
    let text = SAMPLE.replace(
        "to: nginx}",
        "to: nginx, artifacts: {require_artifacts: perhaps}}",
    );
    let told = error(&text, "c.yaml", &DialectOptions::default());
    let expected = "c.yaml:13:70: mappings[0].artifacts.require_artifacts: found a text, expected true or false";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn names_that_are_none_of_the_file_are_told_with_their_places() {
    let text = SAMPLE
        .replace("source: hardened\n", "source: hard\n")
        .replace("targets: [west]", "targets: [wset]");
    let told = error(&text, "c.yaml", &DialectOptions::default());
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = r#"c.yaml:8:11: mappings[0].source: found the registry "hard", expected one of east, hardened, west"#;
    assert_eq!(lines[0], expected, "{told}");
    let text = SAMPLE.replace("from: hardened/nginx, ", "");
    let told = error(&text, "c.yaml", &DialectOptions::default());
    assert!(
        told.starts_with("c.yaml:13:5: mappings[0].from: missing"),
        "{told}"
    );
}

#[test]
fn globs_are_regular_expressions() {
    for (glob, regex) in [
        ("*", ".*"),
        ("1.*", r"1\..*"),
        ("v?[0-9]*", "v.[0-9].*"),
        ("[!a]+b", r"[^a]\+b"),
    ] {
        assert_eq!(regex_of(glob), regex);
    }
}
