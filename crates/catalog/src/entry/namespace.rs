//! All repositories of a registry, or of a namespace there, in place of one repository.

use std::fmt;

use image_sync_shared::image::reference::Location;

use super::naming;
use crate::problem::{Problem, without_secrets};
use crate::tag_rules::{Pattern, is_included};

/// The component by which a repository of a namespace is called that stands for all of them.
const ANY_NAME: &str = "all";

/// The parts of a template that tell repositories apart.
const PARTS: [&str; 3] = ["{below}", "{path}", "{name}"];

const EXPECTED: &str = "expected HOST or HOST/NAMESPACE as in harbor.example.com/team-a";

/// Which repositories of a registry's catalog an entry is for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Namespace {
    host: Box<str>,
    /// The first components of their names; empty for any.
    prefix: Box<str>,
    /// One of these has to match the whole name, if there are any.
    include: Vec<Pattern>,
    /// None of these may.
    exclude: Vec<Pattern>,
    /// What they are called at their targets: a template.
    cache_as: Option<Box<str>>,
}

impl Namespace {
    /// Understands `HOST` and `HOST/NAMESPACE`.
    pub(crate) fn parse(
        text: &str,
        include: Vec<Pattern>,
        exclude: Vec<Pattern>,
    ) -> Result<Self, Problem> {
        let location: Location = without_secrets(text)?.parse().map_err(Problem::new)?;
        let (host, prefix) = match location {
            Location::Registry { host, prefix } => (host, prefix),
            Location::Folder(_) => {
                let text = format!(
                    "found a folder, which has no catalog of repositories, {EXPECTED}; name what is in folders in images"
                );
                return Err(Problem::new(text));
            }
        };
        // Without a host it would be a repository of Docker Hub, as in `source` of an image.
        if host != "localhost" && !host.contains(['.', ':']) {
            return Err(Problem::new(format!(
                "found {text:?} without a host, {EXPECTED}"
            )));
        }
        Ok(Self {
            host: host.into(),
            prefix: prefix.into(),
            include,
            exclude,
            cache_as: None,
        })
    }

    /// The same whose repositories are called by `template`.
    pub(crate) fn called(self, template: &str) -> Result<Self, Problem> {
        if !PARTS.iter().any(|part| template.contains(part)) {
            return Err(Problem::new(format!(
                "found {template:?} for all repositories, expected a template with {{below}}, {{path}} or {{name}} as in \"mirror/{{below}}\""
            )));
        }
        self.filled(template, ANY_NAME)?;
        Ok(Self {
            cache_as: Some(template.into()),
            ..self
        })
    }

    /// What the repository `name` is called at its targets, if that is said.
    pub(crate) fn cache_as(&self, name: &str) -> Option<Box<str>> {
        let template = self.cache_as.as_deref()?;
        self.filled(template, name).ok().map(Into::into)
    }

    fn filled(&self, template: &str, name: &str) -> Result<String, Problem> {
        let below = name.strip_prefix(&*self.prefix).unwrap_or(name);
        naming::of_namespace(template, &self.host, name, below.trim_start_matches('/'))
    }

    /// The name of one of its repositories, whether there is such a one or not.
    pub(crate) fn sample(&self) -> String {
        match &*self.prefix {
            "" => ANY_NAME.to_owned(),
            prefix => format!("{prefix}/{ANY_NAME}"),
        }
    }

    /// The names of two that have nothing alike but the namespace.
    pub(crate) fn samples(&self) -> [String; 2] {
        let sample = self.sample();
        let above = sample.strip_suffix(ANY_NAME).unwrap_or_default();
        let other = format!("{above}other/one");
        [sample, other]
    }

    /// Its registry.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The first components of the names of its repositories; empty for any.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The source that the repository `name` is.
    pub(crate) fn source_of(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// Whether the repository `name` of its registry is among those that are wanted.
    pub(crate) fn has(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&*self.prefix);
        let is_below = rest.is_some_and(|rest| self.prefix.is_empty() || rest.starts_with('/'));
        is_below && is_included(&self.include, &self.exclude, name)
    }

    /// Whether the repository `name` of `host` is.
    pub(crate) fn has_of(&self, host: Option<&str>, name: &str) -> bool {
        host == Some(&*self.host) && self.has(name)
    }
}

/// What was said, each key as it was when there were no others: this is part of what a catalog is known by.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut namespace = f.debug_struct("Namespace");
        namespace.field("host", &self.host);
        namespace.field("prefix", &self.prefix);
        namespace.field("include", &self.include);
        namespace.field("exclude", &self.exclude);
        if let Some(cache_as) = &self.cache_as {
            namespace.field("cache_as", cache_as);
        }
        namespace.finish()
    }
}

/// As reports call all of its repositories: `HOST/NAMESPACE/*`.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, prefix, .. } = self;
        match &**prefix {
            "" => write!(f, "{host}/*"),
            prefix => write!(f, "{host}/{prefix}/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(text: &str, include: &[&str], exclude: &[&str]) -> Result<Namespace, Problem> {
        let patterns = |texts: &[&str]| -> Vec<Pattern> {
            let patterns = texts.iter().map(|text| Pattern::parse(text).unwrap());
            patterns.collect()
        };
        Namespace::parse(text, patterns(include), patterns(exclude))
    }

    #[test]
    fn a_namespace_has_what_is_below_it_and_patterns_match_whole_names() {
        let of_team = namespace("harbor.example.com/team", &[], &[".*/scratch"]).unwrap();
        for (name, expected) in [
            ("team/app", true),
            ("team/a/b", true),
            ("team", false),
            ("teams/app", false),
            ("other/app", false),
            ("team/scratch", false),
            ("team/scratch/app", true),
        ] {
            assert_eq!(of_team.has(name), expected, "{name}");
        }
        let all = namespace("localhost:5000", &["a/.*", "b"], &[]).unwrap();
        assert!(all.has("a/x") && all.has("b") && !all.has("b/x") && !all.has("c"));
        assert!(all.has_of(Some("localhost:5000"), "b") && !all.has_of(Some("localhost"), "b"));
    }

    #[test]
    fn repositories_are_called_by_the_template_of_their_namespace() {
        let of = |text: &str, template: &str| namespace(text, &[], &[]).unwrap().called(template);
        for (text, template, expected) in [
            ("Harbor.example.com:5000/team", "m/{below}", "m/a/b"),
            (
                "Harbor.example.com:5000/team",
                "{host}/{path}",
                "harbor.example.com/team/a/b",
            ),
            (
                "Harbor.example.com:5000/team",
                "{namespace}/x-{name}",
                "team/a/x-b",
            ),
            ("Harbor.example.com:5000", "{below}", "team/a/b"),
        ] {
            let named = of(text, template).unwrap().cache_as("team/a/b");
            assert_eq!(named.as_deref(), Some(expected), "{template}");
        }
        let none = namespace("quay.io/team", &[], &[]).unwrap();
        assert_eq!(none.cache_as("team/a"), None);
        for (template, told) in [
            (
                "mirror",
                "found \"mirror\" for all repositories, expected a template",
            ),
            (
                "{host}",
                "found \"{host}\" for all repositories, expected a template",
            ),
            (
                "{name}/{hots}",
                "found {hots} in \"{name}/{hots}\", which is not known here",
            ),
        ] {
            let problem = of("quay.io/team", template).unwrap_err().to_string();
            assert!(problem.contains(told), "{problem}");
        }
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        for (text, told) in [
            (
                "oci:./images",
                "a folder, which has no catalog of repositories",
            ),
            ("team-a", "\"team-a\" without a host"),
            ("team-a/b", "\"team-a/b\" without a host"),
            ("quay.io/a:1", "is not made of lowercase"),
            ("https://quay.io", "a scheme does not belong here"),
            ("me:pw@quay.io/a", "found an '@'"),
        ] {
            let problem = namespace(text, &[], &[]).unwrap_err().to_string();
            assert!(problem.contains(told), "{text}: {problem}");
        }
    }
}
