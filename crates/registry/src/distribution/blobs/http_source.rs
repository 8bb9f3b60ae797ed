//! A blob that is read from a registry (OCI distribution spec, section "Pulling blobs").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::run::job::Remote;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, RANGE};

use super::blob_answer::bytes_to_skip;
use super::resume_budget::ResumeBudget;
use super::shared_read::{Answer, BlobKey, Lead, Next, Reader, Seat, SharedReads, Unopened};
use crate::client::mirror::Mirrored;
use crate::client::{Client, Operation, Permits, Target};
use crate::http::RequestError;
use crate::layout::Folders;

/// A blob, and how it is read.
#[derive(Clone, Copy)]
pub(super) struct BlobRead<'a> {
    pub(super) client: &'a Client,
    pub(super) folders: &'a Folders,
    /// What its reader may do beside others. They cover requests to the source, unless the read is shared.
    pub(super) permits: &'a Permits,
    pub(super) remote: &'a Remote,
    pub(super) blob: &'a Descriptor,
    /// None where it is read for one target alone.
    pub(super) sharing: Option<Sharing<'a>>,
}

/// How a blob is read together with others.
#[derive(Clone, Copy)]
pub(super) struct Sharing<'a> {
    pub(super) reads: &'a SharedReads,
    pub(super) key: &'a BlobKey,
    /// Is set where a reader cannot go on by itself, as the source takes no further request now.
    pub(super) is_left_behind: &'a AtomicBool,
}

/// A seat in a stream at the beginning of a blob.
pub(super) enum Seated {
    /// One that another reader has opened.
    Joined(Reader),
    /// One that is to be opened. Its connection is counted by these permits, or else by those of its reader.
    Lead(Lead, Option<Arc<Permits>>),
}

/// The bytes of one blob. Where the connection is cut, or others are too far ahead, they go on with Range over another one.
pub(super) struct HttpSource<'a> {
    read: BlobRead<'a>,
    reader: Reader,
    /// Where in the blob the next byte is.
    offset: u64,
    resume_budget: ResumeBudget,
}

impl<'a> HttpSource<'a> {
    /// Asks for a blob from `offset` on, or takes a seat that there is already.
    pub(super) async fn open(
        read: BlobRead<'a>,
        offset: u64,
        seated: Option<Seated>,
    ) -> Result<Self, Failure> {
        let reader = match seated {
            Some(seated) => read.take(seated).await?,
            None => read.seat(offset, None).await?,
        };
        Ok(Self {
            read,
            reader,
            offset,
            resume_budget: ResumeBudget::default(),
        })
    }

    /// The next bytes, or none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.reader.next().await {
                Next::Bytes(bytes) => {
                    self.offset += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Next::End => {
                    if let Some(sharing) = self.read.sharing {
                        sharing.reads.keep(&self.reader);
                    }
                    return Ok(None);
                }
                Next::Behind => {
                    let offset = self.offset;
                    tracing::debug!(offset, "others are ahead: asking for the rest of the blob");
                    self.reader = self.read.seat(offset, None).await?;
                }
                Next::Cut(error) => self.resume(error).await?,
            }
        }
    }

    /// Notes that its bytes are wrong, or do not come.
    pub(super) fn distrust(&self) {
        self.reader.distrust();
    }

    /// The Content-Encoding that its bytes are labelled with.
    pub(super) fn encoding(&self) -> Option<String> {
        self.reader.encoding()
    }

    async fn resume(&mut self, error: RequestError) -> Result<(), Failure> {
        // If this was a mirror, the rest is asked of the next server.
        self.distrust();
        let failure = self.read.operation(self.read.permits).failure(error);
        if !self.resume_budget.may_resume(self.offset) {
            return Err(failure);
        }
        let offset = self.offset;
        tracing::debug!(%failure, offset, "asking for the rest of the blob");
        let permits = self.reader.take_permits();
        self.reader = self.read.seat(offset, permits).await?;
        Ok(())
    }
}

impl BlobRead<'_> {
    /// A seat in the stream that others read, where there is one at `offset`, or in one of its own. `permits` are those of a
    /// stream that was cut.
    async fn seat(&self, offset: u64, permits: Option<Arc<Permits>>) -> Result<Reader, Failure> {
        let Some(sharing) = self.sharing else {
            return self.lead(Lead::alone(offset, self.blob.size), None).await;
        };
        loop {
            match sharing.reads.begin(sharing.key, offset) {
                Seat::Joined(reader) => match reader.opened().await {
                    Ok(()) => return Ok(reader),
                    Err(Unopened::Refused(failure)) => return Err(failure),
                    Err(Unopened::Abandoned) => {}
                },
                Seat::Lead(lead) => {
                    let permits = match permits {
                        None => self.permits_at_once(sharing)?,
                        permits => permits,
                    };
                    return self.lead(lead, permits).await;
                }
            }
        }
    }

    /// The right to a further request to the source, in the middle of an upload. It is not waited for: who waits with a permit
    /// of the target in hand may wait for someone who waits for that. None where the right is there already.
    fn permits_at_once(&self, sharing: Sharing<'_>) -> Result<Option<Arc<Permits>>, Failure> {
        let host = self.remote.repository.host().unwrap_or_default();
        if self.permits.cover(host) {
            return Ok(None);
        }
        if let Some(permits) = self.client.permit_at_once(self.remote) {
            return Ok(Some(Arc::new(permits)));
        }
        sharing.is_left_behind.store(true, Ordering::Relaxed);
        let answer = "others read it faster, and the source has as many requests as it may have";
        let error = RequestError::new(FailureClass::Unavailable, answer);
        Err(self.operation(self.permits).failure(error))
    }

    async fn take(&self, seated: Seated) -> Result<Reader, Failure> {
        match seated {
            Seated::Lead(lead, permits) => self.lead(lead, permits).await,
            Seated::Joined(reader) => match reader.opened().await {
                Err(Unopened::Refused(failure)) => Err(failure),
                // Where it was abandoned, it says so as soon as it is read, and this one goes on by itself.
                _ => Ok(reader),
            },
        }
    }

    /// Opens a stream. Its connection is counted by `permits`, or else by those of its reader.
    async fn lead(&self, lead: Lead, permits: Option<Arc<Permits>>) -> Result<Reader, Failure> {
        let counted = permits.as_deref().unwrap_or(self.permits);
        let answer = self.get(&self.operation(counted), lead.position()).await;
        lead.opened(answer.map(|(response, skip)| Answer {
            response,
            skip,
            permits,
        }))
    }

    fn operation<'p>(&'p self, permits: &'p Permits) -> Operation<'p> {
        Operation::new(
            self.remote,
            permits,
            Step::PullBlob,
            self.blob.digest.as_str(),
        )
    }

    async fn get(
        &self,
        operation: &Operation<'_>,
        offset: u64,
    ) -> Result<(reqwest::Response, u64), Failure> {
        let target = Target::Path(format!("blobs/{}", self.blob.digest));
        let identity = HeaderValue::from_static("identity");
        let mut request = operation
            .request(Method::GET, target)
            .header(ACCEPT_ENCODING, identity);
        if offset > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={offset}-"))
        {
            request = request.header(RANGE, range);
        }
        let answer = self.client.send(request).await?;
        let skip = bytes_to_skip(answer.status(), answer.headers(), offset, self.blob.size);
        match skip {
            Ok(skip) => Ok((answer, skip)),
            Err((class, said)) => {
                Mirrored::of(&answer).distrust();
                Err(operation.failure(RequestError::new(class, said)))
            }
        }
    }
}
