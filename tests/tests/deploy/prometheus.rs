//! The alerts and the dashboard: what they do when, and that every name in them is one that the program has.

mod exposition;
mod expressions;
mod files;
mod pipeline;
mod promtool;

use std::collections::{BTreeMap, BTreeSet};

use crate::files::text_of;
use exposition::Exposition;
use expressions::Expression;
use files::{AlertTests, dashboard, dashboard_expressions, rules};
use promtool::promtool;

/// The labels that Prometheus gives to all that it reads from a target, and to a job of Kubernetes.
const OF_TARGETS: [&str; 3] = ["job", "instance", "namespace"];
/// What Prometheus says itself.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];

#[tokio::test]
async fn prometheus_takes_its_config_and_its_rules() {
    promtool(&["check", "config", "prometheus.yaml"]).await;
    promtool(&["check", "rules", "alerts.yaml"]).await;
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_not_otherwise() {
    let tests = AlertTests::load();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(tests.files.iter().map(String::as_str));
    promtool(&arguments).await;
}

#[test]
fn every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let tests = AlertTests::load();
    let alerts: BTreeSet<_> = rules().into_iter().map(|rule| rule.alert).collect();
    assert_eq!(tests.firing, alerts, "these fire in a test");
    assert_eq!(tests.silent, alerts, "these are silent in a test");
}

#[test]
fn every_alert_says_what_it_means_and_has_its_section_in_the_docs() {
    let docs = text_of("docs/operations.md");
    let (_, section) = docs.split_once("\n## Alerts\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    let alerts: Vec<_> = rules().into_iter().map(|rule| rule.alert).collect();
    assert_eq!(headings.collect::<Vec<_>>(), alerts);
    for rule in rules() {
        let severity = &rule.labels["severity"];
        assert!(["critical", "warning"].contains(&&**severity), "{rule:?}");
        let anchor = format!("docs/operations.md#{}", rule.alert.to_lowercase());
        assert_eq!(rule.annotations["runbook"], anchor);
        for text in ["summary", "description"] {
            assert!(!rule.annotations[text].is_empty(), "{rule:?}");
        }
    }
}

#[tokio::test]
async fn every_metric_and_label_of_alerts_and_dashboard_is_one_of_the_program() {
    let program = pipeline::all_metrics().await;
    let alerts = rules()
        .into_iter()
        .map(|rule| (rule.alert, rule.expr))
        .collect();
    let named = [alerts, AlertTests::load().series, dashboard_expressions()];
    let wrong: Vec<String> = named
        .into_iter()
        .flatten()
        .flat_map(|(place, text)| {
            let problems = problems(&program, &text);
            problems
                .into_iter()
                .map(move |problem| format!("{place}: {problem}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What an expression names that the program does not have.
fn problems(program: &Exposition, text: &str) -> Vec<String> {
    let expression = Expression::parse(text);
    let mut problems = Vec::new();
    let mut labels: BTreeSet<&str> = OF_TARGETS.into();
    for selector in &expression.selectors {
        let metric = &*selector.metric;
        if OF_PROMETHEUS.contains(&metric) {
            continue;
        }
        let Some(found) = program.metric(metric) else {
            problems.push(format!("no metric {metric}"));
            continue;
        };
        for matcher in &selector.matchers {
            if OF_TARGETS.contains(&&*matcher.label) {
                continue;
            }
            if !found.labels.contains(&*matcher.label) {
                problems.push(format!("no label {} of {metric}", matcher.label));
            }
            for word in matcher.words() {
                if !program.has_value(&matcher.label, word) {
                    problems.push(format!("no {}={word:?} of {metric}", matcher.label));
                }
            }
        }
        if selector.is_counted && found.kind == "gauge" {
            problems.push(format!("a gauge is no counter: {metric}"));
        }
        labels.extend(found.labels.iter().map(String::as_str));
    }
    let unknown = expression
        .grouping
        .iter()
        .filter(|label| !labels.contains(&***label));
    problems.extend(unknown.map(|label| format!("no label {label} in {text}")));
    problems
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit_and_asks_the_chosen_data_source() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(variables, ["datasource", "namespace", "job", "instance"]);
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        *places.entry(panel["gridPos"].to_string()).or_default() += 1;
        if panel["type"] == "row" {
            continue;
        }
        let said = |text: &serde_json::Value| text.as_str().is_some_and(|text| !text.is_empty());
        assert!(said(&panel["description"]), "{panel}");
        assert!(said(&panel["fieldConfig"]["defaults"]["unit"]), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
    assert!(places.values().all(|count| *count == 1), "{places:?}");
}
