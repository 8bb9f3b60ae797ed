//! A message as a consumer delivered it.

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use image_sync_shared::ports::QueueError;
use time::OffsetDateTime;

use super::stored_message::StoredMessage;
use crate::jetstream::client::{Connection, Retries};

/// A message with its place in the stream, and how it is acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct DeliveredMessage {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
    /// The place in the stream.
    pub(crate) sequence: u64,
    /// How many messages the consumer has delivered, this one included.
    pub(super) consumer_sequence: u64,
    /// How often this message was delivered, this time included.
    pub(crate) delivered: u64,
    /// When it was stored, by the server's clock.
    pub(crate) stored_at: Option<OffsetDateTime>,
    /// Where it is acknowledged.
    reply: String,
}

/// How a message is acknowledged (NATS, "Acknowledging Messages").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckKind {
    /// It is done with, and leaves the stream.
    Ack,
    /// It is being worked: its time starts anew.
    Progress,
    /// It is to come again in this many nanoseconds.
    Nak(u64),
}

impl AckKind {
    fn payload(self) -> Bytes {
        match self {
            Self::Ack => Bytes::from_static(b"+ACK"),
            Self::Progress => Bytes::from_static(b"+WPI"),
            Self::Nak(nanoseconds) => format!("-NAK {{\"delay\":{nanoseconds}}}").into(),
        }
    }
}

impl DeliveredMessage {
    /// None for a message that is no delivery of a consumer. One that is may have a status too, if it was stored with it.
    pub(crate) fn new(message: Message) -> Option<Self> {
        let reply = message.reply?.to_string();
        let place = AckSubject::parse(&reply)?;
        Some(Self {
            subject: message.subject.to_string(),
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
            sequence: place.sequence,
            consumer_sequence: place.consumer_sequence,
            delivered: place.delivered,
            stored_at: OffsetDateTime::from_unix_timestamp_nanos(place.time).ok(),
            reply,
        })
    }

    /// A message that was read by its place, without its headers. It cannot be acknowledged.
    pub(crate) fn stored(message: StoredMessage) -> Self {
        Self {
            subject: message.subject,
            headers: HeaderMap::new(),
            payload: message.payload.into(),
            sequence: message.sequence,
            consumer_sequence: 0,
            delivered: 0,
            stored_at: message.stored_at,
            reply: String::new(),
        }
    }

    /// The text of a header.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// How it is acknowledged.
    pub(crate) fn acker(&self) -> Acker {
        Acker(self.reply.clone())
    }
}

/// Where a message is acknowledged. It can be so late, or twice, and by one who lost the message meanwhile: the
/// server takes it each time.
#[derive(Clone, Debug)]
pub(crate) struct Acker(String);

impl Acker {
    /// Tells the server, and waits until it knows.
    pub(crate) async fn ack(
        &self,
        connection: &Connection,
        kind: AckKind,
        retries: Retries,
    ) -> Result<(), QueueError> {
        let (no_headers, payload) = (HeaderMap::new(), kind.payload());
        let answer = connection.request(&self.0, &no_headers, payload, retries);
        answer.await.map(drop)
    }
}

/// What a delivery's reply subject says (NATS ADR-15), in its old form
/// `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time>.<pending>` and in the new one, which
/// has the domain and the account before the stream and may have more at its end.
#[derive(Debug, PartialEq, Eq)]
struct AckSubject {
    delivered: u64,
    sequence: u64,
    consumer_sequence: u64,
    /// In nanoseconds since 1970.
    time: i128,
}

impl AckSubject {
    fn parse(reply: &str) -> Option<Self> {
        let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let first = match tokens.len() {
            7 => 2,
            9.. => 4,
            _ => return None,
        };
        let number = |place: usize| tokens.get(first + place)?.parse::<u64>().ok();
        Some(Self {
            delivered: number(0)?,
            sequence: number(1)?,
            consumer_sequence: number(2)?,
            time: number(3)?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_reply_subject_are_read() {
        let place = AckSubject {
            delivered: 3,
            sequence: 70,
            consumer_sequence: 9,
            time: 1_700_000_000_000_000_000,
        };
        for reply in [
            "$JS.ACK.S.bulk.3.70.9.1700000000000000000.5",
            "$JS.ACK._.hash.S.bulk.3.70.9.1700000000000000000.5",
            "$JS.ACK.hub.hash.S.bulk.3.70.9.1700000000000000000.5.token.more",
        ] {
            assert_eq!(AckSubject::parse(reply).as_ref(), Some(&place), "{reply}");
        }
        for reply in [
            "_INBOX.x",
            "$JS.ACK.S.bulk.3.70",
            "$JS.ACK.S.bulk.x.70.9.1.5",
        ] {
            assert_eq!(AckSubject::parse(reply), None, "{reply}");
        }
    }
}
