use super::super::samples::{converted, error, with};
use crate::config_file::DialectOptions;

const SAMPLE: &str = r#"apiVersion: mirror.fluxcd.io/v1alpha1
kind: Config
charts:
  - {name: dns, source: https://charts.example.com/, destination: oci://ghcr.io/example/charts}
artifacts:
  - source: registry.k8s.io/dns/dns
    destination: ghcr.io/example/dns
    selector: {semver: ">=0.15.0", limit: 3}
    includeReferrers: true
  - {source: quay.io/a/b, destination: other.example/b, overwrite: true}
"#;

#[test]
fn artifacts_are_images_and_charts_are_not_mapped() {
    let (native, is_complete) = converted(SAMPLE, "c.yaml", &DialectOptions::default(), &[]);
    let images = "images:
  - source: registry.k8s.io/dns/dns
    cache_as: example/dns
    platform: all
    overwrite: error
    tags:
      semver: '>=0.15.0'
      latest: 3
    referrers: true
  - source: quay.io/a/b
    targets: other.example/b
    platform: all
    tags: all
";
    assert!(native.ends_with(images), "{native}");
    assert!(
        native.contains("# not mapped: charts[0] (line 4): charts of Helm's own"),
        "{native}"
    );
    assert!(!is_complete, "for the sake of charts");
    let artifacts_alone = SAMPLE.replace("charts:", "x-charts:");
    let (_, is_complete) = converted(&artifacts_alone, "c.yaml", &DialectOptions::default(), &[]);
    assert!(is_complete);
}

#[test]
fn what_refers_to_an_artifact_comes_where_the_file_says_so() {
    let parsed = with(SAMPLE, "c.yaml", &DialectOptions::default()).unwrap();
    let referrers = |of: &str| {
        let mut images = parsed.images.by_rules();
        let image = images.find(|image| image.source.to_string() == of).unwrap();
        image.policy.referrers
    };
    assert_eq!(referrers("registry.k8s.io/dns/dns"), Some(Box::default()));
    assert_eq!(referrers("quay.io/a/b"), None);
    let text = SAMPLE.replace("includeReferrers: true", "includeReferrers: maybe");
    let told = error(&text, "c.yaml", &DialectOptions::default());
    assert!(
        told.starts_with(
            "c.yaml:9:23: artifacts[0].includeReferrers: found a text, expected true or false"
        ),
        "{told}"
    );
}

#[test]
fn an_artifact_needs_a_source_and_a_destination() {
    let text = SAMPLE.replace("    destination: ghcr.io/example/dns\n", "");
    let told = error(&text, "c.yaml", &DialectOptions::default());
    assert!(
        told.starts_with("c.yaml:6:5: artifacts[0].destination: missing, expected HOST/NAME"),
        "{told}"
    );
}

#[test]
fn charts_and_artifacts_that_are_no_lists_are_told() {
    let text = "apiVersion: mirror.fluxcd.io/v1alpha1\ncharts: x\nartifacts: {a: b}\n";
    let told = error(text, "c.yaml", &DialectOptions::default());
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(
        lines,
        [
            "c.yaml:2:9: charts: found a text, expected a list",
            "c.yaml:3:12: artifacts: found a mapping, expected a list"
        ]
    );
}
