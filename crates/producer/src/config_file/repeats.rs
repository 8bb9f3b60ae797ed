//! Images of one config that have the same target.

use std::collections::HashMap;

use image_sync_shared::config::ImageSpec;

use super::problem::{Problem, Step};

/// Leaves out repetitions with a warning each, and refuses different images for one target.
pub(super) fn settle(
    images: Vec<ImageSpec>,
    warnings: &mut Vec<Problem>,
) -> Result<Vec<ImageSpec>, Problem> {
    let mut repeated = vec![false; images.len()];
    let mut by_target = HashMap::with_capacity(images.len());
    for (index, image) in images.iter().enumerate() {
        let target = (&image.target, &image.target_reference);
        let Some(earlier) = by_target.insert(target, index) else {
            continue;
        };
        if !same_work(&images[earlier], image) {
            return Err(conflict(&images, earlier, index));
        }
        by_target.insert(target, earlier);
        repeated[index] = true;
        let text = format!(
            "{} is images[{earlier}] again, it is worked once",
            named(image)
        );
        warnings.push(Problem::new(text).index(index).key("images"));
    }
    let kept = images.into_iter().zip(repeated);
    Ok(kept
        .filter(|(_, repeated)| !repeated)
        .map(|(image, _)| image)
        .collect())
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

fn conflict(images: &[ImageSpec], earlier: usize, later: usize) -> Problem {
    let target = images[later]
        .target
        .image(images[later].target_reference.clone());
    let (here, there) = (described(&images[later]), described(&images[earlier]));
    let found = if here == there {
        format!("found {target} here and in images[{earlier}] with other TLS settings")
    } else {
        format!("found {here} for {target}, but images[{earlier}] has {there} for it")
    };
    let text = format!("{found}, expected one image per target, so set cache_as");
    Problem::new(text)
        .related_to(vec![Step::Key("images".to_owned()), Step::Index(earlier)])
        .index(later)
        .key("images")
}

fn described(image: &ImageSpec) -> String {
    let source = image.source.image(image.reference.clone());
    format!("{source} ({})", image.platforms)
}

fn named(image: &ImageSpec) -> String {
    format!("{}:{}", image.image, image.tag)
}
