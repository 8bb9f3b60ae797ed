//! Reads the manifests of an image, all of them by digest.

use std::collections::{HashMap, HashSet};
use std::pin::pin;

use futures_util::StreamExt as _;
use image_sync_shared::digest::Digest;
use image_sync_shared::failure::Failure;
use image_sync_shared::reference::Reference;

use crate::at_once::at_once;
use crate::attempt::{Attempt, Root};
use crate::plan::{self, Image, Node, invalid};

/// How deep indexes may list indexes.
const MAX_DEPTH: usize = 4;
/// How many bytes the manifests of one image may have in all: they are held in memory until they are written.
const MAX_BYTES: usize = 64 * 1024 * 1024;

impl Attempt<'_> {
    /// Reads the manifests under `root` that the target lacks, level by level, and plans how they are written.
    pub(crate) async fn pull_image(&self, root: Root) -> Result<Image, Failure> {
        let root = match root {
            Root::Unread(digest) => self.calls.pull_manifest(&self.source, &digest).await?,
            Root::Read(raw) => raw,
        };
        let top = root.digest.clone();
        let mut bytes = root.bytes.len();
        let mut level = vec![Node::read(root)?];
        let mut nodes = HashMap::new();
        let mut seen = HashSet::from([top.clone()]);
        let mut depth = 0;
        loop {
            let listed = level.iter().flat_map(Node::children);
            let mut children: Vec<Digest> = listed.map(|child| child.digest.clone()).collect();
            children.retain(|child| seen.insert(child.clone()));
            nodes.extend(level.drain(..).map(|node| (node.raw.digest.clone(), node)));
            if children.is_empty() {
                return plan::plan(&top, &nodes);
            }
            depth += 1;
            if depth > MAX_DEPTH {
                let answer = format!("indexes list indexes more than {MAX_DEPTH} levels deep");
                return Err(invalid(&top, answer));
            }
            level = self.read_missing(&children).await?;
            bytes += level.iter().map(|node| node.raw.bytes.len()).sum::<usize>();
            if bytes > MAX_BYTES {
                let answer = format!("its manifests have more than {MAX_BYTES} bytes in all");
                return Err(invalid(&top, answer));
            }
        }
    }

    async fn read_missing(&self, digests: &[Digest]) -> Result<Vec<Node>, Failure> {
        let limit = self.workshop.settings.blobs_at_once;
        let read = |place: usize| self.read_unless_there(digests[place].clone());
        let mut answers = pin!(at_once(limit, digests.len(), read));
        let mut nodes = Vec::new();
        while let Some(answer) = answers.next().await {
            nodes.extend(answer?);
        }
        Ok(nodes)
    }

    async fn read_unless_there(&self, digest: Digest) -> Result<Option<Node>, Failure> {
        if self.target_has_manifest(&digest).await? {
            self.memory.rely();
            return Ok(None);
        }
        let raw = self.calls.pull_manifest(&self.source, &digest).await?;
        Node::read(raw).map(Some)
    }

    /// Whether the target has a child manifest: then it has all that this refers to, which is written first. A repository
    /// that nothing else was seen in is not asked.
    async fn target_has_manifest(&self, digest: &Digest) -> Result<bool, Failure> {
        if self.memory.is_doubted() {
            return Ok(false);
        }
        let known = self.workshop.blobs.known(&self.target.repository, digest);
        if known.here || known.new_repository {
            return Ok(known.here);
        }
        let reference = Reference::Digest(digest.clone());
        let answer = self.calls.resolve(&self.target, &reference).await?;
        Ok(answer.is_some())
    }
}
