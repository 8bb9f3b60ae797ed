//! What a registry says has happened to an image.

use crate::image::digest::Digest;
use crate::image::reference::{InvalidReference, Reference, Repository, canonical_host};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintAction {
    /// A manifest was put.
    Pushed,
    /// A tag or a manifest was deleted.
    Deleted,
}

/// What a registry says has happened to an image. It is a hint: nothing follows from it but a look at what the registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The registry's host as references have it, or none where its sender does not say which one it is.
    pub registry: Option<String>,
    /// The `<name>` of the repository (OCI distribution spec 1.1, "Pulling manifests").
    pub repository: String,
    /// The tag, if one was put or deleted.
    pub tag: Option<String>,
    /// The digest of the manifest, where it is told.
    pub digest: Option<Digest>,
    /// The manifest that this one refers to, where it is told (OCI image spec 1.1, `subject`).
    pub subject: Option<Digest>,
    /// What happened.
    pub action: HintAction,
    /// Whether this program did it, as far as the registry tells who.
    pub is_own: bool,
}

impl Hint {
    /// What happened to `repository` of `registry`, with neither tag nor digest yet.
    pub fn new(
        registry: Option<&str>,
        repository: &str,
        action: HintAction,
    ) -> Result<Self, InvalidReference> {
        // Any host will do to see whether a name is one.
        let host = registry.unwrap_or("registry.invalid");
        let (named, name) = match Repository::try_from(format!("{host}/{repository}"))? {
            Repository::Registry { host, name } => (host, name),
            Repository::Folder(_) => return Err(InvalidReference::no_host(host)),
        };
        // A host that is one has no slash, whose rest would now be part of the name.
        if named != canonical_host(host) {
            return Err(InvalidReference::no_host(host));
        }
        Ok(Self {
            registry: registry.is_some().then_some(named),
            repository: name,
            tag: None,
            digest: None,
            subject: None,
            action,
            is_own: false,
        })
    }

    /// The same with a tag, or with a digest where `reference` is one.
    pub fn with_reference(mut self, reference: &str) -> Result<Self, InvalidReference> {
        match reference.parse()? {
            Reference::Tag(tag) => self.tag = Some(tag),
            Reference::Digest(digest) => self.digest = Some(digest),
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_a_repository_as_references_do() {
        let hint = |registry, name| Hint::new(registry, name, HintAction::Pushed);
        let hub = hint(Some("index.docker.io"), "nginx").unwrap();
        assert_eq!(hub.registry.as_deref(), Some("docker.io"));
        assert_eq!(hub.repository, "library/nginx");
        let unknown = hint(None, "a/b").unwrap();
        assert_eq!(
            (unknown.registry, unknown.repository.as_str()),
            (None, "a/b")
        );
        for bad in [
            "",
            "A/b",
            "a/../b",
            "a b",
            "a:t",
            "a@sha256:0",
            "http://h/a",
            "/a",
        ] {
            assert!(hint(None, bad).is_err(), "{bad:?}");
            assert!(hint(Some("quay.io"), bad).is_err(), "{bad:?}");
        }
        for no_host in [
            "no host",
            "",
            "a.io/b",
            "http://a.io",
            "oci:5000",
            "u:p@a.io",
        ] {
            assert!(hint(Some(no_host), "a/b").is_err(), "{no_host:?}");
        }
        let short = hint(Some("registry"), "a/b").unwrap();
        assert_eq!(
            (short.registry.as_deref(), short.repository.as_str()),
            (Some("registry"), "a/b"),
            "a host that could be a part of a name"
        );
    }

    #[test]
    fn what_stands_for_a_tag_may_be_a_digest() {
        let hint = || Hint::new(None, "a/b", HintAction::Pushed).unwrap();
        let digest = Digest::of(b"x");
        let pinned = hint().with_reference(digest.as_str()).unwrap();
        assert_eq!((pinned.digest, pinned.tag), (Some(digest), None));
        let tagged = hint().with_reference("v1").unwrap();
        assert_eq!((tagged.digest, tagged.tag.as_deref()), (None, Some("v1")));
        assert!(hint().with_reference("no tag").is_err());
    }
}
