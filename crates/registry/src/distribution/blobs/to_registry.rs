//! Sends blobs to a registry.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::transfer::registries::{Arrival, BlobCopy};
use image_sync_shared::text;
use reqwest::StatusCode;
use tokio::time::timeout;

use super::BlobTransfer;
use super::body_writer::{BodyWriter, BodyWriterError, body};
use super::entry::Entry;
use super::http_source::Seated;
use super::source::Source;
use super::verified::{Checkpoint, VerifiedBlob};
use crate::client::{Payload, Permits};
use crate::distribution::uploads::{Mount, Sent, Session, UploadMethod, UploadSupport};

/// How long a registry may take to answer after the last byte: it may move the blob to where it belongs first.
const FINAL_ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// Why one try to send a blob ended.
pub(super) enum UploadError {
    /// For good.
    Failed(Failure),
    /// With a status which says that the blob may be welcome in another way, or is in place.
    Refused(StatusCode, Failure),
}

/// A blob that is sent to a registry.
pub(super) struct ToRegistry<'a> {
    pub(super) transfer: &'a BlobTransfer,
    pub(super) copy: &'a BlobCopy<'a>,
    entry: Entry<'a>,
    /// How far the caller was told of bytes: those that are sent again do not count twice.
    told: AtomicU64,
}

impl<'a> ToRegistry<'a> {
    pub(super) fn new(transfer: &'a BlobTransfer, copy: &'a BlobCopy<'a>) -> Self {
        Self {
            transfer,
            copy,
            entry: Entry::new(transfer, copy.source, copy.target, copy.blob),
            told: AtomicU64::new(0),
        }
    }
}

impl ToRegistry<'_> {
    /// Mounts the blob, or sends it.
    pub(super) async fn copy(&self) -> Result<Arrival, Failure> {
        let copy = self.copy;
        let (uploads, bytes) = (&self.transfer.uploads, copy.blob.size);
        if uploads.arrived_unanswered(copy.target, copy.blob).await {
            return Ok(Arrival::Copied { bytes });
        }
        let mut begun = None;
        if let Some(from) = self.mountable() {
            match uploads.mount(copy.target, copy.blob, from).await? {
                Mount::Done => return Ok(Arrival::Mounted),
                Mount::Begun(session) => begun = Some(*session),
                Mount::Refused => {}
            }
        }
        let mut sent = self.enter_and_send(begun).await;
        if sent.is_err() && self.entry.is_left_behind() {
            tracing::debug!(blob = %copy.blob.digest, "left behind: sending it once more, from a request of its own");
            sent = self.enter_and_send(None).await;
        }
        sent.map(|()| Arrival::Copied { bytes })
    }

    async fn enter_and_send(&self, begun: Option<Session>) -> Result<(), Failure> {
        // Only now: a mount waits for the target's turn alone.
        let (permits, seated) = self.entry.enter().await;
        self.send(&permits, begun, seated).await
    }

    /// The repository of the target's registry that has the blob: the caller's, or the source itself.
    fn mountable(&self) -> Option<&Repository> {
        let host = self.copy.target.repository.host();
        [self.copy.mount_from, Some(&self.copy.source.repository)]
            .into_iter()
            .flatten()
            .find(|from| self.copy.may_mount && from.host() == host)
    }

    /// Sends the blob in the way that the registry is known to want, or in others until it takes one.
    async fn send(
        &self,
        permits: &Arc<Permits>,
        mut begun: Option<Session>,
        mut seated: Option<Seated>,
    ) -> Result<(), Failure> {
        let (uploads, size) = (&self.transfer.uploads, self.copy.blob.size);
        let known = uploads.support(self.copy.target);
        let mut support = known;
        loop {
            let opened = self.open(permits, begun.take(), seated.take()).await;
            let tried = match opened {
                Ok(opened) => self.try_once(permits, opened, support).await,
                Err(failure) => return Err(failure),
            };
            let (method, error) = match tried {
                Ok(()) => break,
                Err((None, UploadError::Failed(failure) | UploadError::Refused(_, failure))) => {
                    return Err(failure);
                }
                Err((Some(method), error)) => (method, error),
            };
            let (status, failure) = match error {
                UploadError::Failed(failure) => return Err(failure),
                UploadError::Refused(status, failure) => (status, failure),
            };
            let Some(next) = support.after(status, method, size) else {
                return Err(with_hint(status, failure));
            };
            tracing::debug!(%failure, ?next, "sending the blob in another way");
            support = next;
        }
        // Learnt from what worked in the end alone.
        if support != known {
            uploads.remember(self.copy.target, support);
        }
        Ok(())
    }

    async fn try_once(
        &self,
        permits: &Arc<Permits>,
        (mut session, blob): (Session, VerifiedBlob<'_>),
        support: UploadSupport,
    ) -> Result<(), (Option<UploadMethod>, UploadError)> {
        let method = support.method(self.copy.blob.size, session.limits());
        let method = method.map_err(|answer| {
            let failure = self.failure(FailureClass::Invalid, &answer);
            (None, UploadError::Failed(failure))
        })?;
        let sent = match method {
            UploadMethod::Chunks(chunk) => {
                self.send_chunks(permits, &mut session, blob, chunk).await
            }
            UploadMethod::Put | UploadMethod::Patch => {
                self.send_whole(permits, &mut session, blob, method).await
            }
        };
        let ended = match sent {
            // After a PATCH the upload is still open, and is ended by a PUT without a body (distribution spec, "Pushing
            // a blob in chunks").
            Ok(()) if method != UploadMethod::Put => {
                let closing = async { taken(session.close(permits).await) };
                self.answered(closing).await
            }
            sent => sent,
        };
        match ended {
            Err(error) => {
                let error = self.unless_arrived(permits, &mut session, error).await;
                error.map_or(Ok(()), |error| Err((Some(method), error)))
            }
            Ok(()) => Ok(()),
        }
    }

    /// A registry that did not answer itself may have taken the blob nevertheless: it is asked, now or before the next try.
    async fn unless_arrived(
        &self,
        permits: &Arc<Permits>,
        session: &mut Session,
        error: UploadError,
    ) -> Option<UploadError> {
        let (uploads, copy) = (&self.transfer.uploads, self.copy);
        let failure = match error {
            UploadError::Refused(
                StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT,
                failure,
            ) => {
                if uploads.has(permits, copy.target, copy.blob).await == Ok(true) {
                    // Nothing is left to be cancelled.
                    session.is_over();
                    return None;
                }
                failure
            }
            UploadError::Failed(failure) if is_unanswered(&failure) => failure,
            error => return Some(error),
        };
        // It may arrive later still, so the next try asks before it sends.
        uploads.was_unanswered(copy.target, copy.blob);
        Some(UploadError::Failed(failure))
    }

    async fn send_whole(
        &self,
        permits: &Arc<Permits>,
        session: &mut Session,
        mut blob: VerifiedBlob<'_>,
        method: UploadMethod,
    ) -> Result<(), UploadError> {
        let length = self.copy.blob.size;
        // A blob that fails at its first bytes costs the target no request.
        let first = blob
            .next()
            .await
            .map_err(UploadError::Failed)?
            .unwrap_or_default();
        // All of it came in one piece: unlike a stream it can be sent once more with another token.
        if blob.is_done() {
            let request = whole(method, session, permits, Payload::Bytes(first), length);
            self.answered(request).await?;
            self.tell(0, length);
            return Ok(());
        }
        let (pieces, body) = body(length);
        let request = whole(method, session, permits, Payload::Stream(body), length);
        let writer = BodyWriter {
            first,
            blob: &mut blob,
            length,
            pieces,
            on_bytes: &|at, bytes| self.tell(at, bytes),
            stall: self.transfer.stall,
        };
        self.stream(writer, request).await
    }

    /// Opens both ends, at the same time.
    async fn open<'a>(
        &'a self,
        permits: &'a Arc<Permits>,
        begun: Option<Session>,
        seated: Option<Seated>,
    ) -> Result<(Session, VerifiedBlob<'a>), Failure> {
        let (uploads, copy) = (&self.transfer.uploads, self.copy);
        let opening = async {
            match begun {
                Some(session) => Ok(session),
                None => uploads.begin(permits, copy.target, copy.blob).await,
            }
        };
        let source = self.read_from(permits, Checkpoint::start(copy.blob), seated);
        let (session, blob) = tokio::join!(opening, source);
        // The source's failure goes first. The session, if it was opened, is dropped here and so cancelled.
        let blob = blob?;
        Ok((session?, blob))
    }

    /// Opens the source at a place, or takes the seat that there is for it.
    pub(super) async fn read_from<'a>(
        &'a self,
        permits: &'a Permits,
        checkpoint: Checkpoint,
        seated: Option<Seated>,
    ) -> Result<VerifiedBlob<'a>, Failure> {
        let (blob, side) = (self.copy.blob, self.copy.source.side);
        let read = self.entry.read(permits);
        let source = Source::open(read, checkpoint.position, seated).await?;
        let stall = self.transfer.stall;
        Ok(VerifiedBlob::new(source, side, blob, stall, checkpoint))
    }

    /// Feeds a request while it runs, and waits for its answer.
    pub(super) async fn stream(
        &self,
        writer: BodyWriter<'_, '_>,
        request: impl Future<Output = Result<(), UploadError>>,
    ) -> Result<(), UploadError> {
        let mut request = pin!(request);
        let ended = tokio::select! {
            ended = writer.run() => ended,
            answer = &mut request => return self.too_early(answer),
        };
        match ended {
            Ok(()) => self.answered(request).await,
            Err(BodyWriterError::Source(failure)) => Err(UploadError::Failed(failure)),
            Err(BodyWriterError::Stalled(sent)) => Err(UploadError::Failed(self.stalled(sent))),
            // The other side stopped reading: its answer, if there is one, says why.
            Err(BodyWriterError::Over) => self.too_early(self.answered(request).await),
        }
    }

    /// Waits for the answer to a request of which all was sent.
    async fn answered(
        &self,
        request: impl Future<Output = Result<(), UploadError>>,
    ) -> Result<(), UploadError> {
        timeout(FINAL_ANSWER_WITHIN, request)
            .await
            .unwrap_or_else(|_| {
                let limit = FINAL_ANSWER_WITHIN.as_secs();
                let answer = format!("no answer for {limit} s after the last byte");
                Err(UploadError::Failed(
                    self.failure(FailureClass::Timeout, &answer),
                ))
            })
    }

    /// A refusal may come before the last byte was sent, success may not.
    fn too_early(&self, answer: Result<(), UploadError>) -> Result<(), UploadError> {
        answer.and_then(|()| {
            let answer = "it was accepted before all of it was sent";
            Err(UploadError::Failed(
                self.failure(FailureClass::Connection, answer),
            ))
        })
    }

    /// Tells the caller that `bytes` bytes were sent which stand at `at` in the blob.
    pub(super) fn tell(&self, at: u64, bytes: u64) {
        let now = at + bytes;
        let before = self.told.fetch_max(now, Ordering::Relaxed);
        if now > before {
            (self.copy.on_bytes)(now - before.max(at));
        }
    }

    /// How many bytes were sent, some of them perhaps more than once.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    fn stalled(&self, sent: u64) -> Failure {
        let answer = format!(
            "no byte was taken for {:?}, after {sent} of {} bytes",
            self.transfer.stall, self.copy.blob.size
        );
        self.failure(FailureClass::Timeout, &answer)
    }

    pub(super) fn failure(&self, class: FailureClass, answer: &str) -> Failure {
        let digest = &self.copy.blob.digest;
        Failure::new(self.copy.target.side, Step::PushBlob, digest, class, answer)
    }
}

/// Sends the blob by PUT, which ends the upload, or by PATCH, which does not.
async fn whole(
    method: UploadMethod,
    session: &mut Session,
    permits: &Permits,
    payload: Payload,
    length: u64,
) -> Result<(), UploadError> {
    taken(match method {
        UploadMethod::Put => session.put(permits, payload).await,
        UploadMethod::Patch | UploadMethod::Chunks(_) => {
            session.patch(permits, payload, 0..length).await
        }
    })
}

pub(super) fn taken(sent: Result<Sent, Failure>) -> Result<(), UploadError> {
    match sent {
        Ok(Sent::Taken) => Ok(()),
        Ok(Sent::Refused(status, failure)) => Err(UploadError::Refused(status, failure)),
        Err(failure) => Err(UploadError::Failed(failure)),
    }
}

/// Whether the target may have taken what it was sent, as nothing was heard of it.
fn is_unanswered(failure: &Failure) -> bool {
    let class = failure.class;
    failure.side == Side::Target
        && matches!(class, FailureClass::Timeout | FailureClass::Connection)
}

/// A 413 that no smaller request gets around, with what may.
fn with_hint(status: StatusCode, failure: Failure) -> Failure {
    if status != StatusCode::PAYLOAD_TOO_LARGE {
        return failure;
    }
    let hint = "the registry, or a proxy before it, limits the length of a request; chunk_size can be set for it";
    let answer = text::bounded(format_args!("{} ({hint})", failure.answer));
    Failure { answer, ..failure }
}
