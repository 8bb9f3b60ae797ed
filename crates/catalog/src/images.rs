//! The images of a config, as many as there may be.

mod digests;
mod discovery;
mod entries;
mod expand;
mod index;
mod lines;
mod listed;
mod only;
mod parts;
mod repeats;
mod source_rules;
mod stages;

use std::fmt;
use std::sync::Arc;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Repository;

use crate::entry::{Entry, ImageList, Namespace};
use crate::problem::{Origin, Problem, Problems};
use crate::tag_rules::TagRules;

pub use discovery::Sources;
use entries::EntryTarget;
pub(crate) use entries::{Entries, FileOfEntries, hash_of_target};
pub(crate) use index::{At, Index, Look, Side};
use lines::{Once, RepeatedLines};
pub use listed::Listed;
pub(crate) use only::{Only, names};
use repeats::Settled;
pub use source_rules::{SourceRules, explain};

/// The images of a config, in its order: those that it names, and those that its rules choose among the tags of their sources
/// once these are listed. What is held is what the config says of each, some 200 bytes: the image itself is
/// made of that whenever it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    entries: Arc<Entries>,
    /// For each entry and each of its targets whether it is one of these images.
    is_kept: Vec<bool>,
    /// Which lines of lists are images that something else is too.
    repeated: Arc<RepeatedLines>,
    /// All of these have to match an image.
    only: Vec<Only>,
}

impl Images {
    /// The images of these entries, each once, and what is to be warned of.
    pub(crate) fn settled(mut entries: Entries) -> Result<(Self, Vec<Problem>), Problems> {
        let suspects = entries.suspects()?;
        let Settled { repeated, warnings } = repeats::settle(&suspects, &entries.files)?;
        let mut warnings = warnings;
        let hashes = std::mem::take(&mut entries.targets_of_lines);
        let (repeated_lines, of_lines) = RepeatedLines::settle(&entries, hashes)?;
        warnings.extend(of_lines);
        warnings.extend(entries.all.iter().filter_map(chooses_nothing));
        let mut is_kept = vec![true; entries.each().count()];
        for index in repeated {
            is_kept[index] = false;
        }
        let entries = Arc::new(entries);
        let images = Self {
            entries,
            is_kept,
            repeated: Arc::new(repeated_lines),
            only: Vec::new(),
        };
        Ok((images, warnings))
    }

    /// How many are named.
    #[must_use]
    pub fn len(&self) -> usize {
        if !self.only.is_empty() {
            return self.iter().count();
        }
        let named = self.kept().filter(|of| of.entry.is_named());
        let images = named.map(|of| of.entry.list.as_ref().map_or(1, |list| list.images));
        images.sum::<usize>() - self.repeated.count
    }

    /// How many entries there are: items of the lists of the config, with those of which nothing is worked.
    #[must_use]
    pub fn entries(&self) -> usize {
        let all = self.entries.all.iter();
        let origins = all.map(|entry| {
            (
                entry.origin.file,
                (entry.namespace.is_some(), entry.list.is_some()),
                entry.origin.index,
            )
        });
        let mut origins: Vec<_> = origins.collect();
        // Those of one item stand together.
        origins.dedup();
        origins.len()
    }

    /// Whether lines of the standard input, or of another pipe, are among them.
    #[must_use]
    pub fn are_of_stdin(&self) -> bool {
        let mut lists = self
            .entries
            .all
            .iter()
            .filter_map(|entry| entry.list.as_ref());
        lists.any(|list| list.can_be_read_once())
    }

    /// Of each entry whose images rules choose, one for each of its targets with the tag `latest`, chosen or not.
    pub fn by_rules(&self) -> impl Iterator<Item = ImageSpec> + Send {
        let chosen = self
            .kept()
            .filter(|of| of.entry.namespace.is_some() || of.rules().is_some());
        chosen.filter_map(|entry| self.entries.image(entry).ok())
    }

    /// Whether there are rules, namespaces or digests in tags, so that not all images are known without asking registries.
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
        let images = self.kept();
        images.filter_map(move |of| self.chosen_of(of, source, tag, None))
    }

    /// The same of one entry. What has its digest in its tag at the target is one only with that.
    fn chosen_of(
        &self,
        of: EntryTarget<'_>,
        source: &Repository,
        tag: &str,
        digest: Option<&Digest>,
    ) -> Option<ImageSpec> {
        let needs_digest = of.entry.needs_digests();
        let digest = digest.filter(|_| needs_digest);
        let is_known = of.entry.is_named() || needs_digest && digest.is_none();
        if is_known || !of.rules().is_none_or(|rules| rules.may_choose(tag)) {
            return None;
        }
        let of_repository;
        let found = match &of.entry.namespace {
            None => of,
            Some(namespace) if namespace.has_of(source.host(), source.name()) => {
                of_repository = of.entry.of_repository(namespace, source.name());
                let entry = &of_repository;
                EntryTarget { entry, nth: of.nth }
            }
            Some(_) => return None,
        };
        // With rules any tag, without them the one that is named.
        if found.rules().is_none() && self.entries.image(found).ok()?.tag != tag {
            return None;
        }
        let image = self.entries.with_tag(found, tag, digest).ok()?;
        (image.source == *source).then_some(image)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept().next().is_none()
    }

    /// The images that are named, one after the other. Lists are read anew.
    pub fn iter(&self) -> impl Iterator<Item = ImageSpec> + Send {
        let mut once = Once::new(&self.repeated);
        let named = self.kept().filter(|of| of.entry.is_named());
        let images = named.flat_map(|of| {
            let image = of.entry.list.is_none().then(|| self.entries.image(of).ok());
            let lines = self.entries.images_of_lines(of);
            // There was no error when they were settled.
            let lines = lines.filter_map(Result::ok).map(|image| (true, image));
            image
                .flatten()
                .map(|image| (false, image))
                .into_iter()
                .chain(lines)
        });
        images.filter_map(move |(is_of_line, image)| {
            let is_kept = !is_of_line || once.is_first(&image) && self.is_wanted(&image);
            is_kept.then_some(image)
        })
    }

    /// One image of each entry for each of its targets, of a list one of each registry. That of rules has the tag `latest`, chosen or not: it tells their source and target, and how
    /// these are reached.
    pub fn samples(&self) -> impl Iterator<Item = ImageSpec> + Send {
        self.kept().flat_map(move |of| {
            let image = of.entry.list.is_none().then(|| self.entries.image(of).ok());
            let lines = of.entry.list.iter().flat_map(|list| &list.samples);
            let lines = lines.filter_map(move |line| self.entries.image_of_line(of, line).ok());
            image.flatten().into_iter().chain(lines)
        })
    }

    fn is_wanted(&self, image: &ImageSpec) -> bool {
        self.only.iter().all(|only| only.matches(image))
    }

    /// What each entry says of its images, for what the catalog is known by.
    pub(crate) fn said(&self) -> impl Iterator<Item = Said<'_>> {
        self.kept().filter_map(|of| {
            Some(Said {
                image: self.entries.image(of).ok()?,
                rules: of.rules(),
                namespace: of.entry.namespace.as_deref(),
                list: of.entry.list.as_deref(),
            })
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
                if entry.entry.list.is_some() {
                    self.any_line_matches(entry, &only)
                } else if entry.entry.is_named() {
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

/// What an entry says of its images.
pub(crate) struct Said<'a> {
    /// One of them, or one that stands for them.
    pub(crate) image: ImageSpec,
    pub(crate) rules: Option<&'a TagRules>,
    pub(crate) namespace: Option<&'a Namespace>,
    pub(crate) list: Option<&'a ImageList>,
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
