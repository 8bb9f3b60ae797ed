//! The files of deploy/prometheus and deploy/grafana, as far as the tests look into them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_json::Value;

use crate::files::{repository, text_of};

/// The folder of Prometheus' files.
pub(super) const FOLDER: &str = "deploy/prometheus";

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// An alert.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) alert: String,
    pub(super) expr: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// All alerts, in their order.
pub(super) fn rules() -> Vec<Rule> {
    let file: RuleFile =
        serde_yaml_ng::from_str(&text_of("deploy/prometheus/alerts.yaml")).unwrap();
    file.groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect()
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<TestGroup>,
}

#[derive(Deserialize)]
struct TestGroup {
    name: String,
    input_series: Vec<InputSeries>,
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
}

#[derive(Deserialize)]
struct InputSeries {
    series: String,
}

#[derive(Deserialize)]
struct AlertTest {
    alertname: String,
    exp_alerts: Vec<Value>,
}

/// The tests of the alerts.
#[derive(Default)]
pub(super) struct AlertTests {
    /// Their files, in the folder of Prometheus' files.
    pub(super) files: Vec<String>,
    /// Alerts that fire in one of them.
    pub(super) firing: BTreeSet<String>,
    /// Alerts that do not fire in one of them.
    pub(super) silent: BTreeSet<String>,
    /// The series that are made up, and for which test.
    pub(super) series: Vec<(String, String)>,
}

impl AlertTests {
    pub(super) fn load() -> Self {
        let mut tests = Self::default();
        for entry in fs::read_dir(repository(FOLDER).join("tests")).unwrap() {
            let path = entry.unwrap().path();
            tests.take(&fs::read_to_string(&path).unwrap());
            let name = path.file_name().unwrap().to_str().unwrap();
            tests.files.push(format!("tests/{name}"));
        }
        tests
    }

    fn take(&mut self, text: &str) {
        let file: TestFile = serde_yaml_ng::from_str(text).unwrap();
        for group in file.tests {
            for test in group.alert_rule_test {
                if test.exp_alerts.is_empty() {
                    self.silent.insert(test.alertname);
                } else {
                    self.firing.insert(test.alertname);
                }
            }
            for series in group.input_series {
                // Of a program beside image-sync.
                if !series.series.contains(r#"job="node""#) {
                    self.series.push((group.name.clone(), series.series));
                }
            }
        }
    }
}

/// The dashboard.
pub(super) fn dashboard() -> Value {
    serde_json::from_str(&text_of("deploy/grafana/image-sync.json")).unwrap()
}

/// The expressions of panels, variables and annotations, and of which.
pub(super) fn dashboard_expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut expressions = Vec::new();
    let mut take = |title: &Value, expression: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        expressions.push((text(title), text(expression)));
    };
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            take(&panel["title"], &target["expr"]);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            take(&variable["name"], &variable["definition"]);
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        if annotation["builtIn"] != 1 {
            take(&annotation["name"], &annotation["expr"]);
        }
    }
    expressions
}
