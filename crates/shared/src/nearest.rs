//! The known name that a misspelt one was probably meant to be.

/// The name nearest to `found`, or none when no name is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_ascii_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&found, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
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
