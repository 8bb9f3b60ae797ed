//! Reads the manifests of an image, all of them by digest.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use futures_util::StreamExt as _;
use image_sync_shared::digest::Digest;
use image_sync_shared::failure::Failure;
use image_sync_shared::manifest::{ATTESTED_DIGEST, Descriptor, MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::media_type::{self, Kind};
use image_sync_shared::reference::Reference;
use tracing::debug;

use crate::decide::manifest_budget::ManifestBudget;
use crate::decide::plan::{self, CopyPlan, Node, invalid};
use crate::transfer::at_once::at_once;
use crate::transfer::check_and_copy::{Attempt, Root};
use crate::transfer::missing_at_source::{MissingAttestations, is_missing_at_source};

/// How deep indexes may list indexes.
const MAX_DEPTH: usize = 4;

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
    MissingAttestations(Digest, Failure),
}

impl From<&Descriptor> for Listed {
    fn from(child: &Descriptor) -> Self {
        let kind = media_type::kind(&child.media_type);
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

impl Attempt<'_> {
    /// Reads the manifests under `root` that the target lacks, level by level, and plans how they are written. They are held
    /// in memory until then, so what the indexes state of their sizes decides whether they are read at all.
    pub(crate) async fn pull_image(&self, root: Root) -> Result<CopyPlan, Failure> {
        let root = match root {
            Root::Unread(digest) => self.pull_root(&digest).await?,
            Root::Read(raw) => raw,
        };
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
                self.wait_for_room().await;
            }
            level = self.read(&missing, &mut budget, &mut blobs).await?;
        }
    }

    /// Those of `children` that the target lacks.
    async fn missing(&self, children: Vec<Listed>) -> Result<Vec<Listed>, Failure> {
        let limit = self.context.settings.blob_concurrency;
        let ask = async |place: usize| {
            let there = self.target_has_manifest(&children[place]).await?;
            Ok::<_, Failure>((place, there))
        };
        let mut lacks = vec![true; children.len()];
        {
            let mut answers = pin!(at_once(limit, children.len(), ask));
            while let Some(answer) = answers.next().await {
                let (place, there) = answer?;
                if there {
                    self.memory.rely();
                    lacks[place] = false;
                }
            }
        }
        let children = children.into_iter().zip(lacks);
        Ok(children
            .filter_map(|(child, lacks)| lacks.then_some(child))
            .collect())
    }

    /// Reads the manifest that the source has for its tag. A source that serves nothing by digest is asked by the tag, if it
    /// still has that manifest.
    pub(crate) async fn pull_root(&self, digest: &Digest) -> Result<RawManifest, Failure> {
        let pulled = self.requests.pull_manifest(&self.source, digest).await;
        let tag = &self.job.source.image.reference;
        let is_tagged = self.tally.lock().remote.as_ref() == Some(digest);
        match (pulled, tag) {
            (Err(failure), Reference::Tag(_)) if is_tagged && is_missing_at_source(&failure) => {
                let by_tag = self.requests.pull_tagged(&self.source, tag).await;
                let same = by_tag.ok().filter(|manifest| manifest.digest == *digest);
                same.ok_or(failure)
            }
            (pulled, _) => pulled,
        }
    }

    /// Reads listed manifests, of each no more than its index states. Those that are no manifests are added to `blobs`.
    async fn read(
        &self,
        listed: &[Listed],
        budget: &mut ManifestBudget<'_>,
        blobs: &mut Vec<Descriptor>,
    ) -> Result<Vec<Node>, Failure> {
        let limit = self.context.settings.blob_concurrency;
        let read = |place: usize| self.read_listed(&listed[place]);
        let mut answers = pin!(at_once(limit, listed.len(), read));
        let mut nodes = Vec::new();
        let mut first_missing = None;
        while let Some(read) = answers.next().await {
            match read? {
                Read::Manifest(node) => {
                    budget.add(&node)?;
                    nodes.push(node);
                }
                Read::Blob(blob) => blobs.push(blob),
                Read::MissingAttestations(attestation, failure) => {
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
            .pull_manifest_up_to(limit, &self.source, digest)
            .await;
        match (pulled, &listed.as_blob) {
            (Ok(raw), _) => Node::read(raw).map(Read::Manifest),
            (Err(failure), Some(blob)) if is_missing_at_source(&failure) => {
                debug!(%digest, media_type = blob.media_type, "listed, and no manifest: taken as a blob");
                Ok(Read::Blob(blob.clone()))
            }
            (Err(failure), _) if listed.attests && is_missing_at_source(&failure) => {
                Ok(Read::MissingAttestations(digest.clone(), failure))
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Whether the target has a child manifest: then it has all that this refers to, which is written first. A repository
    /// that nothing else was seen in is not asked.
    async fn target_has_manifest(&self, child: &Listed) -> Result<bool, Failure> {
        if self.memory.is_doubted() {
            return Ok(false);
        }
        let (blobs, target) = (&self.context.blobs, &self.target.repository);
        let known = blobs.has_manifest(target, &child.digest);
        if known || blobs.is_new(target) {
            return Ok(known);
        }
        let reference = Reference::Digest(child.digest.clone());
        let answer = self.requests.resolve(&self.target, &reference).await?;
        // What is there as another kind than the index states is read, and then refused.
        Ok(answer.is_some_and(|there| {
            let kinds = (child.kind, media_type::kind(&there.media_type));
            !matches!(kinds, (Some(stated), Some(found)) if stated != found)
        }))
    }

    /// Waits until few enough large images are worked for their manifests to be held in memory.
    async fn wait_for_room(&self) {
        let room = || self.context.large_images.acquire();
        // The semaphore is never closed.
        self.large.get_or_try_init(room).await.ok();
    }
}
