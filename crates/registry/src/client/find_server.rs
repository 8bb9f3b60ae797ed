//! Where a server is that was not asked yet: behind TLS, verified or not, or on plain HTTP.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode, Url};

use super::exchange::Exchange;
use crate::auth::{Authorization, HostInfo};
use crate::http::RequestError;
use crate::http::transport::SendError;

impl Exchange<'_, '_> {
    /// Tries TLS, without verification where that is allowed and it fails, and plain HTTP where that is allowed and the
    /// server speaks no TLS.
    pub(super) async fn find_server(&mut self) -> Result<(HostInfo, Response), SendError> {
        let mut server = self.endpoint.known();
        let mut sent = self.send(&server, &Authorization::Nothing).await;
        if matches!(sent, Err(SendError::Untrusted(_))) && self.endpoint.may_be_unverified() {
            server.unverified = true;
            sent = self.send(&server, &Authorization::Nothing).await;
        }
        let error = match sent {
            Ok(response) => return Ok((server, response)),
            Err(error) => error,
        };
        let Some(plain) = self.endpoint.plain.clone() else {
            return Err(match error {
                SendError::HungUp(error) if server.base.scheme() == "http" => {
                    SendError::HungUp(may_speak_tls(&error))
                }
                error => error,
            });
        };
        // On one and the same port a refused connection says that nobody is there for plain HTTP either.
        let other_port = server.base.port_or_known_default() != plain.port_or_known_default();
        match &error {
            SendError::NoTls(_) | SendError::HungUp(_) => {}
            SendError::Refused(_) if other_port => {}
            _ => return Err(error),
        }
        server.base = plain;
        let response = self.send(&server, &Authorization::Nothing).await?;
        if matches!(error, SendError::HungUp(_)) && speaks_tls(&server.base, &response) {
            return Err(error);
        }
        Ok((server, response))
    }
}

/// What to do where a host that was never reached cuts connections on plain HTTP.
fn may_speak_tls(error: &RequestError) -> RequestError {
    let answer = format!(
        "{} on plain HTTP; if it speaks TLS, take plain_http away, or write https:// in its endpoint",
        error.answer
    );
    error.told_as(answer)
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
