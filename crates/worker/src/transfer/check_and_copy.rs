//! One attempt at a job: check, then copy what differs.

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::Failure;
use image_sync_shared::job::{Job, Remote};
use image_sync_shared::manifest::{Manifest, RawManifest};
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::memo::Fact;
use tokio::sync::{OnceCell, SemaphorePermit};
use tracing::{Instrument as _, debug_span, info, warn};

use crate::context::Workshop;
use crate::context::lease_guard::Keeper;
use crate::context::time_limit::TimeLimit;
use crate::decide::plan::Node;
use crate::decide::platforms::{self, Choice};
use crate::decide::tally::Ledger;
use crate::decide::verdict::{self, Found, Verdict};
use crate::transfer::check;
use crate::transfer::missing_at_source::{Unserved, is_unserved};
use crate::transfer::requests::Calls;
use crate::transfer::target::Memory;

/// What an attempt works with.
pub(crate) struct Attempt<'a> {
    /// What all jobs of this process share.
    pub(crate) workshop: &'a Workshop,
    /// The job.
    pub(crate) job: &'a Job,
    /// Where the image comes from.
    pub(crate) source: Remote,
    /// Where it goes to.
    pub(crate) target: Remote,
    /// The requests to both.
    pub(crate) calls: Calls<'a>,
    /// What is found and done.
    pub(crate) ledger: &'a Ledger,
    /// Keeps the lease.
    pub(crate) keeper: &'a Keeper<'a>,
    /// How long it may take.
    pub(crate) limit: &'a TimeLimit,
    /// Whether what is remembered of the target is trusted.
    pub(crate) memory: Memory,
    /// What the source does not serve.
    pub(crate) unserved: Unserved,
    /// The right to hold the manifests of a large image, once it has turned out to be one.
    pub(crate) large: OnceCell<SemaphorePermit<'a>>,
}

/// The manifest that stands for the wanted platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// It is still to be read.
    Unread(Digest),
    /// It was read, or made from what was read.
    Read(RawManifest),
}

impl Root {
    /// Its digest.
    pub(crate) fn digest(&self) -> &Digest {
        match self {
            Self::Unread(digest) => digest,
            Self::Read(raw) => &raw.digest,
        }
    }
}

impl Attempt<'_> {
    /// Works the job. What it found stays in the ledger, however it ends. Where the source does not have what its tag stood for,
    /// the tag may have moved meanwhile, or what it stands for may not have come everywhere yet: it is resolved once more.
    pub(crate) async fn run(&self) -> Result<Action, Failure> {
        let failure = match self.run_once().await {
            Err(failure) if is_unserved(&failure) => failure,
            ended => return ended,
        };
        info!(error = %failure, "the source does not have it: resolving its tag once more");
        tokio::time::sleep(self.calls.tries.delay(1)).await;
        self.ledger.account().look_anew();
        self.run_once().await
    }

    async fn run_once(&self) -> Result<Action, Failure> {
        let found = check::look(self.calls, self.job)
            .instrument(debug_span!("check"))
            .await?;
        let target_tag = found.target.as_ref().map(|target| target.digest.clone());
        {
            let mut account = self.ledger.account();
            account.remote = Some(found.source.digest.clone());
            account.cached.clone_from(&target_tag);
        }
        let target = &self.target.repository;
        self.workshop.blobs.met(target, target_tag.is_some());
        let memo = self.workshop.ports.memo.as_ref();
        let now = self.workshop.ports.clock.now();
        let remembered = check::recall(memo, &found, &self.job.platforms, target, now).await;
        match verdict::verdict(&found, &self.job.platforms, &remembered) {
            Verdict::InPlace(digest) => Ok(self.in_place(digest)),
            Verdict::NeedsManifest => self.choose_and_bring(&found).await,
            Verdict::Copy(digest) => self.bring(Root::Unread(digest), &found).await,
        }
    }

    async fn choose_and_bring(&self, found: &Found) -> Result<Action, Failure> {
        let index = &found.source.digest;
        let known = self.unserved.met().len();
        let root = self.choose(index).await?;
        let failure = match self.bring_chosen(root, found).await {
            Err(failure) if self.unserved.met().len() > known => failure,
            ended => return ended,
        };
        let left_out = u32::try_from(self.unserved.met().len()).unwrap_or(u32::MAX);
        self.ledger.account().attestations_left_out = left_out;
        warn!(left_out, error = %failure, "attestations that the source does not serve are left out");
        let root = self.choose(index).await?;
        self.bring_chosen(root, found).await
    }

    async fn bring_chosen(&self, root: Root, found: &Found) -> Result<Action, Failure> {
        let (memo, now) = (&self.workshop.ports.memo, self.workshop.ports.clock.now());
        let fact = Fact::Chosen {
            index: found.source.digest.clone(),
            platforms: self.job.platforms.clone(),
        };
        memo.remember(&fact, root.digest(), now).await;
        if let Some(target) = found.target.as_ref().map(|target| &target.digest) {
            let repository = &self.target.repository;
            let refused = root.digest().clone();
            let converted = check::recall_converted(memo.as_ref(), refused, repository, now).await;
            if verdict::is_in_place(target, root.digest(), converted.as_ref()) {
                return Ok(self.in_place(target.clone()));
            }
        }
        self.bring(root, found).await
    }

    /// Reads the source's manifest and chooses the platforms from it.
    async fn choose(&self, digest: &Digest) -> Result<Root, Failure> {
        let raw = self.pull_root(digest).await?;
        let node = Node::read(raw)?;
        let Manifest::Index { children } = &node.refers else {
            return Ok(Root::Read(node.raw));
        };
        let unserved = self.unserved.met();
        let chosen = platforms::choose(&node.raw, children, &self.job.platforms, &unserved)?;
        Ok(match chosen {
            Choice::Whole => Root::Read(node.raw),
            Choice::Child(digest) => Root::Unread(digest),
            Choice::Index(raw) => Root::Read(raw),
        })
    }

    async fn bring(&self, root: Root, found: &Found) -> Result<Action, Failure> {
        self.ledger.account().expected = Some(root.digest().clone());
        if self.job.policy.dry_run {
            return self.tell_what_is_missing(root, found).await;
        }
        self.keeper.acquire().await?;
        self.copy(root, found).instrument(debug_span!("copy")).await
    }

    /// The target has `digest`, which is the right one.
    pub(crate) fn in_place(&self, digest: Digest) -> Action {
        self.ledger.account().expected = Some(digest);
        Action::AlreadyCached
    }
}
