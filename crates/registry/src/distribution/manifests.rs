//! Reads and writes manifests at a registry (OCI distribution spec, sections "Pull" and "Push").

mod digest;
pub(crate) mod head_support;

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::job::Remote;
use image_sync_shared::manifest::{MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::media_type::{ACCEPTED_MANIFESTS, essence};
use image_sync_shared::ports::registries::Resolved;
use image_sync_shared::reference::Reference;
use image_sync_shared::text::excerpt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};

use self::head_support::{HeadSupport, is_refusal};
use super::HttpRegistry;
use crate::client::mirror::Mirrored;
use crate::client::{Call, Payload, Permits, Target};
use crate::http::{RequestError, body};

/// A manifest in a repository, and what is done with it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    at: &'a Remote,
    reference: &'a Reference,
    step: Step,
    /// Whether HEAD was answered 403, with whatever token.
    is_denied: bool,
}

impl HttpRegistry {
    /// See [`Registries::resolve`](image_sync_shared::ports::registries::Registries::resolve). A registry that states no
    /// digest, or does not answer HEAD, is asked for the manifest itself. A target's repository that may not be read may
    /// not be there yet: whether it can be written is for the push to find out.
    pub(crate) async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        let asked = Asked {
            at,
            reference,
            step: Step::Check,
            is_denied: false,
        };
        let permits = self.client.permit(at).await;
        let found = match self.head_support.of(asked.host()) {
            Some(HeadSupport::Unsupported) => self.resolve_by_get(&asked, &permits).await,
            known => self.resolve_by_head(&asked, &permits, known).await,
        };
        match found {
            Err(refusal) if at.side == Side::Target && is_refusal(&refusal) => {
                tracing::debug!(error = %refusal, "taken as not there: the push will tell");
                Ok(None)
            }
            found => found,
        }
    }

    async fn resolve_by_head(
        &self,
        asked: &Asked<'_>,
        permits: &Permits,
        known: Option<HeadSupport>,
    ) -> Result<Option<Resolved>, Failure> {
        let mut call = self.call(asked, permits, Method::HEAD);
        call.accept = head_support::refusals();
        let response = match self.client.send(call).await {
            Ok(response) => response,
            Err(refusal) if known.is_none() && is_refusal(&refusal) => {
                return self.resolve_by_get(asked, permits).await;
            }
            Err(failure) => return Err(failure),
        };
        let status = response.status();
        if status.is_success() {
            if !Mirrored::of(&response).is_mirrored() {
                self.head_support.note(asked.host(), HeadSupport::Supported);
            }
        } else {
            // A target mostly lacks what it is asked for, and what it has all the same is written once more.
            let is_believed = known.is_some() || asked.at.side == Side::Target;
            if status == StatusCode::NOT_FOUND && is_believed {
                return Ok(None);
            }
            let is_denied = status == StatusCode::FORBIDDEN;
            let asked = Asked {
                is_denied,
                ..*asked
            };
            return self.resolve_by_get(&asked, permits).await;
        }
        let stated = digest::stated_digest(response.headers(), asked.reference);
        if let Some(digest) = stated.map_err(|error| asked.failure(error))? {
            let media_type = content_type(response.headers()).to_owned();
            return Ok(Some(Resolved { digest, media_type }));
        }
        let found = self.get(asked, permits).await?;
        Ok(found.map(Resolved::from))
    }

    /// The same by GET, where HEAD was refused.
    async fn resolve_by_get(
        &self,
        asked: &Asked<'_>,
        permits: &Permits,
    ) -> Result<Option<Resolved>, Failure> {
        let found = self.get(asked, permits).await?;
        if found.is_some() {
            self.head_support
                .note(asked.host(), HeadSupport::Unsupported);
        }
        Ok(found.map(Resolved::from))
    }

    /// See [`Registries::pull_manifest_up_to`](image_sync_shared::ports::registries::Registries::pull_manifest_up_to).
    pub(crate) async fn pull_manifest(
        &self,
        limit: usize,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let asked = Asked {
            at,
            reference,
            step: Step::PullManifest,
            is_denied: false,
        };
        let permits = self.client.permit(at).await;
        let call = self.call(&asked, &permits, Method::GET);
        let response = self.client.send(call).await?;
        self.read(&asked, response, limit).await
    }

    /// See [`Registries::push_manifest`](image_sync_shared::ports::registries::Registries::push_manifest).
    pub(crate) async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<(), Failure> {
        let asked = Asked {
            at,
            reference,
            step: Step::PushManifest,
            is_denied: false,
        };
        let permits = self.client.permit(at).await;
        let mut call = self.call(&asked, &permits, Method::PUT);
        let media_type = HeaderValue::try_from(&manifest.media_type).map_err(|_reason| {
            let answer = format!("{:?} is no media type", excerpt(&manifest.media_type));
            asked.failure(RequestError::new(FailureClass::Invalid, answer))
        })?;
        call.headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
        call.payload = Payload::Bytes(manifest.bytes.clone());
        let response = self.client.send(call).await?;
        let pushed = Reference::Digest(manifest.digest.clone());
        let stated = digest::stated_digest(response.headers(), &pushed);
        stated.map(drop).map_err(|error| asked.failure(error))
    }

    /// See [`Registries::has_blob`](image_sync_shared::ports::registries::Registries::has_blob). A refusal means that it is
    /// to be sent, which tells more.
    pub(crate) async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        let permits = self.client.permit(at).await;
        let target = Target::Path(format!("blobs/{digest}"));
        let (step, method) = (Step::CheckBlob, Method::HEAD);
        let subject = digest.as_str();
        let mut call = Call::new(&self.client, &permits, at, step, subject, method, target);
        call.accept = head_support::refusals();
        match self.client.send(call).await {
            Ok(response) => Ok(response.status().is_success()),
            Err(refusal) if is_refusal(&refusal) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The manifest by GET, or none if the repository does not have it.
    async fn get(
        &self,
        asked: &Asked<'_>,
        permits: &Permits,
    ) -> Result<Option<RawManifest>, Failure> {
        let mut call = self.call(asked, permits, Method::GET);
        call.accept = match asked.at.side {
            Side::Source => &[StatusCode::NOT_FOUND],
            Side::Target => &[StatusCode::NOT_FOUND, StatusCode::FORBIDDEN],
        };
        call.renews = !asked.is_denied;
        let response = self.client.send(call).await?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let manifest = self.read(asked, response, MAX_MANIFEST_BYTES).await?;
        Ok(Some(manifest))
    }

    async fn read(
        &self,
        asked: &Asked<'_>,
        response: Response,
        limit: usize,
    ) -> Result<RawManifest, Failure> {
        let (headers, mirror) = (response.headers().clone(), Mirrored::of(&response));
        let read = async {
            let patience = self.client.timeouts().stall;
            let bytes = body::read_whole(response, limit.min(MAX_MANIFEST_BYTES), patience).await?;
            digest::verified(&headers, bytes, asked.reference)
        };
        read.await.map_err(|error| {
            mirror.distrust();
            asked.failure(error)
        })
    }

    fn call<'a>(&self, asked: &Asked<'a>, permits: &'a Permits, method: Method) -> Call<'a> {
        let target = Target::Path(format!("manifests/{}", asked.reference));
        let (at, step, subject) = (asked.at, asked.step, asked.subject());
        let mut call = Call::new(&self.client, permits, at, step, subject, method, target);
        if let Ok(accepted) = HeaderValue::try_from(ACCEPTED_MANIFESTS.join(", ")) {
            call.headers.insert(ACCEPT, accepted);
        }
        let identity = HeaderValue::from_static("identity");
        call.headers.insert(ACCEPT_ENCODING, identity);
        call
    }
}

impl Asked<'_> {
    fn host(&self) -> &str {
        self.at.repository.host().unwrap_or_default()
    }

    fn subject(&self) -> String {
        let image = self.at.repository.image(self.reference.clone());
        image.to_string()
    }

    fn failure(&self, error: RequestError) -> Failure {
        error.at(self.at.side, self.step, self.subject())
    }
}

/// The media type that an answer states, without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    essence(value.unwrap_or_default())
}
