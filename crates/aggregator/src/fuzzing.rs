//! The bodies of fuzz targets: logs of runs.

use std::collections::BTreeSet;

use image_sync_shared::run::{RunEvent, RunId};

use crate::fold::Fold;

/// A log begins with its opening. Of what comes before it all the same, so many results are kept.
const MOST_EVENTS: usize = 64;

/// An event of a run's log in each line, each kept once: in whatever order and however often they come, the counts are the
/// same.
pub fn fold(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n');
    let events = lines.filter_map(|line| serde_json::from_slice::<RunEvent>(line).ok());
    let mut seen = BTreeSet::new();
    let events: Vec<RunEvent> = events.filter(|event| seen.insert(id(event))).collect();
    if events.len() > MOST_EVENTS {
        return;
    }
    let once = folded(events.iter());
    assert_eq!(once, folded(events.iter().rev()), "in reverse");
    let twice = events.iter().chain(&events);
    assert_eq!(once, folded(twice), "twice");
    let split = events.len() / 2;
    let rotated = events[split..].iter().chain(&events[..split]);
    assert_eq!(once, folded(rotated), "rotated");
}

/// What is the same of events of which one counts.
fn id(event: &RunEvent) -> String {
    match event {
        RunEvent::Result(result) => result.idx.to_string(),
        other => other.message_id(&RunId::new("01JD3X")),
    }
}

fn folded<'a>(events: impl Iterator<Item = &'a RunEvent>) -> String {
    let mut fold = Fold::default();
    let mut expected: BTreeSet<u32> = BTreeSet::new();
    for event in events {
        if let RunEvent::Result(result) = event {
            expected.insert(result.idx);
        }
        for taken in fold.apply(event.clone()) {
            assert!(expected.contains(&taken.idx), "{taken:?}");
        }
    }
    let missing = expected.into_iter().filter(|idx| fold.is_missing(*idx));
    format!(
        "{:?} {} {} {} {:?}",
        fold.summary(),
        fold.arrived(),
        fold.is_sealed(),
        fold.bytes_copied(),
        missing.collect::<Vec<_>>()
    )
}

#[cfg(test)]
mod tests {
    use image_sync_fuzzkit::run_seeds;

    #[test]
    fn logs_of_runs_in_any_order_fold_to_the_same() {
        run_seeds("fold", super::fold).unwrap();
    }
}
