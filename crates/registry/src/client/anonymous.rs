//! Registries that do not say how they want credentials: to anonymous clients, what is private is not there, or is
//! forbidden.

use image_sync_shared::failure::{Failure, FailureClass};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};

use super::Payload;
use super::exchange::{self, Exchange, is_of_something_in_front};
use crate::auth::{Challenge, HostInfo};
use crate::http::RequestError;
use crate::http::transport::TransportRequest;
use crate::http::url::same_origin;
use crate::single_flight::Flight;

impl Exchange<'_, '_> {
    /// The answer, whatever its status; where it may be one for anonymous clients alone, and there are credentials, that of another
    /// request which shows them.
    pub(super) async fn answer_with_credentials(&mut self) -> Result<Response, Failure> {
        let answer = self.answer().await?;
        let may_be_hidden = matches!(
            answer.status(),
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN
        );
        let may_be_sent_again = !matches!(self.request.payload, Payload::Spent);
        if self.is_authorized || !may_be_hidden || !may_be_sent_again {
            return Ok(answer);
        }
        let (endpoint, authenticator) = (self.endpoint, &self.inner.authenticator);
        let name = endpoint.name_for_credentials(self.request.operation.remote.repository.name());
        // What storage or another registry says after a redirect tells nothing of what this one hides.
        if !endpoint.serves(answer.url()) || !authenticator.knows(&endpoint.host, &name).await {
            return Ok(answer);
        }
        // One request per server, not per image: all that is really missing would else cost two. One that failed has told
        // nothing to those that waited for it, and the next image asks again.
        if self.is_anonymous()
            && let Flight::Leader(leader) = endpoint.asked_for_challenge.join(|()| true).await
        {
            match self.ask_for_challenge().await {
                Ok(()) => leader.found(()),
                Err(error) => leader.failed(&error),
            }
        }
        if self.is_anonymous() {
            return Ok(answer);
        }
        self.answer().await
    }

    /// Whether nothing is shown to the server, as far as is known.
    fn is_anonymous(&self) -> bool {
        self.endpoint.known().challenge == Challenge::Nothing
    }

    /// Asks for `/v2/` (OCI distribution spec, section "Determining Support"), which no registry hides. A failure of that
    /// is none of the request, and nothing is known after it.
    async fn ask_for_challenge(&self) -> Result<(), RequestError> {
        let server = self.endpoint.known();
        let mut url = server.base.clone();
        url.set_path("v2/");
        let request = TransportRequest {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            authorization: None,
            body: None,
            answer_within: Some(self.inner.transport.timeouts.answer),
            profile: self.endpoint.profile(&server),
            registry: self.endpoint.named(&server.base),
            follow: true,
        };
        let sent = exchange::send(self.inner, self.request.operation, request).await;
        let answer = sent.map_err(RequestError::from)?;
        if is_of_something_in_front(answer.status()) {
            let class = FailureClass::Unavailable;
            return Err(RequestError::new(class, answer.status()));
        }
        if answer.status() == StatusCode::UNAUTHORIZED
            && same_origin(&server.base, answer.url())
            && let Some(challenge) = Challenge::offered(answer.headers())
        {
            tracing::debug!(host = self.endpoint.host, "asked for the challenge");
            self.endpoint.info.replace(HostInfo {
                challenge,
                ..server
            });
        }
        Ok(())
    }
}
