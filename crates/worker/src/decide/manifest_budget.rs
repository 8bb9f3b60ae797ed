//! The memory that the manifests of one image may take.

use image_sync_shared::failure::Failure;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::MAX_MANIFEST_BYTES;

use crate::decide::plan::{Node, invalid};

/// How many bytes the manifests of one image may take in all: they are held in memory until they are written.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What a descriptor takes in memory, in bytes, its texts included: it may be written in a hundred.
const DESCRIPTOR_BYTES: u64 = 512;
/// Images whose manifests have more bytes than this are large: few of them are worked at the same time.
const LARGE_BYTES: u64 = 1024 * 1024;
/// How many large images a process works at the same time.
pub(crate) const LARGE_AT_ONCE: usize = 2;

/// The manifests of one image that are held, against the memory that they may take.
pub(crate) struct ManifestBudget<'a> {
    root: &'a Digest,
    /// Bytes of manifests.
    read: u64,
    /// Descriptors.
    descriptors: u64,
}

impl<'a> ManifestBudget<'a> {
    /// Nothing of the image `root` yet.
    pub(crate) fn new(root: &'a Digest) -> Self {
        Self {
            root,
            read: 0,
            descriptors: 0,
        }
    }

    /// Counts a manifest that was read.
    pub(crate) fn add(&mut self, node: &Node) -> Result<(), Failure> {
        self.read += node.raw.bytes.len() as u64;
        self.descriptors += node.descriptors() as u64;
        self.check(0)
    }

    /// Whether the image is a large one, with manifests of these sizes, which are still to be read. Fails if that is too much.
    pub(crate) fn expect<'d>(
        &self,
        stated: impl Iterator<Item = (&'d Digest, u64)>,
    ) -> Result<bool, Failure> {
        let mut more: u64 = 0;
        for (digest, size) in stated {
            if size > MAX_MANIFEST_BYTES as u64 {
                let answer = format!(
                    "the index states {size} bytes for this manifest; expected at most {MAX_MANIFEST_BYTES}"
                );
                return Err(invalid(digest, answer));
            }
            // Cannot overflow: each is 4 MiB at most, and an index of 4 MiB has no room for enough of them.
            more += size;
        }
        self.check(more)?;
        Ok(self.read + more > LARGE_BYTES)
    }

    fn check(&self, more: u64) -> Result<(), Failure> {
        let bytes = self.read + more;
        if bytes + self.descriptors * DESCRIPTOR_BYTES <= MAX_BYTES {
            return Ok(());
        }
        let descriptors = self.descriptors;
        let answer = format!(
            "its manifests have {bytes} bytes and {descriptors} descriptors of {DESCRIPTOR_BYTES} bytes; expected at most {MAX_BYTES} bytes in all"
        );
        Err(invalid(self.root, answer))
    }
}
