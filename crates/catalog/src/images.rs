//! The images of a config, as many as there may be.

mod discovery;
mod expand;
mod listed;
mod only;
mod repeats;
mod source_rules;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::image::reference::{Location, Repository};

use crate::entry::{Entry, Namespace, Targets};
use crate::problem::{Origin, Problem, Problems};
use crate::tag_rules::TagRules;

pub use discovery::Sources;
pub use listed::Listed;
pub(crate) use only::{Only, names};
use repeats::{Placed, Settled};
pub use source_rules::{SourceRules, explain};

/// The images of a config, in its order: those that it names, and those that its rules choose among the tags of their sources
/// once these are listed. What is held is what the config says of each, some 200 bytes: the image itself is
/// made of that whenever it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    entries: Arc<Entries>,
    /// For each entry and each of its targets whether it is one of these images.
    is_kept: Vec<bool>,
    /// All of these have to match an image.
    only: Vec<Only>,
}

/// What a config says of images, and what an image has that says nothing itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) all: Vec<Entry>,
    pub(crate) targets: Targets,
    /// The files in which they stand, by their numbers.
    pub(crate) files: Vec<FileOfEntries>,
}

/// A file in which entries stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileOfEntries {
    /// As messages name it.
    pub(crate) name: Box<str>,
    /// What its images have where they say nothing themselves.
    pub(crate) defaults: ImageDefaults,
}

/// An entry for one of the places that it goes to.
#[derive(Clone, Copy)]
pub(crate) struct EntryTarget<'a> {
    pub(crate) entry: &'a Entry,
    /// Which of its places.
    nth: usize,
}

impl<'a> EntryTarget<'a> {
    fn rules(self) -> Option<&'a TagRules> {
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

    /// The image with this tag.
    fn with_tag(&self, of: EntryTarget<'_>, tag: &str) -> Result<ImageSpec, Problem> {
        let defaults = self.defaults(of.entry)?;
        of.entry
            .with_tag(Some(tag), of.nth, &self.targets, defaults)
    }

    fn defaults(&self, entry: &Entry) -> Result<&ImageDefaults, Problem> {
        let file = self.files.get(usize::from(entry.origin.file));
        let file = file.ok_or_else(|| Problem::new("an entry of a file that is not known"))?;
        Ok(&file.defaults)
    }

    /// Every entry for every place that it goes to.
    fn each(&self) -> impl Iterator<Item = EntryTarget<'_>> + Send {
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
    fn suspects(&self) -> Result<Vec<Placed>, Problem> {
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
            if of.entry.is_named() {
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

impl Images {
    /// The images of these entries, each once, and what is to be warned of.
    pub(crate) fn settled(entries: Entries) -> Result<(Self, Vec<Problem>), Problems> {
        let suspects = entries.suspects()?;
        let Settled { repeated, warnings } = repeats::settle(&suspects, &entries.files)?;
        let mut warnings = warnings;
        warnings.extend(entries.all.iter().filter_map(chooses_nothing));
        let mut is_kept = vec![true; entries.each().count()];
        for index in repeated {
            is_kept[index] = false;
        }
        let entries = Arc::new(entries);
        let images = Self {
            entries,
            is_kept,
            only: Vec::new(),
        };
        Ok((images, warnings))
    }

    /// How many are named.
    #[must_use]
    pub fn len(&self) -> usize {
        let named = self.kept().filter(|of| of.entry.is_named());
        named.count()
    }

    /// How many entries there are: items of the lists of the config, with those of which nothing is worked.
    #[must_use]
    pub fn entries(&self) -> usize {
        let all = self.entries.all.iter();
        let origins = all.map(|entry| {
            (
                entry.origin.file,
                entry.namespace.is_some(),
                entry.origin.index,
            )
        });
        let mut origins: Vec<_> = origins.collect();
        // Those of one item stand together.
        origins.dedup();
        origins.len()
    }

    /// Of each entry whose images rules choose, one for each of its targets with the tag `latest`, chosen or not.
    pub fn by_rules(&self) -> impl Iterator<Item = ImageSpec> + Send {
        let chosen = self.kept().filter(|of| !of.entry.is_named());
        chosen.filter_map(|entry| self.entries.image(entry).ok())
    }

    /// Whether there are rules or namespaces, so that not all images are known without asking registries.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        self.kept().any(|of| !of.entry.is_named())
    }

    /// The images with this tag of a source that rules may choose, as far as one can say without all of its tags.
    pub(crate) fn may_be_chosen<'a>(
        &'a self,
        source: &'a Repository,
        tag: &'a str,
    ) -> impl Iterator<Item = ImageSpec> + 'a {
        let images = self.kept().filter_map(move |of| {
            if of.entry.is_named() || !of.rules().is_none_or(|rules| rules.may_choose(tag)) {
                return None;
            }
            let Some(namespace) = &of.entry.namespace else {
                return self.entries.with_tag(of, tag).ok();
            };
            if !namespace.has_of(source.host(), source.name()) {
                return None;
            }
            let entry = &of.entry.of_repository(namespace, source.name());
            let found = EntryTarget { entry, nth: of.nth };
            // With rules any tag, without them the one that is named.
            match entry.rules() {
                Some(_) => self.entries.with_tag(found, tag).ok(),
                None => self
                    .entries
                    .image(found)
                    .ok()
                    .filter(|image| image.tag == tag),
            }
        });
        images.filter(move |image| image.source == *source)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept().next().is_none()
    }

    /// The images that are named, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = ImageSpec> + Send {
        let named = self.kept().filter(|of| of.entry.is_named());
        // There was no error when they were settled.
        named.filter_map(|entry| self.entries.image(entry).ok())
    }

    /// One image of each entry for each of its targets. That of rules has the tag `latest`, chosen or not: it tells their source and target, and how
    /// these are reached.
    pub fn samples(&self) -> impl Iterator<Item = ImageSpec> + Send {
        self.kept()
            .filter_map(|entry| self.entries.image(entry).ok())
    }

    /// What each entry says of its images, for what the catalog is known by.
    pub(crate) fn said(
        &self,
    ) -> impl Iterator<Item = (ImageSpec, Option<&TagRules>, Option<&Namespace>)> {
        self.kept().filter_map(|of| {
            let namespace = of.entry.namespace.as_deref();
            Some((self.entries.image(of).ok()?, of.rules(), namespace))
        })
    }

    fn kept(&self) -> impl Iterator<Item = EntryTarget<'_>> + Send {
        let entries = self.entries.each().zip(&self.is_kept);
        entries.filter_map(|(entry, kept)| kept.then_some(entry))
    }

    /// Leaves out those that `only` does not match: of what is named now, of what rules choose once they have chosen.
    pub(crate) fn retain(&mut self, only: Only) {
        let entries = self.entries.each().zip(&self.is_kept);
        let wanted = entries.map(|(entry, kept)| {
            let is_wanted = |image: &ImageSpec| {
                if entry.entry.is_named() {
                    only.matches(image)
                } else {
                    only.may_match(image)
                }
            };
            *kept
                && self
                    .entries
                    .image(entry)
                    .is_ok_and(|image| is_wanted(&image))
        });
        self.is_kept = wanted.collect();
        self.only.push(only);
    }
}

/// Lists the images.
impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A warning of an entry that no tag of any name can be chosen for.
fn chooses_nothing(entry: &Entry) -> Option<Problem> {
    let why = entry.rules()?.choose_nothing()?;
    let Origin { file, index, place } = entry.origin;
    let problem = Problem::new(format!("the rules can choose no tag, as {why}"));
    let list = match entry.namespace {
        Some(_) => "repositories",
        None => "images",
    };
    let problem = problem.key("tags").index(index as usize).key(list);
    Some(problem.at(place).in_file(file))
}

fn hash_of_target(image: &ImageSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&image.target, &image.target_reference).hash(&mut hasher);
    hasher.finish()
}
