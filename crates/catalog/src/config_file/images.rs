//! The images of a config, as many as there may be.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::reference::Location;

use super::image;
use super::pieces::Pieces;
use super::problem::Problem;
use super::raw::RawImage;
use super::repeats::{self, Settled};

/// The images of a config, in its order. Those of a list in YAML's block style are never held together: they are read from
/// the text of the config anew whenever they are gone through.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    items: Items,
    /// For each item whether it is one of these images.
    is_kept: Vec<bool>,
}

/// What the list of the config says.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Items {
    /// All of it.
    Held(Vec<ImageSpec>),
    /// Where it is said, and what an image has that says nothing itself.
    InText {
        pieces: Pieces,
        cache_registry: Location,
        defaults: ImageDefaults,
    },
}

impl Items {
    pub(super) fn held(
        raw: Vec<RawImage>,
        cache_registry: &Location,
        defaults: &ImageDefaults,
    ) -> Result<Self, Problem> {
        let images = raw.into_iter().enumerate();
        let images = images.map(|(index, raw)| {
            image::resolve(raw.merged(), cache_registry, defaults)
                .map_err(|problem| problem.index(index).key("images"))
        });
        images.collect::<Result<_, _>>().map(Self::Held)
    }

    /// Those at these places, which are in order.
    fn at(&self, indices: &[usize]) -> Result<Vec<(usize, ImageSpec)>, Problem> {
        if indices.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.iter().enumerate();
        let items = items.filter(|(index, _)| indices.binary_search(index).is_ok());
        items.map(|(index, item)| Ok((index, item?))).collect()
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Result<ImageSpec, Problem>> + Send + '_> {
        match self {
            Self::Held(images) => Box::new(images.iter().cloned().map(Ok)),
            Self::InText {
                pieces,
                cache_registry,
                defaults,
            } => Box::new(pieces.images().map(|raw| {
                let raw = raw.map_err(Problem::new)?;
                image::resolve(raw.merged(), cache_registry, defaults)
            })),
        }
    }
}

impl Images {
    /// These images, each once, and what is to be warned of. An error is the first problem of any.
    pub(super) fn settled(items: Items) -> Result<(Self, Vec<Problem>), Problem> {
        let suspects = suspects(&items)?;
        let Settled { repeated, warnings } = repeats::settle(&items.at(&suspects.indices)?)?;
        let mut is_kept = vec![true; suspects.items];
        for index in repeated {
            is_kept[index] = false;
        }
        Ok((Self { items, is_kept }, warnings))
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
        let items = self.items.iter().zip(&self.is_kept);
        // There was no error when they were read first, from the same text.
        items.filter_map(|(image, kept)| image.ok().filter(|_| *kept))
    }

    /// Leaves out those that are not wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&ImageSpec) -> bool) {
        let wanted = self.items.iter().zip(&self.is_kept);
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

/// Items of which two may have one target.
struct Suspects {
    /// How many items there are in all.
    items: usize,
    /// In order.
    indices: Vec<usize>,
}

/// Compares no more than hashes of the targets, as these are small.
fn suspects(items: &Items) -> Result<Suspects, Problem> {
    let mut targets = Vec::new();
    for item in items.iter() {
        targets.push((hash_of_target(&item?), targets.len()));
    }
    targets.sort_unstable();
    let same = targets.chunk_by(|(left, _), (right, _)| left == right);
    let several = same.filter(|same| same.len() > 1).flatten();
    let mut indices: Vec<usize> = several.map(|(_, index)| *index).collect();
    indices.sort_unstable();
    let items = targets.len();
    Ok(Suspects { items, indices })
}

fn hash_of_target(image: &ImageSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&image.target, &image.target_reference).hash(&mut hasher);
    hasher.finish()
}
