//! A blob that is read from a registry (OCI distribution spec, section "Pulling blobs").

use bytes::Bytes;
use image_sync_shared::failure::{Failure, Step};
use image_sync_shared::job::Remote;
use image_sync_shared::manifest::Descriptor;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, RANGE};
use reqwest::{Method, Response};

use super::blob_answer::bytes_to_skip;
use crate::client::mirror::Mirrored;
use crate::client::{Call, Client, Permits, Target};

/// How often in a row one blob is asked for again after cuts between which little came.
const MAX_RESUMES: u32 = 5;
/// How many bytes are not little.
const MUCH: u64 = 64 * 1024;

/// The bytes of one blob. Where the connection is cut, they go on with Range over another one.
pub(super) struct HttpSource<'a> {
    client: &'a Client,
    permits: &'a Permits,
    remote: &'a Remote,
    blob: &'a Descriptor,
    answer: Response,
    /// How many bytes of the body are yet to be skipped.
    skip: u64,
    /// How many bytes were handed out.
    offset: u64,
    /// Where the last cut was; a second one there is the end.
    cut_at: Option<u64>,
    /// How many resumes in a row brought little.
    resumes: u32,
}

impl<'a> HttpSource<'a> {
    /// Asks for a blob.
    pub(super) async fn open(
        client: &'a Client,
        permits: &'a Permits,
        remote: &'a Remote,
        blob: &'a Descriptor,
    ) -> Result<Self, Failure> {
        let (answer, skip) = get(client, permits, remote, blob, 0).await?;
        Ok(Self {
            client,
            permits,
            remote,
            blob,
            answer,
            skip,
            offset: 0,
            cut_at: None,
            resumes: 0,
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

    fn unskipped(&mut self, mut chunk: Bytes) -> Bytes {
        let skipped = usize::try_from(self.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
        self.skip -= skipped as u64;
        chunk.split_off(skipped)
    }

    async fn resume(&mut self, error: &reqwest::Error) -> Result<(), Failure> {
        let side = self.remote.side;
        self.distrust();
        let failure = Client::cut(side, Step::PullBlob, self.blob.digest.as_str(), error);
        let came = self.offset - self.cut_at.unwrap_or_default();
        if came >= MUCH {
            self.resumes = 0;
        }
        if self.resumes == MAX_RESUMES || self.cut_at == Some(self.offset) {
            return Err(failure);
        }
        tracing::debug!(%failure, offset = self.offset, "asking for the rest of the blob");
        self.resumes += 1;
        self.cut_at = Some(self.offset);
        (self.answer, self.skip) = get(
            self.client,
            self.permits,
            self.remote,
            self.blob,
            self.offset,
        )
        .await?;
        Ok(())
    }
}

async fn get(
    client: &Client,
    permits: &Permits,
    remote: &Remote,
    blob: &Descriptor,
    offset: u64,
) -> Result<(Response, u64), Failure> {
    let subject = blob.digest.as_str();
    let step = Step::PullBlob;
    let target = Target::Path(format!("blobs/{subject}"));
    let mut call = Call::new(client, permits, remote, step, subject, Method::GET, target);
    let identity = HeaderValue::from_static("identity");
    call.headers.insert(ACCEPT_ENCODING, identity);
    if offset > 0 {
        let range = HeaderValue::from_str(&format!("bytes={offset}-"));
        call.headers.extend(range.map(|range| (RANGE, range)));
    }
    let answer = client.send(call).await?;
    let skip = bytes_to_skip(answer.status(), answer.headers(), offset, blob.size);
    match skip {
        Ok(skip) => Ok((answer, skip)),
        Err((class, said)) => {
            Mirrored::of(&answer).distrust();
            Err(Failure::new(remote.side, step, subject, class, said))
        }
    }
}
