//! Reads the manifests of an image, all of them by digest.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{
    ATTESTED_DIGEST, Descriptor, MAX_MANIFEST_BYTES, RawManifest,
};
use image_sync_shared::image::media_type::{self, Kind};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Remote;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use crate::context::in_flight::InFlight;
use crate::context::time_limit::TimeLimit;
use crate::decide::manifest_budget::ManifestBudget;
use crate::decide::plan::{self, CopyPlan, Node, invalid};
use crate::transfer::requests::Requests;
use crate::transfer::target::Target;

/// The manifest that stands for the wanted platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// It is still to be read.
    Unread(Digest),
    /// It was read, or made from what was read.
    Read(RawManifest),
}

impl Root {
    pub(crate) fn digest(&self) -> &Digest {
        match self {
            Self::Unread(digest) => digest,
            Self::Read(raw) => &raw.digest,
        }
    }
}

/// How deep indexes may list indexes.
pub(crate) const MAX_DEPTH: usize = 4;

/// A manifest that an index lists.
struct Listed {
    digest: Digest,
    /// The size that the index states, in bytes.
    size: u64,
    /// What the index says that it is.
    kind: Option<Kind>,
    /// The same as a blob, where the type that the index states is not known here.
    as_blob: Option<Descriptor>,
    /// Whether it attests another one.
    attests: bool,
}

/// What a listed manifest turned out to be.
enum Read {
    Manifest(Node),
    Blob(Descriptor),
    MissingAttestation(Digest, Failure),
}

impl From<&Descriptor> for Listed {
    fn from(child: &Descriptor) -> Self {
        let kind = media_type::kind(&child.media_type);
        // A type that is not known here may be that of a blob. No type at all, and Docker's schema 1, are those of
        // manifests.
        let is_unknown = kind.is_none()
            && !child.media_type.is_empty()
            && !media_type::is_schema1(&child.media_type);
        Self {
            digest: child.digest.clone(),
            size: child.size,
            kind,
            as_blob: is_unknown.then(|| child.clone()),
            attests: child.annotations.contains_key(ATTESTED_DIGEST),
        }
    }
}

/// Reads the manifests of one image.
pub(crate) struct ManifestReader<'a> {
    /// The requests.
    pub(crate) requests: Requests<'a>,
    /// Where it is read.
    pub(crate) source: &'a Remote,
    /// Where it goes to: what is there already is not read.
    pub(crate) target: &'a Target<'a>,
    /// Manifests that are asked for at the same time.
    pub(crate) concurrency: usize,
    /// Where attestations are noted that the source does not serve.
    pub(crate) missing_attestations: &'a MissingAttestations,
    /// The right to hold many manifests.
    pub(crate) large_image: &'a LargeImage<'a>,
}

/// Reads the manifest `digest`. A source that serves nothing by digest is asked by `tag`, where one is given, if it still has that
/// manifest.
pub(crate) async fn read_root(
    requests: Requests<'_>,
    source: &Remote,
    digest: &Digest,
    tag: Option<&Reference>,
) -> Result<RawManifest, Failure> {
    match (requests.pull_manifest(source, digest).await, tag) {
        (Err(failure), Some(tag)) if is_missing_at_source(&failure) => {
            let by_tag = requests.pull_tagged(source, tag).await;
            let same = by_tag.ok().filter(|manifest| manifest.digest == *digest);
            same.ok_or(failure)
        }
        (pulled, _) => pulled,
    }
}

impl ManifestReader<'_> {
    /// Reads the manifests under `root` that the target lacks, level by level, and plans how they are written. They are held
    /// in memory until then, so what the indexes state of their sizes decides whether they are read at all.
    pub(crate) async fn plan(&self, root: RawManifest) -> Result<CopyPlan, Failure> {
        let top = root.digest.clone();
        let mut budget = ManifestBudget::new(&top);
        let root = Node::read(root)?;
        budget.add(&root)?;
        let mut level = vec![root];
        let (mut nodes, mut blobs) = (HashMap::new(), Vec::new());
        let mut seen = HashSet::from([top.clone()]);
        let mut depth = 0;
        loop {
            let listed = level.iter().flat_map(Node::children);
            let unseen = listed.filter(|child| seen.insert(child.digest.clone()));
            let children: Vec<Listed> = unseen.map(Listed::from).collect();
            nodes.extend(level.drain(..).map(|node| (node.raw.digest.clone(), node)));
            if children.is_empty() {
                return plan::plan(&top, nodes, blobs);
            }
            depth += 1;
            if depth > MAX_DEPTH {
                let answer = format!("indexes list indexes more than {MAX_DEPTH} levels deep");
                return Err(invalid(&top, answer));
            }
            let missing = self.missing(children).await?;
            let stated = missing.iter().map(|child| (&child.digest, child.size));
            if budget.expect(stated)? {
                // Before the first of them is read, and kept for the rest of the attempt.
                self.large_image.permit(self.requests.in_flight).await;
            }
            level = self.read(&missing, &mut budget, &mut blobs).await?;
        }
    }

    /// Those of `children` that the target lacks.
    async fn missing(&self, children: Vec<Listed>) -> Result<Vec<Listed>, Failure> {
        let ask = async |place: usize| {
            let there = self.target_has_manifest(&children[place]).await?;
            Ok::<_, Failure>((place, there))
        };
        let mut lacks = vec![true; children.len()];
        let mut answers = stream::iter(0..children.len())
            .map(ask)
            .buffer_unordered(self.concurrency.max(1));
        while let Some((place, there)) = answers.try_next().await? {
            if there {
                self.target.rely();
                lacks[place] = false;
            }
        }
        drop(answers);
        let children = children.into_iter().zip(lacks);
        Ok(children
            .filter_map(|(child, lacks)| lacks.then_some(child))
            .collect())
    }

    /// Reads listed manifests, of each no more than its index states. Those that are no manifests are added to `blobs`.
    async fn read(
        &self,
        listed: &[Listed],
        budget: &mut ManifestBudget<'_>,
        blobs: &mut Vec<Descriptor>,
    ) -> Result<Vec<Node>, Failure> {
        let read = |place: usize| self.read_listed(&listed[place]);
        let mut answers = stream::iter(0..listed.len())
            .map(read)
            .buffer_unordered(self.concurrency.max(1));
        let mut nodes = Vec::new();
        let mut first_missing = None;
        while let Some(read) = answers.try_next().await? {
            match read {
                Read::Manifest(node) => {
                    budget.add(&node)?;
                    nodes.push(node);
                }
                Read::Blob(blob) => blobs.push(blob),
                // The others are still read, so that one further round is enough, however many are missing.
                Read::MissingAttestation(attestation, failure) => {
                    self.missing_attestations.note(attestation);
                    first_missing.get_or_insert(failure);
                }
            }
        }
        match first_missing {
            Some(failure) => Err(MissingAttestations::explain(failure)),
            None => Ok(nodes),
        }
    }

    async fn read_listed(&self, listed: &Listed) -> Result<Read, Failure> {
        let limit = usize::try_from(listed.size).unwrap_or(MAX_MANIFEST_BYTES);
        let digest = &listed.digest;
        let pulled = self
            .requests
            .pull_manifest_up_to(limit, self.source, digest)
            .await;
        match (pulled, &listed.as_blob) {
            (Ok(raw), _) => Node::read(raw).map(Read::Manifest),
            (Err(failure), Some(blob)) if is_missing_at_source(&failure) => {
                debug!(%digest, media_type = blob.media_type, "listed, and no manifest: taken as a blob");
                Ok(Read::Blob(blob.clone()))
            }
            (Err(failure), _) if listed.attests && is_missing_at_source(&failure) => {
                Ok(Read::MissingAttestation(digest.clone(), failure))
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Whether the target has a child manifest: then it has all that this refers to, which is written first. A repository
    /// that nothing else was seen in is not asked.
    async fn target_has_manifest(&self, child: &Listed) -> Result<bool, Failure> {
        if let Some(known) = self.target.knows_manifest(&child.digest) {
            return Ok(known);
        }
        let reference = Reference::Digest(child.digest.clone());
        let answer = self
            .requests
            .resolve(&self.target.remote, &reference)
            .await?;
        // What is there as another kind than the index states is read, and then refused.
        Ok(answer.is_some_and(|there| {
            let kinds = (child.kind, media_type::kind(&there.media_type));
            !matches!(kinds, (Some(stated), Some(found)) if stated != found)
        }))
    }
}

/// The attestations that an index lists and the source does not serve.
#[derive(Debug, Default)]
pub(crate) struct MissingAttestations(Mutex<HashSet<Digest>>);

impl MissingAttestations {
    /// Notes an attestation.
    pub(crate) fn note(&self, attestation: Digest) {
        self.lock().insert(attestation);
    }

    /// Those that were met.
    pub(crate) fn all(&self) -> HashSet<Digest> {
        self.lock().clone()
    }

    /// The failure to read an attestation, where it cannot be left out.
    pub(crate) fn explain(failure: Failure) -> Failure {
        let answer = format!(
            "{}: the index lists this attestation, but the source does not serve it; where platforms are chosen, such are left out",
            failure.answer
        );
        Failure { answer, ..failure }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        lock(&self.0)
    }
}

/// Whether the source says that it does not have a manifest or a blob which its tag stands for.
pub(crate) fn is_missing_at_source(failure: &Failure) -> bool {
    failure.side == Side::Source
        && failure.class == FailureClass::NotFound
        && matches!(failure.step, Step::PullManifest | Step::PullBlob)
}

/// The right of one image to hold many manifests in memory, once it has turned out to need it.
#[derive(Debug)]
pub(crate) struct LargeImage<'a> {
    permits: Arc<Semaphore>,
    /// Held as long as the attempt, since its manifests are.
    permit: OnceCell<OwnedSemaphorePermit>,
    /// How long the image may take, its waits for others aside.
    limit: &'a TimeLimit,
}

impl<'a> LargeImage<'a> {
    /// No right yet, to be one of those that `permits` has.
    pub(crate) fn new(permits: &Arc<Semaphore>, limit: &'a TimeLimit) -> Self {
        Self {
            permits: Arc::clone(permits),
            permit: OnceCell::new(),
            limit,
        }
    }

    /// Waits until few enough large images are worked. That is no fault of this one, so its time stands still, as far as it may
    /// wait for others; from then on it runs until the attempt ends.
    async fn permit(&self, in_flight: &InFlight) {
        if self.permit.initialized() {
            return;
        }
        let what = "waiting for other images with many manifests".to_owned();
        let _operation = in_flight.start(Side::Source, what);
        let acquire = || Arc::clone(&self.permits).acquire_owned();
        let permit = match self.limit.wait(acquire()).await {
            Some(permit) => permit,
            None => acquire().await,
        };
        // The semaphore is never closed, and one image asks once at a time.
        if let Ok(permit) = permit {
            self.permit.set(permit).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_other_large_images_is_told_and_does_not_use_up_the_time_of_the_image() {
        let permits = Arc::new(Semaphore::new(1));
        let (limit, in_flight) = (TimeLimit::new(Duration::from_secs(10)), InFlight::default());
        let other = LargeImage::new(&permits, &limit);
        other.permit(&in_flight).await;
        let image = LargeImage::new(&permits, &limit);
        let ends = async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            let what = in_flight.oldest().map(|(_, what)| what);
            let expected = "waiting for other images with many manifests";
            assert_eq!(what.as_deref(), Some(expected));
            drop(other);
            tokio::time::sleep(Duration::from_secs(9)).await;
            assert_eq!(in_flight.oldest(), None);
        };
        let both = async { tokio::join!(image.permit(&in_flight), ends) };
        tokio::select! {
            ((), ()) = both => {}
            () = limit.used_up() => panic!("it was not the image that took the time"),
        }
        assert_eq!(permits.available_permits(), 0);
        // The one that it has is enough.
        image.permit(&in_flight).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_other_large_images_ends_with_the_attempt() {
        let permits = Arc::new(Semaphore::new(0));
        let (limit, in_flight) = (TimeLimit::new(Duration::from_secs(10)), InFlight::default());
        let image = LargeImage::new(&permits, &limit);
        let mut wait = pin!(image.permit(&in_flight));
        tokio::select! {
            () = &mut wait => panic!("there is no permit"),
            () = limit.used_up() => {}
        }
        let told = in_flight.oldest();
        assert!(told.is_some(), "until the attempt is dropped");
    }
}
