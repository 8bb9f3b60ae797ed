//! One request to one server: who asks is made known where the server wants it, and once more where that was refused.

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::ports::transfer::request_limits::RequestEnd;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Response, StatusCode, Url};
use tokio::time::Instant;

use super::endpoint::{Endpoint, below};
use super::{Inner, Operation, Request, Target};
use crate::auth::scopes::Scopes;
use crate::auth::{AuthRequest, Authorization, Challenge, HostInfo};
use crate::http::RequestError;
use crate::http::connection::Profile;
use crate::http::transport::{SendError, TransportRequest};
use crate::http::url::{authority, may_lead_to, same_origin};
use crate::single_flight::{Flight, Leader};

/// A request on its way to one server.
pub(super) struct Exchange<'a, 'c> {
    pub(super) inner: &'a Inner,
    pub(super) endpoint: &'a Endpoint,
    pub(super) request: &'a mut Request<'c>,
    /// Whether the request was sent with credentials or a token.
    pub(super) is_authorized: bool,
}

/// What the first request to a server came to.
enum First {
    /// An answer that settles the request.
    Answer(Response),
    /// Knowing what the server wants, and the scope that it demands for this request.
    Info(HostInfo, Option<String>),
}

impl<'s> Exchange<'s, '_> {
    /// The answer, whatever its status but a 401: that as such is a failure, and says with which credentials it came.
    pub(super) async fn run(mut self) -> Result<Response, Failure> {
        let mut answer = self.answer_with_credentials().await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            answer = self.meet_other(answer).await?;
        }
        if answer.status() != StatusCode::UNAUTHORIZED || self.accepts_unchallenged(&answer) {
            return Ok(answer);
        }
        let host = authority(answer.url());
        let why = if host == authority(&self.endpoint.base()) {
            "does not say how it wants credentials"
        } else {
            "is not the registry and so gets no credentials"
        };
        let error = self.inner.transport.explain(answer).await;
        let answer = format!("{} ({host} {why})", error.answer);
        Err(self.failure(error.told_as(answer)))
    }

    /// The answer, whatever its status. A 401 is one that cannot be met.
    pub(super) async fn answer(&mut self) -> Result<Response, Failure> {
        if let Target::Url(url) = &self.request.target
            && !self.endpoint.serves(url)
        {
            let url = url.clone();
            return self.elsewhere(url).await;
        }
        let (server, scope) = match self.endpoint.info.join(|_| true).await {
            Flight::Known(server) => (server, None),
            Flight::Failed(error) => return Err(self.failure(error)),
            Flight::Leader(leader) => match self.first(leader).await? {
                First::Answer(response) => return Ok(response),
                First::Info(server, scope) => (server, scope),
            },
        };
        self.ask_known(server, scope).await
    }

    /// Asks a server of which nothing is known, alone, while others wait for what it tells.
    async fn first(&mut self, leader: Leader<'_, HostInfo>) -> Result<First, Failure> {
        let (mut server, response) = match self.find_server().await {
            Ok(found) => found,
            // That is about this request alone.
            Err(SendError::RedirectFailed(error)) => return Err(self.failure(error)),
            Err(error) => {
                let error = error.into();
                leader.failed(&error);
                return Err(self.failure(error));
            }
        };
        let status = response.status();
        // The 401 of a place that the registry redirects to is not the registry's: it would name the token server that
        // gets the password.
        let asks_for_credentials =
            status == StatusCode::UNAUTHORIZED && same_origin(&server.base, response.url());
        let challenge = match status {
            _ if asks_for_credentials => Challenge::offered(response.headers()),
            _ if is_of_something_in_front(status) => None,
            _ => Some(Challenge::Nothing),
        };
        // The lead is dropped with nothing learnt, and the next request is a first one too.
        let Some(challenge) = challenge else {
            return Ok(First::Answer(response));
        };
        tracing::debug!(host = self.endpoint.host, address = %server.base, "registry reached");
        server.challenge = challenge;
        leader.found(server.clone());
        Ok(if asks_for_credentials {
            First::Info(server, Challenge::scope(response.headers()))
        } else {
            First::Answer(response)
        })
    }

    /// Asks a server of which it is known what it wants.
    async fn ask_known(
        &mut self,
        mut server: HostInfo,
        scope: Option<String>,
    ) -> Result<Response, Failure> {
        let endpoint = self.endpoint;
        let name = endpoint.name(self.request.operation.remote.repository.name());
        let also_pull = self.request.also_pull.map(|name| endpoint.name(name));
        let name_for_credentials =
            endpoint.name_for_credentials(self.request.operation.remote.repository.name());
        let scopes = if self.request.is_of_registry {
            Scopes::catalog()
        } else {
            let access = self.request.operation.remote.access;
            Scopes::new(&name, access, also_pull.as_deref())
        };
        let base = server.base.clone();
        let auth_request = endpoint.auth_request(
            &name_for_credentials,
            &scopes,
            endpoint.profile(&server),
            endpoint.named(&base),
        );
        // Of the 401 that was just answered, so that the first token is the right one already.
        if let Some(scope) = scope {
            endpoint.tokens.demand(&scopes, &scope);
        }
        // Twice at most: what is refused although it was got for this request would be refused for ever.
        let (response, authorization) = self.send_authorized(&server, &auth_request).await?;
        if !self
            .refresh(&mut server, &response, &authorization, &auth_request)
            .await
        {
            return self.conclude(response, &authorization, &auth_request).await;
        }
        let (response, authorization) = self.send_authorized(&server, &auth_request).await?;
        // For the requests to come: what was refused here is not shown by them.
        self.refresh(&mut server, &response, &authorization, &auth_request)
            .await;
        self.conclude(response, &authorization, &auth_request).await
    }

    /// Puts aside what an answer refuses, and says whether another request may do better.
    async fn refresh(
        &self,
        server: &mut HostInfo,
        answer: &Response,
        authorization: &Authorization,
        auth_request: &AuthRequest<'_>,
    ) -> bool {
        if !same_origin(&server.base, answer.url()) || self.accepts_unchallenged(answer) {
            return false;
        }
        let offered = match answer.status() {
            StatusCode::UNAUTHORIZED => Challenge::offered(answer.headers()),
            // Amazon ECR says so of a token that has ended.
            StatusCode::FORBIDDEN if self.request.renews && !authorization.is_fresh() => None,
            _ => return false,
        };
        let scope = offered
            .as_ref()
            .and_then(|_| Challenge::scope(answer.headers()));
        let demanded =
            scope.is_some_and(|scope| self.endpoint.tokens.demand(auth_request.scopes, &scope));
        let renewable = self
            .inner
            .authenticator
            .refused(auth_request, authorization)
            .await
            || demanded;
        match offered {
            // It was open to anybody up to now, or has moved its token server.
            Some(challenge) if challenge != server.challenge => {
                server.challenge = challenge;
                self.endpoint.info.replace(server.clone());
                true
            }
            _ => renewable,
        }
    }

    /// The last answer. A 401 by the server is a failure, and so is a 403: with which credentials, is told.
    async fn conclude(
        &self,
        response: Response,
        authorization: &Authorization,
        auth_request: &AuthRequest<'_>,
    ) -> Result<Response, Failure> {
        // What storage refuses is no matter of credentials.
        if !self.endpoint.serves(response.url()) {
            return Ok(response);
        }
        let authenticator = &self.inner.authenticator;
        if let Some(missed) = authenticator
            .missed(response.status(), authorization, auth_request)
            .await
        {
            return Err(self.failure(missed));
        }
        let is_refusal = match response.status() {
            StatusCode::UNAUTHORIZED => !self.accepts_unchallenged(&response),
            // What a mirror refuses is no failure.
            status @ StatusCode::FORBIDDEN => {
                !self.request.accept.contains(&status)
                    && (authorization.is_withheld() || !self.endpoint.is_mirror)
            }
            _ => false,
        };
        if !is_refusal {
            return Ok(response);
        }
        let (status, write) = (response.status(), self.request.write_kind());
        let error = self.inner.transport.explain_write(response, write).await;
        // A tag that must not move, and the like: that is no matter of who asks.
        if !matches!(
            error.class,
            FailureClass::Unauthorized | FailureClass::Denied
        ) {
            return Err(self.failure(error));
        }
        let credentials = self
            .inner
            .authenticator
            .describe(status, authorization, auth_request)
            .await;
        let answer = format!("{} ({credentials})", error.answer);
        Err(self.failure(error.told_as(answer)))
    }

    /// Whether it is a 401 that no credentials would spare, and that the request takes for an answer.
    fn accepts_unchallenged(&self, answer: &Response) -> bool {
        let status = answer.status();
        status == StatusCode::UNAUTHORIZED
            && self.request.accept.contains(&status)
            && !answer.headers().contains_key(WWW_AUTHENTICATE)
    }

    async fn send_authorized(
        &mut self,
        server: &HostInfo,
        auth_request: &AuthRequest<'_>,
    ) -> Result<(Response, Authorization), Failure> {
        let authorization = self
            .inner
            .authenticator
            .authorize(server, auth_request)
            .await;
        let authorization = authorization.map_err(|error| {
            let side = self.request.operation.remote.side;
            error.at(side, Step::Authenticate, &self.endpoint.host)
        })?;
        self.is_authorized = !matches!(authorization, Authorization::Nothing);
        match self.send(server, &authorization).await {
            Ok(response) => Ok((response, authorization)),
            Err(error) => Err(self.failure(error.into())),
        }
    }

    /// Sends the request to the server, which is where `server` says.
    pub(super) async fn send(
        &mut self,
        server: &HostInfo,
        authorization: &Authorization,
    ) -> Result<Response, SendError> {
        let base = &server.base;
        let url = match &self.request.target {
            Target::Path(path) if self.request.is_of_registry => below(base, path),
            Target::Path(path) => {
                let name = self
                    .endpoint
                    .name(self.request.operation.remote.repository.name());
                below(base, &format!("{name}/{path}"))
            }
            Target::Url(url) => url.clone(),
        };
        let mut request = self.transport_request(url, base, self.endpoint.profile(server))?;
        if same_origin(base, &request.url) {
            request.authorization = authorization.header().map_err(SendError::Other)?;
        }
        send(self.inner, self.request.operation, request).await
    }

    /// Sends the request to a URL that is not at the server: it gets no credentials, and its challenge is not met.
    async fn elsewhere(&mut self, url: Url) -> Result<Response, Failure> {
        let server = self.endpoint.known();
        let home = &server.base;
        if !may_lead_to(home, &url) {
            let answer = format!(
                "the registry leads from {} to {} at {}, which is not followed",
                home.scheme(),
                url.scheme(),
                authority(&url)
            );
            return Err(self.failure(RequestError::new(FailureClass::Invalid, answer)));
        }
        let transport = &self.inner.transport;
        let profile = transport.profile_for(&url, home, self.endpoint.profile(&server));
        let sent = match self.transport_request(url, home, &profile) {
            Ok(request) => send(self.inner, self.request.operation, request).await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| self.failure(error.into()))
    }

    pub(super) fn transport_request<'p>(
        &mut self,
        url: Url,
        base: &'p Url,
        profile: &'p Profile,
    ) -> Result<TransportRequest<'p>, SendError>
    where
        's: 'p,
    {
        let body = self.request.payload.next_body().map_err(SendError::Other)?;
        Ok(TransportRequest {
            method: self.request.method.clone(),
            url,
            headers: self.request.headers.clone(),
            authorization: None,
            body,
            answer_within: self
                .request
                .is_timed
                .then_some(self.inner.transport.timeouts.answer),
            profile,
            registry: self.endpoint.named(base),
            follow: true,
        })
    }

    pub(super) fn failure(&self, error: RequestError) -> Failure {
        self.request.operation.failure(error)
    }
}

/// Whether an answer with this status may be by something in front of the registry, and so tells nothing of what the registry
/// wants.
pub(super) fn is_of_something_in_front(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Sends a request, and tells the limit that it counts towards how it ended.
pub(super) async fn send(
    inner: &Inner,
    operation: &Operation<'_>,
    request: TransportRequest<'_>,
) -> Result<Response, SendError> {
    let start = Instant::now();
    let sent = inner.transport.send(request).await;
    let end = RequestEnd {
        status: sent.as_ref().ok().map(|answer| answer.status().as_u16()),
        latency: start.elapsed(),
    };
    operation.ended(end);
    sent
}
