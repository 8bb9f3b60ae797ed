//! One call to one server: who asks is made known where the server wants it, and once more where that was refused.

use image_sync_shared::failure::{Failure, FailureClass, Step};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode, Url};

use super::endpoint::{Endpoint, below};
use super::{Call, Inner, Target};
use crate::auth::scopes::Scopes;
use crate::auth::{AuthRequest, Challenge, HostInfo, Pass};
use crate::http::Trouble;
use crate::http::connection::Profile;
use crate::http::transport::{Outgoing, SendError};
use crate::http::url::{authority, same_origin};
use crate::single_flight::{Lead, Turn};

/// A call on its way to one server.
pub(super) struct Exchange<'a, 'c> {
    pub(super) inner: &'a Inner,
    pub(super) endpoint: &'a Endpoint,
    pub(super) call: &'a mut Call<'c>,
    /// Whether the call was sent with a pass.
    pub(super) is_shown: bool,
}

/// What the first request to a server came to.
enum First {
    /// An answer that settles the call.
    Answer(Response),
    /// Knowing what the server wants, and the scope that it demands for this call.
    Info(HostInfo, Option<String>),
}

impl<'s> Exchange<'s, '_> {
    /// The answer, whatever its status but a 401: that as such is a failure, and says with which credentials it came.
    pub(super) async fn run(mut self) -> Result<Response, Failure> {
        let mut answer = self.answer_to_known().await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            answer = self.meet_other(answer).await?;
        }
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let host = authority(answer.url());
        let why = if host == authority(&self.endpoint.base()) {
            "does not say how it wants credentials"
        } else {
            "is not the registry and so gets no credentials"
        };
        let trouble = self.inner.wire.explain(answer).await;
        let answer = format!("{} ({host} {why})", trouble.answer);
        Err(self.failure(Trouble::new(trouble.class, answer)))
    }

    /// The answer, whatever its status. A 401 is one that cannot be met.
    pub(super) async fn answer(&mut self) -> Result<Response, Failure> {
        if let Target::Url(url) = &self.call.target
            && !self.endpoint.serves(url)
        {
            let url = url.clone();
            return self.elsewhere(url).await;
        }
        let (server, scope) = match self.endpoint.info.turn(|_| true).await {
            Turn::Known(server) => (server, None),
            Turn::Failed(trouble) => return Err(self.failure(trouble)),
            Turn::Mine(lead) => match self.first(lead).await? {
                First::Answer(response) => return Ok(response),
                First::Info(server, scope) => (server, scope),
            },
        };
        self.ask_known(server, scope).await
    }

    /// Asks a server of which nothing is known, alone, while others wait for what it tells.
    async fn first(&mut self, lead: Lead<'_, HostInfo>) -> Result<First, Failure> {
        let (mut server, response) = match self.find_server().await {
            Ok(found) => found,
            // That is about this call alone.
            Err(SendError::LedAstray(trouble)) => return Err(self.failure(trouble)),
            Err(error) => {
                let trouble = error.into();
                lead.failed(&trouble);
                return Err(self.failure(trouble));
            }
        };
        let status = response.status();
        let asks_for_credentials =
            status == StatusCode::UNAUTHORIZED && same_origin(&server.base, response.url());
        let challenge = match status {
            _ if asks_for_credentials => Challenge::offered(response.headers()),
            // Something in front of the registry may have answered.
            StatusCode::TOO_MANY_REQUESTS => None,
            _ if status.is_server_error() => None,
            _ => Some(Challenge::Nothing),
        };
        let Some(challenge) = challenge else {
            return Ok(First::Answer(response));
        };
        tracing::debug!(host = self.endpoint.host, address = %server.base, "registry reached");
        server.challenge = challenge;
        lead.found(server.clone());
        Ok(if asks_for_credentials {
            First::Info(server, Challenge::scope(response.headers()))
        } else {
            First::Answer(response)
        })
    }

    /// Tries TLS, without verification where that is allowed and it fails, and plain HTTP where that is allowed and the
    /// server speaks no TLS.
    async fn find_server(&mut self) -> Result<(HostInfo, Response), SendError> {
        let mut server = self.endpoint.known();
        let mut sent = self.send(&server, &Pass::Nothing).await;
        if matches!(sent, Err(SendError::Untrusted(_))) && self.endpoint.may_be_unverified() {
            server.unverified = true;
            sent = self.send(&server, &Pass::Nothing).await;
        }
        let error = match sent {
            Ok(response) => return Ok((server, response)),
            Err(error) => error,
        };
        let Some(plain) = self.endpoint.plain.clone() else {
            return Err(error);
        };
        let other_port = server.base.port_or_known_default() != plain.port_or_known_default();
        match &error {
            SendError::NoTls(_) | SendError::HungUp(_) => {}
            SendError::Refused(_) if other_port => {}
            _ => return Err(error),
        }
        server.base = plain;
        let response = self.send(&server, &Pass::Nothing).await?;
        if matches!(error, SendError::HungUp(_)) && speaks_tls(&server.base, &response) {
            return Err(error);
        }
        Ok((server, response))
    }

    /// Asks a server of which it is known what it wants.
    async fn ask_known(
        &mut self,
        mut server: HostInfo,
        scope: Option<String>,
    ) -> Result<Response, Failure> {
        let endpoint = self.endpoint;
        let name = endpoint.name(self.call.remote.repository.name());
        let also_pull = self.call.also_pull.map(|name| endpoint.name(name));
        let name_for_credentials =
            endpoint.name_for_credentials(self.call.remote.repository.name());
        let scopes = Scopes::new(&name, self.call.remote.access, also_pull.as_deref());
        let base = server.base.clone();
        let asker = endpoint.auth_request(
            &name_for_credentials,
            &scopes,
            endpoint.profile(&server),
            endpoint.named(&base),
        );
        if let Some(scope) = scope {
            endpoint.tokens.demand(&scopes, &scope);
        }
        let (response, pass) = self.show_pass(&server, &asker).await?;
        if !self.mend(&mut server, &response, &pass, &asker).await {
            return self.settle(response, &pass, &asker).await;
        }
        let (response, pass) = self.show_pass(&server, &asker).await?;
        self.mend(&mut server, &response, &pass, &asker).await;
        self.settle(response, &pass, &asker).await
    }

    /// Puts aside what an answer refuses, and says whether another request may do better.
    async fn mend(
        &self,
        server: &mut HostInfo,
        answer: &Response,
        pass: &Pass,
        asker: &AuthRequest<'_>,
    ) -> bool {
        if !same_origin(&server.base, answer.url()) {
            return false;
        }
        let offered = match answer.status() {
            StatusCode::UNAUTHORIZED => Challenge::offered(answer.headers()),
            // Amazon ECR says so of a token that has ended.
            StatusCode::FORBIDDEN if self.call.renews && !pass.is_fresh() => None,
            _ => return false,
        };
        let scope = offered
            .as_ref()
            .and_then(|_| Challenge::scope(answer.headers()));
        let demanded = scope.is_some_and(|scope| self.endpoint.tokens.demand(asker.scopes, &scope));
        let renewable = self.inner.authenticator.refused(asker, pass).await || demanded;
        match offered {
            Some(challenge) if challenge != server.challenge => {
                server.challenge = challenge;
                self.endpoint.info.replace(server.clone());
                true
            }
            _ => renewable,
        }
    }

    /// The last answer. A 401 by the server is a failure, and so is a 403 that credentials might have spared.
    async fn settle(
        &self,
        response: Response,
        pass: &Pass,
        asker: &AuthRequest<'_>,
    ) -> Result<Response, Failure> {
        if !self.endpoint.serves(response.url()) {
            return Ok(response);
        }
        let authenticator = &self.inner.authenticator;
        if let Some(missed) = authenticator.missed(response.status(), pass, asker).await {
            return Err(self.failure(missed));
        }
        let is_refusal = match response.status() {
            StatusCode::UNAUTHORIZED => true,
            status @ StatusCode::FORBIDDEN => {
                pass.is_withheld() && !self.call.accept.contains(&status)
            }
            _ => false,
        };
        if !is_refusal {
            return Ok(response);
        }
        let trouble = self.inner.wire.explain(response).await;
        let credentials = self.inner.authenticator.describe(pass, asker).await;
        let answer = format!("{} ({credentials})", trouble.answer);
        Err(self.failure(Trouble::new(trouble.class, answer)))
    }

    async fn show_pass(
        &mut self,
        server: &HostInfo,
        asker: &AuthRequest<'_>,
    ) -> Result<(Response, Pass), Failure> {
        let pass = self.inner.authenticator.pass(server, asker).await;
        let pass = pass.map_err(|trouble| {
            let side = self.call.remote.side;
            trouble.at(side, Step::Authenticate, &self.endpoint.host)
        })?;
        self.is_shown = !matches!(pass, Pass::Nothing);
        match self.send(server, &pass).await {
            Ok(response) => Ok((response, pass)),
            Err(error) => Err(self.failure(error.into())),
        }
    }

    /// Sends the call to the server, which is where `server` says.
    async fn send(&mut self, server: &HostInfo, pass: &Pass) -> Result<Response, SendError> {
        let base = &server.base;
        let url = match &self.call.target {
            Target::Path(path) => {
                let name = self.endpoint.name(self.call.remote.repository.name());
                below(base, &name, path)
            }
            Target::Url(url) => url.clone(),
        };
        let mut request = self.outgoing(url, base, self.endpoint.profile(server))?;
        if same_origin(base, &request.url) {
            request.authorization = pass.authorization().map_err(SendError::Other)?;
        }
        self.inner.wire.send(request).await
    }

    /// Sends the call to a URL that is not at the server: it gets no credentials, and its challenge is not met.
    async fn elsewhere(&mut self, url: Url) -> Result<Response, Failure> {
        let server = self.endpoint.known();
        let home = &server.base;
        if home.scheme() == "https" && url.scheme() != "https" {
            let answer = format!(
                "the registry leads from https to {} at {}, which is not followed",
                url.scheme(),
                authority(&url)
            );
            return Err(self.failure(Trouble::new(FailureClass::Invalid, answer)));
        }
        let wire = &self.inner.wire;
        let profile = wire.profile_for(&url, home, self.endpoint.profile(&server));
        let sent = match self.outgoing(url, home, &profile) {
            Ok(request) => wire.send(request).await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| self.failure(error.into()))
    }

    pub(super) fn outgoing<'p>(
        &mut self,
        url: Url,
        base: &'p Url,
        profile: &'p Profile,
    ) -> Result<Outgoing<'p>, SendError>
    where
        's: 'p,
    {
        let body = self.call.payload.next_body().map_err(SendError::Other)?;
        Ok(Outgoing {
            method: self.call.method.clone(),
            url,
            headers: self.call.headers.clone(),
            authorization: None,
            body,
            answer_within: self.call.answer_within,
            profile,
            registry: self.endpoint.named(base),
            follow: true,
        })
    }

    pub(super) fn failure(&self, trouble: Trouble) -> Failure {
        trouble.at(self.call.remote.side, self.call.step, &self.call.subject)
    }
}

/// Whether what answered a plain request speaks TLS after all, so that the connection on which it was tried was cut by chance:
/// it refuses plain requests in words of its own, and not in those of a registry, or leads to TLS.
fn speaks_tls(plain: &Url, answer: &Response) -> bool {
    let leads_to_tls = answer.url().scheme() == "https" && answer.url().host() == plain.host();
    let kind = answer.headers().get(CONTENT_TYPE);
    let is_of_registry = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("json"));
    leads_to_tls || (answer.status() == StatusCode::BAD_REQUEST && !is_of_registry)
}
