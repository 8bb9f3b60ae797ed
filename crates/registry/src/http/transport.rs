//! Sends one request and follows where it is redirected.

pub(crate) mod redirect;
mod silence;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::telemetry::measures::{Measures, RequestEnded};
use image_sync_shared::run::job::Trust;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Request, Response, Url};
use tokio::time::Instant;

use super::connection::{self, Pools, Profile};
use super::network::{self, AddressClass, AddressRefused, Network, Reach};
use super::redaction::Secrets;
use super::refusal::{self, WriteKind};
use super::url::{authority, same_origin};
use super::{RequestError, SetupError, Timeouts};
use redirect::MAX_REDIRECTS;
use silence::SilentHosts;

/// A request, as far as sending it needs to know.
pub(crate) struct TransportRequest<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Headers other than Authorization.
    pub(crate) headers: HeaderMap,
    /// The Authorization, for the scheme, host and port of `url` alone.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) body: Option<Body>,
    /// How long each answer's head may take; none for no limit.
    pub(crate) answer_within: Option<Duration>,
    /// How connections to the host of `url` are secured.
    pub(crate) profile: &'a Profile,
    /// The registry that it is for, which may lead elsewhere.
    pub(crate) registry: NamedRegistry<'a>,
    /// Whether redirects are followed; where they are not, one is the last answer.
    pub(crate) follow: bool,
}

/// The registry that a request is for: the user has named it, and it names other places.
#[derive(Clone, Copy)]
pub(crate) struct NamedRegistry<'a> {
    /// The host by which settings know it.
    pub(crate) host: &'a str,
    /// Where it is, as far as is known.
    pub(crate) base: &'a Url,
    /// The token server that the user has named.
    pub(crate) token_realm: Option<&'a Url>,
    /// Whether it may lead to private and loopback addresses from anywhere.
    pub(crate) allow_private: bool,
}

/// Why there was no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The host speaks something else where TLS was tried, so it may be plain HTTP.
    NoTls(RequestError),
    /// The host hung up when TLS was tried, as some do that speak plain HTTP; or on a plain request, as some do that speak TLS.
    HungUp(RequestError),
    /// Its certificate is not trusted.
    Untrusted(RequestError),
    /// Nothing listens there.
    Refused(RequestError),
    /// It answered, but where it led to nothing is to be had.
    RedirectFailed(RequestError),
    /// All else.
    Other(RequestError),
}

impl SendError {
    /// What `error` of a request to `url` is, which was explained.
    fn of(url: &Url, error: &(dyn Error + 'static), explained: RequestError) -> Self {
        if connection::speaks_no_tls(error) {
            Self::NoTls(explained)
        } else if connection::untrusted(error) {
            Self::Untrusted(explained)
        } else if connection::hung_up(error) || (url.scheme() == "http" && connection::cut(error)) {
            Self::HungUp(explained)
        } else if connection::refused(error) {
            Self::Refused(explained)
        } else {
            Self::Other(explained)
        }
    }
}

impl From<SendError> for RequestError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NoTls(error)
            | SendError::HungUp(error)
            | SendError::Untrusted(error)
            | SendError::Refused(error)
            | SendError::RedirectFailed(error)
            | SendError::Other(error) => error,
        }
    }
}

/// What all requests share, whatever they are for.
pub(crate) struct Transport {
    pub(crate) timeouts: Timeouts,
    /// What was shown to registries, so that it is told to nobody else.
    pub(crate) secrets: Secrets,
    network: Arc<Network>,
    pools: Pools,
    profiles: BTreeMap<String, Profile>,
    clock: Arc<dyn Clock>,
    measures: Arc<dyn Measures>,
    silent: SilentHosts,
}

impl Transport {
    /// Finds out what is wrong with the files that `registries` name.
    pub(crate) fn new(
        registries: &BTreeMap<String, RegistrySettings>,
        timeouts: Timeouts,
        pools: Pools,
        clock: Arc<dyn Clock>,
        measures: Arc<dyn Measures>,
    ) -> Result<Self, SetupError> {
        let profile = |(host, settings): (&String, &RegistrySettings)| {
            let profile = Profile::new(settings, Trust::Verified);
            let invalid = |why| SetupError::new(format!("registries.{host}"), why);
            Ok((host.clone(), profile.map_err(invalid)?))
        };
        let profiles: Result<BTreeMap<String, Profile>, _> =
            registries.iter().map(profile).collect();
        let profiles = profiles?;
        for (host, profile) in profiles.iter().filter(|(_, profile)| profile.has_files()) {
            // A host that is none is told elsewhere.
            if let Ok(url) = Url::parse(&format!("https://{host}")) {
                pools.pool(&url, profile, Reach::Named)?;
            }
        }
        Ok(Self {
            timeouts,
            secrets: Secrets::default(),
            network: pools.network(),
            pools,
            profiles,
            clock,
            measures,
            silent: SilentHosts::default(),
        })
    }

    /// Whether a registry is on this machine, as far as its name was resolved.
    pub(crate) fn is_on_loopback(&self, registry: &Url) -> bool {
        self.network.class_of(registry) == AddressClass::Loopback
    }

    /// Sends a request and returns the last answer, whatever its status. Redirects of GET and HEAD are followed, if at all.
    pub(crate) async fn send(
        &self,
        mut request: TransportRequest<'_>,
    ) -> Result<Response, SendError> {
        let mut url = request.url.clone();
        let mut response = self.send_to(&mut request, &url).await?;
        for redirects in 0..=MAX_REDIRECTS {
            let next = if request.follow {
                redirect::next(&request.method, &url, response.status(), response.headers())
            } else {
                Ok(None)
            };
            let Some(next) = next.map_err(SendError::RedirectFailed)? else {
                return Ok(response);
            };
            // The last redirect that is allowed was followed, and its answer would have counted; this is one more.
            if redirects == MAX_REDIRECTS {
                break;
            }
            url = next;
            let followed = self.send_to(&mut request, &url).await;
            response = followed.map_err(|error| SendError::RedirectFailed(error.into()))?;
        }
        let home = authority(&request.url);
        let answer = format!("more than {MAX_REDIRECTS} redirects from {home}");
        let error = RequestError::new(FailureClass::Invalid, answer);
        Err(SendError::RedirectFailed(error))
    }

    /// What a refusal says of a request that wrote nothing.
    pub(crate) async fn explain(&self, response: Response) -> RequestError {
        self.explain_write(response, WriteKind::Nothing).await
    }

    /// What a refusal says of a request that was such a write.
    pub(crate) async fn explain_write(&self, response: Response, write: WriteKind) -> RequestError {
        refusal::explain(
            response,
            write,
            self.timeouts.answer,
            self.clock.as_ref(),
            &self.secrets,
        )
        .await
    }

    /// Sends a request to `url`: its own, or where it was redirected to.
    async fn send_to(
        &self,
        request: &mut TransportRequest<'_>,
        url: &Url,
    ) -> Result<Response, SendError> {
        // For each place anew: neither the client certificate nor the leave to skip verification follows a redirect to
        // another host.
        let profile = self.profile_for(url, &request.url, request.profile);
        let mut to_send = Request::new(request.method.clone(), url.clone());
        to_send.headers_mut().clone_from(&request.headers);
        if let Some(authorization) = &request.authorization
            && same_origin(&request.url, url)
        {
            self.secrets.note_authorization(authorization);
            let mut authorization = authorization.clone();
            authorization.set_sensitive(true);
            to_send.headers_mut().insert(AUTHORIZATION, authorization);
        }
        if request.body.is_none() && anticipates_body(to_send.method()) {
            // Left out, it is 411 at some front ends, Google's among them.
            let none = HeaderValue::from(0);
            to_send.headers_mut().insert(CONTENT_LENGTH, none);
        }
        // Only the first request has one: what has a body is not redirected.
        *to_send.body_mut() = request.body.take();
        self.execute(&profile, to_send, request).await
    }

    /// How far a request may go that is to `url`, where the registry it is for, or the user, has named that.
    fn reach(&self, url: &Url, registry: NamedRegistry<'_>) -> Reach {
        let is_named = |named: &Url| same_origin(named, url);
        if is_named(registry.base) || registry.token_realm.is_some_and(is_named) {
            Reach::Named
        } else if registry.allow_private {
            Reach::UpTo(AddressClass::Loopback)
        } else {
            self.network.reach_from(registry.base)
        }
    }

    /// How connections to `url` are secured, where a server at `home`, which is secured by `profile`, leads to it.
    pub(crate) fn profile_for<'p>(
        &self,
        url: &Url,
        home: &Url,
        profile: &'p Profile,
    ) -> Cow<'p, Profile> {
        if url.host() == home.host() {
            return Cow::Borrowed(profile);
        }
        let own = self.profiles.get(&authority(url));
        Cow::Owned(own.cloned().unwrap_or_else(|| profile.for_another_host()))
    }

    /// Sends one request over a connection of the pool that is for it.
    async fn execute(
        &self,
        profile: &Profile,
        request: Request,
        outgoing: &TransportRequest<'_>,
    ) -> Result<Response, SendError> {
        let answer_within = outgoing.answer_within;
        let registry = outgoing.registry.host;
        let host = authority(request.url());
        let reach = self.reach(request.url(), outgoing.registry);
        let inside = |refused: &AddressRefused| SendError::Other(refused.request_error(registry));
        let checked = network::check(request.url(), reach);
        checked.map_err(|refused| inside(&refused))?;
        let pool = self.pools.pool(request.url(), profile, reach);
        let pool = pool.map_err(|error| unusable(error, profile))?;
        let method = request.method().clone();
        let url = request.url().clone();
        let started = Instant::now();
        let answer = self.silent.within(&host, answer_within, pool.send(request));
        let answer = answer.await;
        let response = answer.as_ref().ok().and_then(|answer| answer.as_ref().ok());
        self.measures.request_ended(RequestEnded {
            host: &host,
            method: method.as_str(),
            status: response.map(|response| response.status().as_u16()),
            took: started.elapsed(),
        });
        let answer = answer.map_err(|_elapsed| {
            let limit = answer_within.unwrap_or_default();
            let answer = format!("no answer of {host} within {} s", limit.as_secs_f32());
            SendError::Other(RequestError::new(FailureClass::Timeout, answer))
        })?;
        if let Ok(response) = &answer {
            let path = self.secrets.hide_in(response.url().path());
            tracing::trace!(%method, host, path, status = response.status().as_u16(), "answered");
        }
        answer.map_err(|error| {
            let error: &(dyn Error + 'static) = error.as_ref();
            if let Some(refused) = connection::address_refused(error) {
                return inside(refused);
            }
            let mut explained = connection::explain(&host, error);
            if let Some(proxy) = self.pools.proxy(&url, profile) {
                explained.answer = format!(
                    "{} (through the proxy {})",
                    explained.answer,
                    proxy.authority()
                );
            }
            SendError::of(&url, error, explained)
        })
    }
}

/// Settings of TLS that cannot be used. Without files they are the system's own certificates, which may be missing where
/// no certificate is to be verified.
fn unusable(error: SetupError, profile: &Profile) -> SendError {
    let error = RequestError::new(FailureClass::Local, error);
    if profile.has_files() {
        SendError::Other(error)
    } else {
        SendError::Untrusted(error)
    }
}

/// Whether a request of this method states its length even where it has no body (RFC 9110, section 8.6).
fn anticipates_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
