//! Another registry, to which one leads with a redirect, as vanity hosts do: who asks is made known there by the credentials
//! for that one, or as anybody.

use std::sync::Arc;

use image_sync_shared::failure::{Failure, Step};
use image_sync_shared::image::reference::{DOCKER_HUB, DOCKER_HUB_API};
use image_sync_shared::run::job::{Access, Trust};
use reqwest::{Response, StatusCode, Url};

use super::endpoint::Endpoint;
use super::exchange::{self, Exchange};
use crate::auth::scopes::Scopes;
use crate::auth::{Challenge, HostInfo};
use crate::http::RequestError;
use crate::http::url::{authority, same_origin};

/// Requests with different authorizations to one other registry, at most.
const MAX_AUTHORIZATIONS: usize = 2;

/// A registry that challenged, and of what it is asked.
struct Other {
    endpoint: Arc<Endpoint>,
    info: HostInfo,
    /// The repository there.
    name: String,
    url: Url,
}

impl Exchange<'_, '_> {
    /// Meets the challenge that `answer` is, if it is one of another registry. How far requests may go is up to the registry
    /// that led there, and so is what of its certificates is trusted.
    pub(super) async fn meet_other(&mut self, answer: Response) -> Result<Response, Failure> {
        let Some(other) = self.other(&answer) else {
            return Ok(answer);
        };
        tracing::debug!(host = other.endpoint.host, "led to another registry");
        let led_by = self.endpoint;
        let home = led_by.known();
        // Nothing but GET and HEAD is redirected, so there is nothing to be written there.
        let scopes = Scopes::new(&other.name, Access::Pull, None);
        let auth_request = other.endpoint.auth_request(
            &other.name,
            &scopes,
            other.endpoint.profile(&other.info),
            led_by.named(&home.base),
        );
        let (transport, authenticator) = (&self.inner.transport, &self.inner.authenticator);
        let profile = transport.profile_for(&other.url, &home.base, led_by.profile(&home));
        let mut authorizations = 1;
        loop {
            let authorization = authenticator.authorize(&other.info, &auth_request).await;
            let authorization = authorization.map_err(|error| {
                let side = self.request.operation.remote.side;
                error.at(side, Step::Authenticate, &other.endpoint.host)
            })?;
            let header = authorization.header();
            let header = header.map_err(|error| self.failure(error))?;
            let request = self.transport_request(other.url.clone(), &home.base, &profile);
            let mut request = request.map_err(|error| self.failure(error.into()))?;
            request.authorization = header;
            let sent = exchange::send(self.inner, self.request.operation, request).await;
            let response = sent.map_err(|error| self.failure(error.into()))?;
            if response.status() != StatusCode::UNAUTHORIZED
                || !same_origin(&other.url, response.url())
            {
                return Ok(response);
            }
            if authorizations == MAX_AUTHORIZATIONS
                || !authenticator.refused(&auth_request, &authorization).await
            {
                let status = response.status();
                let error = transport.explain(response).await;
                let credentials = authenticator.describe(status, &authorization, &auth_request);
                let credentials = credentials.await;
                let answer = format!("{} ({credentials})", error.answer);
                return Err(self.failure(RequestError::new(error.class, answer)));
            }
            authorizations += 1;
        }
    }

    fn other(&self, answer: &Response) -> Option<Other> {
        let url = answer.url();
        if same_origin(&self.endpoint.base(), url) {
            return None;
        }
        let challenge = Challenge::offered(answer.headers())?;
        let host = match authority(url) {
            hub if hub == DOCKER_HUB_API => DOCKER_HUB.to_owned(),
            host => host,
        };
        // Settings were looked at when the client was made.
        let endpoint = self.inner.endpoints.registry(&host, Trust::Verified).ok()?;
        // Its credentials are for the place where the config has that registry, which need not be where its name leads.
        if !endpoint.may_be_at(url) {
            return None;
        }
        let own = self
            .endpoint
            .name(self.request.operation.remote.repository.name());
        let info = HostInfo {
            base: origin(url),
            unverified: false,
            challenge,
        };
        Some(Other {
            endpoint,
            info,
            name: name_in(url).map_or(own, str::to_owned),
            url: url.clone(),
        })
    }
}

fn origin(url: &Url) -> Url {
    let mut base = url.clone();
    base.set_path("/");
    base.set_query(None);
    base.set_fragment(None);
    base
}

/// The `<name>` of the repository that a URL is below.
fn name_in(url: &Url) -> Option<&str> {
    let path = url.path().strip_prefix("/v2/")?;
    let parts = ["/manifests/", "/blobs/", "/referrers/", "/tags/list"];
    let ends = parts.iter().filter_map(|part| path.rfind(part));
    Some(&path[..ends.max()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_the_one_in_the_url() {
        let name = |path: &str| {
            let url: Url = format!("https://r.example{path}?x=/blobs/")
                .parse()
                .unwrap();
            name_in(&url).map(str::to_owned)
        };
        assert_eq!(name("/v2/a/b/manifests/v1").as_deref(), Some("a/b"));
        assert_eq!(name("/v2/a/blobs/sha256:0").as_deref(), Some("a"));
        assert_eq!(name("/v2/a/referrers/sha256:0").as_deref(), Some("a"));
        assert_eq!(name("/v2/blobs/tags/list").as_deref(), Some("blobs"));
        assert_eq!(
            name("/v2/a/blobs/b/manifests/v1").as_deref(),
            Some("a/blobs/b")
        );
        for none in ["/m", "/v2/", "/v2/a"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
