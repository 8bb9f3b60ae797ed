//! Sends a blob in chunks (OCI distribution spec, section "Pushing a blob in chunks"). What was cut goes on at the byte that the
//! registry says it is at. Nothing but the state of the hash at the border of a chunk is kept.

use std::sync::Arc;

use image_sync_shared::failure::{Failure, FailureClass, Side};
use reqwest::StatusCode;

use super::body_writer::{BodyWriter, body};
use super::resume_budget::ResumeBudget;
use super::to_registry::{ToRegistry, UploadError, taken};
use super::verified::{Checkpoint, VerifiedBlob};
use crate::client::{Payload, Permits};
use crate::distribution::uploads::Session;

impl ToRegistry<'_> {
    /// Sends `blob` in chunks of `chunk` bytes. The upload is not ended yet.
    pub(super) async fn send_chunks<'a>(
        &'a self,
        permits: &'a Arc<Permits>,
        session: &mut Session,
        mut blob: VerifiedBlob<'a>,
        chunk: u64,
    ) -> Result<(), UploadError> {
        let size = self.copy.blob.size;
        let mut resume_budget = ResumeBudget::default();
        // Ends when all bytes have come out, the last of which do so only with the right digest.
        while let Some(border) = blob.checkpoint() {
            let at = border.position;
            let end = size.min(at.saturating_add(chunk));
            let sent = self.send_chunk(permits, session, &mut blob, end);
            let (reached, failure) = match sent.await {
                Ok(()) => match session.received() {
                    // Registries that do not tell leave Range out, or say 0-0: their word for the chunk is the 2xx
                    // alone.
                    Some(received) if 0 < received && received < end => {
                        let answer = format!("the registry took {received} of {end} bytes");
                        let class = FailureClass::Connection;
                        (received, self.failure(class, &answer))
                    }
                    _ => continue,
                },
                Err(error) if may_resume(&error) => {
                    let (UploadError::Failed(failure) | UploadError::Refused(_, failure)) = error;
                    match self.ask(permits, session, &failure).await {
                        Some(reached) => (reached, failure),
                        None => return Err(UploadError::Failed(failure)),
                    }
                }
                Err(error) => return Err(error),
            };
            // A registry that has more than it was ever sent is at another upload.
            if reached > self.told() || !resume_budget.may_resume(reached) {
                return Err(UploadError::Failed(failure));
            }
            // All of the chunk arrived, and only the answer was lost.
            if reached == end && blob.position() == end {
                continue;
            }
            blob = self.go_back(permits, border, reached).await?;
        }
        Ok(())
    }

    /// Sends what is before `end`.
    async fn send_chunk(
        &self,
        permits: &Permits,
        session: &mut Session,
        blob: &mut VerifiedBlob<'_>,
        end: u64,
    ) -> Result<(), UploadError> {
        let at = blob.position();
        let length = end - at;
        let first = blob
            .next_within(length)
            .await
            .map_err(UploadError::Failed)?;
        let (pieces, body) = body(length);
        let request = async {
            let payload = Payload::Stream(body);
            taken(session.patch(permits, payload, at..end).await)
        };
        let writer = BodyWriter {
            first: first.unwrap_or_default(),
            blob,
            length,
            pieces,
            on_bytes: &|within, bytes| self.tell(at + within, bytes),
            stall: self.transfer.stall,
        };
        self.stream(writer, request).await
    }

    /// How many bytes the registry has after `failure`, as it says when it is asked, or else has said with a 416; none if it does not
    /// say so.
    async fn ask(
        &self,
        permits: &Permits,
        session: &mut Session,
        failure: &Failure,
    ) -> Option<u64> {
        let asked = session.ask(permits).await.ok().flatten();
        let received = asked.or_else(|| session.received())?;
        tracing::debug!(%failure, received, "the upload goes on after a cut");
        Some(received)
    }

    /// The blob from `reached` on. What was hashed before is hashed again only where it must be.
    async fn go_back<'a>(
        &'a self,
        permits: &'a Permits,
        border: Checkpoint,
        reached: u64,
    ) -> Result<VerifiedBlob<'a>, UploadError> {
        let checkpoint = if border.position <= reached {
            border
        } else {
            // It has lost earlier chunks too, for whose end no state of the hash is kept: read from the start.
            Checkpoint::start(self.copy.blob)
        };
        let opened = self.read_from(permits, checkpoint, None).await;
        let mut blob = opened.map_err(UploadError::Failed)?;
        while blob.position() < reached {
            let missing = reached - blob.position();
            let skipped = blob
                .next_within(missing)
                .await
                .map_err(UploadError::Failed)?;
            if skipped.is_none() {
                break;
            }
        }
        Ok(blob)
    }
}

/// Whether the registry may have taken a part of the chunk, or wants another one.
fn may_resume(error: &UploadError) -> bool {
    match error {
        UploadError::Refused(status, _) => *status == StatusCode::RANGE_NOT_SATISFIABLE,
        UploadError::Failed(Failure { side, class, .. }) => {
            let passes = matches!(
                class,
                FailureClass::Connection | FailureClass::Timeout | FailureClass::Unavailable
            );
            *side == Side::Target && passes
        }
    }
}
