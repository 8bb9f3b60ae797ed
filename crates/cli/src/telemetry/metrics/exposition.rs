//! The formats in which metrics are served: `OpenMetrics` 1.0, and the text format 0.0.4 of Prometheus for who does not ask
//! for the other.

use std::collections::HashSet;

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposition {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// The text format of Prometheus.
    Text,
}

impl Exposition {
    /// The one that an `Accept` header likes best (RFC 9110, section 12.5.1); plain text if it likes both as well, or neither.
    pub(crate) fn accepted(accept: &str) -> Self {
        let (mut open_metrics, mut text) = (0.0_f32, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let weight = weight(parts.clone());
            match parts.next().unwrap_or_default() {
                "application/openmetrics-text" if speaks_version(parts) => {
                    open_metrics = open_metrics.max(weight);
                }
                "text/plain" | "text/*" | "*/*" => text = text.max(weight),
                _ => {}
            }
        }
        if open_metrics > text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Its media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Metrics that are written as `OpenMetrics`, in this format.
    pub(crate) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => as_text(&open_metrics),
        }
    }
}

/// Who names another version of `OpenMetrics` understands that one.
fn speaks_version<'a>(mut parameters: impl Iterator<Item = &'a str>) -> bool {
    parameters
        .find_map(|parameter| parameter.strip_prefix("version="))
        .is_none_or(|version| version == "1.0.0")
}

/// The `q` of a media range. One that is no number counts for nothing.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> f32 {
    let q = parameters.find_map(|parameter| parameter.strip_prefix("q="));
    q.map_or(1.0, |q| q.parse().unwrap_or_default())
}

/// There a counter is named by its sample, with `_total`, and there are neither units nor an end.
fn as_text(open_metrics: &str) -> String {
    let described = |line: &str, keyword: &str| {
        let rest = line.strip_prefix(keyword)?;
        let (name, rest) = rest.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    let types = open_metrics
        .lines()
        .filter_map(|line| described(line, "# TYPE "));
    let counters: HashSet<String> = types
        .filter(|(_, kind)| kind == "counter")
        .map(|(name, _)| name)
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let counter = ["# HELP ", "# TYPE "].into_iter().find_map(|keyword| {
            let (name, rest) = described(line, keyword)?;
            let is_counter = counters.contains(&name);
            is_counter.then(|| format!("{keyword}{name}_total {rest}"))
        });
        text.push_str(counter.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_accept_likes_best() {
        for (accept, expected) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/html", Exposition::Text),
            ("application/openmetrics-text", Exposition::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
            (
                "application/openmetrics-text; version=2.0.0, text/plain; q=0.1",
                Exposition::Text,
            ),
            (
                "application/openmetrics-text; q=0.1, text/plain; q=0.2",
                Exposition::Text,
            ),
            (
                "application/openmetrics-text;q=0, text/html",
                Exposition::Text,
            ),
        ] {
            assert_eq!(Exposition::accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn in_the_text_format_counters_are_named_by_their_samples() {
        let open_metrics = "# HELP jobs Jobs that ended.\n# TYPE jobs counter\njobs_total{outcome=\"failed\"} 2\n\
                            # HELP store_bytes Bytes.\n# TYPE store_bytes gauge\n# UNIT store_bytes bytes\nstore_bytes 7\n# EOF\n";
        let text = "# HELP jobs_total Jobs that ended.\n# TYPE jobs_total counter\njobs_total{outcome=\"failed\"} 2\n\
                    # HELP store_bytes Bytes.\n# TYPE store_bytes gauge\nstore_bytes 7\n";
        assert_eq!(Exposition::Text.of(open_metrics.to_owned()), text);
        let unchanged = Exposition::OpenMetrics.of(open_metrics.to_owned());
        assert_eq!(unchanged, open_metrics);
    }
}
