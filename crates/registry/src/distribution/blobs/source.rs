//! Where a blob's bytes come from.

use std::io::{self, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::digest::Hasher;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::run::job::Remote;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, Take};

use super::http_source::{BlobRead, HttpSource, Seated};
use crate::layout::READ_BUFFER;

/// The bytes of one blob, as they come.
pub(super) enum Source<'a> {
    /// From a registry.
    Http(Box<HttpSource<'a>>),
    /// From a folder.
    Folder {
        /// The repository.
        remote: &'a Remote,
        /// The blob.
        blob: &'a Descriptor,
        /// Its file, from where it goes on to the end of the blob.
        file: Take<File>,
    },
    /// From its descriptor.
    Embedded(Bytes),
}

impl<'a> Source<'a> {
    /// Opens a blob at `offset`, or takes the seat in a stream that there is for it. One that its descriptor embeds (OCI image
    /// spec, descriptor.md, "Embedded Content") need not be there.
    pub(super) async fn open(
        read: BlobRead<'a>,
        offset: u64,
        seated: Option<Seated>,
    ) -> Result<Self, Failure> {
        match Self::open_there(read, offset, seated).await {
            Err(failure) if failure.class == FailureClass::NotFound => {
                let embedded = embedded(read.blob, offset);
                embedded.map(Self::Embedded).ok_or(failure)
            }
            opened => opened,
        }
    }

    async fn open_there(
        read: BlobRead<'a>,
        offset: u64,
        seated: Option<Seated>,
    ) -> Result<Self, Failure> {
        let BlobRead {
            remote,
            blob,
            folders,
            ..
        } = read;
        let path = match &remote.repository {
            Repository::Registry { .. } => {
                let source = HttpSource::open(read, offset, seated).await?;
                return Ok(Self::Http(Box::new(source)));
            }
            Repository::Folder(path) => path,
        };
        let piece = folders.layout(remote, path).open_blob(blob).await?;
        let mut file = File::from_std(piece.file);
        let sought = file.seek(SeekFrom::Start(piece.offset + offset)).await;
        sought.map_err(|error| unreadable(remote, blob, &error))?;
        let file = file.take(piece.size.saturating_sub(offset));
        Ok(Self::Folder { remote, blob, file })
    }

    /// Notes that its bytes are wrong, or do not come.
    pub(super) fn distrust(&self) {
        if let Self::Http(source) = self {
            source.distrust();
        }
    }

    /// The Content-Encoding that its bytes are labelled with.
    pub(super) fn encoding(&self) -> Option<String> {
        match self {
            Self::Http(source) => source.encoding(),
            Self::Folder { .. } | Self::Embedded(_) => None,
        }
    }

    /// The next bytes, or none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Http(source) => source.next().await,
            Self::Embedded(bytes) => {
                let bytes = std::mem::take(bytes);
                Ok((!bytes.is_empty()).then_some(bytes))
            }
            Self::Folder { remote, blob, file } => {
                let mut buffer = BytesMut::with_capacity(READ_BUFFER);
                let read = file.read_buf(&mut buffer).await;
                let read = read.map_err(|error| unreadable(remote, blob, &error))?;
                Ok((read > 0).then(|| buffer.freeze()))
            }
        }
    }
}

fn embedded(blob: &Descriptor, offset: u64) -> Option<Bytes> {
    let bytes = STANDARD.decode(blob.data.as_ref()?).ok()?;
    let mut hasher = Hasher::new(blob.digest.algorithm());
    hasher.update(&bytes);
    // Hashed here as well as on the way: where it is wrong, that the registry lacks the blob is what is to be told.
    let is_it = bytes.len() as u64 == blob.size && hasher.finish() == blob.digest;
    let offset = usize::try_from(offset).ok()?.min(bytes.len());
    is_it.then(|| Bytes::from(bytes).slice(offset..))
}

fn unreadable(remote: &Remote, blob: &Descriptor, error: &io::Error) -> Failure {
    let class = FailureClass::Local;
    let answer = format!("{}: {error}", remote.repository);
    Failure::new(remote.side, Step::PullBlob, &blob.digest, class, answer)
}
