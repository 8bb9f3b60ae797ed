//! One entry of the catalog: what is to be where.

mod image_list;
mod namespace;
mod naming;
mod source;
pub(crate) mod spellings;
mod tag_as;
mod targets;

use std::sync::Arc;

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::{
    DOCKER_HUB, Reference, Repository, canonical_host, split,
};
use image_sync_shared::run::job::{ImagePolicy, Overwrite, PlatformMissing, Referrers, Trust};

use crate::problem::{Origin, Problem, without_secrets};
use crate::tag_rules::TagRules;

pub(crate) use image_list::{ImageList, Line, Text, has_an_image};
pub(crate) use namespace::Namespace;
pub(crate) use naming::Naming;
use targets::Destination;
pub(crate) use targets::{CACHE, Target, Targets};

const EXPECTED_TARGET: &str =
    "expected HOST/NAME or HOST/NAME:TAG as in localhost:5000/nginx:1.27, or oci:FOLDER";

/// A tag that stands for all of an entry's.
const ANY_TAG: &str = "latest";
/// Sources of lines of a list.
const LINES: [&str; 2] = ["a.example/b", "c.example/d/e"];
/// The tag of a line of a list that says none.
const LATEST: &str = "latest";

/// Which images of its source an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The one with this tag or digest, or with what the source says itself.
    One(Option<Box<str>>),
    /// Those that rules choose among all tags.
    Rules(Box<TagRules>),
}

/// What a config says of an image, as it says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is said.
    pub(crate) origin: Origin,
    pub(crate) source: Box<str>,
    /// Whose repositories it is for, where `source` is only one that stands for all of them.
    pub(crate) namespace: Option<Box<Namespace>>,
    /// Whose images it is for, where `source` is only one that stands for all of them.
    pub(crate) list: Option<Arc<ImageList>>,
    pub(crate) selector: Selector,
    pub(crate) cache_as: Option<Box<str>>,
    /// The tag at its targets, where that is not its own.
    pub(crate) tag_as: Option<Box<str>>,
    /// The names of targets and repositories that it goes to.
    pub(crate) targets: Option<Box<[Box<str>]>>,
    pub(crate) platforms: Option<Box<Platforms>>,
    pub(crate) source_tls_verify: Option<bool>,
    pub(crate) cache_insecure: Option<bool>,
    pub(crate) policy: StatedPolicy,
}

/// What is said of a policy, as far as something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatedPolicy {
    pub(crate) overwrite: Option<Overwrite>,
    pub(crate) platform_missing: Option<PlatformMissing>,
    /// Which artifacts; none of them, where that is said.
    #[expect(
        clippy::option_option,
        reason = "nothing said is another thing than none said"
    )]
    pub(crate) referrers: Option<Option<Box<Referrers>>>,
}

impl StatedPolicy {
    /// The policy; where nothing is said, it is the `usual` one.
    pub(crate) fn or(&self, usual: &ImagePolicy) -> ImagePolicy {
        ImagePolicy {
            overwrite: self.overwrite.unwrap_or(usual.overwrite),
            platform_missing: self.platform_missing.unwrap_or(usual.platform_missing),
            referrers: match &self.referrers {
                Some(stated) => stated.clone(),
                None => usual.referrers.clone(),
            },
        }
    }
}

impl Entry {
    /// How many places it goes to.
    pub(crate) fn destinations(&self, targets: &Targets, defaults: &ImageDefaults) -> usize {
        match self.goes_to(defaults) {
            Some(goes_to) => goes_to.len(),
            None => targets.usual().len(),
        }
    }

    /// The image that it is, for the `nth` place that it goes to. One for all of its images, with the tag `latest`, where
    /// rules choose them. A digest in its tag there that is not known is a `*`.
    pub(crate) fn image(
        &self,
        nth: usize,
        targets: &Targets,
        defaults: &ImageDefaults,
    ) -> Result<ImageSpec, Problem> {
        match &self.selector {
            Selector::One(tag) => self.with_tag(tag.as_deref(), None, nth, targets, defaults),
            Selector::Rules(_) => {
                let source =
                    source::parse(&self.source).map_err(|problem| problem.key("source"))?;
                if source.is_one_image() {
                    let text = "found a tag or digest beside tags, expected source: REPOSITORY";
                    return Err(Problem::new(text).key("source"));
                }
                self.with_tag(Some(ANY_TAG), None, nth, targets, defaults)
            }
        }
    }

    /// Whether its images are known without asking a registry.
    pub(crate) fn is_named(&self) -> bool {
        self.namespace.is_none() && self.rules().is_none() && !self.needs_digests()
    }

    /// Whether its images have digests in their tags at the targets that its source has to be asked for. The lines of lists say
    /// them.
    pub(crate) fn needs_digests(&self) -> bool {
        self.list.is_none() && self.lacks_digest()
    }

    /// Whether it does not say the digest that its tag at the targets has.
    fn lacks_digest(&self) -> bool {
        self.tag_as.as_deref().is_some_and(tag_as::has_digest) && !self.is_pinned()
    }

    fn is_pinned(&self) -> bool {
        let Selector::One(tag) = &self.selector else {
            return false;
        };
        let named = source::parse(&self.source).and_then(|source| source.with_tag(tag.as_deref()));
        named.is_ok_and(|named| matches!(named.reference, Reference::Digest(_)))
    }

    /// The entry of one repository of its namespace.
    pub(crate) fn of_repository(&self, namespace: &Namespace, name: &str) -> Self {
        Self {
            source: namespace.source_of(name).into(),
            namespace: None,
            cache_as: namespace.cache_as(name),
            ..self.clone()
        }
    }

    /// The entry of one line of its list, which has to say the digest of its image, where that is in tags.
    pub(crate) fn of_line(&self, line: &Line) -> Result<Self, Problem> {
        let platforms = line.platforms.clone().map(Box::new);
        let entry = Self {
            source: line.source.clone(),
            selector: Selector::One(line.is_bare.then(|| LATEST.into())),
            platforms: platforms.or_else(|| self.platforms.clone()),
            ..self.clone()
        };
        if entry.lacks_digest() {
            let text = format!(
                "found {:?} without a digest for the {{digest8}} in tag_as, expected NAME@sha256:...",
                line.source
            );
            return Err(Problem::new(text));
        }
        Ok(entry)
    }

    /// The rules that choose its images, if they are chosen.
    pub(crate) fn rules(&self) -> Option<&TagRules> {
        match &self.selector {
            Selector::One(_) => None,
            Selector::Rules(rules) => Some(rules),
        }
    }

    /// Its image with `tag`, pinned to the `digest` that the tag has, if that was found out, for the `nth` place that it goes to.
    pub(crate) fn with_tag(
        &self,
        tag: Option<&str>,
        digest: Option<&Digest>,
        nth: usize,
        targets: &Targets,
        defaults: &ImageDefaults,
    ) -> Result<ImageSpec, Problem> {
        let source = source::parse(&self.source).map_err(|problem| problem.key("source"))?;
        let (target, own_tag) = match self.destination(nth, targets, defaults)? {
            Destination::Named(target) => {
                (target.repository(&source, self.cache_as.as_deref())?, None)
            }
            Destination::InFull(repository, tag) => (repository, tag),
        };
        let repository = source.repository.clone();
        let mut named = source.with_tag(tag)?;
        if let Some(digest) = digest {
            named.reference = Reference::Digest(digest.clone());
        }
        let target_reference = match (own_tag, &self.tag_as) {
            (Some(tag), _) => tag,
            (None, Some(template)) => tag_as::tag(template, &named, self.version(tag))?,
            (None, None) => named.target_reference,
        };
        let stated = self.platforms.as_deref().cloned();
        let platforms = platforms(stated, &target_reference, defaults)?;
        let source_trust = self.source_tls_verify.map(|verify| trust(!verify));
        let source_trust = source_trust.unwrap_or(defaults.source_trust);
        let target_trust = self.cache_insecure.map(trust);
        Ok(ImageSpec {
            image: named.image,
            tag: named.tag,
            source: repository,
            reference: named.reference,
            target,
            target_reference,
            platforms,
            source_trust,
            target_trust: target_trust.unwrap_or(defaults.target_trust),
            policy: trusting(source_trust, self.policy.or(&defaults.policy)),
        })
    }

    /// Two repositories of its `nth` place, where it is for many: what their paths begin with alike, those of all others do.
    pub(crate) fn two_targets(
        &self,
        nth: usize,
        targets: &Targets,
        defaults: &ImageDefaults,
    ) -> Result<[Repository; 2], Problem> {
        // They differ in every part that a name may be made of.
        let sources = match &self.namespace {
            Some(namespace) => namespace
                .samples()
                .map(|name| (namespace.source_of(&name), namespace.cache_as(&name))),
            None => LINES.map(|line| (line.to_owned(), self.cache_as.clone())),
        };
        let [left, right] = sources.map(|(source, cache_as)| {
            let source = source::parse(&source)?;
            match self.destination(nth, targets, defaults)? {
                Destination::Named(target) => target.repository(&source, cache_as.as_deref()),
                Destination::InFull(repository, _) => Ok(repository),
            }
        });
        Ok([left?, right?])
    }

    fn goes_to<'a>(&'a self, defaults: &'a ImageDefaults) -> Option<&'a [Box<str>]> {
        self.targets.as_deref().or(defaults.targets.as_deref())
    }

    fn destination<'a>(
        &self,
        nth: usize,
        targets: &'a Targets,
        defaults: &ImageDefaults,
    ) -> Result<Destination<'a>, Problem> {
        let Some(goes_to) = self.goes_to(defaults) else {
            let target = targets.usual().get(nth);
            return target.map(Destination::Named).ok_or_else(goes_nowhere);
        };
        let text = goes_to.get(nth).ok_or_else(goes_nowhere)?;
        let at = |problem: Problem| problem.index(nth).key("targets");
        let destination = targets.destination(text).map_err(at)?;
        if let (Destination::InFull(_, Some(_)), Some(_)) = (&destination, self.rules()) {
            let text = format!(
                "found the tag of {text:?} for all tags that rules choose, expected HOST/NAME"
            );
            return Err(at(Problem::new(text)));
        }
        let is_of_many = self.namespace.is_some() || self.list.is_some();
        if matches!(destination, Destination::InFull(..)) && is_of_many {
            let text = format!(
                "found the repository {text:?} for all repositories, expected the name of a target"
            );
            return Err(at(Problem::new(text)));
        }
        Ok(destination)
    }

    /// What the rules see of `tag`.
    fn version<'t>(&self, tag: Option<&'t str>) -> Option<&'t str> {
        match self.rules() {
            Some(rules) => rules.extracted(tag?),
            None => tag,
        }
    }
}

/// The image `source` for `target`, which is named in full; without a tag it has that of the source.
pub(crate) fn for_target(
    source: &str,
    target: &str,
    stated: Option<Platforms>,
    defaults: &ImageDefaults,
) -> Result<ImageSpec, Problem> {
    let (target, tag) = named_in_full(target).map_err(|problem| problem.key("--target"))?;
    let source = source::parse(source)?;
    let repository = source.repository.clone();
    let named = source.with_tag(None)?;
    let target_reference = tag.unwrap_or(named.target_reference);
    let platforms = platforms(stated, &target_reference, defaults)?;
    Ok(ImageSpec {
        image: named.image,
        tag: named.tag,
        source: repository,
        reference: named.reference,
        target,
        target_reference,
        platforms,
        source_trust: defaults.source_trust,
        target_trust: defaults.target_trust,
        policy: trusting(defaults.source_trust, defaults.policy.clone()),
    })
}

/// A target that leaves nothing to be guessed: a short name would be Docker Hub's, which is no one's cache.
fn named_in_full(target: &str) -> Result<(Repository, Option<Reference>), Problem> {
    let found = |what: &str| Problem::new(format!("found {what}, {EXPECTED_TARGET}"));
    let (repository, reference) = split(without_secrets(target)?).map_err(Problem::new)?;
    if let Some(Reference::Digest(digest)) = &reference {
        return Err(found(&format!("the digest {digest}")));
    }
    let names_hub = target
        .split('/')
        .next()
        .is_some_and(|first| canonical_host(first) == DOCKER_HUB);
    if repository.host() == Some(DOCKER_HUB) && !names_hub {
        return Err(found(&format!("{target:?} without a host")));
    }
    Ok((repository, reference))
}

/// Which platforms. Content that is named by its digest in the cache too is copied whole.
fn platforms(
    stated: Option<Platforms>,
    target: &Reference,
    defaults: &ImageDefaults,
) -> Result<Platforms, Problem> {
    match (target, stated) {
        (Reference::Tag(_), stated) => Ok(stated.unwrap_or_else(|| defaults.platforms.clone())),
        (Reference::Digest(_), None | Some(Platforms::All)) => Ok(Platforms::All),
        (Reference::Digest(_), Some(platforms)) => {
            let text = format!(
                "{platforms} of a digest has another digest, expected platform: all, or tag: NAME for the cache"
            );
            Err(Problem::new(text).key("platform"))
        }
    }
}

/// The policy of an image whose source is reached so: where its artifacts are is reached as its source is.
fn trusting(source_trust: Trust, mut policy: ImagePolicy) -> ImagePolicy {
    let from = policy.referrers.as_mut().and_then(|of| of.from.as_mut());
    if let Some(from) = from {
        from.trust = source_trust;
    }
    policy
}

/// How an `insecure` side is reached.
pub(crate) fn trust(insecure: bool) -> Trust {
    if insecure {
        Trust::Insecure
    } else {
        Trust::Verified
    }
}

fn goes_nowhere() -> Problem {
    Problem::new("goes nowhere, expected cache_registry in the first file, or targets here")
}
