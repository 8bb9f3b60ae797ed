//! The identity of a new run, and of a run that is of no catalog.

use std::collections::BTreeSet;

use image_sync_shared::image::reference::Repository;
use image_sync_shared::run::RunId;
use time::OffsetDateTime;
use ulid::Ulid;

/// A new run's identity: a ULID, so that runs sort by their start.
#[must_use]
pub fn new_run_id(now: OffsetDateTime) -> RunId {
    RunId::new(Ulid::from_datetime(now.into()).to_string())
}

/// The registries, or folders, of these repositories, for the report of a run that is not of a catalog.
pub fn registries<'a>(repositories: impl Iterator<Item = &'a Repository>) -> String {
    let name = |repository: &Repository| match repository.host() {
        Some(host) => host.to_owned(),
        None => repository.to_string(),
    };
    let names: BTreeSet<String> = repositories.map(name).collect();
    Vec::from_iter(names).join(", ")
}

#[cfg(test)]
mod tests {
    use image_sync_testkit::samples;

    use super::*;

    #[test]
    fn runs_sort_by_their_start() {
        let early = new_run_id(samples::now());
        let late = new_run_id(samples::now() + time::Duration::seconds(1));
        assert!(early < late);
        assert!(
            early
                .as_str()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_ne!(early, new_run_id(samples::now()));
    }
}
