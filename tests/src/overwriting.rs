//! Tags of a target that have an image already, and what becomes of them: what there is times what the config says.

use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::report::Report;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::images::image;

use crate::{Catalog, Entry};

/// What a target has under the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Equal,
    Other,
}

const FOUND: [Found; 3] = [Found::Nothing, Found::Equal, Found::Other];
const OVERWRITE: [&str; 3] = ["always", "never", "error"];
const TAG: &str = "1.0";

fn cases() -> impl Iterator<Item = (Found, &'static str, String)> {
    FOUND.into_iter().flat_map(|found| {
        let repository = move |overwrite| format!("{found:?}/{overwrite}").to_lowercase();
        OVERWRITE.map(|overwrite| (found, overwrite, repository(overwrite)))
    })
}

/// Puts nine images to the source and what stands at the target to that: each state with each value of `overwrite`.
#[must_use]
pub fn overwriting(source: &FakeRegistry, target: &FakeRegistry) -> Catalog {
    cases().fold(
        Catalog::new(target.host()),
        |catalog, (found, overwrite, repository)| {
            source.put_image(&repository, TAG, &image(&repository));
            match found {
                Found::Nothing => {}
                Found::Equal => target.put_image(&repository, TAG, &image(&repository)),
                Found::Other => target.put_image(&repository, TAG, &image("old")),
            }
            let at_source = format!("{}/{repository}", source.host());
            let entry = Entry::new(&at_source, TAG).cache_as(&repository);
            catalog.image(entry.with(&format!("overwrite: {overwrite}")))
        },
    )
}

/// What has to be in the report and at the target after a run; `refuses` is whether the target's registry overwrites no tag.
///
/// # Panics
/// Where it is not so.
pub fn assert_overwriting(report: &Report, target: &FakeRegistry, refuses: bool) {
    for ((found, overwrite, repository), result) in cases().zip(&report.results) {
        let case = format!("{found:?} x {overwrite}, refuses: {refuses}: {result:#?}");
        let (action, words, has_old) = match (found, overwrite) {
            (Found::Equal, _) => (Action::AlreadyCached, "", false),
            (Found::Other, "always") if refuses => (Action::Failed, "immutable", true),
            (Found::Nothing, _) | (Found::Other, "always") => (Action::Pulled, "", false),
            (Found::Other, "never") => (Action::Kept, "overwrite: never", true),
            (Found::Other, _) => (Action::Failed, "overwrite: error", true),
        };
        assert_eq!(result.action, action, "{case}");
        let said = result.error.as_ref().or(result.note.as_ref());
        assert!(
            said.map_or(words.is_empty(), |said| said.contains(words)),
            "{case}"
        );
        let expected = image(if has_old { "old" } else { &repository });
        let at_target = target.digest(&repository, TAG);
        assert_eq!(at_target.as_ref(), Some(expected.digest()), "{case}");
    }
    let summary = report.head.summary;
    let (pulled, failed) = if refuses { (3, 2) } else { (4, 1) };
    let counts = (summary.pulled, summary.already_cached, summary.kept);
    assert_eq!((counts, summary.failed), ((pulled, 3, 1), failed));
}
