//! What events of a short time ago said: deliveries that come again, and the tags of digests.

use std::num::NonZeroUsize;
use std::time::Duration;

use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::image::digest::Digest;
use lru::LruCache;
use time::OffsetDateTime;

/// How long a delivery is known that comes again.
const DELIVERIES_FOR: Duration = Duration::from_secs(600);
/// How many deliveries are known, at most.
const DELIVERIES: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// Of how many digests the tags are known, at most.
const DIGESTS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();
/// How many tags of a digest are known, the latest.
const TAGS: usize = 16;

/// A manifest in a repository of a registry.
type Manifest = (Option<String>, String, Digest);

/// What is remembered. Its memory is bounded.
#[derive(Debug)]
pub(crate) struct Seen {
    deliveries: LruCache<(Sender, String), OffsetDateTime>,
    tags: LruCache<Manifest, Vec<String>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            deliveries: LruCache::new(DELIVERIES),
            tags: LruCache::new(DIGESTS),
        }
    }
}

impl Seen {
    /// Whether the jobs of this delivery were stored a short time ago.
    pub(crate) fn was_stored(&self, sender: Sender, id: &str, now: OffsetDateTime) -> bool {
        let stored = self.deliveries.peek(&(sender, id.to_owned()));
        stored.is_some_and(|at| now < *at + DELIVERIES_FOR)
    }

    /// The jobs of this delivery are stored.
    pub(crate) fn stored(&mut self, sender: Sender, id: String, now: OffsetDateTime) {
        self.deliveries.put((sender, id), now);
    }

    /// A manifest of a repository has got a tag.
    pub(crate) fn tagged(
        &mut self,
        registry: Option<&str>,
        repository: &str,
        digest: &Digest,
        tag: &str,
    ) {
        let key = key(registry, repository, digest);
        let tags = self.tags.get_or_insert_mut(key, Vec::new);
        tags.retain(|known| known != tag);
        tags.push(tag.to_owned());
        if tags.len() > TAGS {
            tags.remove(0);
        }
    }

    /// The tags that a manifest has got.
    pub(crate) fn tags(
        &mut self,
        registry: Option<&str>,
        repository: &str,
        digest: &Digest,
    ) -> Vec<String> {
        let tags = self.tags.get(&key(registry, repository, digest));
        tags.cloned().unwrap_or_default()
    }
}

fn key(registry: Option<&str>, repository: &str, digest: &Digest) -> Manifest {
    let registry = registry.map(str::to_owned);
    (registry, repository.to_owned(), digest.clone())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    #[test]
    fn a_delivery_is_known_for_ten_minutes_by_its_sender_and_id() {
        let mut seen = Seen::default();
        seen.stored(Sender::GitHub, "1".to_owned(), NOW);
        assert!(seen.was_stored(Sender::GitHub, "1", NOW + Duration::from_secs(599)));
        assert!(!seen.was_stored(Sender::GitHub, "1", NOW + Duration::from_secs(600)));
        assert!(!seen.was_stored(Sender::GitHub, "2", NOW));
        assert!(!seen.was_stored(Sender::Harbor, "1", NOW));
    }

    #[test]
    fn a_digest_has_its_latest_tags_in_its_repository() {
        let mut seen = Seen::default();
        let digest = Digest::of(b"x");
        for tag in 0..20 {
            let tag = tag.to_string();
            seen.tagged(Some("ghcr.io"), "a/b", &digest, &tag);
            seen.tagged(Some("ghcr.io"), "a/b", &digest, &tag);
        }
        let tags = seen.tags(Some("ghcr.io"), "a/b", &digest);
        assert_eq!(tags.len(), TAGS);
        assert_eq!((tags[0].as_str(), tags[15].as_str()), ("4", "19"));
        assert!(seen.tags(Some("ghcr.io"), "a/c", &digest).is_empty());
        assert!(seen.tags(None, "a/b", &digest).is_empty());
    }
}
