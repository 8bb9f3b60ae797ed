//! The clock of those who meet at a server: the server's.

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::ephemeral_consumer::EphemeralConsumer;
use crate::jetstream::client::Connection;
use crate::jetstream::client::ServerTime;
use crate::jetstream::names::{Names, Role, bucket_stream, key_subject, object_stream};

/// After how long the server's time is asked for anew, if no answer told it meanwhile.
const OLD: Duration = Duration::from_secs(10 * 60);
/// The wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long an answer that tells the time is waited for after a new connection, before it is asked for.
const MEANWHILE: Duration = Duration::from_secs(2);
/// How often this machine's clock is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// Clocks do not come apart by so much in that time unless one is set.
const LEAP: time::Duration = time::Duration::seconds(2);
/// A clock that is less wrong than this is not worth a word.
const WORTH_A_WORD: time::Duration = time::Duration::seconds(30);

/// Tells the time by the server's clock, and by that of this machine for as long as the other is not known.
pub(crate) struct ServerClock {
    time: Arc<ServerTime>,
    local: Arc<dyn Clock>,
}

impl Clock for ServerClock {
    fn now(&self) -> OffsetDateTime {
        self.time.now().unwrap_or_else(|| self.local.now())
    }
}

impl ServerClock {
    pub(crate) fn new(connection: &Connection, local: Arc<dyn Clock>) -> Self {
        Self {
            time: Arc::clone(connection.server_time()),
            local,
        }
    }

    /// How long ago the server told its time last.
    fn age(&self) -> Duration {
        self.time.age().unwrap_or(Duration::MAX)
    }

    fn is_old(&self) -> bool {
        self.age() >= OLD
    }

    /// How far the clock of this machine is ahead of the server's.
    fn ahead(&self) -> Option<time::Duration> {
        Some(self.local.now() - self.time.now()?)
    }

    /// The same, if it is worth a word.
    fn wrong_by(&self) -> Option<time::Duration> {
        self.ahead().filter(|ahead| ahead.abs() > WORTH_A_WORD)
    }

    /// Says so when this machine's clock and the server's come apart, and when they agree again.
    fn tell(&self, is_told: &mut bool) {
        match self.wrong_by() {
            Some(ahead) if !std::mem::replace(is_told, true) => {
                tracing::warn!(
                    "the clock of this machine is {}: times are by the server's",
                    in_words(ahead)
                );
            }
            None if std::mem::take(is_told) => {
                tracing::info!("the clock of this machine agrees with that of the NATS server");
            }
            _ => {}
        }
    }
}

fn in_words(ahead: time::Duration) -> String {
    let way = if ahead.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let seconds = ahead.unsigned_abs().as_secs();
    format!("{seconds} s {way} that of the NATS server")
}

/// Where a client may make a consumer.
struct TimeSource {
    stream: String,
    filter: String,
}

impl TimeSource {
    fn of(names: &Names, role: Role) -> Self {
        match role {
            // It may read nothing else.
            Role::Producer => Self {
                stream: object_stream(&names.reports()),
                filter: format!("$O.{}.M.>", names.reports()),
            },
            Role::Webhook | Role::Worker | Role::Aggregator | Role::Operator => Self::usual(names),
        }
    }

    fn usual(names: &Names) -> Self {
        Self {
            stream: bucket_stream(&names.runs()),
            filter: key_subject(&names.runs(), ">"),
        }
    }

    /// Asks the server for its time.
    async fn read(&self, connection: &Connection) -> Result<(), QueueError> {
        let made = EphemeralConsumer::make(connection, &self.stream, &self.filter, 1).await;
        made.map(drop)
    }
}

impl Connection {
    /// The time by the server's clock, or by `local` where the server does not tell.
    pub async fn time(&self, local: &dyn Clock) -> OffsetDateTime {
        if self.server_time().now().is_none()
            && let Err(error) = TimeSource::usual(self.names()).read(self).await
        {
            tracing::debug!(%error, "the NATS server did not tell its time");
        }
        self.server_time().now().unwrap_or_else(|| local.now())
    }
}

/// Sees to it that the server's time is known, as far as it is told, before this returns and for as long as the tasks are not
/// dropped.
pub(crate) async fn keep(
    tasks: &mut JoinSet<()>,
    connection: &Connection,
    role: Role,
    clock: &Arc<ServerClock>,
) {
    let (connection, clock) = (connection.clone(), Arc::clone(clock));
    let time_source = TimeSource::of(connection.names(), role);
    if clock.is_old()
        && let Err(error) = time_source.read(&connection).await
    {
        tracing::warn!(%error, "the NATS server did not tell its time: times are by this machine's clock until it does");
    }
    let mut is_told = false;
    clock.tell(&mut is_told);
    tasks.spawn(async move { go_on(&connection, &time_source, &clock, is_told).await });
}

/// Asks again where the time told last is old, or where it may not be the server's any more.
async fn go_on(
    connection: &Connection,
    time_source: &TimeSource,
    clock: &ServerClock,
    mut is_told: bool,
) {
    let mut connections = connection.events().connections();
    let mut doubted = clock.is_old().then(Instant::now);
    let mut ahead = clock.ahead();
    loop {
        let wait = match doubted {
            Some(_) => AFTER_FAILURE,
            None => OLD.saturating_sub(clock.age()).min(LOOK),
        };
        if timeout(wait, connections.changed()).await.is_ok() {
            // The server may be another one. Whoever follows a stream makes a consumer anew, which tells the time too.
            doubted = Some(Instant::now());
            sleep(MEANWHILE).await;
        }
        if is_apart(ahead, clock.ahead()) {
            doubted.get_or_insert_with(Instant::now);
        }
        let was_told_since = |doubted: Instant| clock.age() < doubted.elapsed();
        if clock.is_old() || doubted.is_some_and(|doubted| !was_told_since(doubted)) {
            doubted = time_source.read(connection).await.err().map(|error| {
                tracing::debug!(%error, "the NATS server did not tell its time");
                doubted.unwrap_or_else(Instant::now)
            });
        } else {
            doubted = None;
        }
        if doubted.is_none() {
            ahead = clock.ahead();
            clock.tell(&mut is_told);
        }
    }
}

/// Whether this machine's clock and the server's time as it is known came apart: one of them was set, or the machine slept,
/// and what passed meanwhile was not counted.
fn is_apart(before: Option<time::Duration>, now: Option<time::Duration>) -> bool {
    let apart = before.zip(now).map(|(before, now)| (now - before).abs());
    apart.is_some_and(|apart| apart > LEAP)
}

#[cfg(test)]
mod tests {
    use image_sync_testkit::TokioClock;
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    fn clock_at(local: OffsetDateTime) -> ServerClock {
        ServerClock {
            time: Arc::default(),
            local: Arc::new(TokioClock::starting_at(local)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_the_servers_once_it_is_told_and_this_machines_before() {
        for off in [Duration::minutes(10), Duration::minutes(-10)] {
            let clock = clock_at(NOON + off);
            assert_eq!((clock.now(), clock.wrong_by()), (NOON + off, None));
            clock.time.told(NOON, Instant::now());
            assert_eq!((clock.now(), clock.wrong_by()), (NOON, Some(off)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_a_little_wrong_is_not_worth_a_word() {
        let clock = clock_at(NOON + Duration::seconds(29));
        clock.time.told(NOON, Instant::now());
        assert_eq!(clock.wrong_by(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_is_told_of_once_until_it_agrees() {
        let (clock, mut is_told) = (clock_at(NOON), false);
        let mut told_after = |shown| {
            clock.time.told(shown, Instant::now());
            clock.tell(&mut is_told);
            is_told
        };
        let minute = Duration::minutes(1);
        assert!(!told_after(NOON));
        assert!(told_after(NOON + minute));
        assert!(told_after(NOON + minute));
        assert!(!told_after(NOON));
    }

    #[test]
    fn a_clock_that_is_set_and_a_machine_that_slept_make_the_known_time_doubtful() {
        let (minute, second) = (Duration::MINUTE, Duration::SECOND);
        for (before, now, doubtful) in [
            (Some(minute), Some(minute + second), false),
            (Some(minute), Some(-minute), true),
            (Some(minute), Some(2 * minute), true),
            (None, Some(minute), false),
        ] {
            assert_eq!(is_apart(before, now), doubtful, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_with_its_way() {
        assert_eq!(
            in_words(Duration::minutes(10)),
            "600 s ahead of that of the NATS server"
        );
        assert_eq!(
            in_words(Duration::seconds(-31)),
            "31 s behind that of the NATS server"
        );
    }
}
