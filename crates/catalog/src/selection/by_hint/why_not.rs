//! Why an event is about no image.

use std::fmt;

use image_sync_shared::image::hint::{Hint, HintAction};

/// Why an event is about no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhyNot {
    /// No image of the catalog has this repository.
    UnknownRepository,
    /// Some have it, and none of them this tag.
    UnwantedTag,
    /// Neither a tag that is wanted nor a digest that is pinned, nor an image with artifacts.
    NothingNamed,
    /// Images have the digest of their source in their tags at their targets, and it was not told.
    DigestNotTold,
    /// What is deleted at a source stays where it was copied to.
    DeletedAtSource,
}

impl WhyNot {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::UnknownRepository,
        Self::UnwantedTag,
        Self::NothingNamed,
        Self::DigestNotTold,
        Self::DeletedAtSource,
    ];

    /// Why there are no images, though their repository may be that of a source or of a target.
    pub(super) fn of(hint: &Hint, is_source: bool, is_target: bool) -> Self {
        match (hint.action, &hint.tag) {
            _ if !is_source && !is_target => Self::UnknownRepository,
            (HintAction::Deleted, _) if !is_target => Self::DeletedAtSource,
            (_, Some(_)) => Self::UnwantedTag,
            (_, None) => Self::NothingNamed,
        }
    }

    /// One word for it, as metrics have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UnknownRepository => "unknown_repository",
            Self::UnwantedTag => "unwanted_tag",
            Self::NothingNamed => "nothing_named",
            Self::DigestNotTold => "digest_not_told",
            Self::DeletedAtSource => "deleted_at_source",
        }
    }
}

/// A part of a sentence.
impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownRepository => "no image of the config has this repository",
            Self::UnwantedTag => "no image of the config has this tag",
            Self::NothingNamed => {
                "it names no tag, and no image of the config has this digest, or artifacts"
            }
            Self::DigestNotTold => "it does not tell the digest that is in the tag at the target",
            Self::DeletedAtSource => {
                "it was deleted at its source, which takes nothing away from its targets"
            }
        })
    }
}
