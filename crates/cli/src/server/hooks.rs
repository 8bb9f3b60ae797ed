//! The paths of events and of scripts: who may ask, how much is read, and what is answered.
//!
//! A sender that proves itself by what stands before the body is refused before any of it is read. Whatever is wrong with a
//! proof, the answer is the same, and so is the work.

mod access;
mod answer;
mod guards;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::run::RunId;
use image_sync_webhook::ledger::Outcome;
use image_sync_webhook::receive::{Received, Receiver};
use image_sync_webhook::senders;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connections::Peer;
use access::Access;
use answer::Answer;
pub(crate) use guards::{Guards, Proven};

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(8);
/// How many bytes of a body are read before it has to be one of [`LONG_BODIES`]: more than an event has.
const SHORT_BODY: usize = 64 << 10;
/// How many longer bodies are in memory at the same time, at most. Who sends them slowly keeps nobody's events from being read.
const LONG_BODIES: usize = 32;

/// What scripts may ask for.
#[async_trait]
pub(crate) trait Scripts: Send + Sync {
    /// Enqueues the images of these names, as a run. Fails with an answer for who asked.
    async fn enqueue(&self, images: Vec<String>) -> Result<(RunId, u32), NotEnqueued>;
}

/// Why nothing is enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotEnqueued {
    /// The names are not those of images of the config.
    Names(String),
    /// The queue does not take it now.
    Queue(String),
}

/// What the paths are served from.
pub(crate) struct Hooks {
    guards: Guards,
    receiver: Arc<Receiver>,
    scripts: Arc<dyn Scripts>,
    long_bodies: Semaphore,
}

impl Hooks {
    /// Events go to `receiver`, what scripts ask for to `scripts`.
    pub(crate) fn new(guards: Guards, receiver: Arc<Receiver>, scripts: Arc<dyn Scripts>) -> Self {
        Self {
            guards,
            receiver,
            scripts,
            long_bodies: Semaphore::new(LONG_BODIES),
        }
    }

    /// The body, or how it is refused.
    async fn body(&self, peer: &Peer, headers: &HeaderMap, body: Body) -> Result<Bytes, Answer> {
        let stated = headers.get(CONTENT_LENGTH);
        let stated = stated.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if stated.is_some_and(|length| length > MAX_BODY as u64) {
            return Err(Answer::too_large());
        }
        match timeout(BODY_TIME, peer.wait_for(self.read(body))).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Answer::too_large()),
            Err(_elapsed) => Err(Answer::slow()),
        }
    }

    /// The whole body; none if it is too long or was cut short.
    async fn read(&self, body: Body) -> Option<Bytes> {
        let (mut pieces, mut whole) = (body.into_data_stream(), BytesMut::new());
        let mut permit = None;
        while let Some(piece) = pieces.next().await {
            let piece = piece.ok()?;
            let length = whole.len() + piece.len();
            if length > MAX_BODY {
                return None;
            }
            if length > SHORT_BODY && permit.is_none() {
                permit = self.long_bodies.acquire().await.ok();
            }
            whole.extend_from_slice(&piece);
        }
        Some(whole.freeze())
    }
}

/// What the paths are served from, once all is wired.
pub(super) type Slot = Arc<OnceLock<Arc<Hooks>>>;

/// The paths. Until there is something in `slot`, all is to be sent again.
pub(super) fn router(slot: Slot) -> Router {
    Router::new()
        .route("/v1/hooks", get(came))
        .route("/v1/hooks/{sender}", post(event))
        .route("/v1/hooks/{sender}/{secret}", post(event_with_secret))
        .route("/v1/enqueue", post(enqueue))
        .with_state(slot)
}

async fn event(
    State(slot): State<Slot>,
    Extension(peer): Extension<Peer>,
    Path(sender): Path<String>,
    request: Request,
) -> Response {
    match slot.get() {
        Some(hooks) => take_event(hooks, &peer, &sender, None, request).await,
        None => Answer::starting().into(),
    }
}

async fn event_with_secret(
    State(slot): State<Slot>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    match (slot.get(), path) {
        (Some(hooks), Ok(Path((sender, secret)))) => {
            take_event(hooks, &peer, &sender, Some(&secret), request).await
        }
        // What is no UTF-8 is a wrong secret as any other.
        (Some(_), Err(_)) => Answer::refused().into(),
        (None, _) => Answer::starting().into(),
    }
}

async fn take_event(
    hooks: &Hooks,
    peer: &Peer,
    sender: &str,
    secret: Option<&str>,
    request: Request,
) -> Response {
    let Some(sender) = Sender::of_name(sender).filter(|sender| hooks.guards.are_open_for(*sender))
    else {
        return Answer::unknown().into();
    };
    let mut access = Access::of_event(sender, peer, secret.is_some());
    let is_dry_run = request.uri().query() == Some("dry_run=true");
    let answer = match proven_event(hooks, peer, sender, secret, request, &mut access).await {
        Ok((registry, delivery)) if is_dry_run => {
            let events = hooks.receiver.would_follow(registry.as_deref(), delivery);
            Answer::json(StatusCode::OK, &json!({ "events": events }))
        }
        Ok((registry, delivery)) => {
            access.delivery.clone_from(&delivery.id);
            let registry = registry.as_deref();
            match hooks.receiver.receive(sender, registry, delivery).await {
                Received::Accepted { events, runs } => {
                    let stored = events
                        .iter()
                        .filter(|event| event.outcome == Outcome::Stored);
                    access.came_to(events.len(), stored.count());
                    Answer::json(StatusCode::ACCEPTED, &json!({ "runs": runs }))
                }
                Received::NotStored(why) => Answer::later(&why),
            }
        }
        Err((outcome, answer)) => {
            hooks.receiver.refused(sender, outcome, answer.why());
            answer
        }
    };
    access.end(&answer);
    answer.into()
}

/// What a request says whose sender is known, with the registry that it speaks for.
async fn proven_event(
    hooks: &Hooks,
    peer: &Peer,
    sender: Sender,
    secret: Option<&str>,
    request: Request,
    access: &mut Access,
) -> Result<(Option<String>, senders::Delivery), (Outcome, Answer)> {
    let (parts, body) = request.into_parts();
    let refused = || (Outcome::Refused, Answer::refused());
    let before = hooks
        .guards
        .before_body(sender, &parts.headers, secret, peer.has_certificate)
        .await;
    if before.is_refused() {
        return Err(refused());
    }
    access.is_proven = matches!(before, Proven::By(_));
    if let (Proven::By(_), Err(wait)) = (&before, hooks.guards.take(sender)) {
        return Err((Outcome::Limited, Answer::too_many(wait)));
    }
    let read = hooks.body(peer, &parts.headers, body).await;
    let outcome = if access.is_proven {
        Outcome::Unreadable
    } else {
        Outcome::Refused
    };
    let body = read.map_err(|answer| (outcome, answer))?;
    let registry = if let Proven::By(registry) = before {
        registry
    } else {
        let proven = hooks.guards.with_body(sender, &parts.headers, &body);
        let Proven::By(registry) = proven else {
            return Err(refused());
        };
        access.is_proven = true;
        let limited = |wait| (Outcome::Limited, Answer::too_many(wait));
        hooks.guards.take(sender).map_err(limited)?;
        registry
    };
    access.bytes = body.len();
    let delivery = senders::read(sender, &parts.headers, &body);
    let unreadable = |error: senders::Unreadable| {
        let answer = Answer::unreadable(&error.to_string());
        // It sends again, for ever and before all that follows, whatever is not answered as done.
        let answer = match sender {
            Sender::Distribution => answer.taken_for_done(),
            _ => answer,
        };
        (Outcome::Unreadable, answer)
    };
    Ok((registry, delivery.map_err(unreadable)?))
}

async fn came(
    State(slot): State<Slot>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let Some(hooks) = slot.get() else {
        return Answer::starting().into();
    };
    let mut access = Access::begin("/v1/hooks".to_owned(), &peer);
    access.is_proven = hooks.guards.is_script(&headers).await;
    let answer = if access.is_proven {
        Answer::json(StatusCode::OK, &hooks.receiver.ledger())
    } else {
        Answer::refused()
    };
    access.end(&answer);
    answer.into()
}

async fn enqueue(
    State(slot): State<Slot>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let Some(hooks) = slot.get() else {
        return Answer::starting().into();
    };
    let mut access = Access::begin("/v1/enqueue".to_owned(), &peer);
    let enqueued = enqueue_named(hooks, &peer, request, &mut access).await;
    let answer = enqueued.unwrap_or_else(|refused| refused);
    access.end(&answer);
    answer.into()
}

/// What a script asks for, if it is one; else how it is refused.
async fn enqueue_named(
    hooks: &Hooks,
    peer: &Peer,
    request: Request,
    access: &mut Access,
) -> Result<Answer, Answer> {
    let (parts, body) = request.into_parts();
    access.is_proven = hooks.guards.is_script(&parts.headers).await;
    if !access.is_proven {
        return Err(Answer::refused());
    }
    let body = hooks.body(peer, &parts.headers, body).await?;
    access.bytes = body.len();
    let images = answer::images_of(&body).map_err(|why| Answer::unreadable(&why))?;
    let named = images.len();
    match hooks.scripts.enqueue(images).await {
        Ok((run, jobs)) => {
            access.came_to(named, jobs as usize);
            let ids: Vec<String> = (0..jobs).map(|idx| format!("{run}:{idx}")).collect();
            let told = json!({ "run": run, "jobs": ids });
            Ok(Answer::json(StatusCode::ACCEPTED, &told))
        }
        Err(NotEnqueued::Names(why)) => Err(Answer::unreadable(&why)),
        Err(NotEnqueued::Queue(why)) => Err(Answer::later(&why)),
    }
}

#[cfg(test)]
mod tests;
