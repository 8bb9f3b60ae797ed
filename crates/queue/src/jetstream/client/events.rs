//! What the connection tells of itself: that it was made, and what the server did not allow.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_nats::{Event, ServerError};
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// How long a connection takes at most that is made anew to a server that is there.
const RECONNECT: Duration = Duration::from_secs(2);
/// How many denials are remembered.
const MAX_DENIALS: usize = 64;

/// How the subjects begin on which answers are received, unless others are named; and by custom also then.
const INBOX: &str = "_INBOX";

/// A permission that the server said is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// To publish to this subject.
    Publish(String),
    /// To subscribe to this subject.
    Subscribe(String),
}

impl Permission {
    /// Reads the text of a server's error, as in `Permissions Violation for Publish to "imgsync.job.bulk.h.r"`.
    fn parse(text: &str) -> Option<Self> {
        let (verb, rest) = text
            .strip_prefix("Permissions Violation for ")?
            .split_once(" to \"")?;
        let subject = rest.split('"').next()?.to_owned();
        match verb {
            "Publish" => Some(Self::Publish(subject)),
            "Subscription" => Some(Self::Subscribe(subject)),
            _ => None,
        }
    }

    /// The error of who needs it.
    pub(crate) fn missing(&self) -> QueueError {
        let advice = match self {
            Self::Subscribe(subject) if subject.starts_with(INBOX) => {
                ", where answers are received: name what it may subscribe to by --nats-inbox-prefix or NATS_INBOX_PREFIX, as \
                 in _INBOX_worker"
            }
            Self::Subscribe(_) => "",
            Self::Publish(_) => {
                "; what it may do is for another role, or for another prefix than that of --prefix or IMAGE_SYNC_PREFIX"
            }
        };
        QueueError::Refused(format!("NATS does not let this user {self}{advice}"))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(subject) => write!(f, "publish to {subject}"),
            Self::Subscribe(subject) => write!(f, "subscribe to {subject}"),
        }
    }
}

/// A reconnect that this program asked for.
enum Reconnect {
    /// The log tells of it.
    Announced,
    /// The log tells of it for those who look for causes only, if it comes before this time.
    Silent(Instant),
}

/// Remembers what happened to one connection.
pub(crate) struct Events {
    /// How subjects begin that no answer comes on.
    beside: String,
    connections: watch::Sender<u64>,
    /// Of this connection.
    denials: Mutex<VecDeque<(Instant, Permission)>>,
    count_of_denials: watch::Sender<u64>,
    /// Why the connection could not be made last.
    failure: Mutex<Option<String>>,
    /// The reconnect that was asked for, if one was.
    reconnect: Mutex<Option<Reconnect>>,
}

impl Events {
    /// Nothing yet. No answer to a request comes on subjects that begin with `beside`.
    pub(crate) fn new(beside: String) -> Self {
        Self {
            beside,
            connections: watch::Sender::new(0),
            denials: Mutex::default(),
            count_of_denials: watch::Sender::new(0),
            failure: Mutex::default(),
            reconnect: Mutex::default(),
        }
    }

    /// The connection is about to be made anew, which is news until it is made.
    pub(super) fn announce_reconnect(&self) {
        *lock(&self.reconnect) = Some(Reconnect::Announced);
    }

    /// The connection is about to be made anew, which is no news, unless another request has announced the same.
    pub(super) fn expect_reconnect(&self) {
        let mut reconnect = lock(&self.reconnect);
        if !matches!(*reconnect, Some(Reconnect::Announced)) {
            *reconnect = Some(Reconnect::Silent(Instant::now() + RECONNECT));
        }
    }

    fn is_expected(&self) -> bool {
        let reconnect = lock(&self.reconnect);
        matches!(*reconnect, Some(Reconnect::Silent(until)) if Instant::now() < until)
    }

    /// What comes after the reconnect that was announced is no part of it.
    fn reconnected(&self) {
        lock(&self.reconnect).take_if(|reconnect| matches!(reconnect, Reconnect::Announced));
    }

    /// How often the connection was made. A change says that what was under way is lost.
    pub(crate) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    /// The permission that was found missing since `start` for a request on `subject`. The server does not answer what it
    /// does not allow: so this is why no answer came.
    pub(crate) fn missing_permission(&self, subject: &str, start: Instant) -> Option<Permission> {
        self.denied(&|denied| denied == subject, start)
    }

    /// Waits until a permission is found missing for a request that was made at `start`, on a subject that `is_asked`.
    pub(crate) async fn denial(
        &self,
        is_asked: impl Fn(&str) -> bool,
        start: Instant,
    ) -> Permission {
        // Whatever is denied from here on is heard of.
        let mut count = self.count_of_denials.subscribe();
        loop {
            if let Some(permission) = self.denied(&is_asked, start) {
                return permission;
            }
            // The sender lives as long as this.
            count.changed().await.ok();
        }
    }

    fn denied(&self, is_asked: &dyn Fn(&str) -> bool, start: Instant) -> Option<Permission> {
        let denials = lock(&self.denials);
        let concerns = |(at, permission): &&(Instant, Permission)| match permission {
            Permission::Publish(subject) => *at >= start && is_asked(subject),
            Permission::Subscribe(subject) if subject.starts_with(&self.beside) => {
                is_asked(subject)
            }
            // It is an inbox, subscribed to once: without it no answer arrives for as long as the connection lasts.
            Permission::Subscribe(_) => true,
        };
        let found = denials.iter().rev().find(concerns);
        found.map(|(_, permission)| permission.clone())
    }

    pub(super) fn record(&self, event: &Event) {
        match event {
            Event::Connected => {
                *lock(&self.failure) = None;
                // Permissions may be others by now, and the inboxes are subscribed to anew.
                lock(&self.denials).clear();
                self.connections.send_modify(|count| *count += 1);
                if self.is_expected() {
                    debug!("connected to NATS");
                } else {
                    info!("connected to NATS");
                }
                self.reconnected();
            }
            Event::Disconnected if self.is_expected() => debug!("the connection to NATS was cut"),
            Event::Disconnected => warn!("the connection to NATS was cut: connecting again"),
            Event::ServerError(ServerError::Other(text)) => {
                // Whoever asked for what is not allowed learns of it, and says so.
                if let Some(permission) = Permission::parse(text) {
                    debug!(%permission, "NATS does not allow what was asked");
                    self.deny(permission);
                } else {
                    warn!(error = text, "NATS reports an error");
                }
            }
            Event::ServerError(error) => warn!(%error, "NATS reports an error"),
            Event::ClientError(error) if self.is_new_failure(&error.to_string()) => {
                warn!(%error, "no connection to NATS: trying until there is one");
            }
            Event::SlowConsumer(_) => warn!("messages of NATS came faster than they were taken"),
            other => debug!(event = %other, "the connection to NATS"),
        }
    }

    /// Each try fails like the one before, until the cause is another.
    fn is_new_failure(&self, error: &str) -> bool {
        let last = lock(&self.failure).replace(error.to_owned());
        last.as_deref() != Some(error)
    }

    fn deny(&self, permission: Permission) {
        let mut denials = lock(&self.denials);
        denials.push_back((Instant::now(), permission));
        if denials.len() > MAX_DENIALS {
            denials.pop_front();
        }
        drop(denials);
        self.count_of_denials.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    fn nothing_yet() -> Events {
        Events::new("imgsync.fleet.".to_owned())
    }

    fn denied(text: &str) -> Event {
        Event::ServerError(ServerError::Other(text.to_owned()))
    }

    #[test]
    fn the_servers_text_names_the_permission() {
        let publish = Permission::parse("Permissions Violation for Publish to \"a.b\"");
        assert_eq!(publish.unwrap().to_string(), "publish to a.b");
        let subscribe =
            "Permissions Violation for Subscription to \"_INBOX.x.*\" using queue \"q\"";
        assert_eq!(
            Permission::parse(subscribe),
            Some(Permission::Subscribe("_INBOX.x.*".to_owned()))
        );
        assert_eq!(Permission::parse("Authorization Violation"), None);
    }

    #[test]
    fn an_inbox_that_is_not_allowed_is_told_with_the_option_that_names_another() {
        let inbox = Permission::Subscribe("_INBOX.x.*".to_owned()).missing();
        let text = inbox.to_string();
        assert!(
            text.contains("by --nats-inbox-prefix or NATS_INBOX_PREFIX"),
            "{text}"
        );
        let publish = Permission::Publish("a.b".to_owned()).missing().to_string();
        assert!(
            publish.contains("let this user publish to a.b; what it may do is for another role"),
            "{publish}"
        );
    }

    #[test]
    fn a_missing_permission_explains_only_what_it_stopped() {
        let (events, before) = (nothing_yet(), Instant::now());
        assert_eq!(events.missing_permission("a.b", before), None);
        events.record(&denied("Permissions Violation for Publish to \"a.b\""));
        assert_eq!(
            events.missing_permission("a.b", before),
            Some(Permission::Publish("a.b".to_owned()))
        );
        assert_eq!(events.missing_permission("a.c", before), None);
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert_eq!(events.missing_permission("a.b", Instant::now()), None);
    }

    #[test]
    fn without_an_inbox_nothing_is_answered_until_the_next_connection() {
        let events = nothing_yet();
        events.record(&denied(
            "Permissions Violation for Subscription to \"_INBOX.x.*\"",
        ));
        let later = Instant::now();
        assert!(events.missing_permission("a.c", later).is_some());
        events.record(&Event::Connected);
        assert_eq!(events.missing_permission("a.c", later), None);
    }

    #[test]
    fn without_what_the_fleet_tells_requests_are_answered_all_the_same() {
        let (events, before) = (nothing_yet(), Instant::now());
        let members = "imgsync.fleet.here.*.*";
        events.record(&denied(&format!(
            "Permissions Violation for Subscription to \"{members}\""
        )));
        assert_eq!(events.missing_permission("a.c", before), None);
        assert!(events.missing_permission(members, before).is_some());
    }

    #[tokio::test]
    async fn a_denial_is_awaited_by_whom_it_concerns() {
        let (events, start) = (nothing_yet(), Instant::now());
        let mut mine = pin!(events.denial(|subject| subject == "a.b", start));
        assert_eq!(mine.as_mut().now_or_never(), None);
        events.record(&denied("Permissions Violation for Publish to \"a.c\""));
        assert_eq!(mine.as_mut().now_or_never(), None);
        events.record(&denied("Permissions Violation for Publish to \"a.b\""));
        assert_eq!(mine.await, Permission::Publish("a.b".to_owned()));
    }

    #[test]
    fn a_failure_is_told_once_until_it_is_another_or_over() {
        let events = nothing_yet();
        let told = ["refused", "refused", "denied"].map(|error| events.is_new_failure(error));
        assert_eq!(told, [true, false, true]);
        events.record(&Event::Connected);
        assert!(events.is_new_failure("denied"));
    }

    #[test]
    fn the_number_of_denials_is_bounded() {
        let (events, before) = (nothing_yet(), Instant::now());
        for number in 0..1_000 {
            events.record(&denied(&format!(
                "Permissions Violation for Publish to \"{number}\""
            )));
        }
        assert_eq!(lock(&events.denials).len(), MAX_DENIALS);
        assert!(events.missing_permission("999", before).is_some());
        assert_eq!(events.missing_permission("0", before), None);
    }

    #[test]
    fn a_reconnect_that_was_announced_stays_news_when_another_request_asks_for_it_too() {
        let events = nothing_yet();
        events.announce_reconnect();
        events.expect_reconnect();
        assert!(!events.is_expected());
        events.record(&Event::Disconnected);
        events.record(&Event::Connected);
        events.expect_reconnect();
        assert!(events.is_expected(), "the next one is another");
    }
}
