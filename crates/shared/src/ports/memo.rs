//! Facts about content that never change, so that they need not be asked for again. Not asked again for ever: what is
//! remembered may be wrong, by a defect or by somebody's will, and then an image would look up to date that is not. So a
//! fact counts for some days after it was proven, that is found out from the content itself, and is proven anew then.

use std::sync::Arc;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use crate::image::digest::Digest;
use crate::image::platform::Platforms;
use crate::image::reference::Repository;
use crate::run::job::PlatformMissing;
use crate::secret::mac::MacKey;

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// The digest that stands for some platforms of an index.
    Chosen {
        /// The index.
        index: Digest,
        /// The platforms.
        platforms: Platforms,
        /// What became of those that the index does not have.
        missing: PlatformMissing,
    },
    /// The digest of a manifest after the target's registry refused it as it was.
    Converted {
        /// The refused manifest.
        refused: Digest,
        /// The registry's host.
        host: String,
    },
    /// That nothing refers to an image, so that there is no artifact to be copied with it. It may be otherwise soon, so its proof
    /// does not hold for days.
    NoArtifacts {
        /// The repository where they would be.
        repository: Repository,
        /// The image.
        image: Digest,
        /// Which artifacts are meant, and of what: of it alone, or of what it lists too.
        of: String,
    },
}

impl Fact {
    /// The key under which the fact is kept.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Chosen {
                index,
                platforms,
                missing: PlatformMissing::Fail,
            } => format!("chosen/{index}/{platforms}"),
            Self::Chosen {
                index,
                platforms,
                missing: PlatformMissing::Skip,
            } => format!("available/{index}/{platforms}"),
            Self::Converted { refused, host } => format!("converted/{refused}/{host}"),
            Self::NoArtifacts {
                repository,
                image,
                of,
            } => format!("{PASSING}{of}/{image}/{repository}"),
        }
    }
}

/// How long a proof holds at least. It holds for up to [`SPREAD`] longer, so that what was proven at once is not all due at
/// once.
const HOLDS: Duration = Duration::days(6);
/// The most that is added.
const SPREAD: Duration = Duration::days(2);
/// How the keys of facts begin that may be otherwise soon.
const PASSING: &str = "no-artifacts/";
/// How long a proof of such a fact holds, and the most that is added.
const PASSING_HOLDS: Duration = Duration::hours(1);
const PASSING_SPREAD: Duration = Duration::minutes(20);
/// How far the clocks of two machines may be apart: a proof of a time that is yet to come is none.
const SKEW: Duration = Duration::hours(1);

/// Whether the fact of this key, which was proven at `proven_at`, counts without being proven anew.
#[must_use]
pub fn is_proof_good(key: &str, proven_at: OffsetDateTime, now: OffsetDateTime) -> bool {
    // By the key, and not drawn: all who look at a fact find it due at the same time.
    let part = Digest::of(key.as_bytes())
        .hex()
        .bytes()
        .map(u32::from)
        .sum::<u32>()
        % 48;
    let (holds, spread) = if key.starts_with(PASSING) {
        (PASSING_HOLDS, PASSING_SPREAD)
    } else {
        (HOLDS, SPREAD)
    };
    let holds = holds + spread * part / 48;
    let age = now - proven_at;
    (-SKEW..holds).contains(&age)
}

/// Remembers facts. Losing one costs a request, nothing else, so nothing here fails.
#[async_trait]
pub trait Memo: Send + Sync {
    /// The digest that `fact` leads to, if it is remembered with a proof that is good at `now` ([`is_proof_good`]) and that
    /// nobody else can have made.
    async fn recall(&self, fact: &Fact, now: OffsetDateTime) -> Option<Digest>;

    /// Remembers that `fact` leads to `digest`, which was proven at `now`.
    async fn remember(&self, fact: &Fact, digest: &Digest, now: OffsetDateTime);
}

/// Gives out memos.
pub trait Memos: Send + Sync {
    /// The facts that are shared with all who have the same `key`; without a key with nobody.
    fn of(&self, key: Option<MacKey>) -> Arc<dyn Memo>;
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_proof_holds_for_six_to_eight_days_and_none_comes_from_the_future() {
        let now = datetime!(2026-11-20 12:00 UTC);
        let (mut ends, hour) = (std::collections::BTreeSet::new(), Duration::HOUR);
        for number in 0..200 {
            let key = format!("chosen/{number}");
            let is_good = |age| is_proof_good(&key, now - age, now);
            assert!(is_good(Duration::ZERO) && is_good(HOLDS - hour), "{key}");
            assert!(!is_good(HOLDS + SPREAD), "{key}");
            assert!(is_good(-SKEW) && !is_good(-2 * SKEW), "{key}");
            ends.insert((0..48).find(|hours| !is_good(HOLDS + hour * *hours)));
        }
        assert!(ends.len() > 24, "they are not all due at once: {ends:?}");
    }

    #[test]
    fn that_there_are_no_artifacts_holds_for_an_hour_and_some_minutes() {
        let fact = Fact::NoArtifacts {
            repository: "quay.io/a/b".parse().unwrap(),
            image: Digest::of(b"an image"),
            of: "image".to_owned(),
        };
        let (now, key) = (datetime!(2026-11-20 12:00 UTC), fact.key());
        let is_good = |age| is_proof_good(&key, now - age, now);
        assert!(is_good(PASSING_HOLDS - Duration::MINUTE));
        assert!(!is_good(PASSING_HOLDS + PASSING_SPREAD));
    }
}
