//! Upload sessions at a registry (OCI distribution spec, section "Pushing blobs").

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod location;
mod marked_blobs;
mod session;
mod status;
mod upload_method;

use std::collections::BTreeMap;
use std::sync::Arc;

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::reference::Repository;
use image_sync_shared::run::job::Remote;
use reqwest::{Method, Response, StatusCode};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use self::marked_blobs::MarkedBlobs;
use self::upload_method::UploadMethods;
use crate::client::{Client, Operation, Permits, Target};

pub(crate) use self::session::{Sent, Session};
pub(crate) use self::upload_method::{UploadMethod, UploadSupport};

/// Begins uploads. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Uploads {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    methods: UploadMethods,
    /// Blobs whose last mount went wrong at the registry: the next try is without one, as it may be the mount alone that the
    /// registry cannot do.
    unmounted: MarkedBlobs,
    /// Blobs whose end was not answered by the registry itself: they are asked for before they are sent again.
    unanswered: MarkedBlobs,
    /// Requests that must be sent although nobody waits for them any more.
    tasks: TaskTracker,
}

/// What came of asking for a mount.
pub(crate) enum Mount {
    /// The blob is in place.
    Done,
    /// The registry wants the bytes after all, and has begun an upload.
    Begun(Box<Session>),
    /// The registry does not mount.
    Refused,
}

impl Uploads {
    /// Uploads in chunks of at most so many bytes, where that is configured for a host.
    pub(crate) fn new(client: Client, chunk_sizes: BTreeMap<String, u64>) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                methods: UploadMethods::new(chunk_sizes),
                unmounted: MarkedBlobs::default(),
                unanswered: MarkedBlobs::default(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Asks the registry to take `blob` from its repository `from` (section "Mounting a blob from another repository"). Where that
    /// went wrong at the registry, the next try is without it.
    pub(crate) async fn mount(
        &self,
        target: &Remote,
        blob: &Descriptor,
        from: &Repository,
    ) -> Result<Mount, Failure> {
        let unmounted = &self.shared.unmounted;
        if unmounted.take(target, &blob.digest) {
            return Ok(Mount::Refused);
        }
        let permits = Arc::new(self.shared.client.permit(target).await);
        let asked = self.post(permits, target, blob, Some(from.name().to_owned()));
        match asked.await {
            Ok(None) => Ok(Mount::Done),
            Ok(Some(session)) => Ok(Mount::Begun(Box::new(session))),
            Err(failure) if refuses_mount(failure.class) => {
                tracing::debug!(%from, %failure, "the blob is sent, not mounted");
                Ok(Mount::Refused)
            }
            Err(failure) => {
                if may_be_the_mount(failure.class) {
                    unmounted.add(target, &blob.digest);
                }
                Err(failure)
            }
        }
    }

    /// Begins an upload.
    pub(crate) async fn begin(
        &self,
        permits: &Arc<Permits>,
        target: &Remote,
        blob: &Descriptor,
    ) -> Result<Session, Failure> {
        let begun = self.post(Arc::clone(permits), target, blob, None).await?;
        begun.ok_or_else(|| {
            let answer = "201 Created, expected 202 Accepted, as nothing was sent";
            local(target, blob, FailureClass::Invalid, answer)
        })
    }

    /// What is known of `target` about how it takes blobs.
    pub(crate) fn support(&self, target: &Remote) -> UploadSupport {
        let host = target.repository.host();
        host.map(|host| self.shared.methods.of(host))
            .unwrap_or_default()
    }

    /// Notes what was learnt about how `target` takes blobs.
    pub(crate) fn remember(&self, target: &Remote, support: UploadSupport) {
        if let Some(host) = target.repository.host() {
            self.shared.methods.remember(host, support);
        }
    }

    /// Whether `target` has `blob`.
    pub(crate) async fn has(
        &self,
        permits: &Permits,
        target: &Remote,
        blob: &Descriptor,
    ) -> Result<bool, Failure> {
        let client = &self.shared.client;
        let subject = blob.digest.as_str();
        let at = Target::Path(format!("blobs/{subject}"));
        let operation = Operation::new(target, permits, Step::CheckBlob, subject);
        let request = operation.request(Method::HEAD, at);
        let answer = client
            .send(request.accept(&[StatusCode::NOT_FOUND]))
            .await?;
        Ok(answer.status() != StatusCode::NOT_FOUND)
    }

    /// Notes that all of `blob` was sent, and that it is not known whether the registry has taken it.
    pub(crate) fn was_unanswered(&self, target: &Remote, blob: &Descriptor) {
        self.shared.unanswered.add(target, &blob.digest);
    }

    /// Whether `blob` is in place although its last upload was not answered.
    pub(crate) async fn arrived_unanswered(&self, target: &Remote, blob: &Descriptor) -> bool {
        if !self.shared.unanswered.take(target, &blob.digest) {
            return false;
        }
        let permits = self.shared.client.permit(target).await;
        self.has(&permits, target, blob).await == Ok(true)
    }

    /// Waits until all cancellations are sent.
    pub(crate) async fn close(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Sends the POST, in a task of its own: if nobody waits for its answer any more, the session that it opens is dropped
    /// there, and so cancelled before the task counts as done.
    async fn post(
        &self,
        permits: Arc<Permits>,
        target: &Remote,
        blob: &Descriptor,
        from: Option<String>,
    ) -> Result<Option<Session>, Failure> {
        let shared = Arc::clone(&self.shared);
        let (remote, asked) = (target.clone(), blob.clone());
        let (told, answer) = oneshot::channel();
        let posted = async move {
            let opened = send_post(&shared.client, &permits, &remote, &asked, from).await;
            let opened = opened.and_then(|answer| match answer.status() {
                StatusCode::CREATED => Ok(None),
                _ => Session::opened(shared, remote, &asked, &answer).map(Some),
            });
            // Gives the session back where nobody waits for it, and drops it so.
            drop(told.send(opened));
        };
        self.shared.tasks.spawn(posted.in_current_span());
        let lost = |_| {
            Err(local(
                target,
                blob,
                FailureClass::Local,
                "the task was ended",
            ))
        };
        answer.await.unwrap_or_else(lost)
    }
}

async fn send_post(
    client: &Client,
    permits: &Permits,
    remote: &Remote,
    blob: &Descriptor,
    from: Option<String>,
) -> Result<Response, Failure> {
    let path = match &from {
        Some(from) => {
            let from = client.name_at(remote, from);
            format!("blobs/uploads/?mount={}&from={from}", blob.digest)
        }
        None => "blobs/uploads/".to_owned(),
    };
    let operation = Operation::new(remote, permits, Step::PushBlob, blob.digest.as_str());
    let also_pull = from
        .as_deref()
        .filter(|from| *from != remote.repository.name());
    let request = operation.request(Method::POST, Target::Path(path));
    client.send(request.also_pull(also_pull)).await
}

/// Whether it may be the mount alone that the registry cannot do.
fn may_be_the_mount(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::Unavailable | FailureClass::Overloaded { .. }
    )
}

/// Whether a registry that failed so may still take the blob when it is sent.
fn refuses_mount(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::NotFound
            | FailureClass::Unauthorized
            | FailureClass::Denied
            | FailureClass::Invalid
            | FailureClass::Inconsistent
    )
}

fn local(
    target: &Remote,
    blob: &Descriptor,
    class: FailureClass,
    answer: impl std::fmt::Display,
) -> Failure {
    Failure::new(target.side, Step::PushBlob, &blob.digest, class, answer)
}
