//! Finding the images of a repository by their tags and digests, without going through all images.
//!
//! What is held are sorted hashes: for each entry 16 bytes for its source and 16 for each of its targets, for those with
//! artifacts 16 more, and as much for each line of a list. An image is made, and compared in full, only where a hash is found.

mod candidates;
mod records;
mod tables;

use std::collections::HashSet;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::{Reference, Repository};

use super::Images;
use super::entries::EntryTarget;
use candidates::{source_names, source_tags};
pub(crate) use records::At;
use records::{ANY, Records, Spot};
use tables::{Tables, place_of_artifacts};

/// Images by their repositories.
pub(crate) struct Index {
    images: Images,
    tables: Tables,
}

/// Where a repository is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Target,
}

/// One look at what an event concerns.
#[derive(Debug, Default)]
pub(crate) struct Look {
    found: Vec<(bool, Spot, ImageSpec)>,
    /// How many images were made for it.
    pub(crate) looked_at: usize,
    /// Whether there are images whose tags at their targets have the digest that was not told.
    pub(crate) lacks_digest: bool,
}

impl Index {
    /// Goes through all images once, lists included.
    pub(crate) fn new(images: Images) -> Self {
        let tables = Tables::of(&images);
        Self { images, tables }
    }

    /// The hosts that images come from, or go to.
    pub(crate) fn hosts(&self, side: Side) -> impl Iterator<Item = &str> {
        let [of_sources, of_targets] = &self.tables.hosts;
        let hosts = match side {
            Side::Source => of_sources,
            Side::Target => of_targets,
        };
        hosts.iter().map(String::as_str)
    }

    /// Whether some entry may have an image of this repository.
    pub(crate) fn knows(&self, at: &At, side: Side) -> bool {
        match side {
            Side::Source => {
                let is_known = |records: &Records| records.of_repository(at).next().is_some();
                is_known(&self.tables.sources)
                    || is_known(&self.tables.artifacts)
                    || self.is_in_namespace(at)
            }
            Side::Target => {
                let is_named = self.tables.targets.of_repository(at).next().is_some();
                is_named || self.tables.written.above(at).next().is_some()
            }
        }
    }

    fn is_in_namespace(&self, at: &At) -> bool {
        let mut namespaces = self.tables.namespaces.above(at);
        namespaces.any(|spot| {
            let of = self.entry_at(spot);
            let namespace = of.and_then(|of| of.entry.namespace.as_deref());
            namespace.is_some_and(|namespace| namespace.has(&at.name))
        })
    }

    /// The images that are read as this tag or digest of `at`. What is pinned to another digest than `digest` is none of them.
    pub(crate) fn named_at_source(
        &self,
        at: &At,
        reference: &str,
        digest: Option<&Digest>,
        look: &mut Look,
    ) {
        for spot in self.tables.sources.of(at, reference) {
            for (spot, image) in self.for_all_targets(spot, look) {
                let is_read = match (&image.reference, digest) {
                    (Reference::Tag(tag), _) => tag == reference,
                    (Reference::Digest(pinned), Some(digest)) => pinned == digest,
                    (Reference::Digest(_), None) => image.tag == reference,
                };
                look.take(true, spot, image, |image| is_read && at.is(&image.source));
            }
        }
    }

    /// The images with this tag of `at` that rules may choose, and those that have its digest in their tags at the targets.
    pub(crate) fn chosen_at_source(
        &self,
        at: &At,
        tag: &str,
        digest: Option<&Digest>,
        look: &mut Look,
    ) {
        let spots = self.tables.sources.of(at, ANY);
        for spot in spots.chain(self.tables.namespaces.above(at)) {
            for (spot, of) in self.all_targets(spot) {
                let Some(source) = self.source_of(of, at) else {
                    continue;
                };
                look.looked_at += 1;
                if let Some(image) = self.images.chosen_of(of, &source, tag, digest) {
                    look.take(false, spot, image, |image| at.is(&image.source));
                } else if digest.is_none() && of.entry.needs_digests() {
                    let any = Digest::of(b"");
                    let image = self.images.chosen_of(of, &source, tag, Some(&any));
                    look.lacks_digest |= image.is_some_and(|image| at.is(&image.source));
                }
            }
        }
    }

    /// The images that are named and have artifacts that come from `at`, and of those that rules may choose those with `tags`.
    pub(crate) fn with_artifacts_at(&self, at: &At, tags: &[String], look: &mut Look) {
        let has_artifacts =
            |image: &ImageSpec| place_of_artifacts(image).is_some_and(|place| at.is(place));
        let spots = self.tables.artifacts.of(at, ANY);
        for spot in spots.chain(self.tables.namespaces.above(at)) {
            for (spot, of) in self.all_targets(spot) {
                if of.entry.is_named() || of.entry.list.is_some() {
                    if let Some(image) = self.image_at(spot, look) {
                        look.take(true, spot, image, has_artifacts);
                    }
                    continue;
                }
                let Some(source) = self.source_of(of, at) else {
                    continue;
                };
                for tag in tags {
                    look.looked_at += 1;
                    if let Some(image) = self.images.chosen_of(of, &source, tag, None) {
                        look.take(false, spot, image, has_artifacts);
                    }
                }
            }
        }
    }

    /// The images that are written as this tag or digest of `at`.
    pub(crate) fn named_at_target(&self, at: &At, reference: &str, look: &mut Look) {
        for spot in self.tables.targets.of(at, reference) {
            if let Some(image) = self.image_at(spot, look) {
                look.take(true, spot, image, |image| is_written(image, at, reference));
            }
        }
    }

    /// All images that are named and written to `at`; with `only_artifacts` those that have some.
    pub(crate) fn all_named_at_target(&self, at: &At, only_artifacts: bool, look: &mut Look) {
        for spot in self.tables.targets.of_repository(at) {
            let is_named = |of: EntryTarget<'_>| of.entry.is_named() || of.entry.list.is_some();
            if !self.entry_at(spot).is_some_and(is_named) {
                continue;
            }
            if let Some(image) = self.image_at(spot, look) {
                let is_meant = |image: &ImageSpec| {
                    let has_some = image.policy.referrers.is_some();
                    at.is(&image.target) && (has_some || !only_artifacts)
                };
                look.take(true, spot, image, is_meant);
            }
        }
    }

    /// The images that rules may choose whose tag at `at` is `tag`.
    pub(crate) fn chosen_at_target(
        &self,
        at: &At,
        tag: &str,
        digest: Option<&Digest>,
        look: &mut Look,
    ) {
        let spots = self.tables.targets.of(at, ANY);
        for spot in spots.chain(self.tables.written.above(at)) {
            let Some(of) = self.entry_at(spot) else {
                continue;
            };
            let sources = match &of.entry.namespace {
                Some(namespace) => {
                    let defaults = self.images.entries.defaults(of.entry);
                    let samples = defaults.and_then(|defaults| {
                        let targets = &self.images.entries.targets;
                        of.entry.two_targets(of.nth, targets, defaults)
                    });
                    samples.map_or_else(
                        |_problem| Vec::new(),
                        |samples| source_names(namespace, &samples, &at.name),
                    )
                }
                None => self
                    .images
                    .entries
                    .image(of)
                    .map(|image| image.source)
                    .into_iter()
                    .collect(),
            };
            let own_tag = of
                .rules()
                .is_none()
                .then(|| self.images.entries.image(of).ok());
            let own_tag = own_tag.flatten().map(|image| image.tag);
            for source in &sources {
                for own in source_tags(of.entry.tag_as.as_deref(), tag, digest)
                    .into_iter()
                    .chain(own_tag.clone())
                {
                    look.looked_at += 1;
                    if let Some(image) = self.images.chosen_of(of, source, &own, digest) {
                        look.take(false, spot, image, |image| is_written(image, at, tag));
                    }
                }
            }
        }
    }

    /// What was found, each target once: named ones first, in the order of the config.
    pub(crate) fn settle(&self, look: &mut Look) -> Vec<ImageSpec> {
        let mut found = std::mem::take(&mut look.found);
        found.sort_by_key(|(is_named, spot, _)| (!is_named, *spot));
        let mut targets = HashSet::new();
        let images = found.into_iter().map(|(_, _, image)| image);
        images
            .filter(|image| self.images.is_wanted(image))
            .filter(|image| targets.insert((image.target.clone(), image.target_reference.clone())))
            .collect()
    }
}

/// From where something is said to entries and images.
impl Index {
    fn entry_at(&self, spot: Spot) -> Option<EntryTarget<'_>> {
        let (entry, nth) = *self.tables.kept.get(spot.number())?;
        let entry = self.images.entries.all.get(entry as usize)?;
        Some(EntryTarget {
            entry,
            nth: nth as usize,
        })
    }

    /// The entry for this target and for those behind it.
    fn all_targets(&self, spot: Spot) -> impl Iterator<Item = (Spot, EntryTarget<'_>)> {
        let first = self.tables.kept.get(spot.number()).map(|(entry, _)| *entry);
        let rest = self.tables.kept.iter().enumerate().skip(spot.number());
        let same = rest.take_while(move |(_, (entry, _))| Some(*entry) == first);
        same.filter_map(move |(number, _)| {
            let spot = Spot::new(number, spot.offset())?;
            Some((spot, self.entry_at(spot)?))
        })
    }

    fn image_at(&self, spot: Spot, look: &mut Look) -> Option<ImageSpec> {
        look.looked_at += 1;
        let of = self.entry_at(spot)?;
        match &of.entry.list {
            None => self.images.entries.image(of).ok(),
            Some(list) => {
                let line = list.line_at(spot.offset())?;
                self.images.entries.image_of_line(of, &line).ok()
            }
        }
    }

    fn for_all_targets(&self, spot: Spot, look: &mut Look) -> Vec<(Spot, ImageSpec)> {
        let spots = self.all_targets(spot).map(|(spot, _)| spot);
        let images = spots.filter_map(|spot| Some((spot, self.image_at(spot, look)?)));
        images.collect()
    }

    /// The source of an entry that chooses, where it may be `at`.
    fn source_of(&self, of: EntryTarget<'_>, at: &At) -> Option<Repository> {
        match &of.entry.namespace {
            Some(namespace) => namespace.source_of(&at.name).parse().ok(),
            None => self.images.entries.image(of).ok().map(|image| image.source),
        }
    }
}

impl Look {
    fn take(
        &mut self,
        is_named: bool,
        spot: Spot,
        image: ImageSpec,
        is_meant: impl Fn(&ImageSpec) -> bool,
    ) {
        if is_meant(&image) {
            self.found.push((is_named, spot, image));
        }
    }
}

fn is_written(image: &ImageSpec, at: &At, reference: &str) -> bool {
    let own = match &image.target_reference {
        Reference::Tag(tag) => tag,
        Reference::Digest(digest) => digest.as_str(),
    };
    at.is(&image.target) && own == reference
}
