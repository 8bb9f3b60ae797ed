//! A connection to a NATS server, and how things are asked of it.
//!
//! Everything is a request that is answered: a publish by the stream's acknowledgement, an acknowledgement by its own.
//! What may be asked twice is asked again while the server is away, so that a restart of it is a pause and no failure.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Request, RequestError, RequestErrorKind};
use bytes::Bytes;
use image_sync_shared::ports::QueueError;
use tokio::time::{Instant, sleep, timeout};

use super::api_error::{ApiError, refusal_in};
use super::events::Events;
use super::health::{Cause, Health, TOLERATED};
use super::live_client::LiveClient;
use super::server_time::ServerTime;
use super::settings::PING;
use crate::jetstream::names::{Consumer, Names, RequestKind, header_length};

/// The pause before a request is made again that was refused at once.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);

/// Whether a request is made again that had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    /// No: asking twice is not the same, or the caller has no time.
    None,
    /// Again, for as long as the server may be away.
    WhileAway,
    /// The same, and for as long as the server is there and has no room: who asks has nothing else to do.
    UntilRoom,
    /// Again until then: what is one of several requests for the same has no time of its own.
    Until(Instant),
}

impl Retries {
    /// Whether a request that was made first at `start` is made no more.
    fn are_over(self, start: Instant, outage: Duration, lacks_room: impl Fn() -> bool) -> bool {
        match self {
            Self::None => true,
            Self::WhileAway => start.elapsed() >= outage,
            Self::UntilRoom => start.elapsed() >= outage && !lacks_room(),
            Self::Until(end) => Instant::now() >= end,
        }
    }
}

/// A connection to a NATS server. Clones share it.
#[derive(Clone)]
pub struct Connection {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) client: LiveClient,
    pub(crate) events: Arc<Events>,
    pub(super) health: Health,
    pub(crate) names: Names,
    pub(super) request_timeout: Duration,
    pub(crate) outage: Duration,
    pub(crate) server_time: Arc<ServerTime>,
    /// The consumers of jobs that were being asked as a connection was cut.
    pub(crate) cut_short: Mutex<Vec<Consumer>>,
    /// Held by who takes out what cannot be received.
    pub(crate) taking_out: tokio::sync::Mutex<()>,
}

/// Why a request has no answer.
enum RequestFailure {
    /// None came in time.
    TimedOut,
    /// The connection was cut meanwhile.
    Disconnected,
    /// Nobody listens there, or not yet.
    NoResponders,
    /// The client died meanwhile, or there is none.
    NoClient(String),
    /// None will ever come.
    Final(QueueError),
}

impl Connection {
    /// The client, which lives: another one where the last has died.
    pub(crate) async fn client(&self) -> Result<Client, QueueError> {
        self.shared.client.get().await
    }

    /// Whether there is a connection at this moment.
    pub(crate) fn is_connected(&self) -> bool {
        self.shared.client.is_connected()
    }

    pub(crate) fn events(&self) -> &Events {
        &self.shared.events
    }

    /// What cannot be done at this moment, and why, although there is a connection.
    pub(crate) fn hindrance(&self) -> Option<String> {
        self.shared.health.hindrance()
    }

    pub(crate) fn names(&self) -> &Names {
        &self.shared.names
    }

    /// The time by the server's clock.
    pub(crate) fn server_time(&self) -> &Arc<ServerTime> {
        &self.shared.server_time
    }

    /// The cluster of the server, if it is one of several.
    #[must_use]
    pub fn cluster(&self) -> Option<String> {
        let server = self.shared.client.last().server_info();
        server.cluster.filter(|cluster| !cluster.is_empty())
    }

    /// How long an answer may take.
    pub(super) fn request_timeout(&self) -> Duration {
        self.shared.request_timeout
    }

    /// How long the server may be away before what can be repeated fails.
    pub(crate) fn outage(&self) -> Duration {
        self.shared.outage
    }

    /// How many bytes a message beside these headers may have.
    pub(crate) fn max_payload_beside(&self, headers: &HeaderMap) -> usize {
        let block = if headers.is_empty() {
            0
        } else {
            "NATS/1.0\r\n\r\n".len() + header_length(headers)
        };
        self.shared
            .client
            .last()
            .max_payload()
            .saturating_sub(block)
    }

    /// A name that nobody else has, made of letters and digits.
    pub(crate) fn unique_name(&self) -> String {
        // The library makes such names for its inboxes; nobody has to be asked for one.
        let inbox = self.shared.client.last().new_inbox();
        inbox.rsplit('.').next().unwrap_or_default().to_owned()
    }

    /// Makes sure that everything sent so far has reached the server.
    pub async fn flush(&self) -> Result<(), QueueError> {
        let client = self.client().await?;
        let flushed = tokio::time::timeout(self.request_timeout(), client.flush()).await;
        match flushed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(QueueError::Unreachable(error.to_string())),
            Err(_elapsed) => Err(QueueError::Unreachable("NATS does not answer".to_owned())),
        }
    }

    /// Asks `subject` and waits for the answer.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payload: Bytes,
        retries: Retries,
    ) -> Result<Message, QueueError> {
        let (start, about) = (Instant::now(), self.names().kind_of_request(subject));
        loop {
            let asked_at = Instant::now();
            // On the heap: it is part of all futures that ask.
            let asked = Box::pin(self.request_once(subject, headers, payload.clone()));
            let asked = self.noting_silence(about, asked);
            // What is not allowed is never answered: the server says so in an event of the connection, of which the
            // request learns here.
            let answer = tokio::select! {
                answer = asked => answer,
                permission = self.events().denial(|denied| denied == subject, start) => {
                    Err(RequestFailure::Final(permission.missing()))
                }
            };
            let refusal = answer.as_ref().ok();
            let refusal = refusal.and_then(|answer| refusal_in(&answer.payload));
            // What makes a stream tells its refusal itself, and nobody waits until that is over.
            if !makes_a_stream(subject) {
                self.note(about, &answer, refusal.as_ref(), asked_at);
            }
            // After the note, so that this request's own end counts.
            let lacks_room = || self.shared.health.lacks_room(about);
            let is_over = retries.are_over(start, self.outage(), lacks_room);
            let failure = match answer {
                Ok(_) if !is_over && refusal.is_some_and(|refusal| refusal.is_passing()) => {
                    sleep(PAUSE).await;
                    continue;
                }
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match failure {
                RequestFailure::Final(error) => return Err(error),
                failure if is_over => return Err(failure.describe(subject, start)),
                RequestFailure::NoResponders | RequestFailure::NoClient(_) => sleep(PAUSE).await,
                // These took their time already: up to the time-out, or until there was another connection.
                RequestFailure::TimedOut | RequestFailure::Disconnected => {}
            }
        }
    }

    /// Waits for an answer, and notes meanwhile if it does not come.
    async fn noting_silence<T>(&self, about: RequestKind, answer: impl Future<Output = T>) -> T {
        let asked_at = Instant::now();
        tokio::pin!(answer);
        if let Ok(answer) = timeout(TOLERATED, &mut answer).await {
            return answer;
        }
        self.failed(about, Cause::Silence, asked_at);
        answer.await
    }

    /// Notes how a request ended.
    fn note(
        &self,
        about: RequestKind,
        answer: &Result<Message, RequestFailure>,
        refusal: Option<&ApiError>,
        asked_at: Instant,
    ) {
        match (answer, refusal.map(ApiError::cause)) {
            (Ok(_), Some(Some(cause))) => self.failed(about, cause, Instant::now()),
            // That it refuses what is wrong says nothing of what it would do with what is right.
            (Ok(_), Some(None)) if about.writes => {}
            (Ok(_), _) => self.shared.health.succeeded(about, asked_at),
            (Err(RequestFailure::TimedOut), _) => self.failed(about, Cause::Silence, asked_at),
            (Err(RequestFailure::NoResponders), _) => {
                let nobody = Cause::Refusal("no stream or consumer listens".to_owned());
                self.failed(about, nobody, Instant::now());
            }
            // A server that is away, or that does not let this user ask, is as well as it was.
            (
                Err(
                    RequestFailure::Disconnected
                    | RequestFailure::NoClient(_)
                    | RequestFailure::Final(_),
                ),
                _,
            ) => {}
        }
    }

    /// A server whose disk is full may hang up on each connection in turn, as long as that lasts.
    fn tell_of_reconnect(&self) {
        if self.shared.health.is_reconnect_news() {
            self.events().announce_reconnect();
            tracing::warn!("nothing comes from NATS any more: connecting anew");
        } else {
            self.events().expect_reconnect();
            tracing::debug!("nothing comes from NATS any more: connecting anew");
        }
    }

    fn failed(&self, about: RequestKind, cause: Cause, since: Instant) {
        if self.is_connected() {
            self.shared.health.failed(about, cause, since);
        }
    }

    /// The answer to what the library asks for on subjects with `part` in them, unless that is not allowed.
    pub(crate) async fn allowed<T>(
        &self,
        part: &str,
        asked: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let start = Instant::now();
        tokio::select! {
            answer = asked => answer,
            permission = self.events().denial(|denied| denied.contains(part), start) => {
                Err(permission.missing())
            }
        }
    }

    async fn request_once(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payload: Bytes,
    ) -> Result<Message, RequestFailure> {
        // From before the request on. An answer to what was asked over an earlier connection never comes, and the
        // library would wait for it until the time-out.
        let mut connections = self.events().connections();
        let mut request = Request::new()
            .payload(payload)
            .timeout(Some(self.request_timeout()));
        if !headers.is_empty() {
            request = request.headers(headers.clone());
        }
        let client = self.client().await;
        let client = client.map_err(|error| RequestFailure::NoClient(error.to_string()))?;
        let heard_before = bytes_heard(&client);
        let answer = tokio::select! {
            answer = client.send_request(subject.to_owned(), request) => answer,
            Ok(()) = connections.changed() => return Err(RequestFailure::Disconnected),
        };
        let failure = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => RequestFailure::from(&error),
        };
        // A server that is slow answers pings at least. One that stands still keeps its connections open.
        // Within less than the time between two pings, silence proves nothing.
        if matches!(failure, RequestFailure::TimedOut)
            && self.request_timeout() > PING
            && bytes_heard(&client) == heard_before
        {
            self.tell_of_reconnect();
            // Fails where the client has died. The next request makes another one.
            client.force_reconnect().await.ok();
        }
        Err(failure)
    }
}

fn bytes_heard(client: &Client) -> u64 {
    client.statistics().in_bytes.load(Ordering::Relaxed)
}

impl From<&RequestError> for RequestFailure {
    fn from(error: &RequestError) -> Self {
        match error.kind() {
            RequestErrorKind::TimedOut => Self::TimedOut,
            RequestErrorKind::NoResponders => Self::NoResponders,
            RequestErrorKind::Other => Self::NoClient(error.to_string()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Self::Final(QueueError::Refused(error.to_string()))
            }
        }
    }
}

impl RequestFailure {
    fn describe(self, subject: &str, start: Instant) -> QueueError {
        let seconds = start.elapsed().as_secs_f64();
        QueueError::Unreachable(match self {
            Self::Final(error) => return error,
            Self::NoResponders => format!(
                "no stream or consumer listens to {subject}: has `image-sync provision` been run, and is JetStream up?"
            ),
            Self::NoClient(error) => format!("no request to {subject}: {error}"),
            Self::Disconnected => {
                format!("the connection to NATS was cut during a request to {subject}")
            }
            Self::TimedOut => {
                format!("NATS gave no answer within {seconds:.1} s to a request to {subject}")
            }
        })
    }
}

fn makes_a_stream(subject: &str) -> bool {
    let request = subject.strip_prefix("$JS.API.STREAM.").unwrap_or_default();
    request.starts_with("CREATE.") || request.starts_with("UPDATE.")
}
