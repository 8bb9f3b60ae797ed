//! Asks a token server for a token (the distribution project's token and OAuth 2 specifications).

use std::time::Duration;

use bytes::Bytes;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::secret::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded;

use super::scopes::Scopes;
use super::tokens::{DEFAULT_LIFETIME, Token};
use crate::credentials::{Credential, Identity};
use crate::http::authorization::basic;
use crate::http::connection::Profile;
use crate::http::transport::{NamedRegistry, Transport, TransportRequest};
use crate::http::url::authority;
use crate::http::{RequestError, body};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
const CLIENT_ID: &str = "image-sync";

/// One request for a token. The realm was checked.
pub(crate) struct TokenRequest<'a> {
    pub(crate) realm: &'a Url,
    pub(crate) service: Option<&'a str>,
    pub(crate) scopes: &'a Scopes,
    pub(crate) profile: &'a Profile,
    pub(crate) registry: NamedRegistry<'a>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<Secret>,
    access_token: Option<Secret>,
    /// In seconds: a number, or with some servers its text.
    expires_in: Option<Value>,
}

impl TokenRequest<'_> {
    /// A token for who has `credential`; an anonymous one for who has none.
    pub(crate) async fn send(
        &self,
        transport: &Transport,
        credential: Option<&Credential>,
    ) -> Result<Token, RequestError> {
        // Before the request: the token is no older than this, so that its life is rather taken to be too short.
        let asked = Instant::now();
        let response = match credential.map(|credential| &credential.identity) {
            Some(Identity::Token(secret)) => {
                let response = self.post(transport, secret).await?;
                // Not every token server knows OAuth 2.
                match response.status() {
                    StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                        self.get(transport, Some(basic("<token>", secret))).await?
                    }
                    _ => response,
                }
            }
            Some(Identity::Password { username, password }) => {
                self.get(transport, Some(basic(username, password))).await?
            }
            // A token of the registry is nothing to its token server.
            Some(Identity::Bearer(_)) | None => self.get(transport, None).await?,
        };
        if response.status().is_redirection() {
            return Err(self.at_server(&redirected(&response)));
        }
        if !response.status().is_success() {
            return Err(self.at_server(&transport.explain(response).await));
        }
        self.read(transport, response, asked)
            .await
            .map_err(|error| self.at_server(&error))
    }

    async fn get(
        &self,
        transport: &Transport,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, RequestError> {
        let mut url = self.realm.clone();
        let service = self.service.map(|service| ("service", service));
        // One parameter for each scope; it is OAuth 2 that has one for all, with blanks in between.
        let scopes = self.scopes.iter().map(|scope| ("scope", scope));
        url.query_pairs_mut()
            .extend_pairs(service.into_iter().chain(scopes));
        let request = TransportRequest {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            authorization,
            body: None,
            answer_within: Some(transport.timeouts.answer),
            profile: self.profile,
            registry: self.registry,
            follow: false,
        };
        Ok(transport.send(request).await?)
    }

    async fn post(
        &self,
        transport: &Transport,
        refresh_token: &Secret,
    ) -> Result<Response, RequestError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", self.service.unwrap_or_default())
            .append_pair("client_id", CLIENT_ID)
            .append_pair("scope", &self.scopes.joined())
            .append_pair("refresh_token", refresh_token.reveal())
            .finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = TransportRequest {
            method: Method::POST,
            url: self.realm.clone(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, form_type)]),
            authorization: None,
            body: Some(form.into()),
            answer_within: Some(transport.timeouts.answer),
            profile: self.profile,
            registry: self.registry,
            follow: false,
        };
        // Of what is sent, the transport notes Authorization alone. Here the secret is in the body.
        transport.secrets.note(refresh_token);
        Ok(transport.send(request).await?)
    }

    async fn read(
        &self,
        transport: &Transport,
        response: Response,
        asked: Instant,
    ) -> Result<Token, RequestError> {
        let body: Bytes = body::read_whole(response, MAX_ANSWER, transport.timeouts.answer).await?;
        let invalid = |what: &str| RequestError::new(FailureClass::Invalid, what);
        if body::is_html(&body) {
            return Err(body::html_error("a token"));
        }
        // The parser's own words could quote the token.
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_hidden| invalid("the answer is not the JSON of a token"))?;
        // Servers give the one, the other or both, and some an empty text for the one they lack.
        let given = [answer.token, answer.access_token].into_iter().flatten();
        let value = given
            .into_iter()
            .find(|token| !token.reveal().is_empty())
            .ok_or_else(|| invalid("the answer has no token"))?;
        let lifetime = answer.expires_in.as_ref().and_then(seconds);
        let lifetime = lifetime.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        Ok(Token::new(value, asked, lifetime))
    }

    fn at_server(&self, error: &RequestError) -> RequestError {
        let server = authority(self.realm);
        error.told_as(format_args!("token server {server}: {}", error.answer))
    }
}

/// Whoever is led to would see the scopes, and a registry what an inner service answers, sent to it as a token.
fn redirected(response: &Response) -> RequestError {
    let location = response.headers().get(LOCATION);
    let to = location.and_then(|location| response.url().join(location.to_str().ok()?).ok());
    let to = to.map_or_else(String::new, |to| format!(" to {}", authority(&to)));
    let status = response.status();
    let answer = format!("{status}{to}: a redirect of a request for a token is not followed");
    RequestError::new(FailureClass::Invalid, answer)
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
