//! Reports of runs.

use std::io;

use image_sync_shared::ports::runs::reports::WriteReport;
use image_sync_shared::run::RunId;

use super::backend::Backend;
use super::samples::run;

pub(crate) async fn a_report_is_read_as_it_was_written_and_as_often_as_wanted(
    backend: &dyn Backend,
) {
    let reports = &backend.ports().reports;
    assert!(reports.get(&run()).await.unwrap().is_none());
    let long = "0123456789".repeat(50_000);
    put(backend, &run(), &long).await.unwrap();
    put(backend, &RunId::new("r2"), "of another run")
        .await
        .unwrap();
    let mut stored = reports.get(&run()).await.unwrap().unwrap();
    for _ in 0..2 {
        let text = io::read_to_string(stored.text().unwrap()).unwrap();
        assert!(text == long, "{} bytes", text.len());
    }
}

pub(crate) async fn a_report_replaces_that_of_the_same_run(backend: &dyn Backend) {
    put(backend, &run(), "one").await.unwrap();
    put(backend, &run(), "two").await.unwrap();
    assert_eq!(text(backend).await, "two");
}

pub(crate) async fn a_report_that_cannot_be_written_leaves_the_old_one(backend: &dyn Backend) {
    put(backend, &run(), "one").await.unwrap();
    let breaks: WriteReport = Box::new(|out| {
        out.write_all(b"half")?;
        Err(io::Error::other("no more"))
    });
    let error = backend
        .ports()
        .reports
        .put(&run(), breaks)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert_eq!(text(backend).await, "one");
    assert_eq!(backend.ports().reports.tidy().await, Ok(false));
}

pub(crate) async fn the_size_of_a_report_is_told_without_storing_it(backend: &dyn Backend) {
    let reports = &backend.ports().reports;
    let size = async |text: &str| reports.size_of(&run(), writing(text)).await.unwrap();
    let (short, long) = (size("a").await, size(&"0a1b2c".repeat(100_000)).await);
    assert!(0 < short && short < long, "{short} {long}");
    assert!(reports.get(&run()).await.unwrap().is_none());
    let largest = reports.largest().await.unwrap();
    assert!(largest.is_none_or(|largest| largest > long), "{largest:?}");
}

async fn put(
    backend: &dyn Backend,
    run: &RunId,
    text: &str,
) -> Result<(), image_sync_shared::ports::QueueError> {
    backend.ports().reports.put(run, writing(text)).await
}

fn writing(text: &str) -> WriteReport {
    let text = text.to_owned();
    Box::new(move |out| out.write_all(text.as_bytes()))
}

async fn text(backend: &dyn Backend) -> String {
    let stored = backend.ports().reports.get(&run()).await.unwrap();
    io::read_to_string(stored.unwrap().text().unwrap()).unwrap()
}
