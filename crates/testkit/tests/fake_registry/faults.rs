//! Faults do at the wire what they say.

use image_sync_shared::image::digest::Digest;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule};
use tokio::task::JoinSet;

use crate::client::{Client, End, ask, watch};

const CONTENT: &[u8] = b"0123456789";

async fn registry_with_a_blob() -> std::io::Result<(FakeRegistry, String)> {
    let registry = FakeRegistry::start().await?;
    let digest = Digest::of(CONTENT);
    registry.put_blob("app", &digest, CONTENT);
    Ok((registry, format!("/v2/app/blobs/{digest}")))
}

fn blobs() -> Rule {
    Rule::new("GET", "/v2/*/blobs/*")
}

#[tokio::test]
async fn answers_with_status_headers_and_body() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    let limited = registry.stage(blobs().first(1), Fault::rate_limited(Some("7")));
    let teapot = Fault::status(503)
        .with_header("x-why", "test")
        .with_body("later");
    registry.stage(blobs().nth(2), teapot);
    let mut client = Client::to(&registry).await.unwrap();
    let first = client.get(&blob).await.unwrap();
    assert_eq!((first.status, first.header("retry-after")), (429, "7"));
    let second = client.get(&blob).await.unwrap();
    assert_eq!((second.status, second.header("x-why")), (503, "test"));
    assert_eq!(second.text(), "later");
    assert_eq!(client.get(&blob).await.unwrap().body, CONTENT);
    assert_eq!(limited.hits(), 1);
}

#[tokio::test]
async fn rules_choose_their_requests() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    let with_range = |r: &image_sync_testkit::fake_registry::Request| r.header("range").is_some();
    let late = registry.stage(blobs().after(2), Fault::status(500));
    let ranged = registry.stage(blobs().when(with_range), Fault::status(416));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&registry, "GET", &blob, &[], &[]).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 500, 500]);
    assert_eq!((late.hits(), ranged.hits()), (2, 0));
    late.end();
    let range = [("range", "bytes=1-")];
    assert_eq!(
        ask(&registry, "GET", &blob, &range, &[])
            .await
            .unwrap()
            .status,
        416
    );
    registry.clear_faults();
    assert_eq!(
        ask(&registry, "GET", &blob, &range, &[])
            .await
            .unwrap()
            .status,
        206
    );
}

#[tokio::test]
async fn cuts_come_where_they_are_staged() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    for (at, headers, body) in [
        (At::Headers, false, &b""[..]),
        (At::Body(0), true, b""),
        (At::Body(4), true, b"0123"),
    ] {
        for (fault, end) in [
            (Fault::reset(at), End::Reset),
            (Fault::close(at), End::Closed),
        ] {
            let staged = registry.stage(blobs().first(1), fault);
            let received = watch(&registry, "GET", &blob).await.unwrap();
            assert_eq!(received.end, end, "{at:?}");
            assert_eq!(received.body(), body, "{at:?}");
            assert_eq!(received.text().contains("content-length: 10\r\n"), headers);
            assert_eq!(staged.hits(), 1);
        }
    }
    registry.stage(blobs().first(1), Fault::reset(At::MidHeaders));
    let received = watch(&registry, "GET", &blob).await.unwrap();
    assert_eq!(received.end, End::Reset);
    assert!(received.text().starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(!received.text().contains("\r\n\r\n"));
}

#[tokio::test]
async fn a_cut_upload_leaves_no_blob() {
    let (registry, _) = registry_with_a_blob().await.unwrap();
    let digest = Digest::of(b"hello");
    let started = ask(&registry, "POST", "/v2/app/blobs/uploads/", &[], &[]).await;
    let location = started.unwrap().header("location").to_owned();
    let uploads = Rule::new("PUT", "/v2/*/blobs/uploads/*").first(1);
    registry.stage(uploads, Fault::reset(At::RequestBody(3)));
    let target = format!("{location}?digest={digest}");
    let mut client = Client::to(&registry).await.unwrap();
    client.send("PUT", &target, &[], b"hello").await.unwrap();
    let received = client.receive_all().await.unwrap();
    assert_eq!((received.end, received.bytes.len()), (End::Reset, 0));
    assert!(!registry.has_blob("app", &digest));
    assert_eq!(registry.open_uploads().len(), 1);
    assert_eq!(registry.requests()[1].status, None);
}

#[tokio::test]
async fn a_stall_ends_when_it_is_released() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    for (at, before) in [(At::Headers, 0), (At::Body(4), 4)] {
        let gate = Gate::new();
        registry.stage(blobs().first(1), Fault::stall(at, &gate));
        let mut client = Client::to(&registry).await.unwrap();
        client.send("GET", &blob, &[], &[]).await.unwrap();
        gate.reached().await;
        let request = registry.requests().pop().unwrap();
        assert_eq!((request.status, request.answered), (Some(200), None));
        if before > 0 {
            let mut seen = Vec::new();
            while !seen.ends_with(&CONTENT[..before]) {
                seen.extend(client.receive(1).await.unwrap());
            }
        }
        gate.release();
        let rest = client.receive(10 - before).await.unwrap();
        assert!(before == 0 || rest == CONTENT[before..]);
    }
}

#[tokio::test]
async fn a_client_that_gives_up_ends_a_stall() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    let gate = Gate::new();
    for fault in [Fault::hold(&gate), Fault::stall(At::Body(4), &gate)] {
        registry.reset();
        registry.stage(blobs().first(1), fault);
        let mut client = Client::to(&registry).await.unwrap();
        client.send("GET", &blob, &[], &[]).await.unwrap();
        let request = registry.wait_for(|_| true).await;
        assert!(!request.ended);
        drop(client);
        let request = registry.wait_for(|request| request.ended).await;
        assert_eq!(request.answered, None);
        registry.clear_faults();
    }
}

#[tokio::test]
async fn a_gate_holds_requests_before_anything_is_done() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    let gate = Gate::new();
    registry.stage(Rule::new("*", "*"), Fault::hold(&gate));
    let mut clients = JoinSet::new();
    for _ in 0..3 {
        let mut client = Client::to(&registry).await.unwrap();
        let blob = blob.clone();
        clients.spawn(async move { client.get(&blob).await.map(|answer| answer.status) });
    }
    gate.reached_by(3).await;
    assert_eq!(registry.most_in_flight(), 3);
    assert_eq!(registry.count_where(|r| r.status.is_some()), 0);
    gate.release();
    let statuses: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(statuses, [200, 200, 200]);
    assert_eq!(gate.arrivals(), 3);
}

#[tokio::test]
async fn bodies_are_bent_as_told() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    for (fault, body, length) in [
        (Fault::TooShort(3), &b"0123456"[..], "7"),
        (Fault::TooLong(2), b"0123456789\0\0", "12"),
        (Fault::WrongBytes, b"\xcf123456789", "10"),
    ] {
        registry.stage(blobs().first(1), fault);
        let bent = ask(&registry, "GET", &blob, &[], &[]).await.unwrap();
        assert_eq!(bent.body, body);
        assert_eq!(bent.header("content-length"), length);
        assert_eq!(
            ask(&registry, "GET", &blob, &[], &[]).await.unwrap().body,
            CONTENT
        );
    }
    registry.behave(|b| b.ranges = true);
    registry.stage(blobs().first(1), Fault::WrongBytes);
    let range = [("range", "bytes=5-")];
    let part = ask(&registry, "GET", &blob, &range, &[]).await.unwrap();
    assert_eq!(part.body, b"\xca6789");
}

#[tokio::test]
async fn headers_are_bent_as_told() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    let set = |name: &str, value: &str| Fault::SetHeader(name.to_owned(), value.to_owned());
    registry.stage(blobs(), set("content-encoding", "gzip"));
    registry.stage(blobs(), set("docker-content-digest", "sha256:wrong"));
    registry.stage(blobs(), Fault::DropHeader("accept-ranges".to_owned()));
    let answer = ask(&registry, "GET", &blob, &[], &[]).await.unwrap();
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.headers("docker-content-digest"), ["sha256:wrong"]);
    assert_eq!(answer.headers("accept-ranges").len(), 0);
    registry.clear_faults();
    registry.stage(
        blobs(),
        Fault::redirect("http://elsewhere:1", "signature=s"),
    );
    let moved = ask(&registry, "GET", &blob, &[], &[]).await.unwrap();
    assert_eq!((moved.status, moved.body.len()), (307, 0));
    assert_eq!(
        moved.header("location"),
        format!("http://elsewhere:1{blob}?signature=s")
    );
}

#[tokio::test]
async fn an_early_answer_arrives_although_the_body_was_not_read() {
    let (registry, _) = registry_with_a_blob().await.unwrap();
    registry.stage(Rule::new("PUT", "*"), Fault::AnswerEarly(401));
    let mut client = Client::to(&registry).await.unwrap();
    let head = "PUT /v2/app/manifests/1 HTTP/1.1\r\ncontent-length: 5000\r\n\r\nabc";
    client.send_raw(head.as_bytes()).await.unwrap();
    let answer = client.answer(false).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (401, "close"));
    let end = client.receive_all().await.unwrap();
    assert_eq!((end.end, end.bytes.len()), (End::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn latency_is_counted_in_tokios_time() {
    let (registry, blob) = registry_with_a_blob().await.unwrap();
    let day = std::time::Duration::from_secs(86_400);
    registry.set_latency(day);
    registry.stage(blobs(), Fault::Delay(day));
    let before = tokio::time::Instant::now();
    assert_eq!(
        ask(&registry, "GET", &blob, &[], &[]).await.unwrap().status,
        200
    );
    assert_eq!(before.elapsed().as_secs(), 2 * day.as_secs());
}
