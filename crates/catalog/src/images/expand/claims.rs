//! Which targets are taken, so that what rules choose is for none of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use image_sync_shared::config::{Expanded, ImageSpec};
use image_sync_shared::failure::FailureClass;

use super::failure;
use crate::images::Images;
use crate::images::entries::{hash_of_target, hash_of_work};
use crate::images::lines::Once;

/// How it is known that there is an image.
pub(super) enum Known {
    Named,
    /// By a line of a list.
    Listed,
    /// By asking a registry.
    Asked,
}

/// The targets that are taken, in all stages of a run.
pub(super) struct Claims<'a> {
    /// The work that is to be done for each of them, where rules might choose an image for one too.
    taken: Option<HashMap<u64, u64>>,
    once: Once<'a>,
}

impl<'a> Claims<'a> {
    /// Those of the named images.
    pub(super) fn of(images: &'a Images) -> Self {
        let target = |image| (hash_of_target(&image), hash_of_work(&image));
        let has_rules = images.has_rules();
        Self {
            taken: has_rules.then(|| images.iter().map(target).collect()),
            once: Once::new(&images.repeated),
        }
    }

    /// Those of `expanded` that are for targets that no other image was for before.
    pub(super) fn settle(&mut self, known: Known, expanded: Vec<Expanded>) -> Vec<Expanded> {
        match (known, self.taken.as_mut()) {
            (Known::Listed, _) => without_repeated(expanded, &mut self.once),
            (Known::Asked, Some(taken)) => each_target_once(expanded, taken),
            _ => expanded,
        }
    }
}

fn without_repeated(expanded: Vec<Expanded>, once: &mut Once<'_>) -> Vec<Expanded> {
    let is_first =
        |expanded: &Expanded| expanded.failure.is_some() || once.is_first(&expanded.image);
    expanded.into_iter().filter(is_first).collect()
}

fn each_target_once(expanded: Vec<Expanded>, taken: &mut HashMap<u64, u64>) -> Vec<Expanded> {
    let once = |expanded: Expanded| {
        let Expanded {
            image,
            failure: None,
        } = expanded
        else {
            return Some(expanded);
        };
        match taken.entry(hash_of_target(&image)) {
            Slot::Vacant(slot) => {
                slot.insert(hash_of_work(&image));
                Some(Expanded::image(image))
            }
            Slot::Occupied(work) if *work.get() == hash_of_work(&image) => None,
            Slot::Occupied(_) => Some(clash(image)),
        }
    };
    expanded.into_iter().filter_map(once).collect()
}

fn clash(image: ImageSpec) -> Expanded {
    let target = image.target_name();
    let answer = format!(
        "{}:{} is for {target}, for which another entry has another image; expected one image per target, so set cache_as",
        image.image, image.tag
    );
    let failure = failure(&image, FailureClass::Invalid, answer);
    Expanded::failed(image, failure)
}
