//! What is answered, and what is stored of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_event_of_each_sender_is_answered_202_once_its_jobs_are_stored() {
    for sender in with_secret() {
        let test = TestHooks::new();
        let answer = test.ask(test.event(sender)).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (202, r#"{"runs":["r1"]}"#),
            "{sender}"
        );
        assert_eq!(test.stored(), ["cache.test/team/app:v1"], "{sender}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_config_a_sender_is_heard_only_where_that_was_said() {
    for sender in Sender::ALL {
        let closed = TestHooks::with(false, |webhooks| *webhooks = Webhooks::default());
        let unknown = closed.ask(closed.event(sender)).await;
        assert_eq!(unknown.status, 404, "{sender}");
        let nobody = Asked {
            path: "/v1/hooks/nobody".to_owned(),
            ..closed.event(sender)
        };
        assert_eq!(
            closed.ask(nobody).await,
            unknown,
            "as one that there is not"
        );
        let open = TestHooks::of(false, true, |webhooks| *webhooks = Webhooks::default());
        assert_eq!(open.ask(open.event(sender)).await.status, 202, "{sender}");
        assert_eq!(open.stored().len(), 1, "{sender}");
        let both = TestHooks::of(false, true, |_| {});
        let mut wrong = both.event(sender);
        wrong.headers.remove("authorization");
        wrong.path = format!("/v1/hooks/{sender}");
        if let Sender::Distribution | Sender::Harbor | Sender::Quay | Sender::Gcp = sender {
            assert_eq!(
                both.ask(wrong).await.status,
                401,
                "one of the config: {sender}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_answered_400_but_for_who_repeats_it_for_ever() {
    let test = TestHooks::new();
    for sender in with_secret() {
        for body in ["", "{", "\"text\"", "[[[[]]]]", "\0"] {
            let event = Asked {
                body: body.as_bytes().to_vec(),
                ..test.event(sender)
            };
            let answer = test.ask(test.proven(sender, event)).await;
            let expected = if sender == Sender::Distribution {
                202
            } else {
                400
            };
            assert_eq!(answer.status, expected, "{sender}: {body}: {answer:?}");
            assert!(answer.json()["error"].is_string(), "{sender}: {answer:?}");
        }
    }
    let came = test.ask(script(Method::GET, "/v1/hooks", "")).await.json();
    let why = came["recent"][0]["error"].as_str().unwrap();
    assert!(why.contains("expected") && !why.starts_with('{'), "{why}");
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn other_events_are_answered_202_and_nothing_follows() {
    let test = TestHooks::new();
    let others = [
        (Sender::GitHub, r#"{"zen": "x", "hook_id": 1}"#),
        (Sender::Distribution, r#"{"events": [{"action": "pull"}]}"#),
        (Sender::Harbor, r#"{"type": "SCANNING_COMPLETED"}"#),
        (Sender::Acr, r#"{"action": "ping"}"#),
    ];
    for (sender, body) in others {
        let mut event = Asked {
            body: body.as_bytes().to_vec(),
            ..test.event(sender)
        };
        if sender == Sender::GitHub {
            event
                .headers
                .insert("x-github-event", HeaderValue::from_static("ping"));
        }
        let answer = test.ask(test.proven(sender, event)).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (202, r#"{"runs":[]}"#),
            "{sender}"
        );
    }
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_replayed_is_answered_202_and_stored_once() {
    let test = TestHooks::new();
    for _ in 0..3 {
        assert_eq!(test.ask(test.event(Sender::GitHub)).await.status, 202);
    }
    assert_eq!(test.stored().len(), 1);
    let came = script(Method::GET, "/v1/hooks", "");
    let came = test.ask(came).await.json();
    assert_eq!(came["senders"]["github"]["events"]["repeated"], 2, "{came}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_follow_and_stores_nothing() {
    let test = TestHooks::new();
    let mut event = test.event(Sender::Harbor);
    event.path.push_str("?dry_run=true");
    let answer = test.ask(event.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["events"][0]["targets"][0],
        "cache.test/team/app:v1"
    );
    event.headers.clear();
    assert_eq!(test.ask(event).await.status, 401);
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_the_queue_is_away_events_and_scripts_are_answered_503_with_retry_after() {
    let test = TestHooks::with(true, |_| {});
    for sender in with_secret() {
        let answer = test.ask(test.event(sender)).await;
        assert_eq!(answer.status, 503, "{sender}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{sender}");
    }
    let enqueue = script(Method::POST, "/v1/enqueue", r#"{"image": "a:1"}"#);
    let answer = test.ask(enqueue).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5"))
    );
    let came = script(Method::GET, "/v1/hooks", "");
    assert_eq!(test.ask(came).await.status, 200);
}

#[tokio::test]
async fn before_all_is_wired_every_path_is_answered_503_with_retry_after() {
    let test = TestHooks {
        slot: Slot::default(),
        ..TestHooks::new()
    };
    let asked = [
        test.event(Sender::Harbor),
        test.event(Sender::Quay),
        script(Method::GET, "/v1/hooks", ""),
        script(Method::POST, "/v1/enqueue", "{}"),
    ];
    for asked in asked {
        let path = asked.path.clone();
        let answer = test.ask(asked).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_its_rate_a_sender_is_answered_429_and_others_are_not() {
    let test = TestHooks::new();
    let guards = &test.slot.get().unwrap().guards;
    while guards.take(Sender::GitHub).is_ok() {}
    while guards.take(Sender::Harbor).is_ok() {}
    for sender in [Sender::GitHub, Sender::Harbor] {
        let answer = test.ask(test.event(sender)).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (429, Some("1"))
        );
        let mut wrong = test.event(sender);
        wrong.headers.remove("authorization");
        wrong.headers.remove("x-hub-signature-256");
        assert_eq!(
            test.ask(wrong).await.status,
            401,
            "who proves nothing learns nothing"
        );
    }
    assert_eq!(test.ask(test.event(Sender::Quay)).await.status, 202);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(test.ask(test.event(Sender::Harbor)).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn scripts_enqueue_and_read_what_came_with_their_secret() {
    let test = TestHooks::new();
    let enqueue = |body| script(Method::POST, "/v1/enqueue", body);
    let answer = test.ask(enqueue(r#"{"images": ["a:1", "b"]}"#)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body, r#"{"run":"r2","jobs":["r2:0","r2:1"]}"#);
    assert_eq!(test.stored(), ["a:1", "b"]);
    for (body, words) in [
        ("{", "EOF"),
        (r#"{"image": "nobody/has"}"#, "has no nobody/has"),
    ] {
        let answer = test.ask(enqueue(body)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(words), "{answer:?}");
    }
    let answer = test.ask(script(Method::GET, "/v1/hooks", "")).await;
    assert!(
        answer.status == 200 && answer.json()["recent"].is_array(),
        "{answer:?}"
    );
}
