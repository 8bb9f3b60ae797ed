//! What was asked is told.

use image_sync_testkit::{FakeRegistry, images};
use tokio::task::JoinSet;

use crate::client::{Client, ask};

#[tokio::test]
async fn requests_are_recorded_in_their_order() {
    let registry = FakeRegistry::start().await.unwrap();
    registry.put_image("app", "1", &images::image("app"));
    let secret = [
        ("Authorization", "Basic eA=="),
        ("Accept", "a"),
        ("accept", "b"),
    ];
    let mut client = Client::to(&registry).await.unwrap();
    client
        .ask("HEAD", "/v2/app/manifests/1", &secret, &[])
        .await
        .unwrap();
    client
        .get("/v2/app/tags/list?n=5&last=a%2Fb")
        .await
        .unwrap();
    registry
        .wait_for(|r| r.method == "GET" && r.answered.is_some())
        .await;
    let requests = registry.requests();
    let [head, list] = &requests[..] else {
        panic!("two requests, not {requests:?}");
    };
    assert!(head.has_credentials() && !list.has_credentials());
    assert_eq!(head.header("accept"), Some("a, b"));
    assert_eq!(list.parameter("last").as_deref(), Some("a/b"));
    assert_eq!((head.status, list.status), (Some(200), Some(200)));
    assert!(head.sequence < head.answered.unwrap());
    assert!(head.answered.unwrap() < list.sequence);
    assert_eq!(registry.count("*", "/v2/app/*"), 2);
    assert_eq!(registry.count("GET", "/v2/app/manifests/*"), 0);
    registry.reset();
    assert_eq!(registry.count("*", "*"), 0);
}

#[tokio::test]
async fn a_test_waits_for_a_request() {
    let registry = FakeRegistry::start().await.unwrap();
    let mut clients = JoinSet::new();
    let mut client = Client::to(&registry).await.unwrap();
    clients.spawn(async move { client.get("/v2/").await.map(|answer| answer.status) });
    let request = registry.wait_for(|r| r.is("GET", "/v2/")).await;
    assert_eq!(request.connection, 0);
    let again = registry.wait_for(|r| r.is("GET", "/v2/")).await;
    assert_eq!(again.sequence, request.sequence, "it has come already");
    assert_eq!(clients.join_next().await.unwrap().unwrap().unwrap(), 200);
}

#[tokio::test]
async fn without_records_nothing_is_kept() {
    let registry = FakeRegistry::builder()
        .without_records()
        .start()
        .await
        .unwrap();
    assert_eq!(
        ask(&registry, "GET", "/v2/", &[], &[])
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(registry.requests(), []);
    assert_eq!(registry.most_in_flight(), 1);
}

#[tokio::test]
async fn the_registry_ends_when_it_is_dropped() {
    let registry = FakeRegistry::start().await.unwrap();
    let host = registry.host().to_owned();
    let mut open = Client::to(&registry).await.unwrap();
    open.get("/v2/").await.unwrap();
    drop(registry);
    assert!(open.get("/v2/").await.is_err());
    assert!(tokio::net::TcpStream::connect(host).await.is_err());
}
