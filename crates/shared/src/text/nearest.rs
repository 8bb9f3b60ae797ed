//! The known name that a misspelt one was probably meant to be.

/// What stands in an error before the names that are there and like the one that is missing.
pub const LIKE_IT: &str = "; like it are ";

/// The name nearest to `found`, or none when no name is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .filter_map(|name| Some((distance(found, name)?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How far `found` is from `name`, or none when it is too far to be what was meant.
#[must_use]
pub fn distance(found: &str, name: &str) -> Option<usize> {
    let distance = strsim::osa_distance(&found.to_ascii_lowercase(), name);
    (distance <= 1 + name.len() / 3).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_nearest_name() {
        let names = ["concurrency", "pull_timeout_secs", "skip_on_error"];
        assert_eq!(nearest("concurency", names), Some("concurrency"));
        assert_eq!(nearest("skip_on_errors", names), Some("skip_on_error"));
        assert_eq!(nearest("banana", names), None);
    }
}
