//! Tokens that one registry accepts.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::panics::lock;
use image_sync_shared::secret::Secret;
use lru::LruCache;
use tokio::time::Instant;

use super::scopes::Scopes;
use crate::single_flight::SingleFlight;

/// How long a token lasts where its server does not say, as the distribution project's token specification has it.
pub(crate) const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// How long before its end a token is no longer used, at most; of a short life a quarter.
const MARGIN: Duration = Duration::from_secs(15);
/// Tokens kept; catalogs of any length must not take more memory.
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// A token and how long it may be used.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    until: Instant,
}

impl Token {
    /// A token that was asked for at `asked` and lasts `lifetime` from then on.
    pub(crate) fn new(value: Secret, asked: Instant, lifetime: Duration) -> Self {
        let usable = lifetime.saturating_sub(MARGIN.min(lifetime / 4));
        // A lifetime beyond what the clock can count ends a day later, which costs a request.
        let day = Duration::from_secs(24 * 60 * 60);
        let until = asked.checked_add(usable).unwrap_or(asked + day);
        Self { value, until }
    }

    /// Whether it can still be used.
    pub(crate) fn lasts(&self) -> bool {
        Instant::now() < self.until
    }
}

/// The tokens of one registry, each found out once for all who need it.
pub(crate) struct TokenCache {
    kept: Mutex<LruCache<Scopes, Slot>>,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self {
            kept: Mutex::new(LruCache::new(MAX_KEPT)),
        }
    }
}

#[derive(Default)]
struct Slot {
    flight: Arc<SingleFlight<Token>>,
    /// What the registry demands in place of the scopes by which the token is kept.
    demanded: Option<Scopes>,
}

impl TokenCache {
    /// Where the token for `scopes` is, or is to be.
    pub(crate) fn slot(&self, scopes: &Scopes) -> Arc<SingleFlight<Token>> {
        self.with_slot(scopes, |slot| Arc::clone(&slot.flight))
    }

    /// What a token for `scopes` is asked for with.
    pub(crate) fn wanted(&self, scopes: &Scopes) -> Scopes {
        self.with_slot(scopes, |slot| {
            slot.demanded.clone().unwrap_or_else(|| scopes.clone())
        })
    }

    /// Takes up what a challenge demands of who asks for `scopes`, and says whether that is something new. The token that
    /// is there is no more used then.
    pub(crate) fn demand(&self, scopes: &Scopes, demanded: &str) -> bool {
        self.with_slot(scopes, |slot| {
            let known = slot.demanded.as_ref().unwrap_or(scopes);
            let Some(further) = known.as_demanded(demanded) else {
                return false;
            };
            slot.demanded = Some(further);
            // Replaced and not emptied: a token that is being fetched for the former scopes must not land here.
            slot.flight = Arc::default();
            true
        })
    }

    fn with_slot<T>(&self, scopes: &Scopes, use_it: impl FnOnce(&mut Slot) -> T) -> T {
        let mut kept = lock(&self.kept);
        use_it(kept.get_or_insert_mut(scopes.clone(), Slot::default))
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::job::Access;

    use super::*;

    fn scopes(name: usize) -> Scopes {
        Scopes::new(&format!("r{name}"), Access::Pull, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_not_used_to_its_very_end() {
        let token = |seconds| {
            let lifetime = Duration::from_secs(seconds);
            Token::new(Secret::new("t"), Instant::now(), lifetime)
        };
        let (short, usual) = (token(4), token(60));
        assert!(short.lasts() && usual.lasts());
        assert!(!token(0).lasts());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(!short.lasts());
        tokio::time::advance(Duration::from_secs(41)).await;
        assert!(usual.lasts());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!usual.lasts());
        assert!(token(u64::MAX).lasts());
    }

    #[test]
    fn a_long_catalog_keeps_no_more_than_the_last_tokens() {
        let cache = TokenCache::default();
        let many = 10 * MAX_KEPT.get();
        for name in 0..many {
            cache.slot(&scopes(name));
        }
        let kept = cache.kept.lock().unwrap();
        assert_eq!(kept.len(), MAX_KEPT.get());
        assert!(kept.contains(&scopes(many - 1)));
        assert!(!kept.contains(&scopes(0)));
    }
}
