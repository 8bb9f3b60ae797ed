//! A blob that is read from a registry (OCI distribution spec, section "Pulling blobs").

use bytes::Bytes;
use image_sync_shared::failure::{Failure, Step};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::run::job::Remote;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, RANGE};
use reqwest::{Method, Response};

use super::blob_answer::bytes_to_skip;
use super::resume_budget::ResumeBudget;
use crate::client::mirror::Mirrored;
use crate::client::{Client, Operation, Permits, Target};
use crate::http::RequestError;
use crate::http::body::encoding;
use crate::http::connection::explain_cut;

/// The bytes of one blob. Where the connection is cut, they go on with Range over another one.
pub(super) struct HttpSource<'a> {
    client: &'a Client,
    operation: Operation<'a>,
    blob: &'a Descriptor,
    answer: Response,
    /// How many bytes of the body are yet to be skipped.
    skip: u64,
    /// Where in the blob the next byte is.
    offset: u64,
    resume_budget: ResumeBudget,
}

impl<'a> HttpSource<'a> {
    /// Asks for a blob from `offset` on.
    pub(super) async fn open(
        client: &'a Client,
        permits: &'a Permits,
        remote: &'a Remote,
        blob: &'a Descriptor,
        offset: u64,
    ) -> Result<Self, Failure> {
        let operation = Operation::new(remote, permits, Step::PullBlob, blob.digest.as_str());
        let (answer, skip) = get(client, &operation, blob, offset).await?;
        Ok(Self {
            client,
            operation,
            blob,
            answer,
            skip,
            offset,
            resume_budget: ResumeBudget::default(),
        })
    }

    /// The next bytes, or none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.answer.chunk().await {
                Ok(Some(chunk)) => {
                    let fresh = self.unskipped(chunk);
                    if !fresh.is_empty() {
                        self.offset += fresh.len() as u64;
                        return Ok(Some(fresh));
                    }
                }
                Ok(None) => return Ok(None),
                // All bytes came, so nothing is lost with the connection.
                Err(_) if self.offset >= self.blob.size => return Ok(None),
                Err(error) => {
                    let error = error.with_url(self.answer.url().clone());
                    self.resume(&error).await?;
                }
            }
        }
    }

    /// Notes that its bytes are wrong, or do not come.
    pub(super) fn distrust(&self) {
        Mirrored::of(&self.answer).distrust();
    }

    /// The Content-Encoding that its bytes are labelled with.
    pub(super) fn encoding(&self) -> Option<String> {
        encoding::label(self.answer.headers())
    }

    fn unskipped(&mut self, mut chunk: Bytes) -> Bytes {
        let skipped = usize::try_from(self.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
        self.skip -= skipped as u64;
        chunk.split_off(skipped)
    }

    async fn resume(&mut self, error: &reqwest::Error) -> Result<(), Failure> {
        // If this was a mirror, the rest is asked of the next server.
        self.distrust();
        let failure = self.operation.failure(explain_cut(error));
        if !self.resume_budget.may_resume(self.offset) {
            return Err(failure);
        }
        tracing::debug!(%failure, offset = self.offset, "asking for the rest of the blob");
        (self.answer, self.skip) =
            get(self.client, &self.operation, self.blob, self.offset).await?;
        Ok(())
    }
}

async fn get(
    client: &Client,
    operation: &Operation<'_>,
    blob: &Descriptor,
    offset: u64,
) -> Result<(Response, u64), Failure> {
    let target = Target::Path(format!("blobs/{}", blob.digest));
    let identity = HeaderValue::from_static("identity");
    let mut request = operation
        .request(Method::GET, target)
        .header(ACCEPT_ENCODING, identity);
    if offset > 0
        && let Ok(range) = HeaderValue::try_from(format!("bytes={offset}-"))
    {
        request = request.header(RANGE, range);
    }
    let answer = client.send(request).await?;
    let skip = bytes_to_skip(answer.status(), answer.headers(), offset, blob.size);
    match skip {
        Ok(skip) => Ok((answer, skip)),
        Err((class, said)) => {
            Mirrored::of(&answer).distrust();
            Err(operation.failure(RequestError::new(class, said)))
        }
    }
}
