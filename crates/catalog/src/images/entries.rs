//! What a config says of images, one entry after the other.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Location;

use crate::entry::{Entry, Targets};
use crate::problem::{Origin, Problem};
use crate::tag_rules::TagRules;

/// What a config says of images, and what an image has that says nothing itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) all: Vec<Entry>,
    pub(crate) targets: Targets,
    /// The files in which they stand, by their numbers.
    pub(crate) files: Vec<FileOfEntries>,
    /// The hashes of the targets of all lines of lists.
    pub(crate) targets_of_lines: Vec<u64>,
}

/// A file in which entries stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileOfEntries {
    /// As messages name it.
    pub(crate) name: Box<str>,
    /// Whether it is written for another tool, so that messages name lines of it and no keys.
    pub(crate) is_foreign: bool,
    /// What its images have where they say nothing themselves.
    pub(crate) defaults: ImageDefaults,
}

/// An entry for one of the places that it goes to.
#[derive(Clone, Copy)]
pub(crate) struct EntryTarget<'a> {
    pub(crate) entry: &'a Entry,
    /// Which of its places.
    pub(super) nth: usize,
}

/// An image and its place in the config.
pub(super) struct Placed {
    pub(super) index: usize,
    pub(super) origin: Origin,
    pub(super) image: ImageSpec,
}

impl<'a> EntryTarget<'a> {
    pub(super) fn rules(self) -> Option<&'a TagRules> {
        self.entry.rules()
    }
}

impl Entries {
    pub(crate) fn image(&self, of: EntryTarget<'_>) -> Result<ImageSpec, Problem> {
        let defaults = self.defaults(of.entry)?;
        let mut image = of.entry.image(of.nth, &self.targets, defaults)?;
        if let Some(namespace) = &of.entry.namespace {
            image.image = namespace.to_string();
        }
        Ok(image)
    }

    /// The image with this tag, and this digest where that was found out.
    pub(super) fn with_tag(
        &self,
        of: EntryTarget<'_>,
        tag: &str,
        digest: Option<&Digest>,
    ) -> Result<ImageSpec, Problem> {
        let defaults = self.defaults(of.entry)?;
        of.entry
            .with_tag(Some(tag), digest, of.nth, &self.targets, defaults)
    }

    pub(super) fn defaults(&self, entry: &Entry) -> Result<&ImageDefaults, Problem> {
        let file = self.files.get(usize::from(entry.origin.file));
        let file = file.ok_or_else(|| Problem::new("an entry of a file that is not known"))?;
        Ok(&file.defaults)
    }

    /// Every entry for every place that it goes to.
    pub(super) fn each(&self) -> impl Iterator<Item = EntryTarget<'_>> + Send {
        self.all.iter().flat_map(|entry| {
            let places = self.defaults(entry);
            let places = places.map_or(0, |defaults| entry.destinations(&self.targets, defaults));
            (0..places).map(move |nth| EntryTarget { entry, nth })
        })
    }

    /// What keeps entries from being images.
    pub(crate) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.each().filter_map(|of| self.image(of).err())
    }

    /// The places that entries name in full, each once.
    pub(crate) fn places_in_full(&self) -> Vec<Location> {
        let of_entries = self.all.iter().filter_map(|entry| entry.targets.as_ref());
        let of_files = self
            .files
            .iter()
            .filter_map(|file| file.defaults.targets.as_ref());
        let texts: BTreeSet<&str> = of_entries
            .chain(of_files)
            .flatten()
            .map(|text| &**text)
            .collect();
        let places = texts
            .into_iter()
            .filter_map(|text| self.targets.place_in_full(text));
        places.collect()
    }

    /// Those of which another may have the same target.
    pub(super) fn suspects(&self) -> Result<Vec<Placed>, Problem> {
        let indices = self.indices_of_suspects()?;
        let mut suspects = Vec::with_capacity(indices.len());
        let mut next = indices.into_iter().peekable();
        for (index, of) in self.each().enumerate() {
            if next.next_if_eq(&index).is_some() {
                let (origin, image) = (of.entry.origin, self.image(of)?);
                suspects.push(Placed {
                    index,
                    origin,
                    image,
                });
            }
        }
        Ok(suspects)
    }

    /// In order. Compares no more than hashes of the targets, as these are small.
    fn indices_of_suspects(&self) -> Result<Vec<usize>, Problem> {
        let mut targets = Vec::with_capacity(self.all.len());
        for (index, of) in self.each().enumerate() {
            if of.entry.is_named() && of.entry.list.is_none() {
                targets.push((hash_of_target(&self.image(of)?), index));
            }
        }
        targets.sort_unstable();
        let same = targets.chunk_by(|(left, _), (right, _)| left == right);
        let several = same.filter(|same| same.len() > 1).flatten();
        let mut indices: Vec<usize> = several.map(|(_, index)| *index).collect();
        indices.sort_unstable();
        Ok(indices)
    }
}

pub(crate) fn hash_of_target(image: &ImageSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&image.target, &image.target_reference).hash(&mut hasher);
    hasher.finish()
}

pub(super) fn hash_of_work(image: &ImageSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        &image.source,
        &image.reference,
        &image.platforms,
        image.policy.clone(),
    )
        .hash(&mut hasher);
    hasher.finish()
}
