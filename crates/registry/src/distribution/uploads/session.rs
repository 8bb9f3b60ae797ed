//! One upload session (OCI distribution spec, section "Pushing blobs").

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::run::job::Remote;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::upload_method::{ChunkLimits, MAY_TAKE_ANOTHER_METHOD};
use super::{Shared, location, status};
use crate::client::{Client, Operation, Payload, Permits, Request, Target};
use crate::http::refusal::WriteKind;

/// How long a cancellation may take, the wait for its turn included.
const CANCEL_WITHIN: Duration = Duration::from_secs(20);

/// An upload that has begun. Dropped before it has succeeded, it is cancelled.
pub(crate) struct Session {
    shared: Arc<Shared>,
    remote: Remote,
    digest: Digest,
    size: u64,
    /// Where the upload goes on; none once it needs no cancelling.
    location: Option<Url>,
    /// How long its chunks may be.
    limits: ChunkLimits,
    /// How many bytes the answer to the last chunk said that the registry has.
    received: Option<u64>,
}

/// What came of a request with bytes of a blob, or of the one that ends an upload.
pub(crate) enum Sent {
    /// The registry took it.
    Taken,
    /// It was refused in a way that another way to send it, or asking whether it is there, may get around.
    Refused(StatusCode, Failure),
}

/// Statuses of a proxy that gave up waiting for the registry: the blob may be in place.
const UNANSWERED: [StatusCode; 2] = [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT];

impl Session {
    /// The session that an answer to a POST of `blob` opens.
    pub(super) fn opened(
        shared: Arc<Shared>,
        remote: Remote,
        blob: &Descriptor,
        answer: &Response,
    ) -> Result<Self, Failure> {
        let mut session = Self {
            shared,
            remote,
            digest: blob.digest.clone(),
            size: blob.size,
            location: None,
            limits: ChunkLimits::stated(answer.headers()),
            received: None,
        };
        session.go_on(answer)?;
        Ok(session)
    }

    /// How long its chunks may be.
    pub(crate) fn limits(&self) -> ChunkLimits {
        self.limits
    }

    /// How many bytes the registry said, with its answer to the last chunk, that it has.
    pub(crate) fn received(&self) -> Option<u64> {
        self.received
    }

    /// Sends the whole blob and ends the upload.
    pub(crate) async fn put(
        &mut self,
        permits: &Permits,
        payload: Payload,
    ) -> Result<Sent, Failure> {
        let accepted = [&MAY_TAKE_ANOTHER_METHOD[..], &UNANSWERED].concat();
        let operation = self.operation(permits);
        let request = operation.request(Method::PUT, Target::Url(self.closing()?));
        let request = carrying(request, payload, self.size).accept(&accepted);
        let answer = self.client().send(request).await?;
        if answer.status().is_success() {
            self.succeeded(&answer)?;
            return Ok(Sent::Taken);
        }
        Ok(self.refused(permits, answer).await)
    }

    /// Sends the bytes of `range`. The upload is not ended yet.
    pub(crate) async fn patch(
        &mut self,
        permits: &Permits,
        payload: Payload,
        range: Range<u64>,
    ) -> Result<Sent, Failure> {
        let operation = self.operation(permits);
        let request = operation.request(Method::PATCH, Target::Url(self.location()?.clone()));
        let mut request = carrying(request, payload, range.end - range.start).accept(&[
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ]);
        if !range.is_empty() {
            // Without a unit, as the distribution spec has it and unlike RFC 9110, section 14.4.
            let stated = format!("{}-{}", range.start, range.end - 1);
            if let Ok(stated) = HeaderValue::try_from(stated) {
                request = request.header(CONTENT_RANGE, stated);
            }
        }
        let answer = self.client().send(request).await;
        // However this one ended, what the answer before said is out of date.
        self.received = None;
        let answer = answer?;
        if answer.status().is_success() {
            self.go_on(&answer)?;
            return Ok(Sent::Taken);
        }
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            self.received = status::received(answer.headers());
        }
        Ok(self.refused(permits, answer).await)
    }

    /// Ends the upload of a blob that was sent before.
    pub(crate) async fn close(&mut self, permits: &Permits) -> Result<Sent, Failure> {
        let operation = self.operation(permits);
        let request = operation.request(Method::PUT, Target::Url(self.closing()?));
        // The caller has more patience: a registry may have to move the blob to its place before it answers.
        let request = request.accept(&UNANSWERED).without_time_limit();
        let answer = self.client().send(request).await?;
        if answer.status().is_success() {
            self.succeeded(&answer)?;
            return Ok(Sent::Taken);
        }
        Ok(self.refused(permits, answer).await)
    }

    /// Asks how many bytes the registry has, as far as it says so. The upload goes on from there.
    pub(crate) async fn ask(&mut self, permits: &Permits) -> Result<Option<u64>, Failure> {
        let operation = self.operation(permits);
        let status = status::ask(self.client(), &operation, self.location()?).await?;
        self.location = Some(status.location);
        Ok(status.received)
    }

    /// Notes that the blob is in place after all.
    pub(crate) fn is_over(&mut self) {
        self.location = None;
    }

    async fn refused(&self, permits: &Permits, answer: Response) -> Sent {
        let (status, operation) = (answer.status(), self.operation(permits));
        let refused = self
            .client()
            .refused(&operation, WriteKind::Content, answer);
        Sent::Refused(status, refused.await)
    }

    fn operation<'a>(&'a self, permits: &'a Permits) -> Operation<'a> {
        Operation::new(&self.remote, permits, Step::PushBlob, self.digest.as_str())
    }

    fn client(&self) -> &Client {
        &self.shared.client
    }

    fn location(&self) -> Result<&Url, Failure> {
        self.location
            .as_ref()
            .ok_or_else(|| self.invalid("the upload is over"))
    }

    fn closing(&self) -> Result<Url, Failure> {
        Ok(location::closing(self.location()?, &self.digest))
    }

    fn go_on(&mut self, answer: &Response) -> Result<(), Failure> {
        let next = location::next(answer.url(), answer.headers());
        self.location = Some(next.map_err(|reason| self.invalid(&reason))?);
        self.received = status::received(answer.headers());
        Ok(())
    }

    /// Notes that the blob is in place, if it is the right one that the registry says it has stored.
    fn succeeded(&mut self, answer: &Response) -> Result<(), Failure> {
        // The end of an upload is 201 (distribution spec): 202 says that it is not stored yet, and the session goes on.
        if answer.status() == StatusCode::ACCEPTED {
            // Where nothing is said of its place, it is where it was.
            self.go_on(answer).ok();
            return Err(self.invalid("202 Accepted, expected 201 Created"));
        }
        // Whatever is wrong with what was stored, there is no session left to be cancelled.
        self.location = None;
        let stated = answer.headers().get("docker-content-digest");
        let stored = stated.and_then(|value| value.to_str().ok()?.parse::<Digest>().ok());
        match stored {
            Some(stored)
                // Digests by different algorithms cannot be compared.
                if stored.algorithm() == self.digest.algorithm() && stored != self.digest =>
            {
                let found = format!("it was stored as {stored}");
                Err(self.failure(FailureClass::DigestMismatch, &found))
            }
            _ => Ok(()),
        }
    }

    fn invalid(&self, answer: &str) -> Failure {
        self.failure(FailureClass::Invalid, answer)
    }

    fn failure(&self, class: FailureClass, answer: &str) -> Failure {
        let subject = self.digest.as_str();
        Failure::new(self.remote.side, Step::PushBlob, subject, class, answer)
    }
}

/// A request with `length` bytes. Who feeds them watches the time.
fn carrying(request: Request<'_>, payload: Payload, length: u64) -> Request<'_> {
    let octets = HeaderValue::from_static("application/octet-stream");
    request
        .header(CONTENT_TYPE, octets)
        .header(CONTENT_LENGTH, HeaderValue::from(length))
        .payload(payload)
        .without_time_limit()
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without a runtime, as at the end of the process, nothing can be sent: registries forget uploads in time.
        if let (Some(location), Ok(runtime)) = (self.location.take(), Handle::try_current()) {
            let cancelled = cancel(
                self.shared.client.clone(),
                self.remote.clone(),
                self.digest.to_string(),
                location,
            );
            // Tracked, so that the end of the program waits for it.
            self.shared.tasks.spawn_on(cancelled, &runtime);
        }
    }
}

/// Asks the registry to forget an upload. That it may refuse harms nobody: it forgets uploads in time.
async fn cancel(client: Client, remote: Remote, digest: String, location: Url) {
    let asked = async {
        let permits = client.permit(&remote).await;
        let operation = Operation::new(&remote, &permits, Step::PushBlob, &digest);
        let refused = delete(&client, &operation, location.clone()).await?;
        if refused.is_success() {
            return Ok(());
        }
        // Where a request was cut, some know an upload by its new length only: distribution 3 has it in the Location.
        let status = status::ask(&client, &operation, &location).await?;
        match delete(&client, &operation, status.location).await? {
            status if status.is_success() => Ok(()),
            status => {
                let class = FailureClass::Invalid;
                let step = Step::PushBlob;
                let failure = Failure::new(remote.side, step, &digest, class, status);
                Err(failure.with_status(Some(status.as_u16())))
            }
        }
    };
    match timeout(CANCEL_WITHIN, asked).await {
        Ok(Ok(())) => {
            tracing::debug!(repository = %remote.repository, digest, "cancelled an upload");
        }
        Ok(Err(failure)) => {
            tracing::debug!(repository = %remote.repository, %failure, "the upload was not cancelled");
        }
        Err(_) => {
            tracing::debug!(repository = %remote.repository, digest, "the upload was not cancelled in time");
        }
    }
}

/// The status of the answer: a success, or one of those that say that the upload is further than its Location.
async fn delete(
    client: &Client,
    operation: &Operation<'_>,
    location: Url,
) -> Result<StatusCode, Failure> {
    let request = operation.request(Method::DELETE, Target::Url(location));
    let request = request.accept(&[StatusCode::BAD_REQUEST, StatusCode::RANGE_NOT_SATISFIABLE]);
    let answer = client.send(request).await?;
    Ok(answer.status())
}
