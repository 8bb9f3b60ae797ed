//! Sends requests to registries (OCI distribution spec, section "API"): to a mirror or the registry itself, as many at once as
//! are allowed, and once more with another token where one was refused.
//!
//! A `Request` is part of an `Operation`. An `Exchange` brings it to one server, an `Endpoint`, of which it learns on which scheme
//! it is and what it wants of who asks. The transport below sends it.

mod anonymous;
mod cooldown;
mod endpoint;
mod endpoints;
mod exchange;
mod find_server;
pub(crate) mod mirror;
mod options;
mod other_registry;
mod permits;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::FutureExt as _;
use image_sync_shared::failure::{Failure, FailureClass, Side};
use image_sync_shared::ports::transfer::request_limits::RequestLimits;
use image_sync_shared::run::job::Remote;
use reqwest::{Method, Response};

pub use self::options::ClientOptions;
pub use self::permits::FixedLimits;
pub(crate) use self::permits::Permits;
pub(crate) use self::request::{Operation, Payload, Request, Target};

use self::endpoint::Endpoint;
use self::endpoints::Endpoints;
use self::exchange::Exchange;
use self::mirror::{Mirrored, is_unhealthy};
use self::request::Mirrors;
use crate::auth::Authenticator;
use crate::credentials::Credentials;
use crate::http::connection::Pools;
use crate::http::network::Network;
use crate::http::proxy::Proxies;
use crate::http::refusal::WriteKind;
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
    limits: Arc<dyn RequestLimits>,
    shares_reads: bool,
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
            limits,
            shares_reads,
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
            limits,
            shares_reads,
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
        Permits::acquire(self.inner.limits.as_ref(), &[remote]).await
    }

    /// Waits until another blob may be on its way between two hosts: for both at once, and always in the same order,
    /// so that transfers in opposite directions do not wait for each other.
    pub(crate) async fn transfer_permits(&self, source: &Remote, target: &Remote) -> Permits {
        Permits::acquire(self.inner.limits.as_ref(), &[source, target]).await
    }

    /// The same as [`permit`](Self::permit) where there is one without a wait.
    pub(crate) fn permit_at_once(&self, remote: &Remote) -> Option<Permits> {
        self.permit(remote).now_or_never()
    }

    /// Whether what is read of sources is read once for several callers.
    pub(crate) fn shares_reads(&self) -> bool {
        self.inner.shares_reads
    }

    /// The `<name>` that the registry of `remote` has for its repository `name`: an endpoint may keep all under a path.
    pub(crate) fn name_at(&self, remote: &Remote, name: &str) -> String {
        let host = remote.repository.host().unwrap_or_default();
        let registry = self.inner.endpoints.registry(host, remote.trust);
        registry.map_or_else(|_| name.to_owned(), |registry| registry.name(name))
    }

    /// Sends a request, with a token where one is needed, and returns the answer if it is a 2xx or one of [`Request::accept`].
    /// Redirects of GET and HEAD are followed.
    pub(crate) async fn send(&self, mut request: Request<'_>) -> Result<Response, Failure> {
        let host = request
            .operation
            .remote
            .repository
            .host()
            .unwrap_or_default();
        debug_assert!(
            request.operation.permits.cover(host),
            "a request that is not counted"
        );
        if let Some(response) = self.ask_mirrors(host, &mut request).await? {
            return Ok(response);
        }
        let registry = self
            .inner
            .endpoints
            .registry(host, request.operation.remote.trust);
        let registry = registry.map_err(|error| unusable(error, &request))?;
        let response = self.ask(&registry, &mut request).await?;
        let status = response.status();
        if status.is_success() || request.accept.contains(&status) {
            return Ok(response);
        }
        let refused = self.refused(request.operation, request.write_kind(), response);
        Err(refused.await)
    }

    /// The failure that an answer is which `send` let pass because of [`Request::accept`].
    pub(crate) async fn refused(
        &self,
        operation: &Operation<'_>,
        write: WriteKind,
        response: Response,
    ) -> Failure {
        operation.failure(self.inner.transport.explain_write(response, write).await)
    }

    /// The answer of the first mirror that has one, where mirrors may be asked.
    async fn ask_mirrors(
        &self,
        host: &str,
        request: &mut Request<'_>,
    ) -> Result<Option<Response>, Failure> {
        // What the target has is asked of the target: a mirror shows it as it once was, and takes no writes.
        if request.operation.remote.side == Side::Target
            || request.is_of_registry
            || request.mirrors == Mirrors::Never
            || !matches!(request.method, Method::GET | Method::HEAD)
        {
            return Ok(None);
        }
        let mirrors = self.inner.endpoints.mirrors(host);
        for mirror in mirrors.map_err(|error| unusable(error, request))? {
            // A next page is known only to the server that named it.
            let lacks_it = matches!(&request.target, Target::Url(url) if !mirror.serves(url));
            if lacks_it || !mirror.cooldown.is_over() {
                continue;
            }
            // A mirror need not have what the registry has, so whatever is wrong there is no failure.
            let why = match self.ask(&mirror, request).await {
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
                subject = request.operation.subject.as_ref(),
                why,
                "mirror passed over"
            );
        }
        Ok(None)
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        request: &mut Request<'_>,
    ) -> Result<Response, Failure> {
        let exchange = Exchange {
            inner: &self.inner,
            endpoint,
            request,
            is_authorized: false,
        };
        // Boxed, as it is large and part of every future that speaks to a registry.
        Box::pin(exchange.run()).await
    }
}

fn unusable(error: SetupError, request: &Request<'_>) -> Failure {
    let error = RequestError::new(FailureClass::Local, error);
    request.operation.failure(error)
}
