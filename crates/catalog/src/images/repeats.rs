//! Images of one config that have the same target.

use std::collections::HashMap;

use image_sync_shared::config::ImageSpec;

use super::entries::{FileOfEntries, Placed};
use crate::problem::{Origin, Place, Problem, Problems};

/// Which images are others again.
#[derive(Default)]
pub(super) struct Settled {
    /// Their places in the config.
    pub(super) repeated: Vec<usize>,
    /// What is to be said of each.
    pub(super) warnings: Vec<Problem>,
}

/// Finds repetitions, and refuses different images for one target.
pub(super) fn settle(images: &[Placed], files: &[FileOfEntries]) -> Result<Settled, Problems> {
    let mut settled = Settled::default();
    let mut conflicts = Problems::default();
    let mut by_target = HashMap::with_capacity(images.len());
    for placed in images {
        let Placed { index, image, .. } = placed;
        let target = (&image.target, &image.target_reference);
        let first = *by_target.entry(target).or_insert(placed);
        if first.index == *index {
            continue;
        }
        if !same_work(&first.image, image) {
            conflicts.push(conflict(first, placed, files));
            continue;
        }
        settled.repeated.push(*index);
        let earlier = entry_of(first.origin, placed.origin, files);
        let text = format!("{} is {earlier} again, it is worked once", named(image));
        settled
            .warnings
            .push(at_entry(Problem::new(text), placed, files));
    }
    if conflicts.is_empty() {
        Ok(settled)
    } else {
        Err(conflicts)
    }
}

fn at_entry(problem: Problem, placed: &Placed, files: &[FileOfEntries]) -> Problem {
    let Origin { file, index, place } = placed.origin;
    let problem = problem.in_file(file);
    if is_foreign(file, files) {
        return problem.at(place);
    }
    problem.index(index as usize).key("images")
}

fn is_foreign(file: u16, files: &[FileOfEntries]) -> bool {
    files
        .get(usize::from(file))
        .is_some_and(|file| file.is_foreign)
}

/// How an entry is called in a message about another one.
fn entry_of(origin: Origin, seen_from: Origin, files: &[FileOfEntries]) -> String {
    let Origin { file, index, place } = origin;
    match files.get(usize::from(file)) {
        Some(own) if own.is_foreign => format!("the entry in line {}", place.line),
        Some(other) if file != seen_from.file => format!("images[{index}] of {}", other.name),
        _ => format!("images[{index}]"),
    }
}

fn same_work(left: &ImageSpec, right: &ImageSpec) -> bool {
    let work = |image: &ImageSpec| {
        (
            image.source.clone(),
            image.reference.clone(),
            image.platforms.clone(),
            image.source_trust,
            image.target_trust,
            image.policy.clone(),
        )
    };
    work(left) == work(right)
}

fn conflict(earlier: &Placed, later: &Placed, files: &[FileOfEntries]) -> Problem {
    let image = &later.image;
    let target = image.target.image(image.target_reference.clone());
    let (here, there) = (described(image), described(&earlier.image));
    let other = entry_of(earlier.origin, later.origin, files);
    let Place { line, column } = earlier.origin.place;
    let place = match files.get(usize::from(earlier.origin.file)) {
        Some(file) if earlier.origin.file != later.origin.file => {
            format!("{}:{line}:{column}", file.name)
        }
        _ => format!("line {line}"),
    };
    let found = if here == there {
        format!("found {target} here and in {other} with another policy or other TLS settings")
    } else {
        format!("found {here} for {target}, but {other} has {there} for it")
    };
    let expected = "expected one image per target";
    let text = if is_foreign(later.origin.file, files) {
        format!("{found}, {expected}")
    } else {
        format!("{found}, {expected}, so set cache_as (the other one is in {place})")
    };
    at_entry(Problem::new(text).at(later.origin.place), later, files)
}

fn described(image: &ImageSpec) -> String {
    let source = image.source.image(image.reference.clone());
    format!("{source} ({})", image.platforms)
}

fn named(image: &ImageSpec) -> String {
    format!("{}:{}", image.image, image.tag)
}
