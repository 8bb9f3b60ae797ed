//! Sends requests to registries (OCI distribution spec, section "API"): TLS, tokens, redirects and failures in one place.

mod anonymous;
mod cooldown;
mod endpoint;
mod endpoints;
mod exchange;
pub(crate) mod mirror;
mod options;
mod other_registry;
mod permits;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::job::Remote;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode, Url};

pub use self::options::ClientOptions;
pub(crate) use self::permits::Permits;

use self::endpoint::Endpoint;
use self::endpoints::Endpoints;
use self::exchange::Exchange;
use self::mirror::{Mirrored, is_unhealthy};
use crate::auth::Authenticator;
use crate::credentials::Credentials;
use crate::http::connection::Pools;
use crate::http::network::Network;
use crate::http::proxy::Proxies;
use crate::http::refusal::Wrote;
use crate::http::tls::HostCertificates;
use crate::http::transport::Transport;
use crate::http::{RequestError, SetupError, Timeouts};

/// Speaks to all registries, each under its own settings. A clone shares everything.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Arc<Transport>,
    endpoints: Endpoints,
    authenticator: Authenticator,
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
    /// Whether a 403 may mean that the token has ended, so that it is tried with another one.
    pub(crate) renews: bool,
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
    /// A stream that was sent.
    Spent,
}

impl Payload {
    /// The body for one sending of the request.
    fn next_body(&mut self) -> Result<Option<reqwest::Body>, RequestError> {
        match self {
            Self::Empty => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes.clone().into())),
            Self::Stream(_) => match std::mem::replace(self, Self::Spent) {
                Self::Stream(body) => Ok(Some(body)),
                _ => Ok(None),
            },
            Self::Spent => Err(RequestError::new(
                FailureClass::Connection,
                "the credentials were refused when the body was already sent; the next attempt has new ones",
            )),
        }
    }
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
            renews: true,
            answer_within: Some(client.timeouts().answer),
        }
    }

    fn wrote(&self) -> Wrote {
        match (self.step, &self.method) {
            (Step::PushBlob, &Method::POST) => Wrote::Upload,
            (Step::PushBlob | Step::PushManifest, &Method::PUT | &Method::PATCH) => Wrote::Content,
            _ => Wrote::Nothing,
        }
    }
}

impl Client {
    /// A client for the registries of `options`. Nothing is contacted yet.
    pub(crate) fn new(options: ClientOptions) -> Result<Self, SetupError> {
        Self::on(options, Network::system())
    }

    /// The same on another network.
    fn on(options: ClientOptions, network: Network) -> Result<Self, SetupError> {
        let ClientOptions {
            registries,
            credentials,
            proxies,
            certificate_folders,
            timeouts,
            clock,
            measures,
        } = options;
        let credentials = Credentials::new(&registries, &credentials, timeouts.helper)?;
        let pools = Pools::new(
            timeouts,
            Arc::new(network),
            Proxies::new(&proxies)?,
            HostCertificates::new(certificate_folders),
        );
        let transport = Arc::new(Transport::new(
            &registries,
            timeouts,
            pools,
            clock,
            measures,
        )?);
        let inner = Inner {
            authenticator: Authenticator::new(Arc::clone(&transport), credentials),
            transport,
            permits: permits::Hosts::new(&registries),
            endpoints: Endpoints::new(registries)?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// How long to wait for what.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.inner.transport.timeouts
    }

    /// What a failure tells, without the secrets that were shown to registries.
    pub(crate) fn without_secrets(&self, failure: &Failure) -> Failure {
        self.inner.transport.secrets.hide_in_failure(failure)
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

    /// The `<name>` that the registry of `remote` has for its repository `name`: an endpoint may keep all under a path.
    pub(crate) fn name_at(&self, remote: &Remote, name: &str) -> String {
        let host = remote.repository.host().unwrap_or_default();
        let registry = self.inner.endpoints.registry(host, remote.trust);
        registry.map_or_else(|_| name.to_owned(), |registry| registry.name(name))
    }

    /// Sends a request, with a token where one is needed, and returns the answer if it is a 2xx or one of `call.accept`.
    /// Redirects of GET and HEAD are followed.
    pub(crate) async fn send(&self, mut call: Call<'_>) -> Result<Response, Failure> {
        let host = call.remote.repository.host().unwrap_or_default();
        debug_assert!(call.permits.cover(host), "a request that is not counted");
        if let Some(response) = self.ask_mirrors(host, &mut call).await? {
            return Ok(response);
        }
        let registry = self.inner.endpoints.registry(host, call.remote.trust);
        let registry = registry.map_err(|error| unusable(error, &call))?;
        let response = self.ask(&registry, &mut call).await?;
        let status = response.status();
        if status.is_success() || call.accept.contains(&status) {
            return Ok(response);
        }
        let Call {
            remote,
            step,
            subject,
            ..
        } = &call;
        let wrote = call.wrote();
        let refused = self.refused(remote.side, *step, subject, wrote, response);
        Err(refused.await)
    }

    /// The failure that an answer is which `send` let pass because of [`Call::accept`].
    pub(crate) async fn refused(
        &self,
        side: Side,
        step: Step,
        subject: &str,
        wrote: Wrote,
        response: Response,
    ) -> Failure {
        self.inner
            .transport
            .explain_write(response, wrote)
            .await
            .at(side, step, subject)
    }

    /// The failure that an error is which came while a body was read or sent.
    pub(crate) fn cut(side: Side, step: Step, subject: &str, error: &reqwest::Error) -> Failure {
        crate::http::connection::explain_cut(error).at(side, step, subject)
    }

    /// The answer of the first mirror that has one, where mirrors may be asked.
    async fn ask_mirrors(
        &self,
        host: &str,
        call: &mut Call<'_>,
    ) -> Result<Option<Response>, Failure> {
        if call.remote.side == Side::Target || !matches!(call.method, Method::GET | Method::HEAD) {
            return Ok(None);
        }
        let mirrors = self.inner.endpoints.mirrors(host);
        for mirror in mirrors.map_err(|error| unusable(error, call))? {
            let lacks_it = matches!(&call.target, Target::Url(url) if !mirror.serves(url));
            if lacks_it || !mirror.cooldown.is_over() {
                continue;
            }
            // A mirror need not have what the registry has, so whatever is wrong there is no failure.
            let why = match self.ask(&mirror, call).await {
                Ok(mut response) if response.status().is_success() => {
                    Mirrored::note(&mut response, mirror);
                    return Ok(Some(response));
                }
                Ok(response) => {
                    if is_unhealthy(response.status()) {
                        mirror.cooldown.start();
                    }
                    response.status().to_string()
                }
                Err(failure) => {
                    mirror.cooldown.start();
                    self.without_secrets(&failure).to_string()
                }
            };
            tracing::debug!(
                mirror = mirror.host,
                subject = call.subject,
                why,
                "mirror passed over"
            );
        }
        Ok(None)
    }

    async fn ask(&self, endpoint: &Endpoint, call: &mut Call<'_>) -> Result<Response, Failure> {
        let exchange = Exchange {
            inner: &self.inner,
            endpoint,
            call,
            is_authorized: false,
        };
        // Boxed, as it is large and part of every future that speaks to a registry.
        Box::pin(exchange.run()).await
    }
}

fn unusable(error: SetupError, call: &Call<'_>) -> Failure {
    let error = RequestError::new(FailureClass::Local, error);
    error.at(call.remote.side, call.step, &call.subject)
}
