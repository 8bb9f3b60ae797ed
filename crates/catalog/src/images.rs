//! The images of a config, as many as there may be.

mod repeats;

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::reference::Location;

use crate::entry::Entry;
use crate::problem::Problem;

use repeats::{Placed, Settled};

/// The images of a config, in its order. What is held is what the config says of each, some 200 bytes: the image itself is
/// made of that whenever it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    entries: Arc<Entries>,
    /// For each entry whether it is one of these images.
    is_kept: Vec<bool>,
}

/// What a config says of images, and what an image has that says nothing itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) all: Vec<Entry>,
    pub(crate) cache_registry: Location,
    pub(crate) defaults: ImageDefaults,
}

impl Entries {
    fn images(&self) -> impl Iterator<Item = Result<ImageSpec, Problem>> + Send {
        let image = |entry: &Entry| entry.image(&self.cache_registry, &self.defaults);
        self.all.iter().map(image)
    }

    /// Those of which another may have the same target.
    fn suspects(&self) -> Result<Vec<Placed>, Problem> {
        let indices = self.indices_of_suspects()?;
        let image = |index: usize| {
            let entry = &self.all[index];
            let image = entry.image(&self.cache_registry, &self.defaults)?;
            let place = entry.place;
            Ok(Placed {
                index,
                place,
                image,
            })
        };
        indices.into_iter().map(image).collect()
    }

    /// In order. Compares no more than hashes of the targets, as these are small.
    fn indices_of_suspects(&self) -> Result<Vec<usize>, Problem> {
        let mut targets = Vec::with_capacity(self.all.len());
        for image in self.images() {
            targets.push((hash_of_target(&image?), targets.len()));
        }
        targets.sort_unstable();
        let same = targets.chunk_by(|(left, _), (right, _)| left == right);
        let several = same.filter(|same| same.len() > 1).flatten();
        let mut indices: Vec<usize> = several.map(|(_, index)| *index).collect();
        indices.sort_unstable();
        Ok(indices)
    }
}

impl Images {
    /// The images of these entries, each once, and what is to be warned of. An error is the first problem of any.
    pub(crate) fn settled(entries: Entries) -> Result<(Self, Vec<Problem>), Problem> {
        let Settled { repeated, warnings } = repeats::settle(&entries.suspects()?)?;
        let mut is_kept = vec![true; entries.all.len()];
        for index in repeated {
            is_kept[index] = false;
        }
        let entries = Arc::new(entries);
        Ok((Self { entries, is_kept }, warnings))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.is_kept.iter().filter(|kept| **kept).count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = ImageSpec> + Send {
        let images = self.entries.images().zip(&self.is_kept);
        // There was no error when they were settled.
        images.filter_map(|(image, kept)| image.ok().filter(|_| *kept))
    }

    /// Leaves out those that are not wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&ImageSpec) -> bool) {
        let wanted = self.entries.images().zip(&self.is_kept);
        let wanted =
            wanted.map(|(image, kept)| *kept && image.is_ok_and(|image| is_wanted(&image)));
        self.is_kept = wanted.collect();
    }
}

/// Lists the images.
impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn hash_of_target(image: &ImageSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&image.target, &image.target_reference).hash(&mut hasher);
    hasher.finish()
}
