//! What images have to match to be chosen.

use std::sync::Arc;

use globset::GlobMatcher;
use image_sync_shared::config::ImageSpec;

use super::Listed;

/// Which images are chosen.
#[derive(Clone, Debug)]
pub(crate) enum Only {
    /// Those with a name that it matches.
    Glob(GlobMatcher),
    /// Those that are named.
    Listed(Arc<Listed>),
}

impl Only {
    /// Whether `image` is one of them: a glob has to match any of its names as a whole.
    pub(crate) fn matches(&self, image: &ImageSpec) -> bool {
        match self {
            Self::Glob(glob) => names(image).iter().any(|name| glob.is_match(name)),
            Self::Listed(listed) => listed.names(image),
        }
    }

    /// Whether `failed` may be one, whose digest was to be in its name and is not known.
    pub(super) fn may_match_failed(&self, failed: &ImageSpec) -> bool {
        match self {
            Self::Glob(_) => self.matches(failed),
            Self::Listed(listed) => listed.may_name(failed),
        }
    }

    /// Whether images may be that rules choose of the source of `sample`.
    pub(super) fn may_match(&self, sample: &ImageSpec) -> bool {
        match self {
            Self::Glob(_) => true,
            Self::Listed(listed) => listed.may_name(sample),
        }
    }

    /// The images of the source of `sample` cannot be found out.
    pub(super) fn cannot_tell(&self, sample: &ImageSpec) {
        if let Self::Listed(listed) = self {
            listed.cannot_tell(sample);
        }
    }

    /// What is to be said of images that are named, once all were compared.
    pub(super) fn missing(&self) -> Vec<String> {
        match self {
            Self::Glob(_) => Vec::new(),
            Self::Listed(listed) => listed.missing(std::iter::empty()),
        }
    }
}

impl PartialEq for Only {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Glob(left), Self::Glob(right)) => left.glob() == right.glob(),
            (Self::Listed(left), Self::Listed(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }
}

impl Eq for Only {}

/// All that an image may be called by.
pub(crate) fn names(image: &ImageSpec) -> [String; 5] {
    [
        format!("{}:{}", image.image, image.tag),
        image.image.clone(),
        image.source.image(image.reference.clone()).to_string(),
        image.source.to_string(),
        image.target_name(),
    ]
}
