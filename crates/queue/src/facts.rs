//! A bounded number of facts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use image_sync_shared::digest::Digest;

/// Facts by their key, at most `capacity`: the oldest is dropped first.
pub(crate) struct Facts {
    capacity: usize,
    digests: HashMap<Arc<str>, Digest>,
    by_age: VecDeque<Arc<str>>,
}

impl Facts {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            digests: HashMap::new(),
            by_age: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.digests.len()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Digest> {
        self.digests.get(key)
    }

    /// Adds a fact or replaces it, and says whether that is news.
    pub(crate) fn insert(&mut self, key: &str, digest: Digest) -> bool {
        if let Some(known) = self.digests.get_mut(key) {
            return std::mem::replace(known, digest.clone()) != digest;
        }
        let key: Arc<str> = key.into();
        self.by_age.push_back(Arc::clone(&key));
        self.digests.insert(key, digest);
        if self.digests.len() > self.capacity
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.digests.remove(&oldest);
        }
        true
    }

    /// All facts, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Digest)> {
        self.by_age
            .iter()
            .filter_map(|key| Some((key.as_ref(), self.digests.get(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_facts_is_bounded_and_the_oldest_goes_first() {
        let digest = Digest::of(b"x");
        let mut facts = Facts::new(3);
        for number in 0..100 {
            assert!(facts.insert(&number.to_string(), digest.clone()));
        }
        let keys: Vec<&str> = facts.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["97", "98", "99"]);
        assert_eq!((facts.len(), facts.get("96")), (3, None));
    }

    #[test]
    fn a_fact_is_news_only_if_it_was_not_known_like_that() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut facts = Facts::new(3);
        assert!(facts.insert("key", one.clone()));
        assert!(!facts.insert("key", one));
        assert!(facts.insert("key", two.clone()));
        assert_eq!((facts.len(), facts.get("key")), (1, Some(&two)));
    }
}
