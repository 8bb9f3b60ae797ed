//! One entry of the catalog: what is to be where.

mod source;

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::{
    DOCKER_HUB, Location, Reference, Repository, canonical_host, split,
};
use image_sync_shared::run::job::{ImagePolicy, Overwrite, PlatformMissing, Trust};

use crate::problem::{Origin, Problem, without_secrets};
use crate::tag_rules::TagRules;

use source::Source;

const EXPECTED_TARGET: &str =
    "expected HOST/NAME or HOST/NAME:TAG as in localhost:5000/nginx:1.27, or oci:FOLDER";

/// A tag that stands for all of an entry's.
const ANY_TAG: &str = "latest";

/// What stands before a source and not before its name in the cache.
const HUB_OR_GITHUB: [&str; 4] = [
    "docker.io/",
    "ghcr.io/",
    "registry-1.docker.io/",
    "registry.hub.docker.com/",
];

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
    pub(crate) selector: Selector,
    pub(crate) cache_as: Option<Box<str>>,
    pub(crate) platforms: Option<Box<Platforms>>,
    pub(crate) source_tls_verify: Option<bool>,
    pub(crate) cache_insecure: Option<bool>,
    pub(crate) overwrite: Option<Overwrite>,
    pub(crate) platform_missing: Option<PlatformMissing>,
}

impl Entry {
    /// The image that it is. One for all of its images, with the tag `latest`, where rules choose them.
    pub(crate) fn image(
        &self,
        cache_registry: &Location,
        defaults: &ImageDefaults,
    ) -> Result<ImageSpec, Problem> {
        match &self.selector {
            Selector::One(tag) => self.with_tag(tag.as_deref(), cache_registry, defaults),
            Selector::Rules(_) => {
                let source =
                    source::parse(&self.source).map_err(|problem| problem.key("source"))?;
                if source.is_one_image() {
                    let text = "found a tag or digest beside tags, expected source: REPOSITORY";
                    return Err(Problem::new(text).key("source"));
                }
                self.with_tag(Some(ANY_TAG), cache_registry, defaults)
            }
        }
    }

    /// The rules that choose its images, if they are chosen.
    pub(crate) fn rules(&self) -> Option<&TagRules> {
        match &self.selector {
            Selector::One(_) => None,
            Selector::Rules(rules) => Some(rules),
        }
    }

    /// Its image with `tag`.
    pub(crate) fn with_tag(
        &self,
        tag: Option<&str>,
        cache_registry: &Location,
        defaults: &ImageDefaults,
    ) -> Result<ImageSpec, Problem> {
        let source = source::parse(&self.source).map_err(|problem| problem.key("source"))?;
        let target = target(&source, self.cache_as.as_deref(), cache_registry)?;
        let repository = source.repository.clone();
        let named = source.with_tag(tag)?;
        let stated = self.platforms.as_deref().cloned();
        let platforms = platforms(stated, &named.target_reference, defaults)?;
        let source_trust = self.source_tls_verify.map(|verify| trust(!verify));
        let target_trust = self.cache_insecure.map(trust);
        Ok(ImageSpec {
            image: named.image,
            tag: named.tag,
            source: repository,
            reference: named.reference,
            target,
            target_reference: named.target_reference,
            platforms,
            source_trust: source_trust.unwrap_or(defaults.source_trust),
            target_trust: target_trust.unwrap_or(defaults.target_trust),
            policy: self.policy(defaults),
        })
    }

    fn policy(&self, defaults: &ImageDefaults) -> ImagePolicy {
        let usual = defaults.policy;
        ImagePolicy {
            overwrite: self.overwrite.unwrap_or(usual.overwrite),
            platform_missing: self.platform_missing.unwrap_or(usual.platform_missing),
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
        policy: defaults.policy,
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

/// How an `insecure` side is reached.
pub(crate) fn trust(insecure: bool) -> Trust {
    if insecure {
        Trust::Insecure
    } else {
        Trust::Verified
    }
}

fn target(
    source: &Source,
    cache_as: Option<&str>,
    cache_registry: &Location,
) -> Result<Repository, Problem> {
    if let Some(name) = cache_as {
        return without_secrets(name)
            .and_then(|name| cache_registry.repository(name).map_err(Problem::new))
            .map_err(|problem| problem.key("cache_as"));
    }
    let name = cache_name(source);
    cache_registry.repository(&name).ok().ok_or_else(|| {
        let text = format!("{name:?}, made of {:?}, cannot be a name in the cache, expected cache_as: NAME beside it", source.bare);
        Problem::new(text).key("source")
    })
}

/// The name in the cache of a source without `cache_as`.
fn cache_name(source: &Source) -> String {
    let Repository::Registry { .. } = &source.repository else {
        return source.repository.name().to_owned();
    };
    let hub_or_github = HUB_OR_GITHUB
        .into_iter()
        .find_map(|prefix| source.bare.strip_prefix(prefix));
    match (hub_or_github, source.bare.split_once('/')) {
        (Some(name), _) => name.to_owned(),
        (None, Some((first, rest))) => {
            format!("{}/{rest}", without_port(first).to_ascii_lowercase())
        }
        (None, None) => source.bare.clone(),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(source: &str) -> String {
        cache_name(&source::parse(source).unwrap())
    }

    #[test]
    fn names_in_the_cache_are_those_of_the_first_release() {
        for (source, expected) in [
            (
                "docker.io/akeyless/k8s-secrets-sidecar",
                "akeyless/k8s-secrets-sidecar",
            ),
            ("docker.io/library/nginx", "library/nginx"),
            (
                "ghcr.io/project-zot/zot-linux-amd64",
                "project-zot/zot-linux-amd64",
            ),
            ("registry-1.docker.io/a/b", "a/b"),
            ("registry.hub.docker.com/a/b", "a/b"),
            ("quay.io/a/b", "quay.io/a/b"),
            ("index.docker.io/a/b", "index.docker.io/a/b"),
            ("nginx", "nginx"),
            ("a/b", "a/b"),
        ] {
            assert_eq!(name(source), expected);
        }
    }

    #[test]
    fn what_cannot_be_in_a_name_is_left_out_of_it() {
        for (source, expected) in [
            ("nginx:1.27", "nginx"),
            ("localhost:5000/a", "localhost/a"),
            ("Quay.io:443/a/b:1", "quay.io/a/b"),
            ("oci:examples/images/hello", "hello"),
            ("oci:/srv/hello:v1", "hello"),
        ] {
            assert_eq!(name(source), expected);
        }
    }

    #[test]
    fn a_source_that_makes_no_name_needs_one() {
        let cache = "localhost:5000".parse().unwrap();
        for text in ["[::1]:5000/a", "oci:.", "oci:/", "oci:My Images"] {
            let source = source::parse(text).unwrap();
            let problem = target(&source, None, &cache).unwrap_err().to_string();
            assert!(problem.contains("expected cache_as: NAME"), "{problem}");
            let named = target(&source, Some("x/y"), &cache).unwrap();
            assert_eq!(named.to_string(), "localhost:5000/x/y");
        }
    }
}
