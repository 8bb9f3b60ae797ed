//! What a program tells at `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

use super::expressions::Expression;

/// A metric of the program.
#[derive(Debug, Default)]
pub(super) struct Metric {
    /// `counter`, `gauge` or `histogram`; that of its samples where it is told so.
    pub(super) kind: String,
    /// The names of its labels.
    pub(super) labels: BTreeSet<String>,
}

/// The metrics of one program or of several.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    metrics: BTreeMap<String, Metric>,
    values: BTreeSet<(String, String)>,
}

impl Exposition {
    /// Takes in what is written in the text format of Prometheus.
    pub(super) fn take(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap();
                self.describe(name, kind);
            } else if !line.starts_with('#') {
                let (series, _value) = line.rsplit_once(' ').unwrap();
                self.sample(series);
            }
        }
    }

    fn describe(&mut self, name: &str, kind: &str) {
        let samples: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        for suffix in samples {
            let metric = self.metrics.entry(format!("{name}{suffix}")).or_default();
            kind.clone_into(&mut metric.kind);
        }
    }

    fn sample(&mut self, series: &str) {
        for selector in Expression::parse(series).selectors {
            let metric = self.metrics.get_mut(&selector.metric).unwrap();
            for matcher in selector.matchers {
                metric.labels.insert(matcher.label.clone());
                self.values.insert((matcher.label, matcher.value));
            }
        }
    }

    /// A metric by the name of its samples.
    pub(super) fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// Whether any metric has this label with this value, or a label whose values are not the program's own words.
    pub(super) fn has_value(&self, label: &str, value: &str) -> bool {
        let is_free = ["host", "le"].contains(&label);
        is_free || self.values.contains(&(label.to_owned(), value.to_owned()))
    }
}
