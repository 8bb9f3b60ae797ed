//! Challenges of any bytes.

use image_sync_fuzzkit::assert_presentable;
use reqwest::Url;
use reqwest::header::WWW_AUTHENTICATE;

use super::challenge::Challenge;
use super::realm;
use crate::fuzzing::headers;

/// A WWW-Authenticate header in each line: a realm that may be asked is on https, as the registry is, and has no scope of its own.
///
/// # Panics
/// If that does not hold.
pub fn challenge(input: &[u8]) {
    let mut all = headers(WWW_AUTHENTICATE, b"");
    all.clear();
    for line in input.split(|byte| *byte == b'\n') {
        for (_, value) in headers(WWW_AUTHENTICATE, line).drain() {
            all.append(WWW_AUTHENTICATE, value);
        }
    }
    let offered = Challenge::offered(&all);
    assert_eq!(offered, Challenge::offered(&all));
    let Some(Challenge::Bearer { realm, .. }) = offered else {
        return;
    };
    assert!(
        realm.query_pairs().all(|(name, _)| name != "scope"),
        "{realm}"
    );
    let Ok(registry) = Url::parse("https://registry.test") else {
        return;
    };
    match realm::check(&realm, &registry) {
        Ok(()) => assert_eq!(realm.scheme(), "https"),
        Err(refusal) => assert_presentable(&refusal),
    }
}
