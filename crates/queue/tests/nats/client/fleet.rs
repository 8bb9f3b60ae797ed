//! What members of the fleet tell each other, by what each role may do.

use std::time::Duration;

use async_nats::ConnectOptions;
use image_sync_queue::jetstream::Role;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::fleet::Duty;
use tokio::time::{sleep, timeout};

use super::permissions::{Guarded, ROLES, without};
use crate::samples::member;
use crate::waiting::PATIENCE;

/// What is said to who does that again and again: that it is not allowed is known a moment after the first time.
async fn refusal(asked: impl AsyncFn() -> Result<(), QueueError>) -> String {
    let refused = async {
        loop {
            match asked().await {
                Ok(()) => sleep(Duration::from_millis(20)).await,
                Err(refused) => return refused.to_string(),
            }
        }
    };
    timeout(PATIENCE, refused).await.expect("a refusal")
}

#[tokio::test]
async fn operators_and_producers_ask_and_members_answer() {
    let guarded = Guarded::new(ROLES).await;
    for (user, role) in [("operator", Role::Operator), ("producer", Role::Producer)] {
        let asking = guarded.open(user, role).await.unwrap();
        let mut told = asking.ports().fleet.listen().await.unwrap();
        for (user, role, duty) in [
            ("worker", Role::Worker, Duty::Worker),
            ("aggregator", Role::Aggregator, Duty::Aggregator),
        ] {
            let answering = guarded.open(user, role).await.unwrap();
            let fleet = &answering.ports().fleet;
            let mut asked = fleet.asked().await.unwrap();
            asking.ports().fleet.ask().await.unwrap();
            timeout(PATIENCE, asked.next()).await.unwrap();
            let answer = member(duty, "a");
            fleet.tell(&answer).await.unwrap();
            assert_eq!(timeout(PATIENCE, told.next()).await.unwrap(), answer);
        }
    }
}

#[tokio::test]
async fn a_worker_cannot_pass_for_an_aggregator() {
    let guarded = Guarded::new(ROLES).await;
    let worker = guarded.open("worker", Role::Worker).await.unwrap();
    let fleet = &worker.ports().fleet;
    let pretended = member(Duty::Aggregator, "a");
    let refusal = refusal(async || fleet.tell(&pretended).await).await;
    assert!(
        refusal.contains("imgsync.fleet.here.aggregator.a"),
        "{refusal}"
    );
    fleet.tell(&member(Duty::Worker, "a")).await.unwrap();
}

#[tokio::test]
async fn who_may_not_ask_or_hear_the_answers_learns_it_and_all_else_works() {
    for missing in ["imgsync.fleet.ask", "imgsync.fleet.here.*.*"] {
        let guarded = Guarded::new(&without(missing)).await;
        let operator = guarded.open("operator", Role::Operator).await.unwrap();
        let ports = operator.ports();
        let _told = ports.fleet.listen().await.unwrap();
        let refusal = refusal(async || ports.fleet.ask().await).await;
        assert!(refusal.contains(missing), "{refusal}");
        ports.pauses.list().await.unwrap();
        let worker = guarded.open("worker", Role::Worker).await.unwrap();
        let ports = worker.ports();
        let _asked = ports.fleet.asked().await.unwrap();
        let lease = ports.leases.acquire(missing, "w").await.unwrap();
        assert!(lease.is_some());
    }
}

#[tokio::test]
async fn what_is_no_presence_is_passed_over() {
    let with_other = ROLES.replace("users = [", "users = [ { user: other, password: p }");
    let guarded = Guarded::new(&with_other).await;
    let operator = guarded.open("operator", Role::Operator).await.unwrap();
    let mut told = operator.ports().fleet.listen().await.unwrap();
    let other = ConnectOptions::with_user_and_password("other".into(), "p".into());
    let other = other.connect(guarded.url()).await.unwrap();
    for message in ["", "{}", r#"{"v":1,"name":"a","since":"soon"}"#] {
        let subject = "imgsync.fleet.here.worker.a";
        other.publish(subject, message.into()).await.unwrap();
    }
    let json = r#"{"v":2,"name":"b","since":"2026-11-20T12:00:00Z","new":1}"#;
    for duty in ["cook", "worker"] {
        let subject = format!("imgsync.fleet.here.{duty}.b");
        other.publish(subject, json.into()).await.unwrap();
    }
    let heard = timeout(PATIENCE, told.next()).await.unwrap();
    assert_eq!((heard.duty, heard.about.name.as_str()), (Duty::Worker, "b"));
}
