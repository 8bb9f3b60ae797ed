//! Where images are: repositories, tags and digests (OCI distribution spec, section "Pull").

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::image::digest::Digest;
use crate::text;

mod grammar;
mod written;

/// How a text says that a folder with an OCI image layout stands where a registry host may stand.
const FOLDER_PREFIX: &str = "oci:";
/// The longest path of a folder, in bytes: what systems take (POSIX, `PATH_MAX`).
const MAX_FOLDER: usize = 4096;
/// Docker Hub's canonical name.
pub const DOCKER_HUB: &str = "docker.io";
/// The host of Docker Hub's API, which is another than that of its name.
pub const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A place that holds repositories: a registry, or a folder of OCI image layouts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// A registry's host, with its port where it is not the usual one, and a path prefix where the text has one.
    Registry {
        /// `HOST` or `HOST:PORT`.
        host: String,
        /// Leading components of every repository there; empty for none.
        prefix: String,
    },
    /// A folder in which each repository is a folder with an OCI image layout.
    Folder(PathBuf),
}

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Repository {
    /// A repository of a registry.
    Registry {
        /// `HOST` or `HOST:PORT`.
        host: String,
        /// The `<name>` of the distribution spec.
        name: String,
    },
    /// A folder with an OCI image layout (OCI image spec, image-layout.md).
    Folder(PathBuf),
}

/// The `<reference>` of the distribution spec: a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reference {
    /// A tag, which may move.
    Tag(String),
    /// A digest, which names its content.
    Digest(Digest),
}

/// One image in one repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageRef {
    /// The repository.
    pub repository: Repository,
    /// The tag or digest in it.
    pub reference: Reference,
}

/// Why a text does not name an image, a repository or a location.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is not a valid {what}: {reason}; expected {expected}")]
pub struct InvalidReference {
    text: String,
    what: &'static str,
    reason: String,
    expected: &'static str,
}

impl InvalidReference {
    /// `text` is not the host of a registry.
    pub(crate) fn no_host(text: &str) -> Self {
        Self {
            text: text::excerpt(text),
            what: "registry",
            reason: "it is not a host".to_owned(),
            expected: EXPECTED_LOCATION,
        }
    }
}

const EXPECTED_REPOSITORY: &str = "HOST/NAME as in docker.io/library/nginx, or oci:FOLDER";
const EXPECTED_LOCATION: &str = "HOST or HOST:PORT as in localhost:5000, or oci:FOLDER";
const EXPECTED_TAG: &str = "up to 128 letters, digits, '_', '.' and '-', not starting with '.' or '-', or a digest as in sha256:...";

impl Location {
    /// The registry's host, or none for a folder.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Registry { host, .. } => Some(host),
            Self::Folder(_) => None,
        }
    }

    /// The repository `name` in this location.
    pub fn repository(&self, name: &str) -> Result<Repository, InvalidReference> {
        match self {
            Self::Registry { host, prefix } if prefix.is_empty() => registry_repository(host, name),
            Self::Registry { host, prefix } => {
                registry_repository(host, &format!("{prefix}/{name}"))
            }
            Self::Folder(root) => folder_repository(root, name),
        }
    }
}

impl FromStr for Location {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: &str| InvalidReference {
            text: text::excerpt(text),
            what: "registry",
            reason: reason.to_owned(),
            expected: EXPECTED_LOCATION,
        };
        if let Some(path) = text.strip_prefix(FOLDER_PREFIX) {
            if path.is_empty() {
                return Err(invalid("the folder is missing"));
            }
            return Ok(Self::Folder(PathBuf::from(path)));
        }
        if text.contains("://") {
            return Err(invalid(
                "a scheme does not belong here (plain HTTP is set by cache_insecure or registries)",
            ));
        }
        let (host, prefix) = text
            .trim_end_matches('/')
            .split_once('/')
            .unwrap_or((text.trim_end_matches('/'), ""));
        let probe = if prefix.is_empty() {
            "probe".to_owned()
        } else {
            format!("{prefix}/probe")
        };
        registry_repository(host, &probe).map_err(|error| invalid(&error.reason))?;
        Ok(Self::Registry {
            host: canonical_host(host).to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { host, prefix } if prefix.is_empty() => f.write_str(host),
            Self::Registry { host, prefix } => write!(f, "{host}/{prefix}"),
            Self::Folder(path) => write!(f, "{FOLDER_PREFIX}{}", path.display()),
        }
    }
}

impl Repository {
    /// The registry's host, or none for a folder.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Registry { host, .. } => Some(host),
            Self::Folder(_) => None,
        }
    }

    /// The `<name>` of the distribution spec; for a folder its last component.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Registry { name, .. } => name,
            Self::Folder(path) => path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default(),
        }
    }

    /// The image `reference` of this repository.
    #[must_use]
    pub fn image(&self, reference: Reference) -> ImageRef {
        ImageRef {
            repository: self.clone(),
            reference,
        }
    }
}

impl FromStr for Repository {
    type Err = InvalidReference;

    /// A repository without tag and digest, short names being Docker Hub's.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, reference) = split(text)?;
        match reference {
            None => Ok(repository),
            Some(_) => Err(InvalidReference {
                text: text::excerpt(text),
                what: "repository",
                reason: "it has a tag or digest".to_owned(),
                expected: EXPECTED_REPOSITORY,
            }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { host, name } => write!(f, "{host}/{name}"),
            Self::Folder(path) => write!(f, "{FOLDER_PREFIX}{}", path.display()),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: &str| InvalidReference {
            text: text::excerpt(text),
            what: "tag or digest",
            reason: reason.to_owned(),
            expected: EXPECTED_TAG,
        };
        if text.contains(':') {
            let digest = text.parse().ok().map(Self::Digest);
            return digest.ok_or_else(|| invalid("after its colon there is no digest"));
        }
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts_well = text.bytes().next().is_some_and(word);
        let valid = starts_well
            && text.len() <= 128
            && text.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if valid {
            Ok(Self::Tag(text.to_owned()))
        } else {
            Err(invalid("it breaks the rules of a tag"))
        }
    }
}

impl Reference {
    /// The tag, or none for a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reference {
            Reference::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Reference::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

/// Splits `REPOSITORY[:TAG][@DIGEST]`; a digest is stronger than a tag beside it.
pub fn split(text: &str) -> Result<(Repository, Option<Reference>), InvalidReference> {
    if let Some(path) = text.strip_prefix(FOLDER_PREFIX) {
        return split_folder(text, path);
    }
    if text.contains("://") {
        return Err(invalid_repository(text, "a scheme does not belong here"));
    }
    let (tagged, digest) = match text.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest_of(text, digest)?)),
        None => (text, None),
    };
    let (place, tag) = grammar::split_tag(tagged);
    let (host, name) = grammar::split_host(place);
    let host = host.unwrap_or(DOCKER_HUB);
    let repository = named(host, name);
    let repository = repository.map_err(|error| invalid_repository(text, &error.reason))?;
    let tag = tag.map(str::parse).transpose()?;
    // The tag is read all the same, as one that is none is a mistake.
    Ok((repository, digest.or(tag)))
}

fn digest_of(text: &str, digest: &str) -> Result<Reference, InvalidReference> {
    let parsed = digest.parse().map(Reference::Digest);
    parsed.map_err(|error| invalid_repository(text, &error.to_string()))
}

fn split_folder(
    text: &str,
    path: &str,
) -> Result<(Repository, Option<Reference>), InvalidReference> {
    let (path, reference) = if let Some((path, digest)) = path.rsplit_once('@') {
        (path, Some(digest_of(text, digest)?))
    } else {
        match path.rsplit_once(':') {
            // A colon before the last slash is one of the path.
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.parse()?)),
            _ => (path, None),
        }
    };
    Ok((folder(text, path)?, reference))
}

fn folder(text: &str, path: &str) -> Result<Repository, InvalidReference> {
    if path.is_empty() {
        return Err(invalid_repository(text, "the folder is missing"));
    }
    if path.len() > MAX_FOLDER {
        return Err(invalid_repository(text, "the folder's path is too long"));
    }
    Ok(Repository::Folder(PathBuf::from(path)))
}

/// The repository `name` at `host`; Docker Hub's official ones may be named without `library/`.
fn named(host: &str, name: &str) -> Result<Repository, InvalidReference> {
    if canonical_host(host) == DOCKER_HUB && !name.contains('/') {
        registry_repository(host, &format!("library/{name}"))
    } else {
        registry_repository(host, name)
    }
}

/// The host by which settings and credentials know a registry: Docker Hub has several names, all others have one.
#[must_use]
pub fn canonical_host(host: &str) -> &str {
    match host {
        "index.docker.io" | DOCKER_HUB_API | "registry.hub.docker.com" => DOCKER_HUB,
        other => other,
    }
}

fn registry_repository(host: &str, name: &str) -> Result<Repository, InvalidReference> {
    let checked = grammar::check_host(host).and_then(|()| grammar::check_name(name));
    checked.map_err(|reason| invalid_repository(&format!("{host}/{name}"), &reason))?;
    Ok(Repository::Registry {
        host: canonical_host(host).to_owned(),
        name: name.to_owned(),
    })
}

fn folder_repository(root: &Path, name: &str) -> Result<Repository, InvalidReference> {
    // The grammar of repository names keeps `..` and absolute paths out of the folder.
    let checked = registry_repository("localhost", name)?;
    if name.split('/').any(|component| component == "blobs") {
        return Err(invalid_repository(
            name,
            "in a folder, the component \"blobs\" is taken by the layout",
        ));
    }
    Ok(Repository::Folder(root.join(checked.name())))
}

fn invalid_repository(text: &str, reason: &str) -> InvalidReference {
    InvalidReference {
        text: text::excerpt(text),
        what: "repository",
        reason: reason.to_owned(),
        expected: EXPECTED_REPOSITORY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parts(text: &str) -> (String, Option<String>) {
        let (repository, reference) = split(text).unwrap();
        (
            repository.to_string(),
            reference.map(|reference| reference.to_string()),
        )
    }

    fn pair(repository: &str, reference: Option<&str>) -> (String, Option<String>) {
        (repository.to_owned(), reference.map(str::to_owned))
    }

    #[test]
    fn splits_references() {
        assert_eq!(parts("nginx"), pair("docker.io/library/nginx", None));
        assert_eq!(
            parts("nginx:latest"),
            pair("docker.io/library/nginx", Some("latest"))
        );
        assert_eq!(
            parts("registry-1.docker.io/a/b:1"),
            pair("docker.io/a/b", Some("1"))
        );
        assert_eq!(
            parts("registry.hub.docker.com/nginx:1"),
            pair("docker.io/library/nginx", Some("1"))
        );
        assert_eq!(parts("localhost:5000/a"), pair("localhost:5000/a", None));
        assert_eq!(parts("[::1]:5000/a/b:2"), pair("[::1]:5000/a/b", Some("2")));
        assert_eq!(
            parts(&format!("ghcr.io/a/b:1@{DIGEST}")),
            pair("ghcr.io/a/b", Some(DIGEST))
        );
        assert_eq!(parts("oci:./a/b"), pair("oci:./a/b", None));
        assert_eq!(parts("oci:/a/b:v1"), pair("oci:/a/b", Some("v1")));
        assert_eq!(
            parts(&format!("oci:a@{DIGEST}")),
            pair("oci:a", Some(DIGEST))
        );
    }

    #[test]
    fn no_name_is_so_long_that_it_fills_a_message() {
        let long = |size| "a".repeat(size);
        assert!(split(&format!("oci:/{}", long(4_000))).is_ok());
        for text in [
            format!("oci:/{}", long(4_096)),
            format!("{}.io/a:1", long(300)),
            format!("r.io/{}:1", long(256)),
            format!("r.io/a:{}", "\u{7f}".repeat(1_000_000)),
            format!("r.io/a@sha256:{}", "A".repeat(1_000_000)),
        ] {
            let error = split(&text).unwrap_err().to_string();
            assert!(error.len() < 2_500, "{}", error.len());
        }
    }

    #[test]
    fn refuses_bad_references() {
        for text in [
            "",
            "UPPER/case",
            "https://a.io/b",
            "a.io/b:",
            "a.io/b@sha256:12",
            "[::1/a",
            "[x]:5/a",
            "oci:",
            "a b",
        ] {
            let error = split(text).unwrap_err().to_string();
            assert!(error.contains("expected"), "{text}: {error}");
        }
        for text in ["", ".a", "-a", "a b", "a/b", "sha256:12", &"a".repeat(129)] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn joins_locations_and_names() {
        let join = |location: &str, name: &str| {
            location
                .parse::<Location>()
                .and_then(|location| location.repository(name))
                .map(|r| r.to_string())
        };
        assert_eq!(
            join("localhost:5000", "a/b"),
            Ok("localhost:5000/a/b".to_owned())
        );
        assert_eq!(
            join("localhost:5000", "nginx"),
            Ok("localhost:5000/nginx".to_owned())
        );
        assert_eq!(join("zot", "a/b"), Ok("zot/a/b".to_owned()));
        assert_eq!(
            join("harbor.example/mirror", "a"),
            Ok("harbor.example/mirror/a".to_owned())
        );
        assert_eq!(join("[::1]:5000", "a"), Ok("[::1]:5000/a".to_owned()));
        assert_eq!(join("oci:./cache", "a/b"), Ok("oci:./cache/a/b".to_owned()));
        for (location, name) in [
            ("oci:c", "../x"),
            ("oci:c", "/x"),
            ("oci:c", "a/blobs/b"),
            ("http://a", "b"),
            ("a:b:c", "d"),
        ] {
            assert!(join(location, name).is_err(), "{location} {name}");
        }
    }

    #[test]
    fn a_repository_keeps_its_text_through_serde() {
        for text in ["docker.io/library/nginx", "[::1]:5000/a", "oci:a/b"] {
            let repository: Repository = text.parse().unwrap();
            let json = serde_json::to_string(&repository).unwrap();
            assert_eq!(
                serde_json::from_str::<Repository>(&json).unwrap(),
                repository
            );
        }
        assert!("a.io/b:tag".parse::<Repository>().is_err());
    }
}
