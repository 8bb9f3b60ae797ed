//! Reading a stream in its order, from its first message on, and then following it.
//!
//! This is done with a consumer that nobody else uses and that acknowledges nothing. If it is lost, as when the server is
//! restarted, or if it leaves a message out, another is made that goes on behind the last message that was read.
//!
//! Where the connection was cut meanwhile, it may have been by a message whose headers the library does not bear (see
//! [`parsable`]), which would cut the next one too. So what follows is read one by one for a while, without headers:
//! nobody who follows a stream looks at them.

use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use futures_util::StreamExt as _;
use image_sync_shared::ports::QueueError;
use image_sync_shared::text::excerpt;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::delivered_message::DeliveredMessage;
use super::ephemeral_consumer::EphemeralConsumer;
use super::parsable;
use super::pull_status;
use super::pull_status::PullStatus;
use super::stored_message::next_message;
use crate::jetstream::client::{Connection, Retries};

/// How many messages are asked for together, at most.
const BATCH: usize = 256;
/// How many bytes of messages are asked for together, at most.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a request waits at the server for the first message.
const EXPIRES: Duration = Duration::from_secs(2);
/// How much longer its end may take to be told.
const SLACK: Duration = Duration::from_secs(1);
/// How many messages are read one by one after a cut, and after each that the library could not have received.
const ONE_BY_ONE: usize = 256;
/// The pause before another consumer is made.
const PAUSE: Duration = Duration::from_millis(250);

/// Reads the messages of one stream whose subject matches a filter.
pub(crate) struct OrderedConsumer {
    connection: Connection,
    stream: String,
    filter: String,
    /// The place of the last message that was read.
    position: u64,
    server_consumer: Option<ServerConsumer>,
    /// How many messages are to be read one by one, before a consumer delivers them again.
    one_by_one: usize,
    /// Whether messages may be read one by one.
    may_read_one_by_one: bool,
}

/// A consumer of one's own.
struct ServerConsumer {
    connection: Connection,
    next_subject: String,
    /// Lasts as long as this.
    _consumer: EphemeralConsumer,
    /// Below this each request has its own inbox, so that the end of one is not taken for that of the next.
    inbox: String,
    /// How many requests were made.
    requests: u64,
    answers: Subscriber,
    connections: watch::Receiver<u64>,
    /// Messages that it has delivered.
    delivered: u64,
    request: Option<OpenRequest>,
    /// Whether the next message alone has more bytes than are asked for together.
    is_next_large: bool,
}

/// A request that is not answered to its end.
struct OpenRequest {
    /// Where its end is told.
    inbox: String,
    /// How many messages were asked for.
    batch: usize,
    /// How many of them may still come.
    left: usize,
    /// When it was made.
    since: Instant,
    /// When its end must have been told.
    until: Instant,
}

/// What was pulled of a consumer.
enum Pulled {
    Message(DeliveredMessage),
    /// The request is over, as there was no more.
    End,
    /// The request is over, and there is more.
    More,
    /// It is lost.
    Lost,
    /// The connection was cut while it was asked, perhaps by what it sent.
    Disconnected,
    /// It may not be asked.
    Refused(QueueError),
}

/// Since when the stream cannot be read, if it cannot.
#[derive(Debug, Default)]
struct Loss(Option<Instant>);

impl Loss {
    /// Notes whether it was lost at the last pull, and says for how long it is by now: pulls before one that was answered do
    /// not count, as that is another outage.
    fn note(&mut self, is_lost: bool) -> Duration {
        if is_lost {
            self.0.get_or_insert_with(Instant::now).elapsed()
        } else {
            self.0 = None;
            Duration::ZERO
        }
    }
}

impl OrderedConsumer {
    /// Reads `stream` from its first message that matches `filter`.
    pub(crate) fn new(connection: Connection, stream: String, filter: String) -> Self {
        Self {
            connection,
            stream,
            filter,
            position: 0,
            server_consumer: None,
            one_by_one: 0,
            may_read_one_by_one: true,
        }
    }

    /// The next message, or none if there is no further one within `wait`. That there is none is the server's word: while
    /// it is away this waits longer, as then nobody knows. A call that is dropped loses nothing.
    pub(crate) async fn next(
        &mut self,
        wait: Duration,
    ) -> Result<Option<DeliveredMessage>, QueueError> {
        let deadline = Instant::now() + wait;
        let mut loss = Loss::default();
        loop {
            let pulled = match self.pull(deadline).await {
                Err(QueueError::Unreachable(error)) => {
                    tracing::debug!(error, "the stream cannot be read now");
                    Pulled::Lost
                }
                pulled => pulled?,
            };
            let is_lost = matches!(pulled, Pulled::Lost | Pulled::Disconnected);
            let lost_for = loss.note(is_lost);
            match pulled {
                Pulled::Message(received) => {
                    self.position = received.sequence;
                    return Ok(Some(received));
                }
                Pulled::End if Instant::now() >= deadline => return Ok(None),
                Pulled::End | Pulled::More => {}
                Pulled::Refused(error) => return Err(error),
                Pulled::Lost | Pulled::Disconnected => {
                    self.server_consumer = None;
                    if matches!(pulled, Pulled::Disconnected) && self.may_read_one_by_one {
                        self.one_by_one = ONE_BY_ONE;
                    }
                    if lost_for >= self.connection.outage() {
                        let stream = &self.stream;
                        return Err(QueueError::Unreachable(format!(
                            "stream {stream} cannot be read"
                        )));
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn pull(&mut self, deadline: Instant) -> Result<Pulled, QueueError> {
        if self.one_by_one > 0
            && let Some(received) = self.read_one().await?
        {
            return Ok(Pulled::Message(received));
        }
        Ok(self.server_consumer().await?.pull(deadline).await)
    }

    /// The next message, read by its place, or none if there is none yet or this is not allowed.
    async fn read_one(&mut self) -> Result<Option<DeliveredMessage>, QueueError> {
        let (connection, from) = (&self.connection, self.position + 1);
        // Once: `next` goes on for as long as the server may be away.
        let next = next_message(connection, &self.stream, &self.filter, from, Retries::None);
        let message = match next.await {
            Ok(message) => message,
            Err(QueueError::Refused(error)) => {
                let stream = &self.stream;
                tracing::warn!(
                    error,
                    stream,
                    "a message that cuts the connection could not be told from others"
                );
                self.may_read_one_by_one = false;
                None
            }
            Err(error) => return Err(error),
        };
        // At the end of the stream a consumer is the better one, as it is told of what comes.
        let Some(message) = message else {
            self.one_by_one = 0;
            return Ok(None);
        };
        self.one_by_one -= 1;
        if let Err(why) = parsable::check(&message.subject, &message.headers) {
            let (stream, sequence) = (&self.stream, message.sequence);
            tracing::warn!(why, stream, sequence, "read a message without its headers");
            self.one_by_one = ONE_BY_ONE;
        }
        Ok(Some(DeliveredMessage::stored(message)))
    }

    async fn server_consumer(&mut self) -> Result<&mut ServerConsumer, QueueError> {
        match &mut self.server_consumer {
            Some(server_consumer) => Ok(server_consumer),
            none => {
                let made = ServerConsumer::make(
                    &self.connection,
                    &self.stream,
                    &self.filter,
                    self.position + 1,
                )
                .await?;
                Ok(none.insert(made))
            }
        }
    }
}

impl ServerConsumer {
    async fn make(
        connection: &Connection,
        stream: &str,
        filter: &str,
        start: u64,
    ) -> Result<Self, QueueError> {
        // From before the consumer is made, so that a cut in between is seen.
        let connections = connection.events().connections();
        let consumer = EphemeralConsumer::make(connection, stream, filter, start).await?;
        let client = connection.client().await?;
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*")).await;
        Ok(Self {
            connection: connection.clone(),
            next_subject: consumer.next_subject(),
            _consumer: consumer,
            inbox,
            requests: 0,
            answers: answers.map_err(|error| QueueError::Unreachable(error.to_string()))?,
            connections,
            delivered: 0,
            request: None,
            is_next_large: false,
        })
    }

    /// What comes, or the server's word that nothing came until `deadline`.
    async fn pull(&mut self, deadline: Instant) -> Pulled {
        if self.request.is_none() && !self.send_pull(deadline).await {
            return Pulled::Disconnected;
        }
        let Some(request) = &self.request else {
            return Pulled::Lost;
        };
        let is_asked = |denied: &str| denied == self.next_subject;
        tokio::select! {
            // What came goes before what is said of the connection.
            biased;
            pulled = timeout_at(request.until, self.answers.next()) => match pulled {
                Ok(Some(message)) => self.take(message),
                Ok(None) => Pulled::Disconnected,
                // A server that has the consumer tells the end of each request.
                Err(_elapsed) => Pulled::Lost,
            },
            _ = self.connections.changed() => Pulled::Disconnected,
            permission = self.connection.events().denial(is_asked, request.since) => {
                Pulled::Refused(permission.missing())
            }
        }
    }

    /// Asks for what is there now or comes within some time, and says whether that could be sent.
    async fn send_pull(&mut self, deadline: Instant) -> bool {
        let now = Instant::now();
        let wait = deadline.saturating_duration_since(now).min(EXPIRES);
        let (mut body, batch) = if std::mem::take(&mut self.is_next_large) {
            (json!({ "batch": 1, "no_wait": true }), 1)
        } else {
            let body = json!({ "batch": BATCH, "max_bytes": BATCH_BYTES, "no_wait": true });
            (body, BATCH)
        };
        // With a time beside it, `no_wait` gives at once what there is, and waits only for a first message.
        if !wait.is_zero() {
            body["expires"] = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX).into();
        }
        self.requests += 1;
        let inbox = format!("{}.{}", self.inbox, self.requests);
        // Noted before it is sent, so that a call that is dropped in between does not take its answers for those of
        // another. One that was not sent at all ends as lost.
        self.request = Some(OpenRequest {
            inbox: inbox.clone(),
            batch,
            left: batch,
            since: now,
            until: now + wait + SLACK,
        });
        let subject = self.next_subject.clone();
        let Ok(client) = self.connection.client().await else {
            return false;
        };
        let sent = client.publish_with_reply(subject, inbox, body.to_string().into());
        sent.await.is_ok()
    }

    fn take(&mut self, message: Message) -> Pulled {
        let inbox = message.subject.clone();
        let (status, description) = (message.status, message.description.clone());
        let Some(received) = DeliveredMessage::new(message) else {
            return self.take_status(&inbox, status, &description.unwrap_or_default());
        };
        self.delivered += 1;
        if let Some(request) = &mut self.request {
            request.left -= 1;
            if request.left == 0 {
                self.request = None;
            }
        }
        // After a gap in its numbers something was lost on the way, which it will not send again, as nothing is
        // acknowledged.
        if received.consumer_sequence == self.delivered {
            Pulled::Message(received)
        } else {
            Pulled::Lost
        }
    }

    fn take_status(
        &mut self,
        inbox: &str,
        status: Option<StatusCode>,
        description: &str,
    ) -> Pulled {
        let is_of_this = |request: &OpenRequest| request.inbox == inbox;
        if !self.request.as_ref().is_some_and(is_of_this) {
            // A request that was answered in full is told so too.
            return Pulled::More;
        }
        let meaning = pull_status::meaning(status, description);
        if meaning == PullStatus::Stands {
            return Pulled::More;
        }
        let is_empty = |request: OpenRequest| request.left == request.batch;
        let was_empty = self.request.take().is_none_or(is_empty);
        match meaning {
            PullStatus::NoMore => Pulled::End,
            PullStatus::Stands | PullStatus::Full => Pulled::More,
            PullStatus::TooLarge => {
                self.is_next_large = was_empty;
                Pulled::More
            }
            PullStatus::Refused => Pulled::Refused(QueueError::Refused(format!(
                "NATS does not let messages be asked for: {}",
                excerpt(description)
            ))),
            PullStatus::Lost => Pulled::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_was_read_in_between_is_lost_anew() {
        let minute = Duration::from_secs(60);
        let mut loss = Loss::default();
        assert_eq!(loss.note(true), Duration::ZERO);
        advance(minute).await;
        assert_eq!(loss.note(true), minute);
        assert_eq!(loss.note(false), Duration::ZERO);
        advance(minute).await;
        assert_eq!(loss.note(true), Duration::ZERO);
        advance(minute).await;
        assert_eq!(loss.note(true), minute);
    }
}
