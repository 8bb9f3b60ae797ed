//! The logs of runs.

use std::time::Duration;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::runs::run_log::{RunFrame, RunLogReader};
use image_sync_shared::ports::telemetry::trace_context::TraceContext;
use image_sync_shared::run::outcome::Action;
use image_sync_shared::run::{ImageName, RunEvent, RunId, RunOpened, Trigger};
use time::OffsetDateTime;

use crate::contract::samples::{result, run, seal};
use crate::contract::test_queue::TestQueue;

pub(crate) async fn events_are_read_in_the_order_they_were_stored(queue: &dyn TestQueue) {
    let mut events = vec![seal(4)];
    events.extend([3, 0, 2, 1].map(|idx| result(idx, Action::Pulled)));
    append(queue, &run(), &events).await;
    assert_eq!(read_all(queue, &run()).await, events);
}

pub(crate) async fn a_repeated_event_is_dropped(queue: &dyn TestQueue) {
    let events = [
        result(0, Action::Pulled),
        result(1, Action::Failed),
        seal(2),
    ];
    append(queue, &run(), &events).await;
    append(queue, &run(), &[result(0, Action::AlreadyCached)]).await;
    append(queue, &run(), &events).await;
    assert_eq!(read_all(queue, &run()).await, events);
}

pub(crate) async fn every_reader_starts_from_the_first_event(queue: &dyn TestQueue) {
    let events: Vec<RunEvent> = (0..5).map(|idx| result(idx, Action::Pulled)).collect();
    let (before, after) = events.split_at(2);
    let mut first = queue.ports().log.read(&run()).await.unwrap();
    append(queue, &run(), before).await;
    assert_eq!(read_rest(queue, &mut *first).await, before);
    append(queue, &run(), after).await;
    let mut second = queue.ports().log.read(&run()).await.unwrap();
    assert_eq!(read_rest(queue, &mut *second).await, events);
    assert_eq!(read_rest(queue, &mut *first).await, after);
}

pub(crate) async fn a_reader_waits_for_the_next_event(queue: &dyn TestQueue) {
    let mut reader = queue.ports().log.read(&run()).await.unwrap();
    assert_eq!(reader.next(Duration::ZERO).await, Ok(None));
    assert_eq!(reader.next(queue.times().quiet).await, Ok(None));
    for idx in 0..2 {
        let event = result(idx, Action::Pulled);
        let append_later = async {
            queue.advance(queue.times().quiet).await;
            append(queue, &run(), std::slice::from_ref(&event)).await;
        };
        let (got, ()) = tokio::join!(reader.next(queue.times().patience), append_later);
        assert_eq!(got, Ok(Some(event)));
    }
}

pub(crate) async fn a_reader_knows_how_far_the_log_goes(queue: &dyn TestQueue) {
    let (log, quiet) = (&queue.ports().log, queue.times().quiet);
    let mut reader = log.read(&run()).await.unwrap();
    let nothing = reader.end().await.unwrap();
    assert!(reader.place().reaches(nothing, false));
    let events: Vec<RunEvent> = (0..3).map(|idx| result(idx, Action::Pulled)).collect();
    append(queue, &run(), &events).await;
    let end = reader.end().await.unwrap();
    append(queue, &RunId::new("r2"), &events).await;
    append(queue, &run(), &[seal(3)]).await;
    for read in 0..3 {
        let place = reader.place();
        assert_eq!((place.events, end.events), (read, 3));
        assert!(!place.reaches(end, false) && !place.reaches(end, true));
        reader.next(quiet).await.unwrap();
    }
    assert!(reader.place().reaches(end, false));
    // What follows in the same place may be of other runs.
    let end = reader.end().await.unwrap();
    assert!(!reader.place().reaches(end, true));
    assert_eq!(reader.next(quiet).await, Ok(Some(seal(3))));
    append(queue, &RunId::new("r2"), &[seal(3)]).await;
    let end = reader.end().await.unwrap();
    assert!(reader.place().reaches(end, true));
}

pub(crate) async fn the_logs_of_runs_are_apart(queue: &dyn TestQueue) {
    let other = RunId::new("r2");
    append(queue, &run(), &[seal(1)]).await;
    append(queue, &other, &[seal(2)]).await;
    assert_eq!(read_all(queue, &run()).await, [seal(1)]);
    assert_eq!(read_all(queue, &other).await, [seal(2)]);
    assert_eq!(read_all(queue, &RunId::new("r3")).await, []);
}

pub(crate) async fn an_unknown_event_is_left_out_and_what_follows_is_read(queue: &dyn TestQueue) {
    append(queue, &run(), &[result(0, Action::Pulled)]).await;
    for (kind, unknown) in [
        ("split", &br#"{"v":2,"event":"split","into":["a","b"]}"#[..]),
        (
            "seal",
            br#"{"v":2,"event":"seal","expected":{"at_least":1}}"#,
        ),
        ("seal", b"no event at all"),
    ] {
        queue.inject_event(&run(), kind, unknown).await;
    }
    append(queue, &run(), &[seal(1)]).await;
    let mut reader = queue.ports().log.read(&run()).await.unwrap();
    let events = read_rest(queue, &mut *reader).await;
    assert_eq!(events, [result(0, Action::Pulled), seal(1)]);
    let end = reader.end().await.unwrap();
    assert_eq!(
        (reader.place().events, end.events),
        (5, 5),
        "all are counted"
    );
}

pub(crate) async fn a_result_with_unknown_words_is_read_with_them(queue: &dyn TestQueue) {
    let mut told = serde_json::to_value(result(7, Action::Pulled)).unwrap();
    told["v"] = 2.into();
    told["class"] = serde_json::json!({"quota_exceeded": {"until": "noon"}});
    told["entry"]["action"] = "quarantined".into();
    let told = told.to_string();
    queue.inject_event(&run(), "result", told.as_bytes()).await;
    let events = read_all(queue, &run()).await;
    let [RunEvent::Result(read)] = events.as_slice() else {
        panic!("one result, not {events:?}")
    };
    assert_eq!(read.idx, 7);
    assert_eq!(read.entry.action.name(), "quarantined");
    assert_eq!(read.class.map(FailureClass::name), Some("quota_exceeded"));
    // Whoever tells it again does so in the same words.
    let again = RunId::new("r2");
    append(queue, &again, &events).await;
    assert_eq!(read_all(queue, &again).await, events);
}

pub(crate) async fn the_frame_of_a_run_is_its_opening_and_its_seal(queue: &dyn TestQueue) {
    let log = &queue.ports().log;
    assert_eq!(log.frame(&run()).await, Ok(RunFrame::default()));
    let opened = opened();
    append(
        queue,
        &run(),
        &[RunEvent::Open(opened.clone()), result(0, Action::Pulled)],
    )
    .await;
    let mut frame = RunFrame {
        opened: Some(opened),
        jobs: None,
    };
    assert_eq!(log.frame(&run()).await.as_ref(), Ok(&frame));
    append(queue, &run(), &[seal(7)]).await;
    frame.jobs = Some(7);
    assert_eq!(log.frame(&run()).await, Ok(frame));
    assert_eq!(log.check_room(1).await, Ok(()));
}

pub(crate) async fn a_long_log_with_long_events_is_read_whole(queue: &dyn TestQueue) {
    let name = |idx| ImageName {
        image: format!("docker.io/library/image{idx}"),
        tag: "1.27 \"\\ü".to_owned(),
        target: "localhost:5000/library/image:1.27".to_owned(),
    };
    let mut events = Vec::new();
    for chunk in 0..4 {
        events.push(RunEvent::Chunk {
            first_idx: chunk * 4_000,
            items: (0..4_000).map(name).collect(),
        });
        events.extend((0..100).map(|idx| result(chunk * 100 + idx, Action::Pulled)));
    }
    append(queue, &run(), &events).await;
    assert!(read_all(queue, &run()).await == events);
}

async fn append(queue: &dyn TestQueue, run: &RunId, events: &[RunEvent]) {
    for event in events {
        queue.ports().log.append(run, event).await.unwrap();
    }
}

async fn read_all(queue: &dyn TestQueue, run: &RunId) -> Vec<RunEvent> {
    let mut reader = queue.ports().log.read(run).await.unwrap();
    read_rest(queue, &mut *reader).await
}

async fn read_rest(queue: &dyn TestQueue, reader: &mut dyn RunLogReader) -> Vec<RunEvent> {
    let mut events = Vec::new();
    while let Some(event) = reader.next(queue.times().quiet).await.unwrap() {
        events.push(event);
    }
    events
}

fn opened() -> RunOpened {
    RunOpened {
        started_at: OffsetDateTime::UNIX_EPOCH,
        deadline_at: OffsetDateTime::UNIX_EPOCH,
        trigger: Trigger::Enqueue,
        cache_registry: "localhost:5000".to_owned(),
        config_hash: "c0ffee".to_owned(),
        images: Some(7),
        skip_on_error: true,
        silence_ms: 90_000,
        key: None,
        trace: TraceContext::default(),
        dry_run: false,
    }
}
