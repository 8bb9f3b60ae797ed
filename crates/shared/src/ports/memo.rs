//! Facts about content that never change, so that they need not be asked for again.

use async_trait::async_trait;

use crate::digest::Digest;
use crate::platform::Platforms;

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// The digest that stands for some platforms of an index.
    Chosen {
        /// The index.
        index: Digest,
        /// The platforms.
        platforms: Platforms,
    },
    /// The digest of a manifest after the target's registry refused it as it was.
    Converted {
        /// The refused manifest.
        refused: Digest,
        /// The registry's host.
        host: String,
    },
}

impl Fact {
    /// The key under which the fact is kept.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Chosen { index, platforms } => format!("chosen/{index}/{platforms}"),
            Self::Converted { refused, host } => format!("converted/{refused}/{host}"),
        }
    }
}

/// Remembers facts. Losing one costs a request, nothing else, so nothing here fails.
#[async_trait]
pub trait Memo: Send + Sync {
    /// The digest that `fact` leads to, if it is remembered.
    async fn recall(&self, fact: &Fact) -> Option<Digest>;

    /// Remembers that `fact` leads to `digest`.
    async fn remember(&self, fact: &Fact, digest: &Digest);
}
