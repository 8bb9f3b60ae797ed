//! When images were created, by the word of their configurations (OCI image spec, config.md, `created`).

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::image::digest::Digest;
use crate::image::platform::Platforms;

/// An image that has one configuration: what it says never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DatedImage {
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Of an index the platforms that are wanted, as each child has a configuration of its own.
    pub platforms: Option<Platforms>,
}

impl DatedImage {
    /// The key under which its creation time is kept.
    #[must_use]
    pub fn key(&self) -> String {
        let Self { digest, platforms } = self;
        match platforms {
            Some(platforms) => format!("created/{digest}/{platforms}"),
            None => format!("created/{digest}"),
        }
    }
}

/// Remembers creation times, in whole seconds, for as long as there is room: what a digest stands for does not change. Losing
/// one costs some requests, nothing else, so nothing here fails. Of an image that states none, the time is 1970's first second,
/// as it is of many that state it to be reproducible.
#[async_trait]
pub trait CreationTimes: Send + Sync {
    /// When `image` was created, if that is remembered.
    async fn recall_created(&self, image: &DatedImage) -> Option<OffsetDateTime>;

    /// Remembers when `image` was created.
    async fn remember_created(&self, image: &DatedImage, at: OffsetDateTime);
}
