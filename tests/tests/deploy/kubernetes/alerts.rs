//! The alerts are tested where they are written, in deploy/prometheus. Kubernetes and the chart have them too.

use serde_json::Value;

use super::manifests::{documents, manifests};
use crate::files::text_of;

const COPY: &str = "run scripts/copy-alerts";

fn written() -> Value {
    let text = text_of("deploy/prometheus/alerts.yaml");
    documents(&text, "alerts.yaml").remove(0)["groups"].clone()
}

#[test]
fn the_rule_has_the_alerts_of_prometheus() {
    let written = written();
    assert!(!written.as_array().unwrap().is_empty());
    let all = manifests();
    let rule = all
        .iter()
        .find(|manifest| manifest.kind() == "PrometheusRule")
        .unwrap();
    assert_eq!(rule.object["spec"]["groups"], written, "{COPY}");
}

#[test]
fn the_chart_has_the_alerts_of_prometheus() {
    let text = text_of("deploy/helm/image-sync/files/alerts.yaml");
    assert_eq!(
        documents(&text, "alerts.yaml")[0]["groups"],
        written(),
        "{COPY}"
    );
}
