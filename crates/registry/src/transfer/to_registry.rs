//! Sends blobs to a registry.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::ports::registries::{Arrival, BlobCopy};
use image_sync_shared::reference::Repository;
use tokio::time::timeout;

use super::Transfer;
use super::feed::{FeedError, Pieces, body, feed};
use super::source::Source;
use super::verified::Verified;
use crate::client::{Payload, Permits};
use crate::uploads::{Mount, Put, Session, Way};

/// How long a registry may take to answer after the last byte: it may move the blob to where it belongs first.
const FINAL_ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// Why one try to send a blob ended.
enum Stop {
    /// For good.
    Failed(Failure),
    /// The registry may take a PATCH.
    PutRefused(Failure),
}

/// A blob that is sent to a registry.
pub(super) struct ToRegistry<'a> {
    pub(super) transfer: &'a Transfer,
    pub(super) copy: &'a BlobCopy<'a>,
}

impl ToRegistry<'_> {
    /// Mounts the blob, or sends it.
    pub(super) async fn copy(&self) -> Result<Arrival, Failure> {
        let copy = self.copy;
        let mut begun = None;
        if let Some(from) = self.mountable() {
            match self
                .transfer
                .uploads
                .mount(copy.target, copy.blob, from)
                .await?
            {
                Mount::Done => return Ok(Arrival::Mounted),
                Mount::Begun(session) => begun = Some(session),
                Mount::Refused => {}
            }
        }
        let client = &self.transfer.client;
        let permits = Arc::new(client.transfer_permits(copy.source, copy.target).await);
        self.send(&permits, begun).await?;
        let bytes = copy.blob.size;
        Ok(Arrival::Copied { bytes })
    }

    /// The repository of the target's registry that has the blob: the caller's, or the source itself.
    fn mountable(&self) -> Option<&Repository> {
        let host = self.copy.target.repository.host();
        [self.copy.mount_from, Some(&self.copy.source.repository)]
            .into_iter()
            .flatten()
            .find(|from| from.host() == host)
    }

    /// Sends the blob by PUT, or by PATCH where that is known to be wanted or a PUT is refused.
    async fn send(&self, permits: &Arc<Permits>, begun: Option<Session>) -> Result<(), Failure> {
        let uploads = &self.transfer.uploads;
        let way = uploads.way(self.copy.target);
        let refusal = match self.try_once(permits, begun, way).await {
            Ok(()) => return Ok(()),
            Err(Stop::PutRefused(failure)) => failure,
            Err(Stop::Failed(failure)) => return Err(failure),
        };
        tracing::debug!(failure = %refusal, "sending the blob by PATCH instead");
        match self.try_once(permits, None, Way::Patch).await {
            Ok(()) => {
                uploads.remember_patch(self.copy.target);
                Ok(())
            }
            Err(Stop::Failed(failure) | Stop::PutRefused(failure)) => Err(failure),
        }
    }

    async fn try_once(
        &self,
        permits: &Arc<Permits>,
        begun: Option<Session>,
        way: Way,
    ) -> Result<(), Stop> {
        let (mut session, mut blob) = self.open(permits, begun).await?;
        // A blob that fails at its first bytes costs the target no request.
        let first = blob.next().await.map_err(Stop::Failed)?.unwrap_or_default();
        if blob.is_done() {
            let sent = first.len() as u64;
            let request = request(way, &mut session, permits, Payload::Bytes(first));
            self.answered(request).await?;
            (self.copy.on_bytes)(sent);
        } else {
            let (pieces, body) = body(self.copy.blob.size);
            let request = request(way, &mut session, permits, Payload::Stream(body));
            self.stream(first, &mut blob, pieces, request).await?;
        }
        match way {
            Way::Put => Ok(()),
            Way::Patch => {
                self.answered(session.close(permits).map_err(Stop::Failed))
                    .await
            }
        }
    }

    /// Opens both ends, at the same time.
    async fn open<'a>(
        &'a self,
        permits: &'a Arc<Permits>,
        begun: Option<Session>,
    ) -> Result<(Session, Verified<'a>), Stop> {
        let Transfer {
            client,
            uploads,
            stall,
        } = self.transfer;
        let copy = self.copy;
        let opening = async {
            match begun {
                Some(session) => Ok(session),
                None => uploads.begin(permits, copy.target, copy.blob).await,
            }
        };
        let source = Source::open(client, permits, copy.source, copy.blob);
        let (session, source) = tokio::join!(opening, source);
        let source = source.map_err(Stop::Failed)?;
        let blob = Verified::new(source, copy.source.side, copy.blob, *stall);
        Ok((session.map_err(Stop::Failed)?, blob))
    }

    /// Feeds a request while it runs, and waits for its answer.
    async fn stream(
        &self,
        first: Bytes,
        blob: &mut Verified<'_>,
        pieces: Pieces,
        request: impl Future<Output = Result<(), Stop>>,
    ) -> Result<(), Stop> {
        let mut request = pin!(request);
        let feeding = feed(first, blob, pieces, self.copy.on_bytes, self.transfer.stall);
        let fed = tokio::select! {
            fed = feeding => fed,
            answer = &mut request => return self.too_early(answer),
        };
        match fed {
            Ok(()) => self.answered(request).await,
            Err(FeedError::Source(failure)) => Err(Stop::Failed(failure)),
            Err(FeedError::Stalled(sent)) => Err(Stop::Failed(self.stalled(sent))),
            Err(FeedError::Over) => self.too_early(self.answered(request).await),
        }
    }

    /// Waits for the answer to a request of which all was sent.
    async fn answered(&self, request: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
        timeout(FINAL_ANSWER_WITHIN, request)
            .await
            .unwrap_or_else(|_| {
                let limit = FINAL_ANSWER_WITHIN.as_secs();
                let answer = format!("no answer for {limit} s after the last byte");
                Err(Stop::Failed(self.failure(FailureClass::Timeout, &answer)))
            })
    }

    /// A refusal may come before the last byte was sent, success may not.
    fn too_early(&self, answer: Result<(), Stop>) -> Result<(), Stop> {
        answer.and_then(|()| {
            let answer = "it was accepted before all of it was sent";
            Err(Stop::Failed(self.failure(FailureClass::Connection, answer)))
        })
    }

    fn stalled(&self, sent: u64) -> Failure {
        let answer = format!(
            "no byte was taken for {:?}, after {sent} of {} bytes",
            self.transfer.stall, self.copy.blob.size
        );
        self.failure(FailureClass::Timeout, &answer)
    }

    fn failure(&self, class: FailureClass, answer: &str) -> Failure {
        let digest = &self.copy.blob.digest;
        Failure::new(self.copy.target.side, Step::PushBlob, digest, class, answer)
    }
}

/// Sends the blob by PUT, which ends the upload, or by PATCH, which does not.
async fn request(
    way: Way,
    session: &mut Session,
    permits: &Permits,
    payload: Payload,
) -> Result<(), Stop> {
    let sent = match way {
        Way::Put => session.put(permits, payload).await,
        Way::Patch => session.patch(permits, payload).await.map(|()| Put::Done),
    };
    match sent {
        Ok(Put::Done) => Ok(()),
        Ok(Put::Refused(failure)) => Err(Stop::PutRefused(failure)),
        Err(failure) => Err(Stop::Failed(failure)),
    }
}
