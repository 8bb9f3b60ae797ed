//! The bodies of fuzz targets: what is decided about jobs and images of others.

use std::collections::HashSet;
use std::time::Duration;

use image_sync_fuzzkit::{MAX_TEXT_BYTES, assert_presentable, first_lines, text};
use image_sync_shared::failure::{Failure, Side};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Descriptor, Manifest, RawManifest};
use image_sync_shared::run::RunEvent;
use image_sync_shared::run::job::{Job, MAX_HISTORY, PlatformMissing};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;

use crate::context::settings::WorkerSettings;
use crate::decide::convert::to_oci;
use crate::decide::plan::{CopyPlan, Node, plan};
use crate::decide::platforms::{Choice, Chosen, Wanted, choose};
use crate::decide::settlement::{
    AttemptOutcome, PausedHost, Settlement, after_attempt, before_attempt,
};
use crate::decide::tally::Tally;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// The wanted platforms in the first line, a Content-Type in the second, then an index or a manifest: what is chosen is of the
/// index, choosing again changes nothing, and neither does converting again.
pub fn platforms_and_convert(input: &[u8]) {
    let ([wanted, stated], bytes) = first_lines(input);
    let raw = raw(text(stated), bytes);
    let node = match Node::read(raw.clone()) {
        Ok(node) => node,
        Err(failure) => return assert_presentable(&failure.to_string()),
    };
    if let (Manifest::Index { children }, Ok(platforms)) = (&node.refers, text(wanted).parse()) {
        for missing in [PlatformMissing::Fail, PlatformMissing::Skip] {
            let wanted = Wanted {
                platforms: &platforms,
                missing,
                without: &HashSet::new(),
            };
            choice_holds(&raw, children, wanted);
        }
    }
    let root = raw.digest.clone();
    match plan(&root, [(root.clone(), node)].into(), Vec::new()) {
        Ok(planned) => {
            assert_eq!(planned.manifests.last(), Some(&raw), "the root is the last");
            conversion_holds(&planned);
        }
        Err(failure) => assert_presentable(&failure.to_string()),
    }
}

fn raw(media_type: &str, bytes: &[u8]) -> RawManifest {
    RawManifest {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        bytes: bytes.to_vec().into(),
    }
}

fn choice_holds(index: &RawManifest, children: &[Descriptor], wanted: Wanted<'_>) {
    let chosen = choose(index, children, wanted);
    assert_eq!(chosen, choose(index, children, wanted));
    let none_missing = |chosen: &Chosen| chosen.missing.is_empty();
    assert!(
        wanted.missing == PlatformMissing::Skip
            || chosen.as_ref().is_ok_and(none_missing)
            || chosen.is_err()
    );
    let missing = chosen.clone().map(|chosen| chosen.missing);
    match chosen.map(|chosen| chosen.choice) {
        Ok(Choice::Whole) => {}
        Ok(Choice::Nothing) => assert!(missing.is_ok_and(|missing| !missing.is_empty())),
        Ok(Choice::Child(digest)) => {
            assert!(children.iter().any(|child| child.digest == digest));
        }
        Ok(Choice::Index(smaller)) => {
            assert_eq!(smaller.digest, Digest::of(&smaller.bytes));
            let Ok(Manifest::Index { children: kept }) = smaller.parse() else {
                unreachable!("{smaller:?} is an index no more")
            };
            assert!(kept.len() < children.len());
            let mut all = children.iter();
            let in_order = kept.iter().all(|kept| all.any(|child| child == kept));
            assert!(in_order, "{kept:?} of {children:?}");
            let again = choose(&smaller, &kept, wanted);
            assert_eq!(again.map(|chosen| chosen.choice), Ok(Choice::Whole));
        }
        Err(failure) => assert_presentable(&failure.to_string()),
    }
}

fn conversion_holds(image: &CopyPlan) {
    let converted = to_oci(image);
    assert_eq!(converted, to_oci(image));
    let Some(converted) = converted else { return };
    assert_eq!(converted.plan.manifests.len(), image.manifests.len());
    for (before, after) in image.manifests.iter().zip(&converted.plan.manifests) {
        assert_eq!(after.digest, Digest::of(&after.bytes));
        let listed = |raw: &RawManifest| match raw.parse() {
            Ok(Manifest::Image { blobs, foreign }) => [blobs, foreign].concat(),
            Ok(Manifest::Index { children }) => children,
            Err(error) => unreachable!("{error} of {raw:?}"),
        };
        let digests = |raw| {
            listed(raw)
                .into_iter()
                .map(|listed| (listed.digest, listed.size))
        };
        assert!(digests(before).eq(digests(after)), "{before:?} {after:?}");
    }
    assert_eq!(to_oci(&converted.plan), None, "{converted:?}");
}

/// A job in the first line, a failure in the second and a date in the third: what was put back is a job still, and what is
/// told of it can be written.
pub fn settle(input: &[u8]) {
    let ([job, failure, date], _) = first_lines(input);
    let Ok(job) = serde_json::from_slice::<Job>(job) else {
        return;
    };
    let settings = WorkerSettings::new("w1", 1);
    let policy = settings.settlement_policy();
    let date = text(date);
    if let Ok(until) = OffsetDateTime::parse(date, &Rfc3339) {
        let paused = [PausedHost {
            side: Side::Source,
            host: "a.test",
            until,
        }];
        let settled = before_attempt(&job, false, &paused, &policy, NOW);
        if let Some(settled) = &settled {
            holds(&job, settled);
        }
    }
    if let Ok(failure) = serde_json::from_slice::<Failure>(failure) {
        let ended = AttemptOutcome {
            outcome: Err(failure),
            tally: Tally::default(),
            duration: Duration::from_secs(1),
            started_at: None,
        };
        holds(&job, &after_attempt(&job, ended, false, &policy, NOW));
    }
}

fn holds(job: &Job, settled: &Settlement) {
    match settled {
        Settlement::Drop => {}
        Settlement::Finish { result, letter, .. } => {
            let error = result.entry.error.as_deref().unwrap_or_default();
            assert_presentable(error);
            if let Some(letter) = letter {
                assert_presentable(&letter.reason);
            }
        }
        Settlement::Requeue { successor, event } => {
            assert_eq!(successor.attempt, job.attempt.saturating_add(1));
            is_a_successor(successor);
            is_an_event(event);
        }
        Settlement::Defer {
            successor,
            event,
            why,
            ..
        } => {
            assert_eq!(successor.attempt, job.attempt);
            assert!(successor.defers > job.defers || job.defers == u32::MAX);
            is_a_successor(successor);
            event.iter().for_each(is_an_event);
            assert_presentable(why);
        }
    }
}

fn is_a_successor(job: &Job) {
    assert!(job.history.len() <= MAX_HISTORY);
    let json = serde_json::to_string(job).unwrap_or_default();
    let again = serde_json::from_str::<Job>(&json).ok();
    assert_eq!(again.as_ref(), Some(job), "written as {json}");
}

fn is_an_event(event: &RunEvent) {
    let json = serde_json::to_string(event).unwrap_or_default();
    assert!(json.len() <= 2 * MAX_TEXT_BYTES, "{json}");
    assert_eq!(serde_json::from_str(&json).ok().as_ref(), Some(event));
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn settlements_of_any_job_and_failure_hold() {
        run_seeds("settle", super::settle).unwrap();
    }

    #[test]
    fn choices_of_platforms_and_conversions_of_any_index_hold() {
        run_seeds("platforms_and_convert", super::platforms_and_convert).unwrap();
    }
}
