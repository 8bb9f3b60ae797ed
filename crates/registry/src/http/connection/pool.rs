//! Connections that are all secured in the same way, and kept for the next request.

use std::time::Duration;

use hyper::header::{ACCEPT, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::{Body, Request, Response, ResponseBuilderExt as _};

use super::connector::Connector;
use super::informational;

/// What requests say of who sends them.
pub(crate) const PRODUCT: HeaderValue =
    HeaderValue::from_static(concat!("image-sync/", env!("CARGO_PKG_VERSION")));

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(90);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A pool of connections. A clone shares them.
#[derive(Clone)]
pub(crate) struct Pool {
    client: Client<Connector, Body>,
    /// What a proxy gets to know with each request, as it has no tunnel for it.
    proxy_login: Option<HeaderValue>,
}

impl Pool {
    pub(crate) fn new(connector: Connector, proxy_login: Option<HeaderValue>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self {
            client,
            proxy_login,
        }
    }

    /// Sends a request once and returns its answer, whatever its status, as soon as the head is there.
    ///
    /// The client of reqwest would do, if it let anyone count informational answers.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, BoxError> {
        let url = request.url().clone();
        if !matches!(url.scheme(), "http" | "https") {
            return Err("URL scheme is not allowed".into());
        }
        let mut request = hyper::Request::try_from(request)?;
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert(PRODUCT);
        let anything = HeaderValue::from_static("*/*");
        headers.entry(ACCEPT).or_insert(anything);
        if let Some(login) = &self.proxy_login {
            headers.insert(PROXY_AUTHORIZATION, login.clone());
        }
        let informational = informational::count(&mut request);
        let (head, body) = self.client.request(request).await?.into_parts();
        // An answer that came right behind too many of them is read before the connection ends.
        informational.check()?;
        let mut answer = hyper::Response::builder().url(url).body(Body::wrap(body))?;
        *answer.status_mut() = head.status;
        *answer.version_mut() = head.version;
        *answer.headers_mut() = head.headers;
        answer.extensions_mut().extend(head.extensions);
        Ok(answer.into())
    }
}
