//! Following a stream: with one consumer for as long as that lasts, and none that is left behind.

use std::time::Duration;

use futures_util::future::join_all;
use image_sync_shared::run::outcome::Action;
use image_sync_testkit::servers::{NatsServer, RawNats};

use crate::samples::{result, run, seal};
use crate::support::{fresh_prefix, provisioned, small};
use crate::waiting::PATIENCE;

/// More than are asked for together, several times.
const MANY: u32 = 2_000;

#[tokio::test]
async fn a_log_of_many_batches_is_read_by_one_pull_consumer_that_is_deleted_behind_it() {
    let server = NatsServer::start().await.unwrap();
    let (queue, _) = provisioned(&server, &fresh_prefix(), &small()).await;
    let log = &queue.ports().log;
    for first in (0..MANY).step_by(100) {
        let append = async |idx| log.append(&run(), &result(idx, Action::Pulled)).await;
        for appended in join_all((first..first + 100).map(append)).await {
            appended.unwrap();
        }
    }
    let mut raw = RawNats::connect(&server.host()).await.unwrap();
    raw.subscribe("$JS.API.CONSUMER.>").await.unwrap();
    raw.flush().await.unwrap();
    let mut reader = log.read(&run()).await.unwrap();
    let mut events = 0;
    while reader.next(Duration::ZERO).await.unwrap().is_some() {
        events += 1;
    }
    assert_eq!(events, MANY);
    log.append(&run(), &seal(MANY)).await.unwrap();
    let news = reader.next(PATIENCE).await.unwrap();
    assert_eq!(news, Some(seal(MANY)));
    drop(reader);
    queue.close().await.unwrap();
    // What the server has answered it has passed on to others too.
    queue.ports().log.check_room(1).await.unwrap();
    let heard = raw.subjects_heard().await.unwrap();
    let count = |kind: &str| {
        heard
            .iter()
            .filter(|subject| subject.contains(kind))
            .count()
    };
    assert_eq!((count(".CREATE."), count(".DELETE.")), (1, 1), "{heard:#?}");
}
