//! The role *aggregator*, its janitor: gives a result to jobs that no worker ever settles, so that their run can end.

use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::panics::caught;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::dead_letters::DeadLetter;
use image_sync_shared::ports::queue::job_queue::{Delivery, JobQueue};
use image_sync_shared::ports::runs::run_log::RunLog;
use image_sync_shared::ports::telemetry::measures::Measures;
use image_sync_shared::run::RunEvent;
use image_sync_shared::run::job::Job;
use tokio_util::sync::CancellationToken;

use crate::again::again_after_panic;
use crate::outage::Outage;

/// How long one look for poisoned jobs waits.
const LOOK: Duration = Duration::from_secs(30);

/// What the janitor works with.
#[derive(Clone)]
pub struct Janitor {
    /// Says which jobs were delivered too often.
    pub queue: Arc<dyn JobQueue>,
    /// Takes their results.
    pub log: Arc<dyn RunLog>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Counts what was given up.
    pub measures: Arc<dyn Measures>,
}

impl Janitor {
    /// Looks after poisoned jobs until `stop` is cancelled or the queue is closed. A queue that is away or full is
    /// waited for. Whatever is wrong with one job is logged, and keeps it from no other.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        again_after_panic("the janitor", || self.look_after(stop)).await
    }

    async fn look_after(&self, stop: &CancellationToken) -> Result<(), QueueError> {
        let (mut outage, mut unsettled) = (Outage::default(), Outage::default());
        loop {
            let poisoned = async {
                let poisoned = self.queue.poisoned(LOOK).await;
                outage.sit_out(poisoned).await
            };
            let poisoned = tokio::select! {
                poisoned = poisoned => poisoned,
                () = stop.cancelled() => return Ok(()),
            };
            let given_up = match poisoned {
                Err(QueueError::Closed) => return Ok(()),
                poisoned => self.give_up_all(poisoned?.unwrap_or_default()).await,
            };
            // What was not given up comes again.
            unsettled.sit_out(given_up).await?;
        }
    }

    async fn give_up_all(&self, poisoned: Vec<Delivery>) -> Result<(), QueueError> {
        for delivery in poisoned {
            let job = delivery.job.job_id.clone();
            match caught(self.give_up(delivery)).await {
                Ok(Err(QueueError::Refused(error))) => {
                    tracing::error!(%job, error, "a job could not be given up: it comes again");
                }
                Err(panicked) => {
                    tracing::error!(%job, error = %panicked, "a job could not be given up: it comes again");
                }
                // Any other error is the queue's and not of this job: the rest would meet the same, and comes again.
                Ok(given_up) => given_up?,
            }
        }
        Ok(())
    }

    /// A crash in between makes a harmless repeat.
    async fn give_up(&self, delivery: Delivery) -> Result<(), QueueError> {
        let Delivery {
            job,
            deliveries,
            settle,
            ..
        } = delivery;
        let reason = reason(&job, deliveries);
        tracing::error!(run_id = %job.run_id, job = %job.job_id, "job given up: {reason}");
        let (run, event) = (job.run_id.clone(), event(&job, &reason));
        let letter = DeadLetter {
            id: job.job_id.to_string(),
            died_at: self.clock.now(),
            reason,
            job: Some(job),
            raw: None,
        };
        // In the order in which a worker settles: with its result the run may end, and then what is left of it is
        // dropped. By the time the message is gone, the letter and the result are stored.
        settle.bury(letter).await?;
        self.log.append(&run, &event).await?;
        settle.done().await?;
        self.measures.job_given_up();
        Ok(())
    }
}

fn reason(job: &Job, deliveries: u64) -> String {
    let answer = format!(
        "{deliveries} deliveries ended without a result: a worker that takes this job dies, or loses it"
    );
    Failure::new(
        Side::Target,
        Step::Image,
        &job.target.image,
        FailureClass::Local,
        answer,
    )
    .to_string()
}

fn event(job: &Job, reason: &str) -> RunEvent {
    let result = job.unworked("janitor", FailureClass::Local, reason.to_owned());
    RunEvent::Result(Box::new(result))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use image_sync_shared::ports::queue::job_queue::{Lane, Settle, Stored};
    use image_sync_shared::ports::telemetry::measures::Unmeasured;
    use image_sync_shared::run::RunId;
    use image_sync_shared::run::outcome::Action;
    use image_sync_testkit::ports::{FakeLog, FakeQueue};
    use image_sync_testkit::{TokioClock, samples};

    use super::*;

    /// A queue that is away at first, then has no room, then has poisoned jobs, and is closed after them; and the letters
    /// that they became.
    #[derive(Default)]
    struct Poisoned {
        looks: AtomicU32,
        jobs: Mutex<Vec<Job>>,
        letters: Arc<Mutex<Vec<DeadLetter>>>,
    }

    struct InHand(Arc<Mutex<Vec<DeadLetter>>>);

    /// The places of jobs whose letters the queue does not take, and that bring a defect to light.
    const REFUSED: u32 = 8;
    const DEFECT: u32 = 9;

    #[async_trait]
    impl JobQueue for Poisoned {
        async fn publish(&self, _: Lane, _: &Job) -> Result<Stored, QueueError> {
            Err(QueueError::Closed)
        }

        async fn pull(
            &self,
            _: &[Lane],
            _: usize,
            _: Duration,
        ) -> Result<Vec<Delivery>, QueueError> {
            Err(QueueError::Closed)
        }

        async fn poisoned(&self, _: Duration) -> Result<Vec<Delivery>, QueueError> {
            match self.looks.fetch_add(1, Ordering::SeqCst) {
                0 => return Err(QueueError::Unreachable("away".to_owned())),
                1 => return Err(QueueError::Full("no room".to_owned())),
                _ => {}
            }
            let job = self.jobs.lock().unwrap().pop().ok_or(QueueError::Closed)?;
            Ok(vec![Delivery {
                job,
                lane: Lane::Bulk,
                deliveries: 6,
                settle: Box::new(InHand(Arc::clone(&self.letters))),
            }])
        }

        async fn purge(&self, _: &RunId) -> Result<u64, QueueError> {
            Ok(0)
        }

        async fn visibility(&self) -> Result<Duration, QueueError> {
            Ok(Duration::from_secs(60))
        }
    }

    #[async_trait]
    impl Settle for InHand {
        async fn done(&self) -> Result<(), QueueError> {
            Ok(())
        }

        async fn requeue(&self, _: &Job) -> Result<(), QueueError> {
            panic!("a poisoned job is not put back")
        }

        async fn bury(&self, letter: DeadLetter) -> Result<(), QueueError> {
            match letter.job.as_ref().map(|job| job.idx) {
                Some(REFUSED) => return Err(QueueError::Refused("too large".to_owned())),
                Some(DEFECT) => panic!("a defect"),
                _ => self.0.lock().unwrap().push(letter),
            }
            Ok(())
        }

        async fn in_progress(&self) -> Result<(), QueueError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_poisoned_job_gets_a_failed_result_and_becomes_a_dead_letter() {
        let mut job = samples::job(3);
        job.so_far.bytes_copied = 7;
        let (queue, log) = (Arc::new(Poisoned::default()), Arc::new(FakeLog::default()));
        queue.jobs.lock().unwrap().push(job.clone());
        let janitor = Janitor {
            queue: queue.clone(),
            log: log.clone(),
            clock: Arc::new(TokioClock::default()),
            measures: Arc::new(Unmeasured),
        };
        janitor.run(&CancellationToken::new()).await.unwrap();

        let events = log.events();
        let [RunEvent::Result(result)] = events.as_slice() else {
            panic!("one result, not {events:?}")
        };
        assert_eq!((result.idx, result.entry.action), (3, Action::Failed));
        assert_eq!(result.entry.bytes_copied, 7, "what its attempts sent");
        let error = result.entry.error.as_deref().unwrap();
        assert_eq!(
            error,
            "target: image localhost:5000/quay.io/a/b:t: 6 deliveries ended without a result: a worker that takes this \
             job dies, or loses it"
        );
        let letters = queue.letters.lock().unwrap();
        assert_eq!((letters.len(), letters[0].job.as_ref()), (1, Some(&job)));
        assert_eq!(letters[0].reason, error);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_letter_that_is_refused_nor_a_panic_ends_the_janitor() {
        let (queue, log) = (Arc::new(Poisoned::default()), Arc::new(FakeLog::default()));
        let jobs = [3, DEFECT, REFUSED].map(samples::job);
        queue.jobs.lock().unwrap().extend(jobs);
        let janitor = Janitor {
            queue: queue.clone(),
            log: log.clone(),
            clock: Arc::new(TokioClock::default()),
            measures: Arc::new(Unmeasured),
        };
        janitor.run(&CancellationToken::new()).await.unwrap();
        let letters = queue.letters.lock().unwrap();
        let ids: Vec<&str> = letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(ids, ["r1:3"]);
        assert_eq!(log.events().len(), 1);
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to() {
        let janitor = Janitor {
            queue: Arc::new(FakeQueue::with_room(0)),
            log: Arc::new(FakeLog::default()),
            clock: Arc::new(TokioClock::default()),
            measures: Arc::new(Unmeasured),
        };
        let stop = CancellationToken::new();
        stop.cancel();
        janitor.run(&stop).await.unwrap();
    }
}
