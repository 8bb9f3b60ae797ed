//! Jobs that wait for the results of others.

use std::cell::Cell;
use std::convert::Infallible;

use futures_util::stream;
use image_sync_shared::config::Expanded;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::ports::runs::run_control::RunControl as _;
use image_sync_shared::run::outcome::JobResult;

use super::*;

/// A little more, so that no sign of life falls on its end.
const MINUTE: Duration = Duration::from_secs(61);

type Page = Result<Vec<Expanded>, QueueError>;

/// Three images, of which the last one cannot be found out, and then two more.
fn two_stages() -> [Vec<Expanded>; 2] {
    let mut images = samples::images(5).into_iter().map(Expanded::image);
    let mut first: Vec<Expanded> = images.by_ref().take(3).collect();
    let failure = Failure::new(
        Side::Source,
        Step::ListTags,
        "x",
        FailureClass::NotFound,
        "gone",
    );
    if let Some(last) = first.last_mut() {
        *last = Expanded::failed(last.image.clone(), failure);
    }
    [first, images.collect()]
}

impl Bench {
    async fn produce_stages(&self, asked: &Cell<u32>) -> Result<Produced, QueueError> {
        let stages = two_stages().into_iter().map(|page| {
            stream::once(async {
                asked.set(asked.get() + 1);
                let page: Page = Ok(page);
                page
            })
        });
        let plan = plan(Trigger::Schedule);
        self.producer
            .produce_stages(&plan, stages, &self.stop)
            .await
    }

    /// A result of the job that was published as number `nth`.
    fn result(&self, nth: usize) -> JobResult {
        let job = self.queue.jobs.lock().unwrap()[nth].1.clone();
        job.unworked("w1", FailureClass::NotFound, String::from("not found"))
    }

    fn tell(&self, result: JobResult) {
        self.log.add(RunEvent::Result(Box::new(result)));
    }

    fn is_sealed(&self) -> bool {
        let is_seal = |event: &RunEvent| matches!(event, RunEvent::Seal { .. });
        self.log.events().iter().any(is_seal)
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_is_asked_for_and_published_once_all_jobs_before_it_have_results_whatever_these_are()
 {
    let (bench, asked) = (Bench::with_room(10), Cell::new(0));
    let work = async {
        let waits = async || {
            tokio::time::sleep(MINUTE).await;
            assert_eq!((bench.published(), asked.get()), (2, 1));
            assert!(!bench.is_sealed());
        };
        waits().await;
        bench.tell(bench.result(1));
        waits().await;
        // Again, and one that no job proves.
        bench.tell(bench.result(1));
        bench.tell(JobResult {
            mac: None,
            ..bench.result(0)
        });
        waits().await;
        bench.tell(bench.result(0));
        tokio::time::sleep(MINUTE).await;
        assert_eq!((bench.published(), asked.get()), (4, 2));
        Ok::<_, Infallible>(())
    };
    let (produced, _) = tokio::join!(bench.produce_stages(&asked), work);
    assert_eq!(produced, Ok(Produced::Sealed { jobs: 5 }));
    let idx: Vec<u32> = bench
        .queue
        .jobs
        .lock()
        .unwrap()
        .iter()
        .map(|(_, job)| job.idx)
        .collect();
    assert_eq!(idx, [0, 1, 3, 4]);
    let events = bench.log.events();
    let signs = events
        .iter()
        .filter(|event| matches!(event, RunEvent::Alive { .. }));
    assert_eq!(signs.count(), 12, "it lives while it waits");
    assert_eq!(bench.log.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_stage_waits_for_no_result_and_reads_no_log() {
    let bench = Bench::with_room(10);
    let produced = bench.produce(&samples::images(3)).await;
    assert_eq!(produced, Ok(Produced::Sealed { jobs: 3 }));
    assert_eq!(bench.log.reads(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_results_ends_with_a_stop_a_cancelled_run_or_its_deadline() {
    let asked = Cell::new(0);
    let bench = Bench::with_room(10);
    let stop = async {
        tokio::time::sleep(MINUTE).await;
        bench.stop.cancel();
    };
    let (produced, ()) = tokio::join!(bench.produce_stages(&asked), stop);
    assert_eq!(produced, Ok(Produced::Stopped { jobs: 3 }));

    let bench = Bench::with_room(10);
    let cancel = async {
        tokio::time::sleep(MINUTE).await;
        bench.control.cancel(&samples::run()).await.unwrap();
    };
    let (produced, ()) = tokio::join!(bench.produce_stages(&asked), cancel);
    assert_eq!(produced, Ok(Produced::Cancelled));
    assert_eq!(bench.published(), 0, "its jobs are dropped");

    let bench = Bench::with_room(10);
    assert_eq!(bench.produce_stages(&asked).await, Ok(Produced::Overdue));
    assert!(!bench.is_sealed());
}
