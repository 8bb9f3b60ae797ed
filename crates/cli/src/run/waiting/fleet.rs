//! What who waits for a run learns of those who carry it out: which workers and aggregators are there, and what the workers have
//! in hand.

use std::convert::Infallible;
use std::time::Duration;

use image_sync_queue::Ports;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::{ASK_LASTS, Duty, Presence, Told};
use image_sync_shared::run::RunId;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::terminal::progress::FleetBoard;

/// The time between two questions who is there: three of them come while one lasts.
const ASK: Duration = Duration::from_secs(4);
/// The time between two looks for who is not there.
const LOOK: Duration = Duration::from_secs(3);
/// Who has not answered for so long is not there.
const SILENT: Duration = Duration::from_secs(5);

/// Tells of workers and aggregators that are not there, and when they come, each once. What workers have in hand goes to `board`.
pub(super) async fn watch(queue: &Ports, run: &RunId, board: Option<&FleetBoard>) -> Infallible {
    let mut told = queue.fleet.listen().await.inspect_err(unheard).ok();
    let mut watched = Watched::new(run, told.is_some());
    let [mut asks, mut looks] = [ASK, LOOK].map(|time| {
        let mut times = interval(time);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        times
    });
    // The first tick of an interval is at once.
    looks.tick().await;
    loop {
        tokio::select! {
            presence = next(&mut told) => {
                watched.heard(&presence);
                if let Some(board) = board.filter(|_| presence.duty == Duty::Worker) {
                    board.heard(presence.about);
                }
            }
            _ = asks.tick() => watched.asked(queue.fleet.ask().await),
            _ = looks.tick() => {
                if watched.can_look {
                    watched.tell_of_workers(queue.backlog.is_deserted().await);
                }
                watched.tell_of_aggregators();
            }
        }
    }
}

async fn next(told: &mut Option<Box<dyn Told>>) -> Presence {
    match told {
        Some(told) => told.next().await,
        None => std::future::pending().await,
    }
}

/// Who may not know who is there is told nothing.
fn unheard(error: &QueueError) {
    debug!(%error, "who is there is not known");
}

/// Whether it is asked who is there.
enum Asking {
    /// Not yet, or not while NATS is away.
    NotNow,
    /// Since then, without a failure.
    Since(Instant),
    /// Never, as that is not allowed, or the answers cannot be heard.
    Never,
}

/// Who is there, as far as it is known.
struct Watched<'a> {
    run: &'a RunId,
    /// Whether it can be seen that nobody takes jobs.
    can_look: bool,
    asking: Asking,
    /// When a worker, and when an aggregator, told of itself last.
    worker: Option<Instant>,
    aggregator: Option<Instant>,
    /// Whether it was said that nobody takes jobs.
    is_deserted: bool,
    /// Whether it was said that no aggregator is there.
    lacks_aggregator: bool,
}

impl<'a> Watched<'a> {
    fn new(run: &'a RunId, can_hear: bool) -> Self {
        Self {
            run,
            can_look: true,
            asking: if can_hear {
                Asking::NotNow
            } else {
                Asking::Never
            },
            worker: None,
            aggregator: None,
            is_deserted: false,
            lacks_aggregator: false,
        }
    }

    fn asked(&mut self, asked: Result<(), QueueError>) {
        self.asking = match (asked, &self.asking) {
            (_, Asking::Never) => Asking::Never,
            (Ok(()), Asking::Since(begin)) => Asking::Since(*begin),
            (Ok(()), Asking::NotNow) => Asking::Since(Instant::now()),
            // Nobody can answer: they have their time anew when it is back.
            (Err(QueueError::Unreachable(_)), _) => Asking::NotNow,
            (Err(error), _) => {
                unheard(&error);
                Asking::Never
            }
        };
    }

    fn heard(&mut self, Presence { duty, about }: &Presence) {
        let last = match duty {
            Duty::Worker => &mut self.worker,
            Duty::Aggregator => &mut self.aggregator,
        };
        if about.has_left {
            return;
        }
        *last = Some(Instant::now());
        if *duty == Duty::Aggregator && std::mem::take(&mut self.lacks_aggregator) {
            info!(run_id = %self.run, aggregator = about.name, "an aggregator is there");
        }
    }

    /// That jobs wait and none is taken is seen at the queue, whoever answers: workers of earlier versions do not.
    fn tell_of_workers(&mut self, is_deserted: Result<bool, QueueError>) {
        let run = self.run;
        match is_deserted {
            Ok(now) if std::mem::replace(&mut self.is_deserted, now) != now => {
                match (now, self.is_there(self.worker)) {
                    (false, _) => info!(run_id = %run, "workers take jobs again"),
                    (true, Some(false)) => {
                        warn!(run_id = %run, "no worker is there, and nobody takes jobs: they wait, and none is in a worker's hand");
                    }
                    (true, Some(true)) => {
                        warn!(run_id = %run, "nobody takes jobs, although a worker is there: they wait, and none is in a worker's hand");
                    }
                    (true, None) => {
                        warn!(run_id = %run, "nobody takes jobs: they wait, and none is in a worker's hand");
                    }
                }
            }
            Ok(_) | Err(QueueError::Unreachable(_)) => {}
            Err(error) => {
                debug!(%error, "whether jobs are taken is not known");
                self.can_look = false;
            }
        }
    }

    /// There is no other sign of aggregators than what they say themselves.
    fn tell_of_aggregators(&mut self) {
        let is_absent = self.is_there(self.aggregator) == Some(false);
        if is_absent && !std::mem::replace(&mut self.lacks_aggregator, true) {
            warn!(run_id = %self.run, "no aggregator is there, or none that says so: without one the run gets no end and no report");
        }
    }

    /// Whether one is there that told of itself `last` at this time; none where that is not known yet, or never will be.
    fn is_there(&self, last: Option<Instant>) -> Option<bool> {
        let Asking::Since(begin) = self.asking else {
            return None;
        };
        if last.is_some_and(|at| at.elapsed() < ASK_LASTS) {
            return Some(true);
        }
        (begin.elapsed() >= SILENT).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::ports::queue::fleet::About;
    use time::OffsetDateTime;
    use tokio::time::advance;

    use super::*;

    fn from(duty: Duty) -> Presence {
        Presence {
            duty,
            about: About {
                name: "a".to_owned(),
                host: "h".to_owned(),
                version: "0.1.0".to_owned(),
                since: OffsetDateTime::UNIX_EPOCH,
                slots: 4,
                in_hand: 0,
                images: Vec::new(),
                has_left: false,
            },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_for_seconds_is_not_there() {
        let run = RunId::new("r1");
        let mut watched = Watched::new(&run, true);
        watched.asked(Ok(()));
        advance(SILENT / 2).await;
        assert_eq!(
            watched.is_there(watched.aggregator),
            None,
            "it has its time"
        );
        advance(SILENT / 2).await;
        assert_eq!(watched.is_there(watched.aggregator), Some(false));
        watched.tell_of_aggregators();
        assert!(watched.lacks_aggregator);
        watched.heard(&from(Duty::Aggregator));
        assert_eq!(watched.is_there(watched.aggregator), Some(true));
        assert!(!watched.lacks_aggregator);
        assert_eq!(watched.is_there(watched.worker), Some(false));
        advance(ASK_LASTS).await;
        assert_eq!(
            watched.is_there(watched.aggregator),
            Some(false),
            "silent since"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_who_cannot_be_heard_it_is_not_said_that_they_are_not_there() {
        let run = RunId::new("r1");
        let refused = || Err(QueueError::Refused("no".to_owned()));
        let away = || Err(QueueError::Unreachable("away".to_owned()));
        for (can_hear, last) in [(false, Ok(())), (true, refused()), (true, away())] {
            let mut watched = Watched::new(&run, can_hear);
            watched.asked(Ok(()));
            watched.asked(last);
            advance(SILENT).await;
            watched.tell_of_aggregators();
            assert!(!watched.lacks_aggregator);
        }
    }
}
