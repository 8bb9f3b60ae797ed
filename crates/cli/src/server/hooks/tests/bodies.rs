//! How much of a body is read, and how long it may take.

use std::convert::Infallible;

use futures_util::stream;
use tokio::time::Instant;

use super::*;

/// A body of these pieces, whose length is not stated, as one that is chunked.
fn chunked(pieces: Vec<Vec<u8>>) -> Body {
    let pieces = pieces.into_iter().map(Bytes::from);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
}

/// A body that begins so, and of which nothing more ever comes.
fn stuck(begin: &[u8]) -> Body {
    let begin = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(begin))]);
    Body::from_stream(begin.chain(stream::pending()))
}

/// The event, with blanks behind it up to so many bytes.
fn padded(test: &TestHooks, sender: Sender, length: usize) -> Asked {
    let mut event = test.event(sender);
    event.body.resize(length, b' ');
    test.proven(sender, event)
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_1_mib_is_answered_413_and_one_of_1_mib_is_taken() {
    for sender in [Sender::Harbor, Sender::GitHub] {
        let test = TestHooks::new();
        for length in [MAX_BODY + 1, 2 * MAX_BODY] {
            let long = padded(&test, sender, length);
            let body = chunked(long.body.chunks(100_000).map(<[u8]>::to_vec).collect());
            assert_eq!(
                test.ask_with(long.clone(), body).await.status,
                413,
                "{sender}"
            );
            assert_eq!(test.ask(long).await.status, 413, "{sender}");
        }
        let mut stated = test.event(sender);
        stated
            .headers
            .insert(CONTENT_LENGTH, HeaderValue::from_static("1000000000"));
        assert_eq!(
            test.ask_with(stated, stuck(b"")).await.status,
            413,
            "{sender}"
        );
        assert!(test.stored().is_empty());
        let long = padded(&test, sender, MAX_BODY);
        let body = chunked(long.body.chunks(100_000).map(<[u8]>::to_vec).collect());
        assert_eq!(test.ask_with(long, body).await.status, 202, "{sender}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_too_has_a_body_of_1_mib_at_most_and_in_time() {
    let test = TestHooks::new();
    let enqueue = script(Method::POST, "/v1/enqueue", "");
    let long = chunked(vec![vec![b' '; 1 << 19]; 3]);
    assert_eq!(test.ask_with(enqueue.clone(), long).await.status, 413);
    assert_eq!(test.ask_with(enqueue, stuck(b"{")).await.status, 408);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_with_408() {
    for sender in [Sender::Harbor, Sender::GitHub, Sender::Quay] {
        let test = TestHooks::new();
        let began = Instant::now();
        let event = test.event(sender);
        let half = event.body[..event.body.len() / 2].to_vec();
        assert_eq!(
            test.ask_with(event, stuck(&half)).await.status,
            408,
            "{sender}"
        );
        assert_eq!(began.elapsed(), BODY_TIME);
        assert!(test.stored().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_keep_no_event_from_being_read() {
    let test = TestHooks::new();
    let slow = |begin: Vec<u8>| {
        // Who signs has proven nothing yet.
        let event = test.event(Sender::GitHub);
        let test = &test;
        async move { test.ask_with(event, stuck(&begin)).await.status }
    };
    let short = (0..100).map(|_| slow(vec![b'{'])).collect::<Vec<_>>();
    let long = (0..100).map(|_| slow(vec![b' '; SHORT_BODY + 1]));
    let slow = futures_util::future::join_all(short.into_iter().chain(long));
    let prompt = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        let statuses = [
            test.ask(test.event(Sender::GitHub)).await.status,
            test.ask(test.event(Sender::Harbor)).await.status,
        ];
        (statuses, began.elapsed())
    };
    let (slow, prompt) = tokio::join!(slow, prompt);
    assert!(slow.iter().all(|status| *status == 408), "{slow:?}");
    assert_eq!(prompt, ([202, 202], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn deep_json_is_answered_and_nothing_falls_over() {
    let test = TestHooks::new();
    for sender in with_secret() {
        for open in ["[", "{\"a\":", "{\"events\":["] {
            let event = Asked {
                body: open.repeat(MAX_BODY / open.len()).into_bytes(),
                ..test.event(sender)
            };
            let answer = test.ask(test.proven(sender, event)).await;
            let expected = if sender == Sender::Distribution {
                202
            } else {
                400
            };
            assert_eq!(answer.status, expected, "{sender}: {answer:?}");
        }
    }
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn bodies_of_who_has_proven_nothing_do_not_push_out_what_came() {
    let test = TestHooks::new();
    assert_eq!(test.ask(test.event(Sender::Harbor)).await.status, 202);
    for _ in 0..300 {
        let mut long = test.event(Sender::GitHub);
        let stated = HeaderValue::from_static("1000000000");
        long.headers.insert(CONTENT_LENGTH, stated);
        assert_eq!(test.ask(long).await.status, 413);
    }
    let came = test.ask(script(Method::GET, "/v1/hooks", "")).await.json();
    assert_eq!(came["recent"].as_array().unwrap().len(), 1, "{came}");
    assert_eq!(came["senders"]["github"]["events"]["refused"], 300);
}
