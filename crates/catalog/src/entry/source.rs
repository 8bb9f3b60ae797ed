//! The source of an image as a config writes it: `source` and `tag` together.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::{Reference, Repository, split};

use crate::problem::{Problem, without_secrets};

/// What `source` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The text without tag and digest.
    pub(super) bare: String,
    pub(super) repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Which image of the source it is, and what it is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The source as the report names it.
    pub(super) image: String,
    /// The tag as the report names it.
    pub(super) tag: String,
    pub(super) reference: Reference,
    pub(super) target_reference: Reference,
}

/// Understands `REPOSITORY[:TAG][@DIGEST]`.
pub(super) fn parse(text: &str) -> Result<Source, Problem> {
    let (repository, reference) = split(without_secrets(text)?).map_err(Problem::new)?;
    let without = |suffix: String| text.strip_suffix(&suffix).unwrap_or(text).to_owned();
    match reference {
        None => Ok(Source {
            bare: text.to_owned(),
            repository,
            tag: None,
            digest: None,
        }),
        Some(Reference::Tag(tag)) => Ok(Source {
            bare: without(format!(":{tag}")),
            repository,
            tag: Some(tag),
            digest: None,
        }),
        // A digest hides the tag beside it, so the text before it is read on its own.
        Some(Reference::Digest(digest)) => Ok(Source {
            digest: Some(digest.clone()),
            ..parse(&without(format!("@{digest}")))?
        }),
    }
}

impl Source {
    /// Whether it has a tag or a digest.
    pub(super) fn is_one_image(&self) -> bool {
        self.tag.is_some() || self.digest.is_some()
    }

    /// The image that `source` and the key `tag` name together.
    pub(super) fn with_tag(self, key: Option<&str>) -> Result<Named, Problem> {
        let told = key
            .map(|text| without_secrets(text)?.parse().map_err(Problem::new))
            .transpose()
            .map_err(|problem| problem.key("tag"))?;
        let (tag, digest) = match (told, self.tag, self.digest) {
            (Some(Reference::Tag(told)), Some(own), _) if told != own => {
                return Err(contradiction(&told, &own));
            }
            (Some(Reference::Digest(told)), _, Some(own)) if told != own => {
                return Err(contradiction(told.as_str(), own.as_str()));
            }
            (Some(Reference::Digest(told)), Some(own), None) => {
                return Err(contradiction(told.as_str(), &own));
            }
            (Some(Reference::Tag(told)), _, digest) => (Some(told), digest),
            (Some(Reference::Digest(told)), tag, _) => (tag, Some(told)),
            (None, tag, digest) => (tag, digest),
        };
        named(self.bare, tag, digest)
    }
}

fn named(bare: String, tag: Option<String>, digest: Option<Digest>) -> Result<Named, Problem> {
    let (image, reference, target_reference) = match (tag, digest) {
        (None, None) => {
            let text = "the tag is missing, expected tag: TAG, or source: REPOSITORY:TAG";
            return Err(Problem::new(text));
        }
        (Some(tag), None) => (bare, Reference::Tag(tag.clone()), Reference::Tag(tag)),
        (None, Some(digest)) => {
            let reference = Reference::Digest(digest);
            (bare, reference.clone(), reference)
        }
        (Some(tag), Some(digest)) => {
            let image = format!("{bare}@{digest}");
            (image, Reference::Digest(digest), Reference::Tag(tag))
        }
    };
    Ok(Named {
        image,
        tag: target_reference.to_string(),
        reference,
        target_reference,
    })
}

fn contradiction(told: &str, own: &str) -> Problem {
    let text = format!("found {told}, but source says {own}, expected the same or one of them");
    Problem::new(text).key("tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Image, tag, reference at the source, reference at the target.
    fn resolved(source: &str, tag: Option<&str>) -> [String; 4] {
        let named = parse(source).unwrap().with_tag(tag).unwrap();
        [
            named.image,
            named.tag,
            named.reference.to_string(),
            named.target_reference.to_string(),
        ]
    }

    #[test]
    fn the_tag_stands_in_either_place() {
        let expected = ["nginx", "1.27", "1.27", "1.27"];
        assert_eq!(resolved("nginx", Some("1.27")), expected);
        assert_eq!(resolved("nginx:1.27", None), expected);
        assert_eq!(resolved("nginx:1.27", Some("1.27")), expected);
        assert_eq!(resolved("oci:a/b:v1", None), ["oci:a/b", "v1", "v1", "v1"]);
        assert_eq!(
            resolved("localhost:5000/a", Some("1")),
            ["localhost:5000/a", "1", "1", "1"]
        );
    }

    #[test]
    fn a_digest_pins_the_source_and_a_tag_names_the_target() {
        let pinned = format!("busybox@{DIGEST}");
        let tagged = format!("busybox:1.36@{DIGEST}");
        let expected = [&pinned, "1.36", DIGEST, "1.36"];
        assert_eq!(resolved(&pinned, Some("1.36")), expected);
        assert_eq!(resolved(&tagged, None), expected);
        assert_eq!(resolved(&tagged, Some("1.36")), expected);
        assert_eq!(resolved(&tagged, Some(DIGEST)), expected);
        let nameless = ["busybox", DIGEST, DIGEST, DIGEST];
        assert_eq!(resolved(&pinned, None), nameless);
        assert_eq!(resolved("busybox", Some(DIGEST)), nameless);
        assert_eq!(resolved(&pinned, Some(DIGEST)), nameless);
        let folder = parse(&format!("oci:a/b:v1@{DIGEST}")).unwrap();
        assert_eq!(folder.bare, "oci:a/b");
        assert_eq!(folder.repository, "oci:a/b".parse().unwrap());
    }

    #[test]
    fn refuses_a_source_and_a_tag_that_contradict_each_other() {
        let other = DIGEST.replace("e3b0", "0000");
        for (source, tag) in [
            ("nginx:1.27", "1.28"),
            ("nginx:1.27", DIGEST),
            (&format!("nginx@{DIGEST}"), other.as_str()),
            (&format!("nginx:1@{DIGEST}"), "2"),
        ] {
            let problem = parse(source).unwrap().with_tag(Some(tag)).unwrap_err();
            assert!(problem.to_string().starts_with("tag: found "), "{problem}");
            assert!(
                problem.to_string().contains(", but source says "),
                "{problem}"
            );
        }
        assert!(parse("nginx").unwrap().with_tag(None).is_err());
    }
}
