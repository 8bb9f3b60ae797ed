//! From entries to images: what rules choose is found out by listing the tags of their sources.

mod claims;

use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream, StreamExt as _};
use image_sync_shared::config::{Expanded, ImageSpec, Settings};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::panics::lock;

use super::discovery::{Discovery, Sources};
use super::entries::EntryTarget;
use super::parts::{Part, parts};
use super::{Images, Only};
use crate::entry::{ImageList, Line};
use crate::problem::Problem;
use crate::tag_rules::TagRules;
use claims::{Claims, Known};

/// How many repositories are listed at the same time.
const LISTINGS: usize = 8;
/// Of how many tags of one repository the digests are found out at the same time.
const ASKED_TOGETHER: usize = 16;

impl Images {
    /// All images, stage by stage: those that read what others write come behind these, and a stage asks registries only
    /// once it is polled. Without such chains there is one stage. In it they come in the order of the config, some at a
    /// time. What is named needs no listing; other repositories, and the catalogs of registries for namespaces, are listed
    /// once each, several at the same time. An image that a rule chooses and another entry has already is left out; one
    /// for a target for which another entry has another image has failed. The last page is empty.
    pub fn expand<'a>(
        &'a self,
        sources: Sources<'a>,
        settings: &'a Settings,
    ) -> impl Iterator<Item = impl Stream<Item = Vec<Expanded>> + 'a> + 'a {
        let claims = Arc::new(Mutex::new(Claims::of(self)));
        let stages = self.stages();
        let last = stages.len() - 1;
        stages.into_iter().enumerate().map(move |(nth, entries)| {
            let discovery = Arc::new(Discovery::new(sources, settings));
            let pages = self.expand_stage(parts(&entries), discovery, Arc::clone(&claims));
            let end = stream::iter((nth == last).then_some(()));
            pages.chain(end.map(|()| self.tell_of_missing()))
        })
    }

    fn expand_stage<'a>(
        &'a self,
        parts: Vec<Part<'a>>,
        discovery: Arc<Discovery<'a>>,
        claims: Arc<Mutex<Claims<'a>>>,
    ) -> impl Stream<Item = Vec<Expanded>> + 'a {
        let of_catalogs = Arc::clone(&discovery);
        stream::iter(parts)
            .map(move |part| {
                let discovery = Arc::clone(&of_catalogs);
                async move { self.with_repositories(part, &discovery).await }
            })
            .buffered(LISTINGS)
            .flat_map(|parts| stream::iter(parts.into_iter().flat_map(Part::pages)))
            .map(move |part| {
                let discovery = Arc::clone(&discovery);
                async move { self.images_of(part, &discovery).await }
            })
            .buffered(LISTINGS)
            .map(move |(known, expanded)| lock(&claims).settle(known, expanded))
    }

    /// Nothing more, but a warning of what is wanted and was not among all that were chosen.
    fn tell_of_missing(&self) -> Vec<Expanded> {
        for sentence in self.only.iter().flat_map(Only::missing) {
            tracing::warn!("{sentence}");
        }
        Vec::new()
    }

    /// A namespace as one part for each of its repositories, all else as it is.
    async fn with_repositories<'a>(
        &'a self,
        part: Part<'a>,
        discovery: &Discovery<'_>,
    ) -> Vec<Part<'a>> {
        let Part::Namespace(targets, namespace) = part else {
            return vec![part];
        };
        let first = targets
            .first()
            .map(|of| (of.entry, self.entries.image(*of)));
        let Some((entry, Ok(sample))) = first else {
            return Vec::new();
        };
        let names = match discovery.repositories(&sample).await {
            Ok(names) => names,
            Err(failure) => {
                self.only.iter().for_each(|only| only.cannot_tell(&sample));
                let failed = Expanded::failed(all_of(sample), failure);
                return vec![Part::Failed(Box::new(failed))];
            }
        };
        let found = names.iter().filter(|name| namespace.has(name));
        let parts = found.map(|name| {
            let entry = Box::new(entry.of_repository(namespace, name));
            Part::Found(entry, targets.iter().map(|of| of.nth).collect())
        });
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            let of = names.len();
            tracing::warn!(repositories = %namespace, of, "none of the repositories of the registry is wanted");
        }
        parts
    }

    /// The images of a part, and how they are known.
    async fn images_of(&self, part: Part<'_>, discovery: &Discovery<'_>) -> (Known, Vec<Expanded>) {
        let images = match part {
            Part::Named(entries) => return (Known::Named, self.named(&entries)),
            Part::Lines(targets, list, lines) => {
                return (Known::Listed, self.of_lines(&targets, list, lines));
            }
            Part::Asked(entries) => self.chosen(&entries, discovery).await,
            Part::Found(entry, places) => {
                let of_entry = |nth| EntryTarget { entry: &entry, nth };
                let targets: Vec<EntryTarget<'_>> = places.into_iter().map(of_entry).collect();
                let images = if entry.is_named() {
                    self.wanted(self.named(&targets))
                } else {
                    self.chosen(&targets, discovery).await
                };
                without_vanished(images)
            }
            Part::Failed(failed) => vec![*failed],
            // There are none any more.
            Part::Namespace(..) | Part::List(..) => Vec::new(),
        };
        (Known::Asked, images)
    }

    /// The images of some lines. A line that has none is a failure, as the list was changed since it was checked.
    fn of_lines(
        &self,
        targets: &[EntryTarget<'_>],
        list: &ImageList,
        lines: Vec<Result<Line, Problem>>,
    ) -> Vec<Expanded> {
        let mut images = Vec::with_capacity(lines.len() * targets.len());
        for line in lines {
            for of in targets {
                let line = line.as_ref().map_err(Clone::clone);
                let image = line.and_then(|line| self.entries.image_of_line(*of, line));
                images.extend(match image {
                    Ok(image) if !self.is_wanted(&image) => None,
                    Ok(image) => Some(Expanded::image(image)),
                    Err(problem) => self.failed_line(*of, list, &problem),
                });
            }
        }
        images
    }

    fn failed_line(
        &self,
        of: EntryTarget<'_>,
        list: &ImageList,
        problem: &Problem,
    ) -> Option<Expanded> {
        let line = problem.place().map_or(0, |place| place.line);
        let sample = self.entries.image(of).ok()?;
        let image = ImageSpec {
            image: list.name.to_string(),
            tag: format!("line {line}"),
            ..all_of(sample)
        };
        let answer = format!("{}:{line}: {problem}", list.name);
        let failure = failure(&image, FailureClass::Invalid, answer);
        Some(Expanded::failed(image, failure))
    }

    fn named(&self, entries: &[EntryTarget<'_>]) -> Vec<Expanded> {
        let images = entries
            .iter()
            .filter_map(|entry| self.entries.image(*entry).ok());
        images.map(Expanded::image).collect()
    }

    /// The images of one entry, each for each of `targets`; one failure for all of them where they cannot be found out.
    async fn chosen(
        &self,
        targets: &[EntryTarget<'_>],
        discovery: &Discovery<'_>,
    ) -> Vec<Expanded> {
        let first = targets
            .first()
            .map(|of| (of.entry, self.entries.image(*of)));
        let Some((entry, Ok(sample))) = first else {
            return Vec::new();
        };
        if !self.only.iter().all(|only| only.may_match(&sample)) {
            return Vec::new();
        }
        let tags = match entry.rules() {
            Some(rules) => chosen_tags(rules, &sample, discovery).await,
            None => Ok(vec![sample.tag.clone()]),
        };
        match tags {
            Ok(tags) => {
                let found = stream::iter(tags)
                    .map(async |tag| self.of_tag(targets, &tag, &sample, discovery).await)
                    .buffered(ASKED_TOGETHER);
                self.wanted(found.collect::<Vec<_>>().await.concat())
            }
            Err(failure) => {
                self.only.iter().for_each(|only| only.cannot_tell(&sample));
                vec![Expanded::failed(all_of(sample), failure)]
            }
        }
    }

    fn wanted(&self, images: Vec<Expanded>) -> Vec<Expanded> {
        let is_wanted = |Expanded { image, failure }: &Expanded| {
            let Some(failure) = failure else {
                return self.is_wanted(image);
            };
            let is_wanted = self.only.iter().all(|only| only.may_match_failed(image));
            if !is_wanted {
                tracing::warn!(image = %image.image, tag = image.tag, %failure, "left out, as it is not what is chosen");
            }
            is_wanted
        };
        images.into_iter().filter(is_wanted).collect()
    }

    /// The image with this tag for each of the targets of its entry, pinned to its digest where that is in its tag there.
    async fn of_tag(
        &self,
        targets: &[EntryTarget<'_>],
        tag: &str,
        sample: &ImageSpec,
        discovery: &Discovery<'_>,
    ) -> Vec<Expanded> {
        let digest = if targets.iter().any(|of| of.entry.needs_digests()) {
            discovery.digest(sample, tag).await.map(Some)
        } else {
            Ok(None)
        };
        if digest.is_err() {
            self.only.iter().for_each(|only| only.cannot_tell(sample));
        }
        let of_target = |of: &EntryTarget<'_>| match &digest {
            Ok(digest) => {
                let image = self.entries.with_tag(*of, tag, digest.as_ref());
                image.map(Expanded::image)
            }
            Err(failure) => {
                let image = self.entries.with_tag(*of, tag, None);
                image.map(|image| Expanded::failed(of_any_digest(image), failure.clone()))
            }
        };
        let unmade = |problem: Problem| {
            let image = ImageSpec {
                tag: tag.to_owned(),
                reference: Reference::Tag(tag.to_owned()),
                ..sample.clone()
            };
            let failure = failure(&image, FailureClass::Invalid, problem.to_string());
            Expanded::failed(image, failure)
        };
        let images = targets.iter();
        images
            .map(|of| of_target(of).unwrap_or_else(unmade))
            .collect()
    }
}

/// A repository of a catalog may have gone since, or never had a tag: some registries list those too.
fn without_vanished(images: Vec<Expanded>) -> Vec<Expanded> {
    let is_there = |expanded: &Expanded| {
        let Some(failure) = &expanded.failure else {
            return true;
        };
        let is_gone = failure.step == Step::ListTags && failure.class == FailureClass::NotFound;
        if is_gone {
            tracing::warn!(%failure, "left out, as it is in the catalog and has no tags");
        }
        !is_gone
    };
    images.into_iter().filter(is_there).collect()
}

/// The tags that rules choose of the source of `sample`.
async fn chosen_tags(
    rules: &TagRules,
    sample: &ImageSpec,
    discovery: &Discovery<'_>,
) -> Result<Vec<String>, Failure> {
    let tags = discovery.tags(sample).await?;
    let mut candidates = rules.candidates(tags.iter().map(String::as_str));
    if rules.need_creation_times() {
        candidates = discovery.dated(sample, candidates).await?;
    }
    let chosen = rules.choose(candidates, discovery.sources.now);
    enough(sample, rules, tags.len(), chosen.len())?;
    Ok(chosen.into_iter().map(str::to_owned).collect())
}

/// Whether as many were chosen as are required. To choose nothing is probably not meant.
fn enough(sample: &ImageSpec, rules: &TagRules, of: usize, chosen: usize) -> Result<(), Failure> {
    let required = rules.require.unwrap_or(0);
    if chosen < required {
        let answer = format!(
            "found {chosen} tags of {of} that the rules choose, expected {required} at least"
        );
        return Err(failure(sample, FailureClass::Invalid, answer));
    }
    if chosen == 0 {
        tracing::warn!(repository = %sample.source, tags = of, "the rules choose no tag");
    }
    Ok(())
}

/// How reports call an image whose digest, which was to be in its tag at the target, is not known.
pub(super) fn of_any_digest(image: ImageSpec) -> ImageSpec {
    ImageSpec {
        target_reference: Reference::Tag("*".to_owned()),
        ..image
    }
}

/// How reports call all that rules would choose.
pub(super) fn all_of(sample: ImageSpec) -> ImageSpec {
    let any = Reference::Tag("*".to_owned());
    ImageSpec {
        tag: any.to_string(),
        reference: any.clone(),
        target_reference: any,
        ..sample
    }
}

fn failure(sample: &ImageSpec, class: FailureClass, answer: String) -> Failure {
    Failure::new(
        Side::Source,
        Step::ListTags,
        sample.source.to_string(),
        class,
        answer,
    )
}
