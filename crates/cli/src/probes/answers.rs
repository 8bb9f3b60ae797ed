//! Which path is answered how.

use hyper::{Method, StatusCode};

use super::State;

/// The media type of `OpenMetrics` 1.0.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// An answer that is still to be put into HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) media_type: &'static str,
    pub(super) body: String,
}

/// The answer to a request.
pub(super) async fn answer(state: &State, method: &Method, path: &str) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD expected");
    }
    match path {
        "/livez" => text(StatusCode::OK, "ok"),
        "/readyz" => match state.readiness().await {
            Ok(()) => text(StatusCode::OK, "ok"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, &why),
        },
        "/metrics" => metrics(state).await,
        _ => text(
            StatusCode::NOT_FOUND,
            "/livez, /readyz or /metrics expected",
        ),
    }
}

async fn metrics(state: &State) -> Answer {
    // A queue that does not answer leaves its last length; all else is as fresh as ever.
    state.readiness().await.ok();
    match state.metrics.text() {
        Ok(body) => Answer {
            status: StatusCode::OK,
            media_type: METRICS,
            body,
        },
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn text(status: StatusCode, line: &str) -> Answer {
    Answer {
        status,
        media_type: TEXT,
        body: format!("{line}\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use async_trait::async_trait;
    use image_sync_queue::Length;
    use image_sync_shared::ports::QueueError;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::metrics::Metrics;
    use crate::probes::QueueLength;

    struct Queue(Result<u64, QueueError>);

    #[async_trait]
    impl QueueLength for Queue {
        async fn length(&self) -> Result<Length, QueueError> {
            Ok(Length {
                jobs: vec![("now", self.0.clone()?)],
                dead_letters: None,
            })
        }
    }

    struct Silent;

    #[async_trait]
    impl QueueLength for Silent {
        async fn length(&self) -> Result<Length, QueueError> {
            std::future::pending().await
        }
    }

    fn state(queue: Option<Arc<dyn QueueLength>>) -> State {
        State {
            metrics: Metrics::new(),
            queue: queue.map_or_else(OnceLock::new, OnceLock::from),
            stop: CancellationToken::new(),
        }
    }

    async fn get(state: &State, path: &str) -> (u16, String) {
        let answer = answer(state, &Method::GET, path).await;
        (answer.status.as_u16(), answer.body)
    }

    #[tokio::test]
    async fn it_is_ready_once_wired_and_not_while_it_ends() {
        let state = state(None);
        assert_eq!(get(&state, "/livez").await.0, 200);
        assert_eq!(get(&state, "/readyz").await, (503, "starting\n".to_owned()));
        assert!(state.queue.set(Arc::new(Queue(Ok(0)))).is_ok());
        assert_eq!(get(&state, "/readyz").await, (200, "ok\n".to_owned()));
        state.stop.cancel();
        let ending = (503, "shutting down\n".to_owned());
        assert_eq!(get(&state, "/readyz").await, ending);
        assert_eq!(get(&state, "/livez").await.0, 200, "it still works");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_ready_while_the_queue_does_not_answer() {
        let silent = state(Some(Arc::new(Silent)));
        assert_eq!(get(&silent, "/readyz").await.0, 503);
        assert_eq!(get(&silent, "/metrics").await.0, 200);
        let away = QueueError::Unreachable("nobody listens".to_owned());
        let away = state(Some(Arc::new(Queue(Err(away)))));
        let (status, why) = get(&away, "/readyz").await;
        assert!(status == 503 && why.contains("nobody listens"), "{why}");
    }

    #[tokio::test]
    async fn metrics_ask_the_queue_for_its_length() {
        let state = state(Some(Arc::new(Queue(Ok(7)))));
        let (status, text) = get(&state, "/metrics").await;
        assert_eq!(status, 200);
        assert!(
            text.contains(r#"image_sync_queue_jobs{lane="now"} 7"#),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_told_what_there_is() {
        let state = state(None);
        assert_eq!(get(&state, "/").await.0, 404);
        let posted = answer(&state, &Method::POST, "/livez").await;
        assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
