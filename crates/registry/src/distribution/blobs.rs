//! Brings blobs from one repository to another: streamed, hashed on the way, never whole in memory and never on disk but
//! where they belong.

mod blob_answer;
mod body_writer;
mod chunks;
mod entry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http_source;
mod resume_budget;
mod shared_read;
mod source;
mod to_folder;
mod to_registry;
mod verified;

use std::collections::BTreeMap;
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy};
use image_sync_shared::run::job::Remote;

use self::http_source::BlobRead;
use self::shared_read::SharedReads;
use self::source::Source;
use self::to_folder::ToFolder;
use self::to_registry::ToRegistry;
use self::verified::{Checkpoint, VerifiedBlob};
use super::uploads::Uploads;
use crate::client::Client;
use crate::layout::Folders;

/// Copies blobs. A clone shares everything.
#[derive(Clone)]
pub(crate) struct BlobTransfer {
    client: Client,
    folders: Folders,
    uploads: Uploads,
    /// How long either side may move no byte.
    stall: Duration,
    /// What is read for several targets at once; none where there is one alone.
    reads: Option<SharedReads>,
}

impl BlobTransfer {
    /// Sends in chunks of at most so many bytes, where that is configured for a host.
    pub(crate) fn new(
        client: Client,
        folders: Folders,
        chunk_sizes: BTreeMap<String, u64>,
    ) -> Self {
        Self {
            reads: client.shares_reads().then(SharedReads::new),
            uploads: Uploads::new(client.clone(), chunk_sizes),
            stall: client.timeouts().stall,
            client,
            folders,
        }
    }

    /// As [`Registries::copy_blob`](image_sync_shared::ports::transfer::registries::Registries::copy_blob).
    pub(crate) async fn copy_blob(&self, copy: &BlobCopy<'_>) -> Result<Arrival, Failure> {
        let transfer = self;
        match &copy.target.repository {
            Repository::Registry { .. } => ToRegistry::new(transfer, copy).copy().await,
            Repository::Folder(folder) => {
                let folder = folder.as_path();
                let to_folder = ToFolder {
                    transfer,
                    copy,
                    folder,
                };
                to_folder.copy().await
            }
        }
    }

    /// As [`Registries::read_blob`](image_sync_shared::ports::transfer::registries::Registries::read_blob).
    pub(crate) async fn read_blob(
        &self,
        limit: usize,
        at: &Remote,
        blob: &Descriptor,
    ) -> Result<Vec<u8>, Failure> {
        if blob.size > limit as u64 {
            let answer = format!(
                "its descriptor states {} bytes, expected {limit} at most",
                blob.size
            );
            let (side, class) = (at.side, FailureClass::Invalid);
            return Err(Failure::new(
                side,
                Step::PullBlob,
                &blob.digest,
                class,
                answer,
            ));
        }
        let permits = self.client.permit(at).await;
        let start = Checkpoint::start(blob);
        let read = BlobRead {
            client: &self.client,
            folders: &self.folders,
            permits: &permits,
            remote: at,
            blob,
            sharing: None,
        };
        let source = Source::open(read, start.position, None).await?;
        let mut verified = VerifiedBlob::new(source, at.side, blob, self.stall, start);
        let mut bytes = Vec::new();
        while let Some(piece) = verified.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Waits until all cancellations are sent.
    pub(crate) async fn close(&self) {
        self.uploads.close().await;
    }
}
