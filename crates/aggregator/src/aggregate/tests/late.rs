//! Logs that take long to read.

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::runs::run_log::{LogPlace, RunLog, RunLogReader};
use image_sync_shared::run::RunId;

use super::*;

/// A log whose server takes its time for each event, and says now and then that there is none although there is.
struct SlowLog(FakeLog);

struct SlowReader(Box<dyn RunLogReader>, u32);

#[async_trait]
impl RunLog for SlowLog {
    async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError> {
        self.0.append(run, event).await
    }

    async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError> {
        Ok(Box::new(SlowReader(self.0.read(run).await?, 0)))
    }
}

#[async_trait]
impl RunLogReader for SlowReader {
    async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError> {
        self.1 += 1;
        if self.1.is_multiple_of(20) {
            tokio::time::sleep(wait).await;
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.next(wait).await
    }

    fn place(&self) -> LogPlace {
        self.0.place()
    }

    async fn end(&mut self) -> Result<LogPlace, QueueError> {
        self.0.end().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregator_that_starts_after_the_deadline_calls_nothing_missing_that_the_log_has() {
    for (sealed, status) in [(200, RunStatus::Complete), (201, RunStatus::Incomplete)] {
        let results = (0..200).map(|idx| result(idx, Action::Pulled));
        let names = [open(), chunk(0, sealed), seal(sealed)];
        let log = FakeLog::of(names.into_iter().chain(results));
        let aggregator = Aggregator {
            log: Arc::new(SlowLog(log)),
            ..aggregator(&Arc::default())
        };
        tokio::time::advance(2 * HOUR).await;
        let stop = CancellationToken::new();
        let mut finished = aggregator.follow(&run(), &stop).await.unwrap();
        let report = report(&mut finished);
        assert_eq!((report.results.len(), report.head.status), (200, status));
        let without: Vec<_> = (200..sealed).map(missing).collect();
        assert_eq!(report.missing, without);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_its_server_does_not_give_is_not_waited_for_for_ever() {
    /// Has an event that never comes.
    struct Stuck(Box<dyn RunLogReader>);
    #[async_trait]
    impl RunLogReader for Stuck {
        async fn next(&mut self, wait: Duration) -> Result<Option<RunEvent>, QueueError> {
            self.0.next(wait).await
        }
        fn place(&self) -> LogPlace {
            self.0.place()
        }
        async fn end(&mut self) -> Result<LogPlace, QueueError> {
            let LogPlace { last, events } = self.0.end().await?;
            Ok(LogPlace {
                last: last + 1,
                events: events + 1,
            })
        }
    }
    struct StuckLog(FakeLog);
    #[async_trait]
    impl RunLog for StuckLog {
        async fn append(&self, run: &RunId, event: &RunEvent) -> Result<(), QueueError> {
            self.0.append(run, event).await
        }
        async fn read(&self, run: &RunId) -> Result<Box<dyn RunLogReader>, QueueError> {
            Ok(Box::new(Stuck(self.0.read(run).await?)))
        }
    }
    let log = FakeLog::of([open(), chunk(0, 2), seal(2), result(0, Action::Pulled)]);
    let aggregator = Aggregator {
        log: Arc::new(StuckLog(log)),
        ..aggregator(&Arc::default())
    };
    tokio::time::advance(2 * HOUR).await;
    let stop = CancellationToken::new();
    let mut finished = aggregator.follow(&run(), &stop).await.unwrap();
    assert_eq!(finished.ending, Ending::DeadlinePassed);
    assert_eq!(report(&mut finished).missing, [missing(1)]);
}
