//! Reads the manifests of an image, all of them by digest.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use futures_util::StreamExt as _;
use image_sync_shared::digest::Digest;
use image_sync_shared::failure::Failure;
use image_sync_shared::manifest::{Descriptor, MAX_MANIFEST_BYTES};
use image_sync_shared::media_type::{self, Kind};
use image_sync_shared::reference::Reference;

use crate::at_once::at_once;
use crate::attempt::{Attempt, Root};
use crate::held::Held;
use crate::plan::{self, Image, Node, invalid};

/// How deep indexes may list indexes.
const MAX_DEPTH: usize = 4;

/// A manifest that an index lists.
struct Listed {
    digest: Digest,
    /// The size that the index states, in bytes.
    size: u64,
    /// What the index says that it is.
    kind: Option<Kind>,
}

impl From<&Descriptor> for Listed {
    fn from(child: &Descriptor) -> Self {
        Self {
            digest: child.digest.clone(),
            size: child.size,
            kind: media_type::kind(&child.media_type),
        }
    }
}

impl Attempt<'_> {
    /// Reads the manifests under `root` that the target lacks, level by level, and plans how they are written. They are held
    /// in memory until then, so what the indexes state of their sizes decides whether they are read at all.
    pub(crate) async fn pull_image(&self, root: Root) -> Result<Image, Failure> {
        let root = match root {
            Root::Unread(digest) => self.calls.pull_manifest(&self.source, &digest).await?,
            Root::Read(raw) => raw,
        };
        let top = root.digest.clone();
        let mut held = Held::new(&top);
        let root = Node::read(root)?;
        held.add(&root)?;
        let mut level = vec![root];
        let mut nodes = HashMap::new();
        let mut seen = HashSet::from([top.clone()]);
        let mut depth = 0;
        loop {
            let listed = level.iter().flat_map(Node::children);
            let unseen = listed.filter(|child| seen.insert(child.digest.clone()));
            let children: Vec<Listed> = unseen.map(Listed::from).collect();
            nodes.extend(level.drain(..).map(|node| (node.raw.digest.clone(), node)));
            if children.is_empty() {
                return plan::plan(&top, nodes);
            }
            depth += 1;
            if depth > MAX_DEPTH {
                let answer = format!("indexes list indexes more than {MAX_DEPTH} levels deep");
                return Err(invalid(&top, answer));
            }
            let missing = self.missing(children).await?;
            let stated = missing.iter().map(|child| (&child.digest, child.size));
            if held.expect(stated)? {
                self.wait_for_room().await;
            }
            level = self.read(&missing, &mut held).await?;
        }
    }

    /// Those of `children` that the target lacks.
    async fn missing(&self, children: Vec<Listed>) -> Result<Vec<Listed>, Failure> {
        let limit = self.workshop.settings.blobs_at_once;
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

    /// Reads listed manifests, of each no more than its index states.
    async fn read(&self, listed: &[Listed], held: &mut Held<'_>) -> Result<Vec<Node>, Failure> {
        let limit = self.workshop.settings.blobs_at_once;
        let read = async |place: usize| {
            let Listed { digest, size, .. } = &listed[place];
            let limit = usize::try_from(*size).unwrap_or(MAX_MANIFEST_BYTES);
            let raw = self
                .calls
                .pull_manifest_up_to(limit, &self.source, digest)
                .await?;
            Node::read(raw)
        };
        let mut answers = pin!(at_once(limit, listed.len(), read));
        let mut nodes = Vec::new();
        while let Some(node) = answers.next().await {
            let node = node?;
            held.add(&node)?;
            nodes.push(node);
        }
        Ok(nodes)
    }

    /// Whether the target has a child manifest: then it has all that this refers to, which is written first. A repository
    /// that nothing else was seen in is not asked.
    async fn target_has_manifest(&self, child: &Listed) -> Result<bool, Failure> {
        if self.memory.is_doubted() {
            return Ok(false);
        }
        let (blobs, target) = (&self.workshop.blobs, &self.target.repository);
        let known = blobs.has_manifest(target, &child.digest);
        if known || blobs.is_new(target) {
            return Ok(known);
        }
        let reference = Reference::Digest(child.digest.clone());
        let answer = self.calls.resolve(&self.target, &reference).await?;
        // What is there as another kind than the index states is read, and then refused.
        Ok(answer.is_some_and(|there| {
            let kinds = (child.kind, media_type::kind(&there.media_type));
            !matches!(kinds, (Some(stated), Some(found)) if stated != found)
        }))
    }

    /// Waits until few enough large images are worked for their manifests to be held in memory.
    async fn wait_for_room(&self) {
        let room = || self.workshop.large_images.acquire();
        // The semaphore is never closed.
        self.large.get_or_try_init(room).await.ok();
    }
}
