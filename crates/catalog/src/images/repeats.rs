//! Images of one config that have the same target.

use std::collections::HashMap;

use image_sync_shared::config::ImageSpec;

use crate::problem::{Place, Problem};

/// Which images are others again.
#[derive(Default)]
pub(super) struct Settled {
    /// Their places in the config.
    pub(super) repeated: Vec<usize>,
    /// What is to be said of each.
    pub(super) warnings: Vec<Problem>,
}

/// An image and its place in the config.
pub(super) struct Placed {
    pub(super) index: usize,
    pub(super) place: Place,
    pub(super) image: ImageSpec,
}

/// Finds repetitions, and refuses different images for one target.
pub(super) fn settle(images: &[Placed]) -> Result<Settled, Problem> {
    let mut settled = Settled::default();
    let mut by_target = HashMap::with_capacity(images.len());
    for placed in images {
        let Placed { index, image, .. } = placed;
        let target = (&image.target, &image.target_reference);
        let first = *by_target.entry(target).or_insert(placed);
        if first.index == *index {
            continue;
        }
        if !same_work(&first.image, image) {
            return Err(conflict(first, placed));
        }
        settled.repeated.push(*index);
        let text = format!(
            "{} is images[{}] again, it is worked once",
            named(image),
            first.index
        );
        let warning = Problem::new(text).index(*index).key("images");
        settled.warnings.push(warning);
    }
    Ok(settled)
}

fn same_work(left: &ImageSpec, right: &ImageSpec) -> bool {
    let work = |image: &ImageSpec| {
        (
            image.source.clone(),
            image.reference.clone(),
            image.platforms.clone(),
            image.source_trust,
            image.target_trust,
        )
    };
    work(left) == work(right)
}

fn conflict(earlier: &Placed, later: &Placed) -> Problem {
    let image = &later.image;
    let target = image.target.image(image.target_reference.clone());
    let (here, there) = (described(image), described(&earlier.image));
    let (index, line) = (earlier.index, earlier.place.line);
    let found = if here == there {
        format!("found {target} here and in images[{index}] with other TLS settings")
    } else {
        format!("found {here} for {target}, but images[{index}] has {there} for it")
    };
    let text = format!(
        "{found}, expected one image per target, so set cache_as (the other one is in line {line})"
    );
    let problem = Problem::new(text).at(later.place);
    problem.index(later.index).key("images")
}

fn described(image: &ImageSpec) -> String {
    let source = image.source.image(image.reference.clone());
    format!("{source} ({})", image.platforms)
}

fn named(image: &ImageSpec) -> String {
    format!("{}:{}", image.image, image.tag)
}
