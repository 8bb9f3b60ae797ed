//! One attempt at a job: check, then copy what differs.

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::Failure;
use image_sync_shared::job::{Job, Remote};
use image_sync_shared::manifest::{Manifest, RawManifest};
use image_sync_shared::outcome::Action;
use image_sync_shared::ports::memo::Fact;
use tokio::sync::{OnceCell, SemaphorePermit};
use tracing::{Instrument as _, debug_span, info, warn};

use crate::context::WorkerContext;
use crate::context::lease_guard::LeaseGuard;
use crate::context::time_limit::TimeLimit;
use crate::decide::plan::Node;
use crate::decide::platforms::{self, Choice};
use crate::decide::tally::SharedTally;
use crate::decide::verdict::{self, ResolvedTags, Verdict};
use crate::transfer::check;
use crate::transfer::missing_at_source::{MissingAttestations, is_missing_at_source};
use crate::transfer::requests::Requests;
use crate::transfer::target::Memory;

/// What an attempt works with.
pub(crate) struct Attempt<'a> {
    /// What all jobs of this process share.
    pub(crate) context: &'a WorkerContext,
    /// The job.
    pub(crate) job: &'a Job,
    /// Where the image comes from.
    pub(crate) source: Remote,
    /// Where it goes to.
    pub(crate) target: Remote,
    /// The requests to both.
    pub(crate) requests: Requests<'a>,
    /// What is found and done.
    pub(crate) tally: &'a SharedTally,
    /// Keeps the lease.
    pub(crate) lease_guard: &'a LeaseGuard<'a>,
    /// How long it may take.
    pub(crate) limit: &'a TimeLimit,
    /// Whether what is remembered of the target is trusted.
    pub(crate) memory: Memory,
    /// What the source does not serve.
    pub(crate) missing_attestations: MissingAttestations,
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
    /// Works the job. What it found stays in the tally, however it ends. Where the source does not have what its tag stood for,
    /// the tag may have moved meanwhile, or what it stands for may not have come everywhere yet: it is resolved once more.
    pub(crate) async fn run(&self) -> Result<Action, Failure> {
        let failure = match self.run_once().await {
            Err(failure) if is_missing_at_source(&failure) => failure,
            ended => return ended,
        };
        info!(error = %failure, "the source does not have it: resolving its tag once more");
        tokio::time::sleep(self.requests.retry.delay(1)).await;
        self.tally.lock().recount();
        self.run_once().await
    }

    async fn run_once(&self) -> Result<Action, Failure> {
        let tags = check::look(self.requests, self.job)
            .instrument(debug_span!("check"))
            .await?;
        let target_tag = tags.target.as_ref().map(|target| target.digest.clone());
        {
            let mut tally = self.tally.lock();
            tally.remote = Some(tags.source.digest.clone());
            tally.cached.clone_from(&target_tag);
        }
        let target = &self.target.repository;
        self.context.blobs.met(target, target_tag.is_some());
        let memo = self.context.ports.memo.as_ref();
        let now = self.context.ports.clock.now();
        let remembered = check::recall(memo, &tags, &self.job.platforms, target, now).await;
        match verdict::verdict(&tags, &self.job.platforms, &remembered) {
            Verdict::UpToDate(digest) => Ok(self.up_to_date(digest)),
            Verdict::NeedsManifest => self.choose_and_bring(&tags).await,
            Verdict::Copy(digest) => self.bring(Root::Unread(digest), &tags).await,
        }
    }

    async fn choose_and_bring(&self, tags: &ResolvedTags) -> Result<Action, Failure> {
        let index = &tags.source.digest;
        let known = self.missing_attestations.all().len();
        let root = self.choose(index).await?;
        let failure = match self.bring_chosen(root, tags).await {
            Err(failure) if self.missing_attestations.all().len() > known => failure,
            ended => return ended,
        };
        let left_out = u32::try_from(self.missing_attestations.all().len()).unwrap_or(u32::MAX);
        self.tally.lock().attestations_left_out = left_out;
        warn!(left_out, error = %failure, "attestations that the source does not serve are left out");
        let root = self.choose(index).await?;
        self.bring_chosen(root, tags).await
    }

    async fn bring_chosen(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        let (memo, now) = (&self.context.ports.memo, self.context.ports.clock.now());
        let fact = Fact::Chosen {
            index: tags.source.digest.clone(),
            platforms: self.job.platforms.clone(),
        };
        memo.remember(&fact, root.digest(), now).await;
        if let Some(target) = tags.target.as_ref().map(|target| &target.digest) {
            let repository = &self.target.repository;
            let refused = root.digest().clone();
            let converted = check::recall_converted(memo.as_ref(), refused, repository, now).await;
            if verdict::is_up_to_date(target, root.digest(), converted.as_ref()) {
                return Ok(self.up_to_date(target.clone()));
            }
        }
        self.bring(root, tags).await
    }

    /// Reads the source's manifest and chooses the platforms from it.
    async fn choose(&self, digest: &Digest) -> Result<Root, Failure> {
        let raw = self.pull_root(digest).await?;
        let node = Node::read(raw)?;
        let Manifest::Index { children } = &node.refers else {
            return Ok(Root::Read(node.raw));
        };
        let missing_attestations = self.missing_attestations.all();
        let chosen = platforms::choose(
            &node.raw,
            children,
            &self.job.platforms,
            &missing_attestations,
        )?;
        Ok(match chosen {
            Choice::Whole => Root::Read(node.raw),
            Choice::Child(digest) => Root::Unread(digest),
            Choice::Index(raw) => Root::Read(raw),
        })
    }

    async fn bring(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        self.tally.lock().expected = Some(root.digest().clone());
        if self.job.policy.dry_run {
            return self.tell_what_is_missing(root, tags).await;
        }
        self.lease_guard.acquire().await?;
        self.copy(root, tags).instrument(debug_span!("copy")).await
    }

    /// The target has `digest`, which is the right one.
    pub(crate) fn up_to_date(&self, digest: Digest) -> Action {
        self.tally.lock().expected = Some(digest);
        Action::AlreadyCached
    }
}
