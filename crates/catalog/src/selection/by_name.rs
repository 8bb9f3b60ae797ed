//! Which images `enqueue` is about: those of the catalog that are named, or any other one whose target is named too.

use image_sync_shared::config::{ImageDefaults, ImageSpec};
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::{InvalidReference, Reference, Repository, split};
use thiserror::Error;

use super::nearest_image;
use crate::config_file::Images;
use crate::entry::for_target;
use crate::problem::{Problem, without_secrets};

/// Why nothing is enqueued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// A text names no image, or no target.
    #[error("{0}")]
    Invalid(String),
    /// The catalog does not name an image.
    #[error(
        "{file}: {image:?} is none of the {images} images of the config, expected one of them, or --target for any \
         other{hint}"
    )]
    NotNamed {
        /// The config.
        file: String,
        /// What was asked for.
        image: String,
        /// How many images there are.
        images: usize,
        /// The nearest image, as a question, or nothing.
        hint: String,
    },
    /// What its tag at the target is, only its source knows.
    #[error(
        "{image:?}: tag_as has its {{digest8}}, which is looked up by whole runs, expected the image with its digest (@sha256:...) in \
         the config, or a run of it by `--only`"
    )]
    UnknownDigest {
        /// What was asked for.
        image: String,
    },
    /// A target is for one image.
    #[error("found {0} images with --target, expected one")]
    SeveralForOneTarget(usize),
}

impl From<Problem> for NameError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem.to_string())
    }
}

impl From<InvalidReference> for NameError {
    fn from(invalid: InvalidReference) -> Self {
        Self::Invalid(invalid.to_string())
    }
}

/// The images that `wanted` names, each once, in the order of the config; `file` is where it stands.
///
/// A tag that a rule of the config may choose is an image of the config too. A text names an image by its source with its tag or digest, as the config writes it or with the registry's full name.
/// A source alone names all that the config has of it. One source for several targets or platforms is several images.
pub fn choose(images: &Images, file: &str, wanted: &[String]) -> Result<Vec<ImageSpec>, NameError> {
    let mut wanted = wanted
        .iter()
        .map(|text| Wanted::new(text))
        .collect::<Result<Vec<_>, _>>()?;
    let chosen = images.iter().filter(|image| {
        // Each of them learns that there is an image of its name.
        let called = wanted
            .iter_mut()
            .filter_map(|wanted| wanted.finds(image).then_some(()));
        called.count() > 0
    });
    let mut chosen: Vec<ImageSpec> = chosen.collect();
    for wanted in wanted.iter_mut().filter(|wanted| !wanted.is_found) {
        if let Ok((source, Some(Reference::Tag(tag)))) = &wanted.parsed {
            let before = chosen.len();
            chosen.extend(images.may_be_chosen(source, tag));
            wanted.is_found = chosen.len() > before;
        }
    }
    for Wanted { text, parsed, .. } in &wanted {
        if let Ok((source, tag)) = parsed
            && images.may_have_digests(source, tag.as_ref())
        {
            let image = (*text).to_owned();
            return Err(NameError::UnknownDigest { image });
        }
    }
    match wanted.into_iter().find(|wanted| !wanted.is_found) {
        None => Ok(chosen),
        Some(missing) => {
            let (repository, _) = missing.parsed?;
            Err(not_named(images, file, missing.text, &repository))
        }
    }
}

/// A text that names images.
struct Wanted<'a> {
    text: &'a str,
    parsed: Result<(Repository, Option<Reference>), InvalidReference>,
    is_found: bool,
}

impl<'a> Wanted<'a> {
    fn new(text: &'a str) -> Result<Self, Problem> {
        Ok(Self {
            text,
            parsed: split(without_secrets(text)?),
            is_found: false,
        })
    }

    /// Whether it names `image`, which is remembered.
    fn finds(&mut self, image: &ImageSpec) -> bool {
        let is_meant = |(repository, reference): &(Repository, Option<Reference>)| {
            is_called(image, repository, reference.as_ref())
        };
        let finds = written(image) == self.text || self.parsed.as_ref().is_ok_and(is_meant);
        self.is_found |= finds;
        finds
    }
}

/// The only one of `wanted` for `target`, whether the config names it or not.
pub fn for_this_target(
    defaults: &ImageDefaults,
    wanted: &[String],
    target: &str,
    platforms: Option<Platforms>,
) -> Result<ImageSpec, NameError> {
    let [source] = wanted else {
        return Err(NameError::SeveralForOneTarget(wanted.len()));
    };
    let (_, reference) = split(without_secrets(source)?)?;
    if reference.is_none() {
        return Err(NameError::Invalid(format!(
            "{source:?} has no tag, expected one as in {source}:latest"
        )));
    }
    Ok(for_target(source, target, platforms, defaults)?)
}

fn is_called(image: &ImageSpec, repository: &Repository, reference: Option<&Reference>) -> bool {
    // A pinned image is known by the tag that it has in the cache too.
    let has = |wanted: &Reference| [&image.reference, &image.target_reference].contains(&wanted);
    image.source == *repository && reference.is_none_or(has)
}

/// As the config writes it, and reports.
fn written(image: &ImageSpec) -> String {
    format!("{}:{}", image.image, image.tag)
}

/// Another tag of the same source is nearer than any other source.
fn not_named(images: &Images, file: &str, text: &str, repository: &Repository) -> NameError {
    let of_source = || images.iter().filter(|image| image.source == *repository);
    let near = nearest_image(text, of_source())
        .or_else(|| of_source().next())
        .or_else(|| nearest_image(text, images.iter()));
    NameError::NotNamed {
        file: file.to_owned(),
        image: text.to_owned(),
        images: images.len(),
        hint: near.map_or_else(String::new, |image| {
            format!("; did you mean {}?", written(&image))
        }),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::job::Trust;

    use super::*;
    use crate::config_file::Parsed;
    use crate::samples;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn sample() -> Parsed {
        let pinned = format!("{{source: 'busybox:1.36@{DIGEST}'}}");
        samples::config(&[
            "{source: nginx, tag: '1.26'}",
            "{source: docker.io/library/nginx, tag: '1.27'}",
            "{source: 'nginx:1.27', platform: linux/arm64, cache_as: arm/nginx}",
            "{source: ghcr.io/project-zot/zot, tag: v2}",
            &pinned,
        ])
    }

    fn texts(wanted: &[&str]) -> Vec<String> {
        wanted.iter().map(|text| (*text).to_owned()).collect()
    }

    /// The targets of what was chosen.
    fn chosen(wanted: &[&str]) -> Result<Vec<String>, NameError> {
        let images = choose(&sample().images, "c.yaml", &texts(wanted))?;
        let target = |image: &ImageSpec| image.target.image(image.target_reference.clone());
        Ok(images
            .iter()
            .map(|image| target(image).to_string())
            .collect())
    }

    #[test]
    fn an_image_is_called_as_it_is_written_or_in_full() {
        let both = [
            "localhost:5000/library/nginx:1.27",
            "localhost:5000/arm/nginx:1.27",
        ];
        for text in [
            "nginx:1.27",
            "docker.io/library/nginx:1.27",
            "index.docker.io/nginx:1.27",
        ] {
            assert_eq!(chosen(&[text]).unwrap(), both, "{text}");
        }
        let zot = ["localhost:5000/project-zot/zot:v2"];
        assert_eq!(chosen(&["ghcr.io/project-zot/zot:v2"]).unwrap(), zot);
    }

    #[test]
    fn a_pinned_image_is_called_by_its_digest_its_tag_or_as_reports_do() {
        for text in [
            "busybox:1.36".to_owned(),
            format!("docker.io/library/busybox@{DIGEST}"),
            format!("busybox@{DIGEST}:1.36"),
        ] {
            assert_eq!(
                chosen(&[&text]).unwrap(),
                ["localhost:5000/busybox:1.36"],
                "{text}"
            );
        }
    }

    #[test]
    fn a_source_alone_is_all_that_the_config_has_of_it() {
        assert_eq!(chosen(&["nginx"]).unwrap().len(), 3);
    }

    #[test]
    fn a_tag_that_rules_may_choose_is_an_image_of_the_config() {
        let parsed = samples::config(&["{source: quay.io/a/b, tags: {semver: 1.x, latest: 2}}"]);
        let named = |text: &str| choose(&parsed.images, "c.yaml", &texts(&[text]));
        let chosen = named("quay.io/a/b:v1.2").unwrap();
        assert_eq!(chosen[0].target_name(), "localhost:5000/quay.io/a/b:v1.2");
        assert!(named("quay.io/a/b:2.0").is_err());
        assert!(named("quay.io/a/c:1.0").is_err());
    }

    #[test]
    fn a_repository_of_a_namespace_is_one_of_the_config() {
        let text = "{cache_registry: localhost:5000, repositories: [{source: quay.io/a, exclude: a/x, tags: {semver: 1.x}}, {source: quay.io/b, tags: [v1]}, {source: quay.io/d, tags: all, cache_as: 'm/{below}'}]}";
        let parsed = crate::config_file::parse(text, "c.yaml").unwrap();
        let named = |text: &str| choose(&parsed.images, "c.yaml", &texts(&[text]));
        let chosen = named("quay.io/a/c/d:v1.2").unwrap();
        assert_eq!(chosen[0].target_name(), "localhost:5000/quay.io/a/c/d:v1.2");
        assert_eq!(named("quay.io/b/c:v1").unwrap().len(), 1);
        let chosen = named("quay.io/d/e/f:v1").unwrap();
        assert_eq!(chosen[0].target_name(), "localhost:5000/m/e/f:v1");
        for none in [
            "quay.io/a/x:1.2",
            "quay.io/a/c:2.0",
            "quay.io/b/c:v2",
            "ghcr.io/a/c:1.2",
        ] {
            assert!(named(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_named_twice_is_chosen_once_and_in_the_order_of_the_config() {
        let wanted = [
            "ghcr.io/project-zot/zot",
            "nginx:1.26",
            "docker.io/library/nginx:1.26",
        ];
        let expected = [
            "localhost:5000/nginx:1.26",
            "localhost:5000/project-zot/zot:v2",
        ];
        assert_eq!(chosen(&wanted).unwrap(), expected);
    }

    #[test]
    fn what_the_config_does_not_name_is_an_error_with_the_file_and_the_nearest_image() {
        let error = |text| chosen(&["nginx:1.26", text]).unwrap_err().to_string();
        assert_eq!(
            error("ngnix:1.27"),
            "c.yaml: \"ngnix:1.27\" is none of the 5 images of the config, expected one of them, or --target for any \
             other; did you mean docker.io/library/nginx:1.27?"
        );
        for (text, near) in [
            ("nginx:9.9.9-of-long-name", "nginx:1.26?"),
            ("nginx:1.28", "nginx:1.26?"),
            ("ghcr.io/project-zot/zott:v2", "ghcr.io/project-zot/zot:v2?"),
        ] {
            let text = error(text);
            assert!(text.ends_with(&format!("did you mean {near}")), "{text}");
        }
        assert!(error("something-else-altogether:1").ends_with("for any other"));
    }

    #[test]
    fn what_is_no_image_is_refused_without_telling_a_password() {
        for text in [
            "",
            "https://docker.io/nginx",
            "NGINX",
            "nginx:",
            "me:hunter2@quay.io/a/b:1",
        ] {
            let error = chosen(&[text]).unwrap_err();
            assert!(matches!(error, NameError::Invalid(_)), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    fn target(wanted: &[&str], target: &str) -> Result<ImageSpec, NameError> {
        let platforms = Some("linux/arm64".parse().unwrap());
        for_this_target(&sample().config.defaults, &texts(wanted), target, platforms)
    }

    #[test]
    fn any_image_goes_to_a_target_that_is_named() {
        let image = target(&["quay.io/a/b:1"], "localhost:6000/x/b").unwrap();
        assert_eq!(image.source.to_string(), "quay.io/a/b");
        assert_eq!(
            (image.image.as_str(), image.tag.as_str()),
            ("quay.io/a/b", "1")
        );
        let to = image.target.image(image.target_reference.clone());
        assert_eq!(to.to_string(), "localhost:6000/x/b:1");
        assert_eq!(image.platforms.to_string(), "linux/arm64");
        let trust = (image.source_trust, image.target_trust);
        assert_eq!(
            trust,
            (Trust::Verified, Trust::InsecureByDefault),
            "as in the config"
        );
        for (text, expected) in [
            ("localhost:6000/b:2", "localhost:6000/b:2"),
            ("docker.io/me/b", "docker.io/me/b:1"),
            ("oci:./cache/b", "oci:./cache/b:1"),
        ] {
            let image = target(&["quay.io/a/b:1"], text).unwrap();
            let to = image.target.image(image.target_reference);
            assert_eq!(to.to_string(), expected);
        }
    }

    #[test]
    fn a_target_needs_one_image_with_a_tag_and_a_host() {
        for (wanted, to, reason) in [
            (
                &["a:1", "b:1"][..],
                "localhost:6000/b",
                "found 2 images with --target, expected one",
            ),
            (
                &["a"],
                "localhost:6000/b",
                "\"a\" has no tag, expected one as in a:latest",
            ),
            (
                &["a:1"],
                "web/nginx:1",
                "--target: found \"web/nginx:1\" without a host, expected HOST/NAME",
            ),
            (
                &["a:1"],
                &format!("localhost:6000/b@{DIGEST}"),
                "--target: found the digest sha256:",
            ),
            (
                &["a:1"],
                "me:hunter2@localhost:6000/b",
                "--target: found an '@'",
            ),
        ] {
            let error = target(wanted, to).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_image_whose_tag_at_the_target_has_an_unknown_digest_is_not_enqueued() {
        let images = samples::config(&[
            "{source: quay.io/a/b, tags: [v1, v2], tag_as: '{digest8}'}",
            "{source: quay.io/a/b, tag: v3}",
            "{source: quay.io/a/c, tags: {include: 'v.*'}, tag_as: '{digest8}'}",
        ]);
        let chosen = |text: &str| choose(&images.images, "c.yaml", &texts(&[text]));
        for text in ["quay.io/a/b:v1", "quay.io/a/b", "quay.io/a/c:v9"] {
            let error = chosen(text).unwrap_err();
            let image = text.to_owned();
            assert_eq!(error, NameError::UnknownDigest { image });
        }
        assert_eq!(chosen("quay.io/a/b:v3").unwrap().len(), 1);
        for text in ["quay.io/a/b:v4", "quay.io/a/c:x"] {
            let error = chosen(text).unwrap_err();
            assert!(matches!(error, NameError::NotNamed { .. }), "{error}");
        }
    }
}
