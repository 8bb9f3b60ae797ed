//! Sends requests to registries (OCI distribution spec, section "API"): TLS, tokens, redirects and failures in one place.

mod answer;
mod options;
mod permits;
mod setup_error;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::job::Remote;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode, Url};

pub use options::{ClientOptions, Timeouts};
pub(crate) use permits::Permits;
pub use setup_error::SetupError;

/// Speaks to all registries, each under its own settings. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    options: ClientOptions,
    permits: permits::Hosts,
}

/// One request to a registry.
pub(crate) struct Call<'a> {
    /// The repository it is about; its access decides which scopes a token needs.
    pub(crate) remote: &'a Remote,
    /// That the request is counted: see [`Client::permit`].
    pub(crate) permits: &'a Permits,
    /// What is being done, for failures.
    pub(crate) step: Step,
    /// What it is done to, for failures.
    pub(crate) subject: String,
    /// The method.
    pub(crate) method: Method,
    /// Where to.
    pub(crate) target: Target,
    /// Headers beside those that the client sets (Authorization, Host, User-Agent).
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) payload: Payload,
    /// A further repository of the same registry that must be readable: the one a blob is mounted from.
    pub(crate) also_pull: Option<&'a str>,
    /// Statuses beside 2xx that are answers rather than failures.
    pub(crate) accept: &'a [StatusCode],
    /// How long the head of the answer may take, once the request is sent; none where the caller watches that itself.
    pub(crate) answer_within: Option<Duration>,
}

/// Where a request goes.
pub(crate) enum Target {
    /// Below `/v2/<name>/` of the repository, as in `manifests/latest`, with its query if any.
    Path(String),
    /// Elsewhere: an upload's Location or the next page. Only a URL at the registry itself gets credentials.
    Url(Url),
}

/// The body of a request.
pub(crate) enum Payload {
    /// None.
    Empty,
    /// One that can be sent again.
    Bytes(Bytes),
    /// One that cannot. The caller sets Content-Length.
    Stream(reqwest::Body),
}

impl<'a> Call<'a> {
    /// A request without body and further headers, whose answer is a failure unless it is a 2xx.
    pub(crate) fn new(
        client: &Client,
        permits: &'a Permits,
        remote: &'a Remote,
        step: Step,
        subject: impl Into<String>,
        method: Method,
        target: Target,
    ) -> Self {
        Self {
            remote,
            permits,
            step,
            subject: subject.into(),
            method,
            target,
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            also_pull: None,
            accept: &[],
            answer_within: Some(client.timeouts().answer),
        }
    }
}

impl Client {
    /// A client for the registries of `options`.
    pub(crate) fn new(options: ClientOptions) -> Result<Self, SetupError> {
        let permits = permits::Hosts::new(&options.registries);
        Ok(Self {
            inner: Arc::new(Inner { options, permits }),
        })
    }

    /// How long to wait for what.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.inner.options.timeouts
    }

    /// Waits until another request to the host of `remote` may be under way. Held until the answer is read.
    pub(crate) async fn permit(&self, remote: &Remote) -> Permits {
        self.inner.permits.acquire(&[remote]).await
    }

    /// Waits until another blob may be on its way between two hosts: for both at once, and always in the same order,
    /// so that transfers in opposite directions do not wait for each other.
    pub(crate) async fn transfer_permits(&self, source: &Remote, target: &Remote) -> Permits {
        self.inner.permits.acquire(&[source, target]).await
    }

    /// Sends a request, with a token where one is needed, and returns the answer if it is a 2xx or one of `call.accept`.
    /// Redirects of GET and HEAD are followed.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Response, Failure> {
        Err(Failure::new(
            call.remote.side,
            call.step,
            call.subject,
            FailureClass::Local,
            "not yet",
        ))
    }

    /// The failure that an answer is which `send` let pass because of [`Call::accept`].
    pub(crate) async fn refused(
        &self,
        side: Side,
        step: Step,
        subject: &str,
        response: Response,
    ) -> Failure {
        let (class, answer) = answer::explain(response, self.inner.options.clock.as_ref()).await;
        Failure::new(side, step, subject, class, answer)
    }

    /// The failure that an error is which came while a body was read or sent.
    pub(crate) fn cut(side: Side, step: Step, subject: &str, error: &reqwest::Error) -> Failure {
        let (class, answer) = transport::explain(error);
        Failure::new(side, step, subject, class, answer)
    }
}
