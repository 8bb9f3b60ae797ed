//! Writes blobs to a folder.

use std::path::Path;

use image_sync_shared::failure::{Failure, Step};
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy};
use image_sync_shared::run::job::Remote;

use super::BlobTransfer;
use super::source::Source;
use super::verified::{Checkpoint, VerifiedBlob};
use crate::layout::{Layout, LayoutError, Link};

/// A blob that is written to a folder.
pub(super) struct ToFolder<'a> {
    pub(super) transfer: &'a BlobTransfer,
    pub(super) copy: &'a BlobCopy<'a>,
    pub(super) folder: &'a Path,
}

impl ToFolder<'_> {
    /// Links the blob from another folder, or writes it, unless it is there.
    pub(super) async fn copy(&self) -> Result<Arrival, Failure> {
        let copy = self.copy;
        let layout = Layout::new(copy.target, self.folder);
        let mut neighbour = None;
        if let Some(Repository::Folder(other)) = copy.mount_from
            && other != self.folder
        {
            match layout.link_blob(other, copy.blob).await? {
                Link::Done => return Ok(Arrival::Mounted),
                Link::Impossible => neighbour = Some(self.neighbour()),
                Link::Absent => {}
            }
        }
        if layout.is_present(copy.blob).await? {
            // Who asked for a mount is told of one, as by a registry that has it; else nothing was sent.
            return Ok(match copy.mount_from {
                Some(_) => Arrival::Mounted,
                None => Arrival::Copied { bytes: 0 },
            });
        }
        self.write(&layout, neighbour.as_ref().unwrap_or(copy.source))
            .await
    }

    /// The folder at the target that has the blob, to be read instead of the source.
    fn neighbour(&self) -> Remote {
        let mut remote = self.copy.target.clone();
        if let Some(from) = self.copy.mount_from {
            remote.repository = from.clone();
        }
        remote
    }

    async fn write(&self, layout: &Layout, source: &Remote) -> Result<Arrival, Failure> {
        let BlobTransfer { client, stall, .. } = self.transfer;
        let blob = self.copy.blob;
        let permits = client.transfer_permits(source, self.copy.target).await;
        let opened = Source::open(client, &permits, source, blob, 0).await?;
        let mut bytes =
            VerifiedBlob::new(opened, source.side, blob, *stall, Checkpoint::start(blob));
        // A blob that fails at its first bytes leaves no trace.
        let mut next = bytes.next().await?;
        let mut file = layout.create_blob(&blob.digest).await?;
        let told = |error: LayoutError| layout.failure(Step::PushBlob, &blob.digest, &error);
        while let Some(piece) = next {
            file.write(&piece).await.map_err(told)?;
            (self.copy.on_bytes)(piece.len() as u64);
            next = bytes.next().await?;
        }
        file.commit().await.map_err(told)?;
        Ok(Arrival::Copied { bytes: blob.size })
    }
}
