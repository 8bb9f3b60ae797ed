//! Which metrics and labels an expression names.

/// What stands between names: aggregations, operators and modifiers. Functions are known by what follows them.
const KEYWORDS: [&str; 12] = [
    "and", "or", "unless", "bool", "offset", "atan2", "sum", "max", "min", "avg", "count", "topk",
];
/// What is followed by the names of labels.
const GROUPINGS: [&str; 6] = [
    "by",
    "on",
    "without",
    "ignoring",
    "group_left",
    "group_right",
];
/// Functions that want a counter.
const OF_COUNTERS: [&str; 3] = ["rate", "irate", "increase"];

/// A condition of a selector, as in `lane="now"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) value: String,
}

impl Matcher {
    /// The words that it asks for; none where it asks for a pattern or for what a variable of the dashboard has.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let words = self.value.split('|');
        words.filter(|word| {
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-:+".contains(letter);
            !word.is_empty() && word.chars().all(is_plain)
        })
    }
}

/// A metric, and which of its series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    pub(super) matchers: Vec<Matcher>,
    /// Whether a function is applied to it that wants a counter.
    pub(super) is_counted: bool,
}

/// What an expression names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) selectors: Vec<Selector>,
    /// Labels by which it groups or joins.
    pub(super) grouping: Vec<String>,
}

impl Expression {
    /// Reads it. The argument of Grafana's `label_values` that names a label counts as one by which is grouped.
    pub(super) fn parse(text: &str) -> Self {
        let mut expression = Self::default();
        let mut rest = text;
        let mut is_counted = false;
        while let Some(first) = rest.chars().next() {
            if first.is_ascii_alphabetic() || first == '_' {
                let (word, after) = word(rest);
                rest = after.trim_start();
                if GROUPINGS.contains(&word) {
                    let (labels, after) = enclosed(rest, '(', ')');
                    let labels = labels.split(',').map(str::trim);
                    let labels = labels.filter(|label| !label.is_empty());
                    expression.grouping.extend(labels.map(str::to_owned));
                    rest = after;
                } else if word == "label_values" {
                    let (arguments, after) = enclosed(rest, '(', ')');
                    let (metric, label) = arguments.rsplit_once(',').unwrap();
                    expression.selectors.extend(Self::parse(metric).selectors);
                    expression.grouping.push(label.trim().to_owned());
                    rest = after;
                } else if rest.starts_with('(') {
                    is_counted = OF_COUNTERS.contains(&word);
                } else if !KEYWORDS.contains(&word) {
                    let (matchers, after) = matchers(rest);
                    expression.selectors.push(Selector {
                        metric: word.to_owned(),
                        matchers,
                        is_counted: std::mem::take(&mut is_counted),
                    });
                    rest = after;
                }
            } else if first.is_ascii_digit() {
                // With its unit, as in `1h`.
                rest = rest.trim_start_matches(|letter: char| {
                    letter.is_ascii_alphanumeric() || letter == '.'
                });
            } else if first == '[' {
                rest = enclosed(rest, '[', ']').1;
            } else {
                rest = &rest[first.len_utf8()..];
            }
        }
        expression
    }
}

fn word(text: &str) -> (&str, &str) {
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let end = text.find(|letter| !is_inside(letter));
    text.split_at(end.unwrap_or(text.len()))
}

/// What stands between two brackets, without others inside but in strings, and what follows.
fn enclosed(text: &str, open: char, close: char) -> (&str, &str) {
    let inside = text.strip_prefix(open).unwrap();
    let mut is_string = false;
    let end = inside.find(|letter: char| {
        is_string ^= letter == '"';
        letter == close && !is_string
    });
    let (inside, after) = inside.split_at(end.unwrap());
    (inside, &after[close.len_utf8()..])
}

/// The conditions at the start of a text, if there are any, and what follows.
fn matchers(text: &str) -> (Vec<Matcher>, &str) {
    if !text.starts_with('{') {
        return (Vec::new(), text);
    }
    let (inside, after) = enclosed(text, '{', '}');
    let parts: Vec<&str> = inside.split('"').collect();
    let matchers = parts.chunks_exact(2).map(|pair| Matcher {
        label: pair[0]
            .trim_matches(|letter: char| " ,=!~".contains(letter))
            .to_owned(),
        value: pair[1].to_owned(),
    });
    (matchers.collect(), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let selectors = Expression::parse(text).selectors;
        selectors.into_iter().map(|found| found.metric).collect()
    }

    #[test]
    fn metrics_are_told_from_functions_keywords_and_labels() {
        let text = "time() - max by (a, b) (max_over_time(x_seconds{c=\"d\"}[3d])) > 26 * 3600 or y_total offset 1h";
        assert_eq!(named(text), ["x_seconds", "y_total"]);
        assert_eq!(Expression::parse(text).grouping, ["a", "b"]);
        let joined =
            "sum_over_time((u > bool time())[30m:1m]) and on (i) v{l=~\"[a,b]|$c\", m!=\"(\"} == 1";
        assert_eq!(named(joined), ["u", "v"]);
        assert_eq!(named("label_values(w{n=\"$n\"}, job)"), ["w"]);
    }

    #[test]
    fn conditions_are_read_with_the_words_that_they_ask_for() {
        let text =
            r#"rate(x_total{lane=~"now|retry", status=~"5..|none", namespace=~"$namespace"}[5m])"#;
        let selector = Expression::parse(text).selectors.remove(0);
        assert!(selector.is_counted);
        let words = |number: usize| selector.matchers[number].words().collect::<Vec<_>>();
        assert_eq!(selector.matchers[0].label, "lane");
        assert_eq!(words(0), ["now", "retry"]);
        assert_eq!(words(1), ["none"]);
        assert_eq!(words(2), [""; 0]);
    }
}
