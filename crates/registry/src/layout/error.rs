//! What can be wrong with a layout.

use std::io;
use std::path::{Path, PathBuf};

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::reference::Reference;
use thiserror::Error;

/// How many tags a message lists.
const LISTED_TAGS: usize = 10;

/// Why a layout cannot be read or written.
#[derive(Debug, Error)]
pub(crate) enum LayoutError {
    /// There is no layout in the folder.
    #[error(
        "{} is not an OCI image layout: it has no file oci-layout",
        .0.display()
    )]
    NoLayout(PathBuf),
    /// One of the layout's own files, or a manifest, cannot be understood.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, with the line where there is one.
        reason: String,
    },
    /// The layout has no such image.
    #[error("{} has no {reference}; {}", path.display(), listed(tags))]
    NoImage {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        reference: Reference,
        /// What is there.
        tags: Vec<String>,
    },
    /// The layout has no such blob.
    #[error("{} has no blob {digest}", path.display())]
    NoBlob {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        digest: Digest,
    },
    /// A file does not hold the bytes that its name promises.
    #[error("{}: {found}, expected {expected}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The digest or size that it has.
        found: String,
        /// The digest or size that it should have.
        expected: String,
    },
    /// A manifest that may not be written.
    #[error("{0}")]
    Refused(String),
    /// Another process holds the layout's lock.
    #[error(
        "{}: still locked by another process after {waited_secs} seconds",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited for it.
        waited_secs: u64,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it answered.
        source: io::Error,
    },
}

impl LayoutError {
    /// Wraps what the operating system said about `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// The kind of failure that this is for an image.
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::NoLayout(_) | Self::NoImage { .. } | Self::NoBlob { .. } => {
                FailureClass::NotFound
            }
            Self::Malformed { .. } | Self::Refused(_) => FailureClass::Invalid,
            Self::Mismatch { .. } => FailureClass::DigestMismatch,
            Self::Locked { .. } => FailureClass::Timeout,
            Self::Io { .. } => FailureClass::Local,
        }
    }
}

fn listed(tags: &[String]) -> String {
    match tags.len() {
        0 => "it has no tags".to_owned(),
        all if all <= LISTED_TAGS => format!("its tags are {}", tags.join(", ")),
        all => format!(
            "its tags are {} and {} more",
            tags[..LISTED_TAGS].join(", "),
            all - LISTED_TAGS
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_image(tags: &[&str]) -> String {
        LayoutError::NoImage {
            path: PathBuf::from("cache/nginx"),
            reference: Reference::Tag("1".to_owned()),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
        .to_string()
    }

    #[test]
    fn a_missing_tag_is_told_with_the_tags_that_are_there() {
        assert_eq!(no_image(&[]), "cache/nginx has no 1; it has no tags");
        assert_eq!(
            no_image(&["a", "b"]),
            "cache/nginx has no 1; its tags are a, b"
        );
        let many = ["t"; LISTED_TAGS + 2];
        assert!(no_image(&many).ends_with("t and 2 more"));
    }
}
