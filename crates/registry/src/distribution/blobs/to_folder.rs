//! Writes blobs to a folder.

use std::path::Path;

use image_sync_shared::failure::{Failure, Step};
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy};
use image_sync_shared::run::job::Remote;

use super::BlobTransfer;
use super::entry::Entry;
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
        let folders = &self.transfer.folders;
        let layout = folders.layout(copy.target, self.folder);
        let mut neighbour = None;
        if let Some(Repository::Folder(other)) = copy.mount_from
            && other != self.folder
            && !layout.shares_blobs()
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
        let entry = Entry::new(self.transfer, source, self.copy.target, self.copy.blob);
        let mut told = 0;
        let mut written = self.write_once(layout, &entry, &mut told).await;
        if written.is_err() && entry.is_left_behind() {
            written = self.write_once(layout, &entry, &mut told).await;
        }
        let bytes = self.copy.blob.size;
        written.map(|()| Arrival::Copied { bytes })
    }

    /// Tells the caller of bytes beyond the first `told`, as which those count that it was told of.
    async fn write_once(
        &self,
        layout: &Layout,
        entry: &Entry<'_>,
        told: &mut u64,
    ) -> Result<(), Failure> {
        let blob = self.copy.blob;
        let (permits, seated) = entry.enter().await;
        let read = entry.read(&permits);
        let side = read.remote.side;
        let opened = Source::open(read, 0, seated).await?;
        let (stall, start) = (self.transfer.stall, Checkpoint::start(blob));
        let mut bytes = VerifiedBlob::new(opened, side, blob, stall, start);
        // A blob that fails at its first bytes leaves no trace.
        let mut next = bytes.next().await?;
        let mut file = layout.create_blob(&blob.digest).await?;
        let failed = |error: LayoutError| layout.failure(Step::PushBlob, &blob.digest, &error);
        while let Some(piece) = next {
            file.write(&piece).await.map_err(failed)?;
            let fresh = bytes.position().saturating_sub(*told);
            if fresh > 0 {
                (self.copy.on_bytes)(fresh);
                *told += fresh;
            }
            next = bytes.next().await?;
        }
        file.commit().await.map_err(failed)
    }
}
