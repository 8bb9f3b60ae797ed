//! Check and copy: one attempt at one image, told from top to bottom. What is decided on the way is in `decide`, what is
//! requested beside this file.
//!
//! 1. *Check*: both tags are resolved, and that is all if they are the same.
//! 2. *Pin*: from then on the source is its digest, whatever becomes of its tag.
//! 3. *Platforms*: an index is read, and what stands for the wanted platforms is chosen.
//! 4. *Copy*: blobs, then child manifests, then the tag.
//! 5. *Convert*, only if the target refuses Docker's manifests.
//!
//! Artifacts that belong to the image are at the target before its tag; those that come later come with the next run.
//!
//! What follows from the outcome is decided in `decide::settlement` and carried out in `run_loop::settle`.

mod artifacts;
mod newest;
mod overwriting;
mod parts;

use std::sync::atomic::AtomicBool;

use image_sync_shared::failure::{Failure, FailureClass};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{Manifest, RawManifest};
use image_sync_shared::image::platform::Platforms;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::run::job::{Job, ReferrersFrom, Remote};
use image_sync_shared::run::outcome::Action;
use tokio::time::sleep;
use tracing::{Instrument as _, debug_span, info, warn};

use crate::context::WorkerContext;
use crate::context::lease_guard::LeaseGuard;
use crate::context::time_limit::TimeLimit;
use crate::decide::convert::{self, Replaced};
use crate::decide::plan::{CopyPlan, Node};
use crate::decide::platforms::{self, Choice, Chosen, Wanted};
use crate::decide::tally::SharedTally;
use crate::decide::verdict::{self, ResolvedTags, Verdict};
use crate::transfer::check::resolve_tags;
use crate::transfer::dry_run::what_is_missing;
use crate::transfer::read_manifests::{
    LargeImage, MissingAttestations, Root, is_missing_at_source, read_root,
};
use crate::transfer::requests::Requests;
use crate::transfer::target::Target;
use crate::transfer::write_manifests::{self, Unwritten};

/// One attempt at a job.
pub(crate) struct Attempt<'a> {
    context: &'a WorkerContext,
    job: &'a Job,
    requests: Requests<'a>,
    tally: &'a SharedTally,
    lease: &'a LeaseGuard<'a>,
    limit: &'a TimeLimit,
    source: Remote,
    /// Where its artifacts are, if not beside it.
    artifact_source: Option<Remote>,
    target: Target<'a>,
    missing_attestations: MissingAttestations,
    large_image: LargeImage<'a>,
    /// Whether the source's tag moved before the lease was taken.
    has_moved: AtomicBool,
}

impl<'a> Attempt<'a> {
    /// An attempt at `job`. What it finds and does goes to `tally`, however it ends.
    pub(crate) fn new(
        context: &'a WorkerContext,
        job: &'a Job,
        requests: Requests<'a>,
        tally: &'a SharedTally,
        lease: &'a LeaseGuard<'a>,
        limit: &'a TimeLimit,
    ) -> Self {
        Self {
            context,
            job,
            requests,
            tally,
            lease,
            limit,
            source: job.source_remote(),
            artifact_source: artifact_source(job),
            target: Target::new(job.target_remote(), context.ports.known_blobs.as_ref()),
            missing_attestations: MissingAttestations::default(),
            large_image: LargeImage::new(&context.large_images, limit),
            has_moved: AtomicBool::new(false),
        }
    }

    /// Makes the attempt.
    pub(crate) async fn run(&self) -> Result<Action, Failure> {
        self.wait_for_copies().await?;
        self.until_awaited().await
    }

    /// Where the source does not have what its tag stood for, the tag may have moved meanwhile, or what it stands for may not have
    /// come everywhere yet: it is resolved once more.
    async fn look_and_copy(&self) -> Result<Action, Failure> {
        let mut ended = self.check_and_copy().await;
        if ended.is_err() && self.begins_anew() {
            ended = self.check_and_copy().await;
        }
        let failure = match ended {
            Err(failure) if is_missing_at_source(&failure) => failure,
            ended => return ended,
        };
        info!(error = %failure, "the source does not have it: resolving its tag once more");
        sleep(self.requests.retry.delay(1)).await;
        self.tally.lock().recount();
        self.check_and_copy().await
    }

    /// Check and pin: two requests, and no further one where the image is up to date. Everything below goes by the digests of
    /// `tags`.
    async fn check_and_copy(&self) -> Result<Action, Failure> {
        let tags = resolve_tags(self.context, self.requests, self.job)
            .instrument(debug_span!("check"))
            .await?;
        self.note(&tags);
        let remembered = self.facts().recall(&tags, self.job).await;
        let verdict = verdict::verdict(&tags, &self.job.platforms, &remembered);
        let action = match verdict {
            Verdict::UpToDate(digest) => {
                let chosen = remembered.chosen.unwrap_or(tags.source.digest.clone());
                self.tally.lock().chosen = Some(chosen);
                self.up_to_date(digest)
            }
            Verdict::NeedsManifest => self.choose_and_copy(&tags).await?,
            Verdict::Copy(digest) => self.copy(Root::Unread(digest), &tags).await?,
        };
        if action == Action::AlreadyCached {
            self.bring_late_artifacts(&tags).await?;
        }
        Ok(action)
    }

    /// Platforms. If the source turns out not to serve attestations that its index lists, platforms are chosen once more
    /// without those.
    async fn choose_and_copy(&self, tags: &ResolvedTags) -> Result<Action, Failure> {
        let known = self.missing_attestations.all().len();
        let Some(root) = self.choose_platforms(tags).await? else {
            return Ok(Action::Kept);
        };
        let failure = match self.copy_chosen(root, tags).await {
            // Only where this round found further ones missing: without that the next would fail like it.
            Err(failure) if self.missing_attestations.all().len() > known => failure,
            ended => return ended,
        };
        let left_out = u32::try_from(self.missing_attestations.all().len()).unwrap_or(u32::MAX);
        self.tally.lock().attestations_left_out = left_out;
        warn!(left_out, error = %failure, "attestations that the source does not serve are left out");
        match self.choose_platforms(tags).await? {
            Some(root) => self.copy_chosen(root, tags).await,
            None => Ok(Action::Kept),
        }
    }

    /// Reads what the source's tag stands for, and chooses from it. Nothing where it has none of the platforms, and need not.
    async fn choose_platforms(&self, tags: &ResolvedTags) -> Result<Option<Root>, Failure> {
        let root = Root::Unread(tags.source.digest.clone());
        let node = Node::read(self.read(root, tags).await?)?;
        let Manifest::Index { children } = &node.refers else {
            return Ok(Some(Root::Read(node.raw)));
        };
        let wanted = Wanted {
            platforms: &self.job.platforms,
            missing: self.job.policy.image.platform_missing,
            without: &self.missing_attestations.all(),
        };
        let Chosen { choice, missing } = platforms::choose(&node.raw, children, wanted)?;
        if !missing.is_empty() {
            let missing = Platforms::of(missing);
            self.tally.lock().note = Some(format!("platform_missing: skip; there is no {missing}"));
        }
        Ok(match choice {
            Choice::Whole => Some(Root::Read(node.raw)),
            Choice::Child(digest) => Some(Root::Unread(digest)),
            Choice::Index(raw) => Some(Root::Read(raw)),
            Choice::Nothing => None,
        })
    }

    /// Copies what was chosen, unless the target has it: only now is it known which digest that would be.
    async fn copy_chosen(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        let (facts, index) = (self.facts(), &tags.source.digest);
        self.tally.lock().chosen = Some(root.digest().clone());
        // Before anything is copied: reading the index has proven the choice, whatever becomes of the copy.
        facts.remember_chosen(index, self.job, root.digest()).await;
        if let Some(target) = tags.target.as_ref().map(|target| &target.digest) {
            let converted = facts.recall_converted(root.digest()).await;
            if verdict::is_up_to_date(target, root.digest(), converted.as_ref()) {
                return Ok(self.up_to_date(target.clone()));
            }
        }
        self.copy(root, tags).await
    }

    /// Copy: from here on the target lacks the image, as far as its tag tells.
    async fn copy(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        {
            let mut tally = self.tally.lock();
            tally.expected = Some(root.digest().clone());
            tally.chosen = Some(root.digest().clone());
        }
        if tags.target.is_some() && !self.overwrites() {
            return self.keep(root, tags).await;
        }
        if self.job.policy.dry_run {
            return self.tell_what_is_missing(root, tags).await;
        }
        // Not before: an image that is up to date takes no lease.
        self.lease.acquire().await?;
        self.confirm_source(tags).await?;
        if !self.overwrites() {
            // Who had the lease before may have written the tag since the check.
            let target = self.resolve_target().await?;
            let source = tags.source.clone();
            let tags = &ResolvedTags { source, target };
            if tags.target.is_some() {
                return self.keep(root, tags).await;
            }
        }
        let copy = self.copy_under_lease(root, tags);
        copy.instrument(debug_span!("copy")).await
    }

    /// What a dry run does in the place of a copy. It writes nothing, and needs no lease.
    async fn tell_what_is_missing(
        &self,
        root: Root,
        tags: &ResolvedTags,
    ) -> Result<Action, Failure> {
        let plan = self.plan(root, tags).await?;
        if self.is_found_at_target(&plan, tags).await {
            return Ok(Action::AlreadyCached);
        }
        let (target, tally) = (&self.target.remote, self.tally);
        let concurrency = self.context.settings.blob_concurrency;
        let mut missing = what_is_missing(self.requests, target, &plan, concurrency, tally).await?;
        missing.artifacts = self.count_missing_artifacts(&plan, tags).await?;
        tally.lock().would_copy = Some(missing);
        Ok(Action::Skipped)
    }

    /// Plans and writes. If the target says that something is missing that was taken as present, nothing is taken as present
    /// any more, and it is copied once again.
    async fn copy_under_lease(&self, root: Root, tags: &ResolvedTags) -> Result<Action, Failure> {
        let plan = self.plan(root, tags).await?;
        if self.is_found_at_target(&plan, tags).await {
            return Ok(Action::AlreadyCached);
        }
        match self.write(&plan, tags).await {
            Err(Unwritten::Image(refusal)) if refusal.class == FailureClass::ImmutableTag => {
                return self.refused_as_immutable(&plan, tags, refusal).await;
            }
            // Where nothing was taken as present, the refusal is about the manifest itself.
            Err(Unwritten::Image(refusal))
                if write_manifests::may_lack_something(&refusal) && self.target.was_relied_on() =>
            {
                info!(error = %refusal, "the target may have lost what was there: asking for everything");
                self.target.distrust(&plan);
                self.tally.lock().recount();
                let root = plan.manifests.last().cloned().map(Root::Read);
                let plan = self.plan(root.ok_or(refusal)?, tags).await?;
                // Not a third time: everything was asked for by now.
                self.write(&plan, tags).await?;
            }
            written => written?,
        }
        Ok(Action::Pulled)
    }

    /// The blobs first: a manifest is written when all that it refers to is there.
    async fn write(&self, plan: &CopyPlan, tags: &ResolvedTags) -> Result<(), Unwritten> {
        let blobs = self.blobs(&self.source);
        let (copied, planned) = tokio::join!(blobs.copy_all(plan), self.plan_artifacts(plan, tags));
        copied?;
        let artifacts = planned?;
        let written = self
            .manifest_writer()
            .write_or_convert(plan, &artifacts)
            .await?;
        self.tally.lock().expected = written.root;
        self.remember(&written.replaced).await;
        Ok(())
    }

    /// The manifest of `root`, by its digest: the source is pinned. A source that serves nothing by digest may be asked by the
    /// tag that stood for it.
    async fn read(&self, root: Root, tags: &ResolvedTags) -> Result<RawManifest, Failure> {
        let digest = match root {
            Root::Read(raw) => return Ok(raw),
            Root::Unread(digest) => digest,
        };
        let tag = &self.job.source.image.reference;
        let stands_for_it = digest == tags.source.digest && matches!(tag, Reference::Tag(_));
        let tag = stands_for_it.then_some(tag);
        read_root(self.requests, &self.source, &digest, tag).await
    }

    /// Reads what is under `root` and is missing at the target: all that has to be written.
    async fn plan(&self, root: Root, tags: &ResolvedTags) -> Result<CopyPlan, Failure> {
        let root = self.read(root, tags).await?;
        self.manifest_reader(&self.source).plan(root).await
    }

    /// Whether the target's tag has the image already, under a digest that only the image itself tells. Remembers that.
    async fn is_found_at_target(&self, plan: &CopyPlan, tags: &ResolvedTags) -> bool {
        let Some(target) = &tags.target else {
            return false;
        };
        let Some(replaced) = convert::found_at_target(plan, &target.digest) else {
            return false;
        };
        self.tally.lock().expected = Some(target.digest.clone());
        self.remember(&replaced).await;
        true
    }

    /// Remembers what the target has in the place of what, so that the next run sees that it is up to date.
    async fn remember(&self, replaced: &[Replaced]) {
        for Replaced { expected, digest } in replaced {
            self.facts().remember_converted(expected, digest).await;
        }
    }

    fn note(&self, tags: &ResolvedTags) {
        let target = tags.target.as_ref().map(|target| target.digest.clone());
        self.target.met(target.is_some());
        let mut tally = self.tally.lock();
        tally.remote = Some(tags.source.digest.clone());
        tally.cached = target;
    }

    /// The target has `digest`, which is the right one.
    fn up_to_date(&self, digest: Digest) -> Action {
        self.tally.lock().expected = Some(digest);
        Action::AlreadyCached
    }
}

fn artifact_source(job: &Job) -> Option<Remote> {
    let policy = job.policy.image.referrers.as_ref()?;
    policy.from.as_ref().map(ReferrersFrom::remote)
}
