//! A bounded number of facts.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::ports::memo::is_proof_good;
use lru::LruCache;
use time::OffsetDateTime;

/// What a fact leads to, and when that was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) digest: Digest,
    pub(crate) at: OffsetDateTime,
}

/// Facts by their key, at most `capacity`: the oldest is dropped first.
pub(crate) struct Facts {
    capacity: usize,
    proven: LruCache<Box<str>, Proven>,
}

impl Facts {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            // With a bound it would take all the room at once.
            proven: LruCache::unbounded(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.proven.len()
    }

    /// What a fact leads to, if its proof is good at `now`.
    pub(crate) fn get(&self, key: &str, now: OffsetDateTime) -> Option<&Digest> {
        let Proven { digest, at } = self.proven.peek(key)?;
        is_proof_good(key, *at, now).then_some(digest)
    }

    /// What a fact that is proven once for all leads to, and its time.
    pub(crate) fn get_lasting(&self, key: &str) -> Option<&Proven> {
        self.proven.peek(key)
    }

    /// Adds a fact or replaces it, and says whether that is news: it was not known like that, or not by a proof that is still
    /// good.
    pub(crate) fn insert(&mut self, key: &str, new: Proven) -> bool {
        if let Some(known) = self.proven.peek_mut(key) {
            let is_known = known.digest == new.digest && is_proof_good(key, known.at, new.at);
            if !is_known {
                *known = new;
            }
            return !is_known;
        }
        self.proven.put(key.into(), new);
        if self.proven.len() > self.capacity {
            self.proven.pop_lru();
        }
        true
    }

    /// Adds a fact or replaces it, whatever its proof is worth.
    pub(crate) fn replace(&mut self, key: &str, new: Proven) {
        match self.proven.peek_mut(key) {
            Some(known) => *known = new,
            None => {
                self.insert(key, new);
            }
        }
    }

    /// All facts, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Proven)> {
        self.proven
            .iter()
            .rev()
            .map(|(key, proven)| (&**key, proven))
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn proven(text: &[u8], at: OffsetDateTime) -> Proven {
        let digest = Digest::of(text);
        Proven { digest, at }
    }

    #[test]
    fn the_number_of_facts_is_bounded_and_the_oldest_goes_first() {
        let mut facts = Facts::new(3);
        for number in 0..100 {
            assert!(facts.insert(&number.to_string(), proven(b"x", NOW)));
        }
        let keys: Vec<&str> = facts.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["97", "98", "99"]);
        assert_eq!((facts.len(), facts.get("96", NOW)), (3, None));
    }

    #[test]
    fn a_fact_is_news_only_if_it_was_not_known_like_that() {
        let (one, two) = (proven(b"1", NOW), proven(b"2", NOW));
        let mut facts = Facts::new(3);
        assert!(facts.insert("key", one.clone()));
        assert!(!facts.insert("key", one));
        assert!(facts.insert("key", two.clone()));
        assert_eq!((facts.len(), facts.get("key", NOW)), (1, Some(&two.digest)));
    }

    #[test]
    fn a_fact_counts_for_some_days_after_its_proof_and_a_new_proof_is_news() {
        let mut facts = Facts::new(3);
        facts.insert("key", proven(b"1", NOW));
        let later = NOW + Duration::days(8);
        assert_eq!(facts.get("key", later), None);
        assert!(facts.insert("key", proven(b"1", later)));
        assert_eq!(facts.get("key", later), Some(&Digest::of(b"1")));
        assert!(!facts.insert("key", proven(b"1", later + Duration::DAY)));
        let soon = NOW + Duration::DAY;
        facts.insert("yet to come", proven(b"1", later));
        assert_eq!(facts.get("yet to come", soon), None);
    }
}
