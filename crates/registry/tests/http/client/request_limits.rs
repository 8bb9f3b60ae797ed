//! How many requests to one host are under way at the same time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use image_sync_shared::ports::transfer::request_limits::{
    RequestEnd, RequestLimits, RequestPermit,
};
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Auth, Fault, Gate, Request, Rule};

use crate::support::{
    RouterBuilder, assert_all_found, guarded, put_app, put_many, resolve_app, resolve_many,
};

type Ends = Arc<Mutex<Vec<(String, RequestEnd)>>>;

/// Limits that hold nobody up, and write down what they are told.
#[derive(Clone, Default)]
struct Recorder(Ends);

struct RecorderPermit {
    host: String,
    ends: Ends,
}

impl Recorder {
    fn statuses(&self) -> Vec<Option<u16>> {
        let ends = self.0.lock().unwrap();
        ends.iter().map(|(_, end)| end.status).collect()
    }
}

#[async_trait]
impl RequestLimits for Recorder {
    async fn acquire(&self, host: &str) -> Box<dyn RequestPermit> {
        Box::new(RecorderPermit {
            host: host.to_owned(),
            ends: Arc::clone(&self.0),
        })
    }
}

impl RequestPermit for RecorderPermit {
    fn ended(&self, end: RequestEnd) {
        self.ends.lock().unwrap().push((self.host.clone(), end));
    }
}

#[tokio::test]
async fn a_limit_is_told_the_status_and_the_latency_of_each_request() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let recorder = Recorder::default();
    let router = RouterBuilder::new()
        .with(registry.host(), |settings| settings.plain_http = true)
        .limits(Arc::new(recorder.clone()))
        .router();
    resolve_app(&router, registry.host()).await.unwrap();
    for fault in [Fault::status(429), Fault::reset(At::Headers)] {
        registry.stage(Rule::new("*", "*").first(1), fault);
        resolve_app(&router, registry.host()).await.unwrap_err();
    }
    let ends = recorder.0.lock().unwrap();
    let statuses: Vec<_> = ends.iter().map(|(_, end)| end.status).collect();
    assert_eq!(statuses, [Some(200), Some(429), None]);
    assert!(ends.iter().all(|(host, _)| host == registry.host()));
    assert!(ends.iter().all(|(_, end)| end.latency > Duration::ZERO));
}

#[tokio::test]
async fn a_limit_is_told_of_the_request_for_the_challenge_of_a_registry_that_hides_images() {
    let registry = guarded(Auth::basic("u", "p")).await;
    put_app(&registry);
    let is_anonymous = |request: &Request| !request.has_credentials();
    registry.stage(
        Rule::new("*", "/v2/app/*").when(is_anonymous),
        Fault::status(404),
    );
    let recorder = Recorder::default();
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .limits(Arc::new(recorder.clone()))
        .router();
    assert!(matches!(
        resolve_app(&router, registry.host()).await,
        Ok(Some(_))
    ));
    // TLS, which it does not speak, the image, the challenge, and the image with credentials.
    assert_eq!(recorder.statuses(), [None, Some(404), Some(401), Some(200)]);
}

#[tokio::test]
async fn a_limit_is_told_of_requests_that_meet_the_challenge_of_another_registry() {
    let (vanity, registry) = (
        FakeRegistry::start().await.unwrap(),
        guarded(Auth::basic("theirs", "p")).await,
    );
    put_app(&registry);
    vanity.stage(Rule::new("*", "*"), Fault::redirect(registry.url(), ""));
    let recorder = Recorder::default();
    let router = RouterBuilder::new()
        .with(vanity.host(), |settings| settings.plain_http = true)
        .login(registry.host(), "theirs", "p")
        .limits(Arc::new(recorder.clone()))
        .router();
    assert!(matches!(
        resolve_app(&router, vanity.host()).await,
        Ok(Some(_))
    ));
    assert_eq!(recorder.statuses(), [Some(401), Some(200)]);
}

#[tokio::test]
async fn no_more_than_max_connections() {
    let registry = FakeRegistry::start().await.unwrap();
    put_many(&registry, 30);
    let router = RouterBuilder::new()
        .with(registry.host(), |settings| {
            settings.max_connections = Some(3);
        })
        .router();
    assert_all_found(&resolve_many(&router, registry.host(), 1).await);
    let gate = Gate::new();
    registry.stage(Rule::new("*", "*"), Fault::hold(&gate));
    let release = async {
        gate.reached_by(3).await;
        gate.release();
    };
    let (answers, ()) = join(resolve_many(&router, registry.host(), 30), release).await;
    assert_all_found(&answers);
    assert_eq!(registry.most_in_flight(), 3);
}

#[tokio::test]
async fn a_host_that_stands_still_does_not_hold_another() {
    let (slow, quick) = (
        FakeRegistry::start().await.unwrap(),
        FakeRegistry::start().await.unwrap(),
    );
    put_many(&slow, 5);
    put_many(&quick, 5);
    let gate = Gate::new();
    slow.stage(Rule::new("*", "*"), Fault::hold(&gate));
    let setup =
        RouterBuilder::new().with(slow.host(), |settings| settings.max_connections = Some(1));
    let router = setup
        .with(quick.host(), |settings| settings.max_connections = Some(1))
        .router();
    let held = async { assert_all_found(&resolve_many(&router, slow.host(), 5).await) };
    let free = async {
        gate.reached().await;
        assert_all_found(&resolve_many(&router, quick.host(), 5).await);
        gate.release();
    };
    join(held, free).await;
}
