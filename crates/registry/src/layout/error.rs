//! What can be wrong with a layout.

use std::io;
use std::path::{Path, PathBuf};

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::Reference;
use thiserror::Error;

/// How many tags a message lists.
const LISTED_TAGS: usize = 10;
/// How many digests a message lists.
const LISTED_DIGESTS: usize = 3;

/// Why a layout cannot be read or written.
#[derive(Debug, Error)]
pub(crate) enum LayoutError {
    /// There is no layout in the folder.
    #[error("{}: {}", path.display(), no_layout(*is_there))]
    NoLayout {
        /// The folder.
        path: PathBuf,
        /// Whether there is anything at all.
        is_there: bool,
    },
    /// One of the layout's own files, or a manifest, cannot be understood.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, with the line where there is one.
        reason: String,
    },
    /// The layout has no such image.
    #[error("{} has no {reference}; {}", path.display(), present(tags, nameless))]
    NoImage {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        reference: Reference,
        /// What is there.
        tags: Vec<String>,
        /// The digests of what is there without a tag.
        nameless: Vec<String>,
    },
    /// The layout has no such blob.
    #[error("{} has no blob {digest}", path.display())]
    NoBlob {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        digest: Digest,
    },
    /// An archive does not have it, as those who load it should have it by now.
    #[error(
        "{} has only what came since {since}, and the target lacks {}: load {since} first, and those before it",
        path.display(),
        digest.short()
    )]
    LeftOut {
        /// The archive.
        path: PathBuf,
        /// What was asked for.
        digest: Digest,
        /// What has to be loaded before.
        since: String,
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
    /// A link, a device or the like where a layout has a file or a folder.
    #[error("{}: found {found}, expected {expected}", path.display())]
    Special {
        /// Where.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What a layout has there.
        expected: &'static str,
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

    /// Whether it says that something is not there.
    pub(super) fn is_absence(&self) -> bool {
        self.class() == FailureClass::NotFound
    }

    /// The kind of failure that this is for an image.
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::NoLayout { .. }
            | Self::NoImage { .. }
            | Self::NoBlob { .. }
            | Self::LeftOut { .. } => FailureClass::NotFound,
            Self::Malformed { .. } | Self::Special { .. } | Self::Refused(_) => {
                FailureClass::Invalid
            }
            Self::Mismatch { .. } => FailureClass::DigestMismatch,
            Self::Locked { .. } => FailureClass::Timeout,
            Self::Io { .. } => FailureClass::Local,
        }
    }
}

fn no_layout(is_there: bool) -> &'static str {
    if is_there {
        "this is not an OCI image layout: it has no file oci-layout; expected the folder of one repository"
    } else {
        "there is no such folder, expected one with an OCI image layout; a relative path begins in the current folder"
    }
}

fn present(tags: &[String], nameless: &[String]) -> String {
    let tags = match tags {
        [] => "it has no tags".to_owned(),
        tags => format!("its tags are {}", listed(tags, LISTED_TAGS)),
    };
    match nameless {
        [] => tags,
        digests => format!(
            "{tags}; it has images without a name, which @sha256:... after the folder names: {}",
            listed(digests, LISTED_DIGESTS)
        ),
    }
}

fn listed(names: &[String], most: usize) -> String {
    match names.split_at_checked(most) {
        Some((first, more)) if !more.is_empty() => {
            format!("{} and {} more", first.join(", "), more.len())
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_image(tags: &[&str], nameless: &[&str]) -> String {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        LayoutError::NoImage {
            path: PathBuf::from("cache/nginx"),
            reference: Reference::Tag("1".to_owned()),
            tags: owned(tags),
            nameless: owned(nameless),
        }
        .to_string()
    }

    #[test]
    fn a_missing_tag_is_told_with_the_tags_that_are_there() {
        assert_eq!(no_image(&[], &[]), "cache/nginx has no 1; it has no tags");
        assert_eq!(
            no_image(&["a", "b"], &[]),
            "cache/nginx has no 1; its tags are a, b"
        );
        let many = ["t"; LISTED_TAGS + 2];
        assert!(no_image(&many, &[]).ends_with("t and 2 more"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_from_one_that_is_no_layout() {
        let told = |is_there| {
            let path = PathBuf::from("./cache");
            LayoutError::NoLayout { path, is_there }.to_string()
        };
        assert!(told(true).starts_with("./cache: this is not an OCI image layout"));
        assert!(told(false).starts_with("./cache: there is no such folder"));
    }

    #[test]
    fn images_without_a_name_are_told_with_what_names_them() {
        assert_eq!(
            no_image(&[], &["sha256:a"]),
            "cache/nginx has no 1; it has no tags; it has images without a name, which @sha256:... after the folder \
             names: sha256:a"
        );
        let four = no_image(&["a"], &["sha256:a", "sha256:b", "sha256:c", "sha256:d"]);
        assert!(four.contains("its tags are a; it has images"), "{four}");
        assert!(
            four.ends_with(": sha256:a, sha256:b, sha256:c and 1 more"),
            "{four}"
        );
    }
}
