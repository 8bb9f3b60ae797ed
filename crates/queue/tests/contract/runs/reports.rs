//! Reports of runs.

use std::io;

use image_sync_shared::ports::runs::reports::WriteReport;
use image_sync_shared::run::RunId;

use crate::contract::samples::run;
use crate::contract::test_queue::TestQueue;

pub(crate) async fn a_report_is_read_as_it_was_written_and_as_often_as_wanted(
    queue: &dyn TestQueue,
) {
    let reports = &queue.ports().reports;
    assert!(reports.get(&run()).await.unwrap().is_none());
    let long = "0123456789".repeat(50_000);
    put(queue, &run(), &long).await.unwrap();
    put(queue, &RunId::new("r2"), "of another run")
        .await
        .unwrap();
    let mut stored = reports.get(&run()).await.unwrap().unwrap();
    for _ in 0..2 {
        let text = io::read_to_string(stored.text().unwrap()).unwrap();
        assert!(text == long, "{} bytes", text.len());
    }
}

pub(crate) async fn a_report_replaces_that_of_the_same_run(queue: &dyn TestQueue) {
    put(queue, &run(), "one").await.unwrap();
    put(queue, &run(), "two").await.unwrap();
    assert_eq!(text(queue).await, "two");
}

pub(crate) async fn a_report_that_cannot_be_written_leaves_the_old_one(queue: &dyn TestQueue) {
    put(queue, &run(), "one").await.unwrap();
    let breaks: WriteReport = Box::new(|out| {
        out.write_all(b"half")?;
        Err(io::Error::other("no more"))
    });
    let error = queue.ports().reports.put(&run(), breaks).await.unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert_eq!(text(queue).await, "one");
    assert_eq!(queue.ports().reports.tidy().await, Ok(false));
}

pub(crate) async fn the_size_of_a_report_is_told_without_storing_it(queue: &dyn TestQueue) {
    let reports = &queue.ports().reports;
    let size = async |text: &str| reports.size_of(&run(), writing(text)).await.unwrap();
    let (short, long) = (size("a").await, size(&"0a1b2c".repeat(100_000)).await);
    assert!(0 < short && short < long, "{short} {long}");
    assert!(reports.get(&run()).await.unwrap().is_none());
    let largest = reports.largest().await.unwrap();
    assert!(largest.is_none_or(|largest| largest > long), "{largest:?}");
}

async fn put(
    queue: &dyn TestQueue,
    run: &RunId,
    text: &str,
) -> Result<(), image_sync_shared::ports::QueueError> {
    queue.ports().reports.put(run, writing(text)).await
}

fn writing(text: &str) -> WriteReport {
    let text = text.to_owned();
    Box::new(move |out| out.write_all(text.as_bytes()))
}

async fn text(queue: &dyn TestQueue) -> String {
    let stored = queue.ports().reports.get(&run()).await.unwrap();
    io::read_to_string(stored.unwrap().text().unwrap()).unwrap()
}
