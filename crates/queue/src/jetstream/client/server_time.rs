//! What time it is by the server's clock.
//!
//! Those who meet at a queue write times for each other: until when a job waits, a host is left alone, a run is open. They
//! mean the same by them only by one clock, and that is the server's, which also stamps the messages. It is learnt from
//! answers that have a time of the server, and goes on with the time that passes here: whoever sets this machine's clock
//! changes nothing of it.

use std::sync::Mutex;
use std::time::Duration;

use image_sync_shared::panics::lock;
use image_sync_shared::ports::clock::later;
use time::OffsetDateTime;
use tokio::time::Instant;

/// In so much time, two clocks that run freely come apart by one part of it.
const DRIFT: u32 = 5_000;

/// A time that the server told.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// What its clock showed.
    shown: OffsetDateTime,
    /// When, about.
    at: Instant,
    /// How wrong that may be.
    error: Duration,
}

impl Estimate {
    /// The server looked at its clock at some moment between the question and its answer.
    fn new(shown: OffsetDateTime, asked: Instant, answered: Instant) -> Self {
        let half = answered.saturating_duration_since(asked) / 2;
        Self {
            shown,
            at: asked + half,
            error: half,
        }
    }

    fn time_at(&self, instant: Instant) -> OffsetDateTime {
        match instant.checked_duration_since(self.at) {
            Some(passed) => later(self.shown, passed),
            None => self.shown - self.at.saturating_duration_since(instant),
        }
    }

    fn error_at(&self, instant: Instant) -> Duration {
        self.error + instant.saturating_duration_since(self.at) / DRIFT
    }

    /// Whether this is the better one: it is nearer to the truth, or the other cannot be true any more, as where the server
    /// is another one or its clock was set.
    fn replaces(&self, known: &Self) -> bool {
        let known_error = known.error_at(self.at);
        let apart = (self.shown - known.time_at(self.at)).unsigned_abs();
        self.error <= known_error || apart > self.error + known_error
    }
}

#[derive(Debug)]
struct KnownTime {
    best: Estimate,
    /// When the server told a time last.
    told: Instant,
}

/// The server's time, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct ServerTime(Mutex<Option<KnownTime>>);

impl ServerTime {
    /// The answer of now to what was asked at `asked` has this time of the server.
    pub(crate) fn told(&self, shown: OffsetDateTime, asked: Instant) {
        // A field that was not filled in has the year 1.
        if shown.unix_timestamp() <= 0 {
            return;
        }
        let told = Instant::now();
        let new = Estimate::new(shown, asked, told);
        let mut known = lock(&self.0);
        let kept = known.as_ref().map(|known| known.best);
        let best = kept.filter(|kept| !new.replaces(kept)).unwrap_or(new);
        *known = Some(KnownTime { best, told });
    }

    /// The time now, unless the server never told one.
    pub(crate) fn now(&self) -> Option<OffsetDateTime> {
        let known = lock(&self.0);
        known
            .as_ref()
            .map(|known| known.best.time_at(Instant::now()))
    }

    /// How long ago the server told a time last.
    pub(crate) fn age(&self) -> Option<Duration> {
        lock(&self.0).as_ref().map(|known| known.told.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use tokio::time::advance;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    /// Is told a time by an answer that took so long.
    async fn told(time: &ServerTime, shown: OffsetDateTime, took: Duration) {
        let asked = Instant::now();
        advance(took).await;
        time.told(shown, asked);
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_time_is_that_of_half_way_between_question_and_answer_and_goes_on() {
        let time = ServerTime::default();
        assert_eq!((time.now(), time.age()), (None, None));
        told(&time, NOON, Duration::from_secs(2)).await;
        assert_eq!(time.now(), Some(NOON + Duration::from_secs(1)));
        advance(Duration::from_secs(3_600)).await;
        assert_eq!(time.now(), Some(NOON + Duration::from_secs(3_601)));
        assert_eq!(time.age(), Some(Duration::from_secs(3_600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_answer_counts_more_than_a_slow_one_until_it_is_old() {
        let (time, second) = (ServerTime::default(), Duration::from_secs(1));
        told(&time, NOON, Duration::ZERO).await;
        // By the slow one alone it would be half a second more.
        told(&time, NOON + second, second).await;
        assert_eq!(time.now(), Some(NOON + second));
        assert_eq!(time.age(), Some(Duration::ZERO));
        advance(Duration::from_secs(u64::from(DRIFT))).await;
        let late = NOON + second + Duration::from_secs(u64::from(DRIFT));
        told(&time, late + second, second).await;
        assert_eq!(time.now(), Some(late + second + second / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_is_believed_however_slow_the_answer() {
        for set in [
            NOON - Duration::from_secs(600),
            NOON + Duration::from_secs(600),
        ] {
            let time = ServerTime::default();
            told(&time, NOON, Duration::ZERO).await;
            told(&time, set, Duration::from_secs(4)).await;
            assert_eq!(time.now(), Some(set + Duration::from_secs(2)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_is_not_filled_in_is_none() {
        let time = ServerTime::default();
        told(&time, datetime!(0001-01-01 0:00 UTC), Duration::ZERO).await;
        assert_eq!(time.now(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_time_is_no_panic() {
        let (time, day) = (ServerTime::default(), Duration::from_secs(86_400));
        told(&time, datetime!(9999-12-31 23:59 UTC), Duration::ZERO).await;
        advance(day).await;
        assert_eq!(time.now().map(OffsetDateTime::year), Some(9999));
        assert_eq!(
            Estimate::new(NOON, Instant::now(), Instant::now()).time_at(Instant::now() - day),
            NOON - day
        );
    }
}
