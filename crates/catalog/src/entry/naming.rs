//! What a source is called at a target.

use image_sync_shared::image::reference::Repository;

use super::source::Source;
use crate::problem::Problem;

/// What stands before a source and not before its name in the cache.
const HUB_OR_GITHUB: [&str; 4] = [
    "docker.io/",
    "ghcr.io/",
    "registry-1.docker.io/",
    "registry.hub.docker.com/",
];

/// The parts of a source that a template may name.
const PARTS: [&str; 4] = ["host", "path", "namespace", "name"];

/// How the repositories of a target are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// As in the cache registry: the source as written, without its host where that is Docker Hub or GitHub.
    #[default]
    AsInCache,
    /// The repository without its host.
    Path,
    /// The host and the repository.
    HostPath,
    /// The last part of the repository.
    Name,
    /// A text in which parts stand in braces.
    Template(Box<str>),
}

impl Naming {
    /// Understands what a config says. The error is what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "path" => Ok(Self::Path),
            "host_path" => Ok(Self::HostPath),
            "name" => Ok(Self::Name),
            _ if text.contains('{') => {
                let known = |part: &str| PARTS.contains(&part).then(|| "x".to_owned());
                fill(text, known).map(|_| Self::Template(text.into()))
            }
            _ => Err(Problem::new(format!(
                "found {text:?}, expected path, host_path, name, or a template as in \"mirror/{{host}}/{{path}}\""
            ))),
        }
    }

    /// The name of `source`, which a registry may still refuse.
    pub(super) fn name(&self, source: &Source) -> Result<String, Problem> {
        let Repository::Registry { host, name: path } = &source.repository else {
            return match self {
                Self::Template(template) => {
                    let name = source.repository.name();
                    parts(template, "", name, None)
                }
                _ => Ok(source.repository.name().to_owned()),
            };
        };
        let host = without_port(host).to_ascii_lowercase();
        match self {
            Self::AsInCache => Ok(cache_name(source)),
            Self::Path => Ok(path.clone()),
            Self::HostPath => Ok(format!("{host}/{path}")),
            Self::Name => Ok(last(path).to_owned()),
            Self::Template(template) => parts(template, &host, path, None),
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name by `template` of a repository `path` of which `below` are the last components.
pub(super) fn of_namespace(
    template: &str,
    host: &str,
    path: &str,
    below: &str,
) -> Result<String, Problem> {
    let host = without_port(host).to_ascii_lowercase();
    parts(template, &host, path, Some(below))
}

/// A part that is empty takes the slash behind it along.
fn parts(template: &str, host: &str, path: &str, below: Option<&str>) -> Result<String, Problem> {
    let namespace = path.rsplit_once('/').map_or("", |(namespace, _)| namespace);
    let filled = fill(template, |part| {
        let text = match part {
            "host" => host,
            "path" => path,
            "namespace" => namespace,
            "name" => last(path),
            "below" => below?,
            _ => return None,
        };
        Some(text.to_owned())
    })?;
    let components = filled.split('/').filter(|part| !part.is_empty());
    Ok(components.collect::<Vec<_>>().join("/"))
}

/// `template` with what `value` gives for each name in braces, which is none for a name that is not known.
pub(super) fn fill(
    template: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, Problem> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            return Err(Problem::new(format!(
                "found {{ without }} in {template:?}, expected a name in braces"
            )));
        };
        let value = value(name);
        filled.push_str(&value.ok_or_else(|| {
            Problem::new(format!(
                "found {{{name}}} in {template:?}, which is not known here"
            ))
        })?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The name in the cache of a source without `cache_as`.
fn cache_name(source: &Source) -> String {
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
    use crate::entry::source;

    fn name(naming: &Naming, text: &str) -> String {
        naming.name(&source::parse(text).unwrap()).unwrap()
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
            assert_eq!(name(&Naming::AsInCache, source), expected);
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
            assert_eq!(name(&Naming::AsInCache, source), expected);
        }
    }

    #[test]
    fn a_target_names_by_path_host_path_name_or_template() {
        let names = |source: &str| {
            [
                "path",
                "host_path",
                "name",
                "m/{host}/{name}",
                "{namespace}/x-{name}",
            ]
            .map(|naming| name(&Naming::parse(naming).unwrap(), source))
        };
        let nginx = [
            "library/nginx",
            "docker.io/library/nginx",
            "nginx",
            "m/docker.io/nginx",
            "library/x-nginx",
        ];
        assert_eq!(names("nginx:1.27"), nginx);
        let deep = ["a/b/c", "quay.io/a/b/c", "c", "m/quay.io/c", "a/b/x-c"];
        assert_eq!(names("quay.io:8443/a/b/c"), deep);
        let folder = ["hello", "hello", "hello", "m/hello", "x-hello"];
        assert_eq!(names("oci:/srv/hello:v1"), folder);
        assert_eq!(
            names("localhost:5000/a")[4],
            "x-a",
            "an empty part leaves no slash"
        );
    }

    #[test]
    fn a_naming_that_is_none_says_what_may_stand_there() {
        let told = |text| Naming::parse(text).unwrap_err().to_string();
        assert_eq!(
            told("full"),
            "found \"full\", expected path, host_path, name, or a template as in \"mirror/{host}/{path}\""
        );
        assert_eq!(
            told("{hots}/a"),
            "found {hots} in \"{hots}/a\", which is not known here"
        );
        assert!(told("{host").contains("without }"));
    }
}
