//! The probes and the metrics: which path is answered how.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::queue::backlog::Backlog;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{Exposition, Metrics};

const TEXT: &str = "text/plain; charset=utf-8";
/// How long the queue may take to say how long it is.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the answers are made of.
pub(super) struct Probes {
    metrics: Metrics,
    /// Why it is not ready before all is wired.
    before: Mutex<String>,
    /// Set once all is wired.
    queue: OnceLock<Arc<dyn Backlog>>,
    /// Cancelled when the program begins to end.
    stop: CancellationToken,
}

impl Probes {
    pub(super) fn new(metrics: Metrics, stop: CancellationToken) -> Self {
        Self {
            metrics,
            before: Mutex::new("starting".to_owned()),
            queue: OnceLock::new(),
            stop,
        }
    }

    /// What is waited for before all is wired.
    pub(super) fn waits_for(&self, what: String) {
        *lock(&self.before) = what;
    }

    /// All is wired. Only the first queue counts: a program has one.
    pub(super) fn ready(&self, queue: Arc<dyn Backlog>) {
        self.queue.set(queue).ok();
    }

    /// Why the program is not ready, if it is not. The metrics of the queue are up to date afterwards.
    async fn readiness(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("shutting down".to_owned());
        }
        let Some(queue) = self.queue.get() else {
            return Err(lock(&self.before).clone());
        };
        let answer = timeout(QUEUE_TIMEOUT, queue.length()).await;
        let length = answer.map_err(|_elapsed| "the queue does not answer".to_owned());
        let length = length.and_then(|length| length.map_err(|error| error.to_string()));
        if let Ok(length) = &length {
            self.metrics.queue_is(length);
        }
        // That says more than that there is no answer, and a queue that says how long it is may still take nothing.
        match queue.hindrance() {
            Some(hindrance) => Err(hindrance),
            None => length.map(drop),
        }
    }
}

/// The paths. A HEAD is answered as a GET is, without the body.
pub(super) fn router(probes: Arc<Probes>) -> Router {
    Router::new()
        .route("/livez", get(async || text(StatusCode::OK, "ok")))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || {
            text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD expected")
        })
        .fallback(async || {
            text(
                StatusCode::NOT_FOUND,
                "/livez, /readyz or /metrics expected",
            )
        })
        .with_state(probes)
}

async fn readyz(State(probes): State<Arc<Probes>>) -> Response {
    match probes.readiness().await {
        Ok(()) => text(StatusCode::OK, "ok"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

async fn metrics(State(probes): State<Arc<Probes>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Exposition::accepted(accept.unwrap_or_default());
    // A queue that does not answer leaves its last length; all else is as fresh as ever.
    let readiness = probes.readiness().await;
    probes.metrics.is_ready(readiness.is_ok());
    match probes.metrics.text(format) {
        Ok(body) => ([(CONTENT_TYPE, format.content_type())], body).into_response(),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn text(status: StatusCode, line: &str) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], format!("{line}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use image_sync_shared::ports::QueueError;
    use image_sync_shared::ports::queue::backlog::{LaneLength, Length};

    use super::*;

    struct Queue(Result<u64, QueueError>);

    #[async_trait]
    impl Backlog for Queue {
        async fn length(&self) -> Result<Length, QueueError> {
            Ok(Length {
                jobs: vec![LaneLength {
                    lane: "now",
                    stored: self.0.clone()?,
                    in_hand: 0,
                }],
                dead_letters: None,
                ..Length::default()
            })
        }

        async fn is_deserted(&self) -> Result<bool, QueueError> {
            Ok(false)
        }
    }

    /// Says how long it is, and takes nothing.
    struct Full;

    #[async_trait]
    impl Backlog for Full {
        async fn length(&self) -> Result<Length, QueueError> {
            Ok(Length {
                jobs: vec![LaneLength {
                    lane: "now",
                    stored: 7,
                    in_hand: 0,
                }],
                ..Length::default()
            })
        }

        fn hindrance(&self) -> Option<String> {
            Some("cannot store jobs: no room".to_owned())
        }

        async fn is_deserted(&self) -> Result<bool, QueueError> {
            Ok(false)
        }
    }

    struct Silent;

    #[async_trait]
    impl Backlog for Silent {
        async fn length(&self) -> Result<Length, QueueError> {
            std::future::pending().await
        }

        async fn is_deserted(&self) -> Result<bool, QueueError> {
            Ok(false)
        }
    }

    fn probes(queue: Option<Arc<dyn Backlog>>) -> Arc<Probes> {
        let probes = Probes::new(Metrics::new(), CancellationToken::new());
        if let Some(queue) = queue {
            probes.ready(queue);
        }
        Arc::new(probes)
    }

    async fn ask(probes: &Arc<Probes>, method: Method, uri: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(uri);
        let service = TowerToHyperService::new(router(Arc::clone(probes)));
        let answer = service.call(request.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(probes: &Arc<Probes>, path: &str) -> (u16, String) {
        ask(probes, Method::GET, path).await
    }

    #[tokio::test]
    async fn it_is_ready_once_wired_and_not_while_it_ends() {
        let probes = probes(None);
        assert_eq!(get(&probes, "/livez").await.0, 200);
        assert_eq!(
            get(&probes, "/readyz").await,
            (503, "starting\n".to_owned())
        );
        probes.ready(Arc::new(Queue(Ok(0))));
        assert_eq!(get(&probes, "/readyz").await, (200, "ok\n".to_owned()));
        probes.stop.cancel();
        let ending = (503, "shutting down\n".to_owned());
        assert_eq!(get(&probes, "/readyz").await, ending);
        assert_eq!(get(&probes, "/livez").await.0, 200, "it still works");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_ready_while_the_queue_does_not_answer() {
        let silent = probes(Some(Arc::new(Silent)));
        assert_eq!(get(&silent, "/readyz").await.0, 503);
        assert_eq!(get(&silent, "/metrics").await.0, 200);
        let away = QueueError::Unreachable("nobody listens".to_owned());
        let away = probes(Some(Arc::new(Queue(Err(away)))));
        let (status, why) = get(&away, "/readyz").await;
        assert!(status == 503 && why.contains("nobody listens"), "{why}");
        let (_, metrics) = get(&away, "/metrics").await;
        assert!(metrics.contains("image_sync_ready 0"), "{metrics}");
    }

    #[tokio::test]
    async fn it_is_not_ready_while_the_queue_takes_nothing() {
        let full = probes(Some(Arc::new(Full)));
        let said = (503, "cannot store jobs: no room\n".to_owned());
        assert_eq!(get(&full, "/readyz").await, said);
        let (_, metrics) = get(&full, "/metrics").await;
        assert!(metrics.contains(r#"image_sync_queue_jobs{lane="now"} 7"#));
    }

    #[tokio::test]
    async fn metrics_ask_the_queue_for_its_length() {
        let probes = probes(Some(Arc::new(Queue(Ok(7)))));
        let (status, text) = get(&probes, "/metrics").await;
        assert_eq!(status, 200);
        assert!(
            text.contains(r#"image_sync_queue_jobs{lane="now"} 7"#),
            "{text}"
        );
        assert!(text.contains("image_sync_ready 1"), "{text}");
        assert!(!text.contains("# EOF"), "{text}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_told_what_there_is() {
        let probes = probes(None);
        for uri in [
            "/",
            "//metrics",
            "/metrics/",
            "/../livez",
            "http://x.test/",
            "x.test:1",
            "*",
        ] {
            let (status, said) = get(&probes, uri).await;
            assert_eq!(status, 404, "{uri}");
            assert_eq!(said, "/livez, /readyz or /metrics expected\n", "{uri}");
        }
        for method in [Method::POST, Method::TRACE, Method::CONNECT, Method::DELETE] {
            let (status, said) = ask(&probes, method.clone(), "/livez").await;
            assert_eq!(status, 405, "{method}");
            assert_eq!(said, "GET or HEAD expected\n", "{method}");
        }
        let head = ask(&probes, Method::HEAD, "/livez").await;
        assert_eq!(head, (200, String::new()));
    }
}
