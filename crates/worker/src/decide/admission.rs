//! Which jobs a worker works: whoever may publish jobs could else make it write where it has credentials, read the folders of
//! its machine, and talk to hosts that it did not make sure of.
//!
//! A job says what is to be done, and the worker's own config and command line say what may be. Any registry may be read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use image_sync_shared::config::{Config, ImageSpec};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::reference::{ImageRef, Location, Repository};
use image_sync_shared::run::job::{Job, Place, ReferrersFrom, Trust};

/// Whose jobs a worker works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Those of its own process, made from its own config: all of them.
    #[default]
    OwnProcess,
    /// Those of anybody who may publish jobs, as far as the rules go.
    Rules(Box<AdmissionRules>),
}

/// What jobs may have a worker do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionRules {
    own_targets: Vec<Location>,
    other_targets: Vec<Location>,
    folders: bool,
    own_source_folders: BTreeSet<PathBuf>,
    source_trust: LeastTrust,
    target_trust: LeastTrust,
}

/// How far the identity of a host must be proven at the least.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LeastTrust {
    default: Trust,
    of_hosts: BTreeMap<String, Trust>,
}

impl Admission {
    /// The job as it may be worked, or why it may not.
    pub(crate) fn admit<'a>(&self, job: &'a Job) -> Result<Cow<'a, Job>, Failure> {
        match self {
            Self::OwnProcess => Ok(Cow::Borrowed(job)),
            Self::Rules(rules) => rules.admit(job),
        }
    }
}

impl AdmissionRules {
    /// What a config of these images allows: to write under its `cache_registry` and targets, to read the folders that its
    /// images come from, and to go without verified TLS where it does so itself.
    #[must_use]
    pub fn of(config: &Config, images: impl Iterator<Item = ImageSpec>) -> Self {
        let defaults = &config.defaults;
        let mut rules = Self {
            own_targets: config.targets().cloned().collect(),
            other_targets: Vec::new(),
            folders: false,
            own_source_folders: BTreeSet::new(),
            source_trust: LeastTrust::new(defaults.source_trust),
            target_trust: LeastTrust::new(defaults.target_trust),
        };
        for (host, settings) in &config.registries {
            if settings.insecure {
                rules.source_trust.loosen(host, Trust::Insecure);
                rules.target_trust.loosen(host, Trust::Insecure);
            }
        }
        for image in images {
            if let Some(host) = image.target.host() {
                rules.target_trust.loosen(host, image.target_trust);
            }
            rules.allow_source(&image.source, image.source_trust);
            let artifacts = image.policy.referrers.as_ref();
            if let Some(from) = artifacts.and_then(|artifacts| artifacts.from.as_ref()) {
                rules.allow_source(&from.repository, from.trust);
            }
        }
        rules
    }

    fn allow_source(&mut self, source: &Repository, trust: Trust) {
        match source {
            Repository::Registry { host, .. } => self.source_trust.loosen(host, trust),
            Repository::Folder(path) => {
                self.own_source_folders.insert(path.clone());
            }
        }
    }

    /// The same, and these targets (`--allow-target`), and folders as sources and as such targets (`--allow-folders`).
    #[must_use]
    pub fn and(self, other_targets: Vec<Location>, folders: bool) -> Self {
        Self {
            other_targets,
            folders,
            ..self
        }
    }

    /// The job as it may be worked: where the config is stricter about a host than the job is, that holds. Or why it may not.
    pub fn admit<'a>(&self, job: &'a Job) -> Result<Cow<'a, Job>, Failure> {
        self.check_target(&job.target)?;
        self.check_source(&job.source.image.repository, &job.source.image)?;
        let from = artifacts_from(job);
        if let Some(from) = from {
            self.check_source(&from.repository, &job.source.image)?;
        }
        let of_place = |least: &LeastTrust, place: &Place| {
            least.stricter(&place.image.repository, place.trust)
        };
        let source = of_place(&self.source_trust, &job.source);
        let target = of_place(&self.target_trust, &job.target);
        let artifacts = from.map(|from| self.source_trust.stricter(&from.repository, from.trust));
        let stated = (
            job.source.trust,
            job.target.trust,
            from.map(|from| from.trust),
        );
        if (source, target, artifacts) == stated {
            return Ok(Cow::Borrowed(job));
        }
        let mut job = job.clone();
        job.source.trust = source;
        job.target.trust = target;
        let referrers = job.policy.image.referrers.as_mut();
        let from = referrers.and_then(|referrers| referrers.from.as_mut());
        if let Some((from, trust)) = from.zip(artifacts) {
            from.trust = trust;
        }
        Ok(Cow::Owned(job))
    }

    fn check_target(&self, target: &Place) -> Result<(), Failure> {
        let repository = &target.image.repository;
        let is_under = |location: &Location| is_under(repository, location);
        if self.own_targets.iter().any(is_under) {
            return Ok(());
        }
        let is_other = self.other_targets.iter().any(is_under);
        let own = self.own_targets.iter().map(Location::to_string);
        let own = own.collect::<Vec<_>>().join(", ");
        let needed = match (is_other, repository) {
            (true, Repository::Registry { .. }) => return Ok(()),
            (true, Repository::Folder(_)) if self.folders => return Ok(()),
            (true, Repository::Folder(_)) => "--allow-folders".to_owned(),
            (false, Repository::Folder(_)) if !self.folders => {
                format!("--allow-folders and --allow-target {repository}")
            }
            (false, _) => format!("--allow-target {repository}"),
        };
        let why = format!(
            "refused: this worker writes under its own cache_registry ({own}); started with {needed} it would write there too"
        );
        Err(refusal(Side::Target, &target.image, why))
    }

    /// Whether `repository` may be read for the image of `source`.
    fn check_source(&self, repository: &Repository, source: &ImageRef) -> Result<(), Failure> {
        let Repository::Folder(path) = repository else {
            return Ok(());
        };
        let is_under = |location: &Location| is_under(repository, location);
        let is_own =
            self.own_source_folders.contains(path) || self.own_targets.iter().any(is_under);
        if is_own || self.folders {
            return Ok(());
        }
        let of_artifacts = if *repository == source.repository {
            String::new()
        } else {
            format!(" for artifacts ({repository})")
        };
        let why = format!(
            "refused: this worker reads no folder that only a job names{of_artifacts}; started with --allow-folders, or with a config \
             that has an image from there, it would"
        );
        Err(refusal(Side::Source, source, why))
    }
}

impl LeastTrust {
    fn new(default: Trust) -> Self {
        Self {
            default,
            of_hosts: BTreeMap::new(),
        }
    }

    fn loosen(&mut self, host: &str, trust: Trust) {
        if trust > self.default {
            let known = self.of_hosts.entry(host.to_owned()).or_insert(trust);
            *known = trust.max(*known);
        }
    }

    /// The stricter one of what the job says and what is said here.
    fn stricter(&self, repository: &Repository, stated: Trust) -> Trust {
        let host = repository.host();
        let own = host.and_then(|host| self.of_hosts.get(host));
        // `Trust` has the strictest first, so the lesser one is the stricter.
        stated.min(*own.unwrap_or(&self.default))
    }
}

/// Another repository that a job has artifacts read from.
fn artifacts_from(job: &Job) -> Option<&ReferrersFrom> {
    job.policy.image.referrers.as_ref()?.from.as_ref()
}

fn refusal(side: Side, image: &ImageRef, why: String) -> Failure {
    Failure::new(side, Step::Image, image, FailureClass::Denied, why)
}

/// Whether a repository is `location` or in it: whole components count, so `team` is not in `te`.
fn is_under(repository: &Repository, location: &Location) -> bool {
    match (repository, location) {
        // `Path::starts_with` goes by whole components, and no prefix at all is the whole registry.
        (
            Repository::Registry { host, name },
            Location::Registry {
                host: own_host,
                prefix,
            },
        ) => host == own_host && Path::new(name).starts_with(prefix),
        (Repository::Folder(path), Location::Folder(root)) => {
            let (path, root) = (plain(path), plain(root));
            let rest = path.strip_prefix(root);
            // Nothing leads out again, not even by way of a link.
            let is_inside = |part| matches!(part, Component::Normal(_));
            rest.is_ok_and(|rest| rest.components().all(is_inside))
        }
        _ => false,
    }
}

/// A path without its dots of no meaning.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components();
    parts.filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
impl AdmissionRules {
    /// Those of a worker of this cache, which verifies sources and not the cache.
    pub(crate) fn of_cache(cache: &str) -> Self {
        Self {
            own_targets: vec![cache.parse().unwrap()],
            other_targets: Vec::new(),
            folders: false,
            own_source_folders: BTreeSet::new(),
            source_trust: LeastTrust::new(Trust::Verified),
            target_trust: LeastTrust::new(Trust::Insecure),
        }
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::job::Referrers;

    use super::*;
    use crate::tests::job;

    fn rules(cache: &str) -> AdmissionRules {
        AdmissionRules::of_cache(cache)
    }

    fn refused(rules: &AdmissionRules, source: &str, target: &str) -> Option<String> {
        let admitted = rules.admit(&job(source, target)).map(drop);
        admitted.err().map(|refusal| {
            assert_eq!(refusal.class, FailureClass::Denied);
            refusal.to_string()
        })
    }

    fn assert_writes(rules: &AdmissionRules, targets: &[&str]) {
        for target in targets {
            assert_eq!(refused(rules, "quay.io/a/b:1", target), None, "{target}");
        }
    }

    fn assert_refuses(rules: &AdmissionRules, targets: &[&str]) {
        for target in targets {
            let why = refused(rules, "quay.io/a/b:1", target);
            let why = why.unwrap_or_else(|| panic!("{target} is written"));
            assert!(
                why.starts_with(&format!("target: image {target}: refused: ")),
                "{why}"
            );
        }
    }

    #[test]
    fn targets_are_written_under_the_own_cache_registry_only() {
        let whole = rules("cache.test:5000");
        assert_writes(&whole, &["cache.test:5000/a:1", "cache.test:5000/a/b:1"]);
        let elsewhere = [
            "cache.test/a:1",
            "cache.test:5001/a:1",
            "other.test/cache.test/a:1",
            "docker.io/cache.test/a:1",
            "oci:cache.test:5000/a:1",
            "oci:/etc:1",
        ];
        assert_refuses(&whole, &elsewhere);
        let part = rules("cache.test:5000/team/x");
        assert_writes(
            &part,
            &["cache.test:5000/team/x/a:1", "cache.test:5000/team/x:1"],
        );
        let beside = [
            "cache.test:5000/team/xy:1",
            "cache.test:5000/team/xy/a:1",
            "cache.test:5000/team:1",
            "cache.test:5000/other/team/x/a:1",
        ];
        assert_refuses(&part, &beside);
    }

    #[test]
    fn a_folder_of_the_own_cache_is_one_that_nothing_leads_out_of() {
        for root in ["oci:/w/cache", "oci:/w/cache/", "oci:/w/./cache"] {
            let rules = rules(root);
            assert_writes(&rules, &["oci:/w/cache/a:1", "oci:/w//cache/./a/b:1"]);
            let outside = [
                "oci:/w/cache2/a:1",
                "oci:/w/cache/../etc:1",
                "oci:/w/cache/a/../b:1",
                "oci:/w:1",
                "oci:w/cache/a:1",
                "oci:/etc/w/cache/a:1",
                "localhost:5000/w/cache/a:1",
            ];
            assert_refuses(&rules, &outside);
        }
        assert_writes(&rules("oci:./cache"), &["oci:cache/a:1", "oci:./cache/a:1"]);
        assert_writes(&rules("oci:../cache"), &["oci:../cache/a:1"]);
        assert_refuses(
            &rules("oci:../cache"),
            &["oci:../cache/../../a:1", "oci:cache/a:1"],
        );
    }

    #[test]
    fn other_targets_are_written_where_they_are_allowed() {
        let other = ["other.test/team", "oci:/mirror"].map(|text| text.parse().unwrap());
        let rules = |folders| rules("cache.test").and(other.to_vec(), folders);
        assert_writes(&rules(false), &["other.test/team/a:1", "cache.test/a:1"]);
        assert_refuses(
            &rules(false),
            &["other.test/a:1", "oci:/mirror/a:1", "oci:/etc:1"],
        );
        assert_writes(&rules(true), &["oci:/mirror/a:1"]);
        assert_refuses(&rules(true), &["oci:/mirror2/a:1", "other.test/a:1"]);
    }

    #[test]
    fn a_refusal_names_what_would_allow_it() {
        let other = vec!["oci:/mirror".parse().unwrap()];
        for (rules, target, expected) in [
            (rules("c.test"), "o.test/a:1", "--allow-target o.test/a it"),
            (
                rules("c.test"),
                "oci:/x:1",
                "--allow-folders and --allow-target oci:/x it",
            ),
            (
                rules("c.test").and(other, false),
                "oci:/mirror/x:1",
                "with --allow-folders it",
            ),
            (
                rules("c.test").and(vec![], true),
                "oci:/x:1",
                "with --allow-target oci:/x it",
            ),
        ] {
            let why = refused(&rules, "quay.io/a/b:1", target).unwrap();
            assert!(why.contains(expected) && why.contains("(c.test)"), "{why}");
        }
        let why = refused(&rules("c.test"), "oci:/etc:1", "c.test/a:1").unwrap();
        assert!(
            why.starts_with("source: image oci:/etc:1: refused: "),
            "{why}"
        );
        assert!(why.contains("--allow-folders"), "{why}");
    }

    #[test]
    fn folders_are_read_where_the_own_config_names_them_or_where_they_are_allowed() {
        let from =
            |rules: &AdmissionRules, source| refused(rules, source, "cache.test/a:1").is_none();
        let mut rules = rules("cache.test");
        assert!(from(&rules, "quay.io/any/thing:1"), "any registry is read");
        assert!(!from(&rules, "oci:/images/a:1"));
        rules.own_source_folders.insert("/images/a".into());
        assert!(from(&rules, "oci:/images/a:1"));
        for other in [
            "oci:/images/b:1",
            "oci:/images/a/b:1",
            "oci:/images/a/../b:1",
        ] {
            assert!(!from(&rules, other), "{other}");
        }
        assert!(from(&rules.and(vec![], true), "oci:/images/b:1"));
    }

    #[test]
    fn trust_is_the_stricter_one_of_job_and_config() {
        use Trust::{Insecure, Verified};
        let mut rules = rules("cache.test");
        rules.source_trust.loosen("lab.test", Trust::Insecure);
        let trust = |source: &str, job_says| {
            let mut job = job(source, "cache.test/a:1");
            job.source.trust = job_says;
            job.target.trust = job_says;
            let admitted = rules.admit(&job).unwrap();
            (admitted.source.trust, admitted.target.trust)
        };
        assert_eq!(trust("quay.io/a/b:1", Insecure), (Verified, Insecure));
        assert_eq!(trust("quay.io/a/b:1", Verified), (Verified, Verified));
        assert_eq!(trust("lab.test/a/b:1", Insecure), (Insecure, Insecure));
        assert_eq!(trust("lab.test/a/b:1", Verified), (Verified, Verified));
        rules.target_trust = LeastTrust::new(Verified);
        let mut strict = job("lab.test/a/b:1", "cache.test/a:1");
        strict.target.trust = Insecure;
        assert_eq!(rules.admit(&strict).unwrap().target.trust, Verified);
    }

    /// A job that has the artifacts of its image read from `from`, reached as `trust` says.
    fn job_with_artifacts(from: &str, trust: Trust) -> Job {
        let mut job = job("quay.io/a/b:1", "cache.test/a:1");
        let repository = from.parse().unwrap();
        job.policy.image.referrers = Some(Box::new(Referrers {
            from: Some(ReferrersFrom { repository, trust }),
            ..Referrers::default()
        }));
        job
    }

    #[test]
    fn a_folder_of_artifacts_is_read_where_one_of_images_is() {
        let mut rules = rules("cache.test");
        let from = |rules: &AdmissionRules, folder| {
            let job = job_with_artifacts(folder, Trust::Verified);
            rules.admit(&job).map(drop)
        };
        from(&rules, "quay.io/a/signatures").unwrap();
        let why = from(&rules, "oci:/signatures").unwrap_err().to_string();
        let expected = "source: image quay.io/a/b:1: refused: this worker reads no folder that only a job names for artifacts (oci:/signatures); ";
        assert!(why.starts_with(expected), "{why}");
        rules.own_source_folders.insert("/signatures".into());
        from(&rules, "oci:/signatures").unwrap();
        from(&rules, "oci:/signatures/../etc").unwrap_err();
        from(&rules.and(vec![], true), "oci:/etc").unwrap();
    }

    #[test]
    fn trust_in_a_repository_of_artifacts_is_the_stricter_one_of_job_and_config() {
        use Trust::{Insecure, Verified};
        let mut rules = rules("cache.test");
        rules.source_trust.loosen("lab.test", Insecure);
        let trust = |from: &str, job_says| {
            let job = job_with_artifacts(from, job_says);
            let admitted = rules.admit(&job).unwrap();
            let trust = artifacts_from(&admitted).unwrap().trust;
            let mut expected = job.clone();
            expected.policy.image = admitted.policy.image.clone();
            assert_eq!(*admitted, expected, "nothing else is changed");
            trust
        };
        assert_eq!(trust("quay.io/s", Insecure), Verified);
        assert_eq!(trust("quay.io/s", Verified), Verified);
        assert_eq!(trust("lab.test/s", Insecure), Insecure);
        assert_eq!(trust("lab.test/s", Verified), Verified);
    }

    #[test]
    fn jobs_of_the_own_process_are_worked_as_they_are() {
        let job = job("oci:/images/a:1", "oci:/anywhere/a:1");
        let admitted = Admission::default().admit(&job);
        assert!(matches!(admitted, Ok(Cow::Borrowed(_))));
    }
}
