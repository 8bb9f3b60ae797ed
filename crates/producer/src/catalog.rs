//! The catalog: which images a run has, and the job of each.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};
use image_sync_shared::config::{ImageSpec, Settings};
use image_sync_shared::digest::Digest;
use image_sync_shared::job::{Job, JobId, MESSAGE_VERSION, Place, Policy};
use image_sync_shared::nearest::distance;
use image_sync_shared::outcome::Work;
use image_sync_shared::ports::trace_context::TraceContext;
use image_sync_shared::reference::Repository;
use image_sync_shared::run::{ImageName, RunId, Trigger};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use time::OffsetDateTime;
use ulid::Ulid;

use crate::config_file::Images;

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
    let matcher = matcher(glob)?;
    let mut chosen = images.clone();
    chosen.retain(|image| names(image).iter().any(|name| matcher.is_match(name)));
    if chosen.is_empty() {
        return Err(no_match(glob, &images));
    }
    Ok(chosen)
}

pub(crate) fn matcher(glob: &str) -> Result<GlobMatcher, ChoiceError> {
    GlobBuilder::new(glob)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| ChoiceError::NotAGlob {
            glob: glob.to_owned(),
            reason: error.kind().to_string(),
        })
}

/// All that `--only` may call an image.
fn names(image: &ImageSpec) -> [String; 5] {
    [
        format!("{}:{}", image.image, image.tag),
        image.image.clone(),
        image.source.image(image.reference.clone()).to_string(),
        image.source.to_string(),
        target_name(image),
    ]
}

fn target_name(image: &ImageSpec) -> String {
    image
        .target
        .image(image.target_reference.clone())
        .to_string()
}

/// The registries, or folders, of these repositories, for the report of a run that is not of a catalog.
pub fn registries<'a>(repositories: impl Iterator<Item = &'a Repository>) -> String {
    let name = |repository: &Repository| match repository.host() {
        Some(host) => host.to_owned(),
        None => repository.to_string(),
    };
    let names: BTreeSet<String> = repositories.map(name).collect();
    Vec::from_iter(names).join(", ")
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

/// A digest of what images have to be where: the same for the same catalog in any order and spelling. It names the
/// catalog in keys and subjects, so it is hexadecimal digits alone.
#[must_use]
pub fn config_hash(images: impl Iterator<Item = ImageSpec>) -> String {
    let mut digests: Vec<[u8; 32]> = images.map(|image| digest_of(&image)).collect();
    digests.sort_unstable();
    Digest::of(digests.as_flattened()).hex().to_owned()
}

fn digest_of(image: &ImageSpec) -> [u8; 32] {
    let source = image.source.image(image.reference.clone());
    let line = format!(
        "{source}\n{}\n{}\n{:?} {:?}\n",
        target_name(image),
        image.platforms,
        image.source_trust,
        image.target_trust
    );
    Sha256::digest(line).into()
}

/// A new run's identity: a ULID, so that runs sort by their start.
#[must_use]
pub fn new_run_id(now: OffsetDateTime) -> RunId {
    RunId::new(Ulid::from_datetime(now.into()).to_string())
}

/// The rules that the settings make for every job.
#[must_use]
pub fn policy(settings: &Settings, dry_run: bool) -> Policy {
    Policy {
        dry_run,
        timeout_secs: settings.pull_timeout.as_secs(),
    }
}

/// The name of an image in the log of its run.
#[must_use]
pub fn name_of(image: &ImageSpec) -> ImageName {
    ImageName {
        image: image.image.clone(),
        tag: image.tag.clone(),
        target: target_name(image),
    }
}

/// The first attempt at image `idx` of a run.
#[must_use]
pub fn job_for(
    image: &ImageSpec,
    run_id: &RunId,
    idx: u32,
    trigger: Trigger,
    policy: &Policy,
    now: OffsetDateTime,
) -> Job {
    Job {
        v: MESSAGE_VERSION,
        job_id: JobId::new(run_id, idx),
        run_id: run_id.clone(),
        idx,
        trigger,
        image: image.image.clone(),
        tag: image.tag.clone(),
        source: Place {
            image: image.source.image(image.reference.clone()),
            trust: image.source_trust,
        },
        target: Place {
            image: image.target.image(image.target_reference.clone()),
            trust: image.target_trust,
        },
        platforms: image.platforms.clone(),
        policy: policy.clone(),
        attempt: 1,
        defers: 0,
        first_enqueued_at: now,
        not_before: None,
        deadline_at: None,
        history: Vec::new(),
        so_far: Work::default(),
        mac: None,
        trace: TraceContext::default(),
    }
}

#[cfg(test)]
mod tests {
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

    fn hash(images: &[&str]) -> String {
        config_hash(samples::config(images).images.iter())
    }

    #[test]
    fn the_hash_tells_catalogs_apart_and_nothing_else() {
        let sample = hash(&["{source: a/b, tag: t}", "{source: a/c, tag: t}"]);
        assert_eq!(sample.len(), 64);
        assert!(sample.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let same = [
            hash(&["{source: a/c, tag: t}", "{source: 'a/b:t'}"]),
            hash(&["{source: a/c, tag: t}", "{source: docker.io/a/b, tag: t}"]),
        ];
        assert_eq!(same, [sample.clone(), sample.clone()]);
        for other in [
            "{source: a/b, tag: t2}",
            "{source: a/b, tag: t, platform: all}",
            "{source: a/b, tag: t, cache_as: x}",
            "{source: a/b, tag: t, source_tls_verify: false}",
            "{source: quay.io/a/b, tag: t, cache_as: a/b}",
        ] {
            assert_ne!(hash(&[other, "{source: a/c, tag: t}"]), sample, "{other}");
        }
        assert_ne!(hash(&["{source: a/b, tag: t}"]), sample);
        assert_eq!(hash(&[]), hash(&[]));
    }

    #[test]
    fn runs_sort_by_their_start() {
        let early = new_run_id(samples::now());
        let late = new_run_id(samples::now() + time::Duration::seconds(1));
        assert!(early < late);
        assert!(
            early
                .as_str()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_ne!(early, new_run_id(samples::now()));
    }

    #[test]
    fn a_job_says_all_that_a_worker_needs() {
        let parsed = samples::config(&["{source: nginx, tag: '1.27', source_tls_verify: false}"]);
        let policy = policy(&parsed.config.settings, true);
        let job = job_for(
            &parsed.images.iter().next().unwrap(),
            &samples::run(),
            7,
            Trigger::Cron,
            &policy,
            samples::now(),
        );
        assert_eq!(job.job_id.as_str(), "r1:7");
        assert_eq!(job.message_id(), "r1:7");
        assert_eq!((job.image.as_str(), job.tag.as_str()), ("nginx", "1.27"));
        assert_eq!(job.source.image.to_string(), "docker.io/library/nginx:1.27");
        assert_eq!(job.source.trust, image_sync_shared::job::Trust::Insecure);
        assert_eq!(job.target.image.to_string(), "localhost:5000/nginx:1.27");
        assert_eq!(
            job.target.trust,
            image_sync_shared::job::Trust::InsecureByDefault
        );
        assert_eq!(job.platforms.to_string(), "linux/amd64");
        assert_eq!((job.policy.dry_run, job.policy.timeout_secs), (true, 300));
        assert_eq!((job.attempt, job.defers, job.not_before), (1, 0, None));
        assert_eq!(job.first_enqueued_at, samples::now());
    }
}
