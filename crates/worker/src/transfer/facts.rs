//! What is remembered of digests from run to run, so that an image that is up to date need not be read again.

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::memo::{Fact, Memo};
use image_sync_shared::run::job::{Job, Referrers, Remote};

use crate::decide::verdict::{Remembered, ResolvedTags, needs_choice};

/// The facts about the images of one target. Nothing is ever written on their word.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Where they are kept.
    pub(crate) memo: &'a dyn Memo,
    /// Tells how old their proofs are.
    pub(crate) clock: &'a dyn Clock,
    /// The target.
    pub(crate) target: &'a Repository,
}

impl Facts<'_> {
    /// Recalls what may show that the target is up to date, asking no more than that takes.
    pub(crate) async fn recall(&self, tags: &ResolvedTags, job: &Job) -> Remembered {
        let platforms = &job.platforms;
        let mut remembered = Remembered::default();
        let Some(at_target) = &tags.target else {
            return remembered;
        };
        let mut expected = tags.source.digest.clone();
        if needs_choice(&tags.source, platforms) {
            let fact = Fact::Chosen {
                index: expected,
                platforms: platforms.clone(),
                missing: job.policy.image.platform_missing,
            };
            // Without the choice there is nothing to compare with, and the second fact is of no use.
            let Some(chosen) = self.memo.recall(&fact, self.clock.now()).await else {
                return remembered;
            };
            remembered.chosen = Some(chosen.clone());
            expected = chosen;
        }
        // Recalled only where the first answer leaves it open: a recall may be a request to the queue's server.
        if expected != at_target.digest {
            remembered.converted = self.recall_converted(&expected).await;
        }
        remembered
    }

    /// What the target's registry has in the place of `expected`, if that is remembered.
    pub(crate) async fn recall_converted(&self, expected: &Digest) -> Option<Digest> {
        let fact = self.converted(expected)?;
        self.memo.recall(&fact, self.clock.now()).await
    }

    /// Remembers which digest stands for some platforms of `index`.
    pub(crate) async fn remember_chosen(&self, index: &Digest, job: &Job, chosen: &Digest) {
        let fact = Fact::Chosen {
            index: index.clone(),
            platforms: job.platforms.clone(),
            missing: job.policy.image.platform_missing,
        };
        self.memo.remember(&fact, chosen, self.clock.now()).await;
    }

    /// Remembers that the target's registry has `digest` in the place of `expected`.
    pub(crate) async fn remember_converted(&self, expected: &Digest, digest: &Digest) {
        if let Some(fact) = self.converted(expected) {
            self.memo.remember(&fact, digest, self.clock.now()).await;
        }
    }

    /// Whether nothing belongs to `image` of `source`, by an answer that is not old: to its manifest, or to what it lists too as far
    /// as some platforms choose it.
    pub(crate) async fn is_bare(
        &self,
        source: &Remote,
        image: &Digest,
        policy: &Referrers,
        with_listed: Option<&Platforms>,
    ) -> bool {
        let fact = bare(source, image, policy, with_listed);
        self.memo.recall(&fact, self.clock.now()).await.is_some()
    }

    /// Remembers that nothing belongs to it.
    pub(crate) async fn remember_bare(
        &self,
        source: &Remote,
        image: &Digest,
        policy: &Referrers,
        with_listed: Option<&Platforms>,
    ) {
        let fact = bare(source, image, policy, with_listed);
        self.memo.remember(&fact, image, self.clock.now()).await;
    }

    fn converted(&self, refused: &Digest) -> Option<Fact> {
        Some(Fact::Converted {
            refused: refused.clone(),
            // A folder takes any manifest as it is: nothing is converted for it.
            host: self.target.host()?.to_owned(),
        })
    }
}

/// That nothing belongs to `image`, of the types that are wanted.
fn bare(
    source: &Remote,
    image: &Digest,
    policy: &Referrers,
    with_listed: Option<&Platforms>,
) -> Fact {
    let of = with_listed.map_or_else(
        || "manifest".to_owned(),
        |platforms| format!("image/{platforms}"),
    );
    let types = format!("{:?} {:?}", policy.types, policy.exclude);
    Fact::NoArtifacts {
        repository: source.repository.clone(),
        image: image.clone(),
        of: format!("{of}/{}", Digest::of(types.as_bytes()).short()),
    }
}
