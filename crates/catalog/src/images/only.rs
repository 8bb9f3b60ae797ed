//! Images that a glob matches.

use globset::GlobMatcher;
use image_sync_shared::config::ImageSpec;

/// A glob for names of images.
#[derive(Clone, Debug)]
pub(crate) struct Only(GlobMatcher);

impl Only {
    pub(crate) fn new(glob: GlobMatcher) -> Self {
        Self(glob)
    }

    /// Whether it matches any name of `image` as a whole.
    pub(crate) fn matches(&self, image: &ImageSpec) -> bool {
        names(image).iter().any(|name| self.0.is_match(name))
    }
}

impl PartialEq for Only {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
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
