//! Which images are chosen: all of the config, those that a glob matches, those that are named, or others that a command line
//! names.

pub mod by_hint;
pub mod by_name;
pub mod one_off;

use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use image_sync_shared::config::ImageSpec;
use image_sync_shared::text::nearest::distance;
use thiserror::Error;

use crate::config_file::Images;
pub use crate::images::{Listed, SourceRules, explain};
use crate::images::{Only, names};
pub use crate::tag_rules::{Explained, Fate, Out, Stage};

/// Why a choice of images chooses none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChoiceError {
    /// The pattern itself is wrong.
    #[error("--only {glob:?} is not a pattern: {reason}, expected a glob as in '*nginx*'")]
    NotAGlob {
        /// The pattern.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It matches nothing.
    #[error("--only {glob:?} matches none of the {images} images of the config{hint}")]
    NoMatch {
        /// The pattern.
        glob: String,
        /// How many images there are.
        images: usize,
        /// The nearest image, as a question, or nothing.
        hint: String,
    },
}

/// The images of the config, or those that `only` matches, in the order of the config.
///
/// `only` is a glob. It has to match one of these as a whole: the source with its tag, the source without it (both as
/// the config writes them, or with the registry's full name), or the target. `*` matches slashes too, so `*nginx*` is
/// any image with nginx in its name.
pub fn choose(images: Images, only: Option<&str>) -> Result<Images, ChoiceError> {
    let Some(glob) = only else {
        return Ok(images);
    };
    let only = Only::Glob(matcher(glob)?);
    let mut chosen = images.clone();
    chosen.retain(only);
    if chosen.is_empty() {
        return Err(no_match(glob, &images));
    }
    Ok(chosen)
}

/// Those that `listed` names of what [`choose`] chooses, and a sentence on each that it names and that `images` do not have. What
/// rules choose is compared once they have chosen.
pub fn choose_listed(
    images: Images,
    only: Option<&str>,
    listed: &Arc<Listed>,
) -> Result<(Images, Vec<String>), ChoiceError> {
    // A list that names none of them is no error of the glob.
    choose(images.clone(), only)?;
    let mut chosen = images;
    // All are compared with the list first: what a glob leaves out is not missing.
    chosen.retain(Only::Listed(Arc::clone(listed)));
    let missing = listed.missing(chosen.by_rules().chain(chosen.without_digests()));
    if let Some(glob) = only {
        chosen.retain(Only::Glob(matcher(glob)?));
    }
    Ok((chosen, missing))
}

fn matcher(glob: &str) -> Result<GlobMatcher, ChoiceError> {
    GlobBuilder::new(glob)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| ChoiceError::NotAGlob {
            glob: glob.to_owned(),
            reason: error.kind().to_string(),
        })
}

fn no_match(glob: &str, images: &Images) -> ChoiceError {
    let near = nearest_image(&glob.replace('*', ""), images.iter());
    ChoiceError::NoMatch {
        glob: glob.to_owned(),
        images: images.len(),
        hint: near.map_or_else(String::new, |image| {
            format!(", did you mean {}:{}?", image.image, image.tag)
        }),
    }
}

/// The image that `wanted` was probably meant to name.
pub(crate) fn nearest_image(
    wanted: &str,
    images: impl Iterator<Item = ImageSpec>,
) -> Option<ImageSpec> {
    let near = images.filter_map(|image| {
        let distances = nicknames(&image).filter_map(|name| distance(wanted, &name));
        Some((distances.min()?, image))
    });
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, image)| image)
}

/// All that `--only` may call an image, and what a person might call it.
fn nicknames(image: &ImageSpec) -> impl Iterator<Item = String> {
    let short = image.image.rsplit('/').next().unwrap_or_default();
    let short = [short.to_owned(), format!("{short}:{}", image.tag)];
    names(image).into_iter().chain(short)
}

#[cfg(test)]
mod tests {
    use std::iter;

    use image_sync_shared::run::ImageName;

    use super::*;
    use crate::samples;

    fn chosen(images: &Images, only: &str) -> Vec<String> {
        let images = choose(images.clone(), Some(only)).unwrap();
        images.iter().map(|image| image.image).collect()
    }

    fn sample() -> Images {
        samples::config(&[
            "{source: nginx, tag: '1.27'}",
            "{source: ghcr.io/project-zot/zot, tag: v2, cache_as: tools/zot}",
            "{source: docker.io/library/busybox, tag: latest}",
        ])
        .images
    }

    #[test]
    fn a_glob_chooses_by_source_tag_or_target() {
        let images = sample();
        let (nginx, zot, busybox) = (
            "nginx",
            "ghcr.io/project-zot/zot",
            "docker.io/library/busybox",
        );
        for (only, expected) in [
            ("*", vec![nginx, zot, busybox]),
            ("nginx", vec![nginx]),
            ("nginx:1.*", vec![nginx]),
            ("docker.io/*", vec![nginx, busybox]),
            ("*zot*", vec![zot]),
            ("ghcr.io/project-zot/zot:v2", vec![zot]),
            ("localhost:5000/tools/*", vec![zot]),
            ("{nginx,*busybox}", vec![nginx, busybox]),
        ] {
            assert_eq!(chosen(&images, only), expected, "{only}");
        }
        assert_eq!(choose(images, None).unwrap().len(), 3);
    }

    fn listed(names: &[[&str; 3]]) -> Arc<Listed> {
        let name = |[image, tag, target]: &[&str; 3]| ImageName {
            image: (*image).to_owned(),
            tag: (*tag).to_owned(),
            target: (*target).to_owned(),
        };
        Arc::new(Listed::new("r.json".to_owned(), names.iter().map(name)))
    }

    #[test]
    fn a_list_chooses_by_source_tag_and_target_together_and_tells_what_is_missing() {
        let listed = listed(&[
            ["nginx", "1.27", "localhost:5000/nginx:1.27"],
            [
                "ghcr.io/project-zot/zot",
                "v2",
                "localhost:5000/elsewhere:v2",
            ],
            [
                "docker.io/library/busybox",
                "old",
                "localhost:5000/library/busybox:old",
            ],
        ]);
        let (images, missing) = choose_listed(sample(), None, &listed).unwrap();
        let names: Vec<String> = images.iter().map(|image| image.image).collect();
        assert_eq!(names, ["nginx"]);
        let expected = [
            "docker.io/library/busybox:old for localhost:5000/library/busybox:old: failed in r.json, and is no image of the config now",
            "ghcr.io/project-zot/zot:v2 for localhost:5000/elsewhere:v2: failed in r.json, and is no image of the config now",
        ];
        assert_eq!(missing, expected);
        assert_eq!(listed.missing(iter::empty()), [""; 0], "each is told once");
    }

    #[test]
    fn what_a_glob_leaves_out_is_not_missing_in_the_config() {
        let listed = listed(&[["nginx", "1.27", "localhost:5000/nginx:1.27"]]);
        let (images, missing) = choose_listed(sample(), Some("*zot*"), &listed).unwrap();
        assert!(images.is_empty());
        assert_eq!(missing, [""; 0]);
        choose_listed(sample(), Some("*zott*"), &listed).unwrap_err();
    }

    #[test]
    fn a_list_keeps_the_rules_that_may_choose_what_it_names() {
        let images = [
            "{source: quay.io/a/b, tags: all}",
            "{source: quay.io/a/c, tags: all}",
        ];
        let images = samples::config(&images).images;
        let listed = listed(&[
            ["quay.io/a/b", "1", "localhost:5000/quay.io/a/b:1"],
            ["quay.io/a/d", "1", "localhost:5000/quay.io/a/d:1"],
        ]);
        let (images, missing) = choose_listed(images, None, &listed).unwrap();
        let kept: Vec<String> = images.by_rules().map(|image| image.image).collect();
        assert_eq!(kept, ["quay.io/a/b"]);
        assert_eq!(missing.len(), 1);
        assert!(missing[0].starts_with("quay.io/a/d:1 for "), "{missing:?}");
        let not_chosen = listed.missing(iter::empty());
        assert_eq!(not_chosen.len(), 1);
        assert!(
            not_chosen[0].starts_with("quay.io/a/b:1 for "),
            "{not_chosen:?}"
        );
    }

    #[test]
    fn a_glob_that_chooses_nothing_names_the_nearest_image() {
        let images = sample();
        let error = |only| choose(images.clone(), Some(only)).unwrap_err().to_string();
        assert_eq!(
            error("ngnix"),
            r#"--only "ngnix" matches none of the 3 images of the config, did you mean nginx:1.27?"#
        );
        assert_eq!(
            error("*busibox*"),
            r#"--only "*busibox*" matches none of the 3 images of the config, did you mean docker.io/library/busybox:latest?"#
        );
        assert_eq!(
            error("zot:v3"),
            r#"--only "zot:v3" matches none of the 3 images of the config, did you mean ghcr.io/project-zot/zot:v2?"#
        );
        assert_eq!(
            error("something-else-altogether"),
            r#"--only "something-else-altogether" matches none of the 3 images of the config"#
        );
        assert_eq!(
            error("[a"),
            r#"--only "[a" is not a pattern: unclosed character class; missing ']', expected a glob as in '*nginx*'"#
        );
    }
}
