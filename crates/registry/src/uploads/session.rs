//! One upload session (OCI distribution spec, section "Pushing blobs").

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::job::Remote;
use image_sync_shared::manifest::Descriptor;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Shared;
use super::location;
use super::way::MAY_WANT_PATCH;
use crate::client::{Call, Client, Payload, Permits, Target};

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
}

/// What came of a PUT with the whole blob.
pub(crate) enum Put {
    /// The blob is in place.
    Done,
    /// Refused in a way that a PATCH may get around.
    Refused(Failure),
}

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
        };
        session.go_on(answer)?;
        Ok(session)
    }

    /// Sends the whole blob and ends the upload.
    pub(crate) async fn put(
        &mut self,
        permits: &Permits,
        payload: Payload,
    ) -> Result<Put, Failure> {
        let mut call = self.call(permits, Method::PUT, self.closing()?);
        self.carry(&mut call, payload);
        call.accept = &MAY_WANT_PATCH;
        let answer = self.client().send(call).await?;
        if answer.status().is_success() {
            self.succeeded(&answer)?;
            return Ok(Put::Done);
        }
        let subject = self.digest.as_str();
        let refused = self
            .client()
            .refused(self.remote.side, Step::PushBlob, subject, answer);
        Ok(Put::Refused(refused.await))
    }

    /// Sends the whole blob in one chunk. The upload is not ended yet.
    pub(crate) async fn patch(
        &mut self,
        permits: &Permits,
        payload: Payload,
    ) -> Result<(), Failure> {
        let mut call = self.call(permits, Method::PATCH, self.location()?.clone());
        self.carry(&mut call, payload);
        if let Some(last) = self.size.checked_sub(1) {
            let range = HeaderValue::from_str(&format!("0-{last}"));
            call.headers
                .extend(range.map(|range| (CONTENT_RANGE, range)));
        }
        let answer = self.client().send(call).await?;
        self.go_on(&answer)
    }

    /// Ends the upload of a blob that was sent before.
    pub(crate) async fn close(&mut self, permits: &Permits) -> Result<(), Failure> {
        let mut call = self.call(permits, Method::PUT, self.closing()?);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        call.answer_within = None;
        let answer = self.client().send(call).await?;
        self.succeeded(&answer)
    }

    fn call<'a>(&'a self, permits: &'a Permits, method: Method, url: Url) -> Call<'a> {
        let subject = self.digest.as_str();
        let target = Target::Url(url);
        Call::new(
            self.client(),
            permits,
            &self.remote,
            Step::PushBlob,
            subject,
            method,
            target,
        )
    }

    /// Gives a request the blob. Who feeds the blob watches the time.
    fn carry(&self, call: &mut Call<'_>, payload: Payload) {
        let octets = HeaderValue::from_static("application/octet-stream");
        call.headers = HeaderMap::from_iter([
            (CONTENT_TYPE, octets),
            (CONTENT_LENGTH, HeaderValue::from(self.size)),
        ]);
        call.payload = payload;
        call.answer_within = None;
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
        Ok(())
    }

    /// Notes that the blob is in place, if it is the right one that the registry says it has stored.
    fn succeeded(&mut self, answer: &Response) -> Result<(), Failure> {
        self.location = None;
        let stated = answer.headers().get("docker-content-digest");
        let stored = stated.and_then(|value| value.to_str().ok()?.parse::<Digest>().ok());
        match stored {
            Some(stored)
                if stored.algorithm() == self.digest.algorithm() && stored != self.digest =>
            {
                let found = format!("it was stored as {stored}");
                Err(self.failure(FailureClass::DigestMismatch, &found))
            }
            _ if answer.status() == StatusCode::ACCEPTED => {
                Err(self.invalid("202 Accepted, expected 201 Created"))
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

impl Drop for Session {
    fn drop(&mut self) {
        if let (Some(location), Ok(runtime)) = (self.location.take(), Handle::try_current()) {
            let cancelled = cancel(
                self.shared.client.clone(),
                self.remote.clone(),
                self.digest.to_string(),
                location,
            );
            self.shared.tasks.spawn_on(cancelled, &runtime);
        }
    }
}

/// Asks the registry to forget an upload. That it may refuse harms nobody: it forgets uploads in time.
async fn cancel(client: Client, remote: Remote, digest: String, location: Url) {
    let asked = async {
        let permits = client.permit(&remote).await;
        let target = Target::Url(location);
        let step = Step::PushBlob;
        let call = Call::new(
            &client,
            &permits,
            &remote,
            step,
            &digest,
            Method::DELETE,
            target,
        );
        client.send(call).await
    };
    match timeout(CANCEL_WITHIN, asked).await {
        Ok(Ok(_)) => {
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
