//! Sources and targets as regsync writes them.

use image_sync_shared::image::reference::{
    DOCKER_HUB, InvalidReference, Location, Repository, canonical_host, split,
};

use crate::problem::{Problem, without_secrets};

/// The tag that is meant where none is said.
pub(super) const LATEST: &str = "latest";
const EXPECTED: &str = "HOST/NAME as in docker.io/library/nginx, or ocidir://FOLDER";

/// A repository, or one image in it.
pub(super) struct Reference {
    /// As this program writes the repository.
    pub(super) bare: String,
    pub(super) repository: Repository,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let text = in_own_form(without_secrets(text)?)?;
        let (named, digest) = match text.rsplit_once('@') {
            Some((named, digest)) => (named, Some(digest.to_owned())),
            None => (&*text, None),
        };
        // With its digest, which is checked too.
        split(&text).map_err(|error| told(&error))?;
        let (repository, tag) = split(named).map_err(|error| told(&error))?;
        let tag = tag.map(|tag| tag.to_string());
        let bare = match &tag {
            Some(tag) => named.strip_suffix(&format!(":{tag}")).unwrap_or(named),
            None => named,
        };
        Ok(Self {
            bare: bare.to_owned(),
            repository,
            tag,
            digest,
        })
    }

    /// Fails where it is one image and not a repository.
    pub(super) fn of_repository(text: &str) -> Result<Self, Problem> {
        let reference = Self::parse(text)?;
        match reference.tag.as_ref().or(reference.digest.as_ref()) {
            Some(found) => Err(Problem::new(format!(
                "found {found:?} behind the repository, expected none for type: repository, whose tags and tagSets choose among all tags"
            ))),
            None => Ok(reference),
        }
    }

    /// The repository as a target: its host is said, as short names are of Docker Hub here too.
    pub(super) fn as_target(&self) -> String {
        let first = self.bare.split('/').next().unwrap_or_default();
        let is_short =
            self.repository.host() == Some(DOCKER_HUB) && canonical_host(first) != DOCKER_HUB;
        if is_short {
            format!("{DOCKER_HUB}/{}", self.bare)
        } else {
            self.bare.clone()
        }
    }

    /// The registry, or the folder around it.
    pub(super) fn place(&self) -> String {
        match &self.repository {
            Repository::Registry { host, .. } => host.clone(),
            Repository::Folder(folder) => {
                let around = folder
                    .parent()
                    .filter(|around| !around.as_os_str().is_empty());
                around.map_or_else(
                    || "oci:.".to_owned(),
                    |around| format!("oci:{}", around.display()),
                )
            }
        }
    }
}

/// The registry whose repositories all are meant.
pub(super) fn registry(text: &str) -> Result<String, Problem> {
    let text = without_secrets(text)?;
    if text.contains("://") {
        return Err(Problem::new(format!(
            "found {text:?}, which has no catalog of repositories, expected HOST or HOST:PORT for type: registry"
        )));
    }
    if text.contains('/') || !is_host(text) {
        return Err(Problem::new(format!(
            "found {text:?}, expected HOST or HOST:PORT for type: registry, whose repos choose among all repositories, as in allow: [\"team-a/.*\"]"
        )));
    }
    let location: Result<Location, _> = text.parse();
    location
        .map(|_| text.to_owned())
        .map_err(|error| told(&error))
}

/// Where the repositories of a registry go.
pub(super) fn place_of_all(text: &str) -> Result<String, Problem> {
    let text = in_own_form(without_secrets(text)?)?;
    let text = text.trim_end_matches('/');
    let first = text.split('/').next().unwrap_or_default();
    let text = if text.starts_with("oci:") || is_host(first) {
        text.to_owned()
    } else {
        format!("{DOCKER_HUB}/{text}")
    };
    let location: Result<Location, _> = text.parse();
    location.map(|_| text).map_err(|error| told(&error))
}

fn is_host(text: &str) -> bool {
    text == "localhost"
        || text.contains(['.', ':'])
        || text.contains(|letter: char| letter.is_ascii_uppercase())
}

/// A folder as this program has it.
fn in_own_form(text: &str) -> Result<String, Problem> {
    match text.split_once("://") {
        Some(("ocidir" | "ocifile", folder)) => Ok(format!("oci:{folder}")),
        Some((scheme, _)) => Err(Problem::new(format!(
            "found the scheme {scheme:?}, expected {EXPECTED}"
        ))),
        None => Ok(text.to_owned()),
    }
}

fn told(error: &InvalidReference) -> Problem {
    Problem::new(error.to_string().replace("oci:", "ocidir://"))
}
