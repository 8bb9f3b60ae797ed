//! Reads and writes manifests at a registry (OCI distribution spec, sections "Pull" and "Push").

mod digest;
pub(crate) mod head_support;
pub(super) mod shared;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::{MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::image::media_type::{ACCEPTED_MANIFESTS, essence};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::{Pushed, Resolved};
use image_sync_shared::run::job::Remote;
use image_sync_shared::text::excerpt;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};

use self::head_support::{HeadSupport, is_refusal};
use super::{HttpRegistry, referrers};
use crate::client::mirror::Mirrored;
use crate::client::{Operation, Payload, Permits, Request, Target};
use crate::http::{RequestError, body};

/// A manifest in a repository, and what is done with it.
#[derive(Clone)]
struct ManifestOperation<'a> {
    operation: Operation<'a>,
    reference: &'a Reference,
    /// Whether HEAD was answered 403, with whatever token.
    is_denied: bool,
}

impl HttpRegistry {
    /// See [`Registries::resolve`](image_sync_shared::ports::transfer::registries::Registries::resolve). A registry that states no
    /// digest, or does not answer HEAD, is asked for the manifest itself. A target's repository that may not be read may
    /// not be there yet: whether it can be written is for the push to find out.
    pub(crate) async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        let permits = self.client.permit(at).await;
        let asked = ManifestOperation::new(at, &permits, Step::Check, reference);
        let found = match self.head_support.of(asked.host()) {
            Some(HeadSupport::Unsupported) => self.resolve_by_get(&asked).await,
            known => self.resolve_by_head(&asked, known).await,
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
        asked: &ManifestOperation<'_>,
        known: Option<HeadSupport>,
    ) -> Result<Option<Resolved>, Failure> {
        let request = asked.request(Method::HEAD).accept(head_support::refusals());
        let response = match self.client.send(request).await {
            Ok(response) => response,
            // Of a host that never answered a HEAD, it may be the method that is refused. One that has answered means
            // its 401.
            Err(refusal) if known.is_none() && is_refusal(&refusal) => {
                return self.resolve_by_get(asked).await;
            }
            Err(failure) => return Err(failure),
        };
        let status = response.status();
        if status.is_success() {
            // What a mirror answers tells nothing of the registry itself.
            if !Mirrored::of(&response).is_mirrored() {
                self.head_support.note(asked.host(), HeadSupport::Supported);
            }
        } else {
            // A target mostly lacks what it is asked for, and what it has all the same is written once more.
            let is_believed = known.is_some() || asked.side() == Side::Target;
            if status == StatusCode::NOT_FOUND && is_believed {
                return Ok(None);
            }
            let is_denied = status == StatusCode::FORBIDDEN;
            let asked = ManifestOperation {
                is_denied,
                ..asked.clone()
            };
            return self.resolve_by_get(&asked).await;
        }
        let stated = digest::stated_digest(response.headers(), asked.reference);
        if let Some(digest) = stated.map_err(|error| asked.failure(error))? {
            let media_type = content_type(response.headers()).to_owned();
            return Ok(Some(Resolved { digest, media_type }));
        }
        // Without a digest in the header it is computed from the manifest (Nexus may leave it out).
        let found = self.get(asked).await?;
        Ok(found.map(Resolved::from))
    }

    /// The same by GET, where HEAD was refused.
    async fn resolve_by_get(
        &self,
        asked: &ManifestOperation<'_>,
    ) -> Result<Option<Resolved>, Failure> {
        let found = self.get(asked).await?;
        // Where GET has nothing either, HEAD told the truth.
        if found.is_some() {
            self.head_support
                .note(asked.host(), HeadSupport::Unsupported);
        }
        Ok(found.map(Resolved::from))
    }

    /// See [`Registries::pull_manifest_up_to`](image_sync_shared::ports::transfer::registries::Registries::pull_manifest_up_to).
    pub(crate) async fn pull_manifest(
        &self,
        limit: usize,
        at: &Remote,
        reference: &Reference,
    ) -> Result<RawManifest, Failure> {
        let read = async {
            let permits = self.client.permit(at).await;
            let asked = ManifestOperation::new(at, &permits, Step::PullManifest, reference);
            let response = self.client.send(asked.request(Method::GET)).await?;
            self.read(&asked, response, limit).await
        };
        match &self.shared_manifests {
            Some(shared) => shared.read(at, reference, limit, read).await,
            None => read.await,
        }
    }

    /// See [`Registries::push_manifest`](image_sync_shared::ports::transfer::registries::Registries::push_manifest).
    pub(crate) async fn push_manifest(
        &self,
        at: &Remote,
        reference: &Reference,
        manifest: &RawManifest,
    ) -> Result<Pushed, Failure> {
        let permits = self.client.permit(at).await;
        let asked = ManifestOperation::new(at, &permits, Step::PushManifest, reference);
        let media_type = HeaderValue::try_from(&manifest.media_type).map_err(|_reason| {
            let answer = format!("{:?} is no media type", excerpt(&manifest.media_type));
            asked.failure(RequestError::new(FailureClass::Invalid, answer))
        })?;
        let target = Target::Path(format!("manifests/{reference}"));
        let request = asked
            .operation
            .request(Method::PUT, target)
            .header(CONTENT_TYPE, media_type)
            .payload(Payload::Bytes(manifest.bytes.clone()));
        let response = self.client.send(request).await?;
        // A registry that says it stored it under another digest has stored something else.
        let pushed = Reference::Digest(manifest.digest.clone());
        let stated = digest::stated_digest(response.headers(), &pushed);
        stated.map_err(|error| asked.failure(error))?;
        Ok(Pushed {
            subject: referrers::processed(response.headers()),
        })
    }

    /// See [`Registries::has_blob`](image_sync_shared::ports::transfer::registries::Registries::has_blob). A refusal means that it is
    /// to be sent, which tells more.
    pub(crate) async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        let permits = self.client.permit(at).await;
        let target = Target::Path(format!("blobs/{digest}"));
        let operation = Operation::new(at, &permits, Step::CheckBlob, digest.as_str());
        let request = operation.request(Method::HEAD, target);
        match self
            .client
            .send(request.accept(head_support::refusals()))
            .await
        {
            Ok(response) => Ok(response.status().is_success()),
            Err(refusal) if is_refusal(&refusal) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The manifest by GET, or none if the repository does not have it.
    async fn get(&self, asked: &ManifestOperation<'_>) -> Result<Option<RawManifest>, Failure> {
        let mut request = asked.request(Method::GET).accept(match asked.side() {
            Side::Source => &[StatusCode::NOT_FOUND],
            Side::Target => &[StatusCode::NOT_FOUND, StatusCode::FORBIDDEN],
        });
        // HEAD was refused with a new token too, so another one for GET would be fetched in vain.
        if asked.is_denied {
            request = request.without_renewal();
        }
        let response = self.client.send(request).await?;
        if !response.status().is_success() {
            return Ok(None);
        }
        let manifest = self.read(asked, response, MAX_MANIFEST_BYTES).await?;
        Ok(Some(manifest))
    }

    async fn read(
        &self,
        asked: &ManifestOperation<'_>,
        response: Response,
        limit: usize,
    ) -> Result<RawManifest, Failure> {
        let (headers, mirror) = (response.headers().clone(), Mirrored::of(&response));
        let read = async {
            let patience = self.client.timeouts().stall;
            let bytes = body::read_whole(response, limit.min(MAX_MANIFEST_BYTES), patience).await?;
            if body::is_html(&bytes) {
                return Err(body::html_error("a manifest"));
            }
            digest::verified(&headers, bytes, asked.reference)
        };
        read.await.map_err(|error| {
            mirror.distrust();
            asked.failure(error)
        })
    }
}

impl<'a> ManifestOperation<'a> {
    fn new(at: &'a Remote, permits: &'a Permits, step: Step, reference: &'a Reference) -> Self {
        let subject = at.repository.image(reference.clone()).to_string();
        Self {
            operation: Operation::new(at, permits, step, subject),
            reference,
            is_denied: false,
        }
    }

    /// A request for the manifest as it is, in any of the forms that are understood.
    fn request(&self, method: Method) -> Request<'_> {
        let target = Target::Path(format!("manifests/{}", self.reference));
        let identity = HeaderValue::from_static("identity");
        let request = self
            .operation
            .request(method, target)
            .header(ACCEPT_ENCODING, identity);
        match HeaderValue::try_from(ACCEPTED_MANIFESTS.join(", ")) {
            Ok(accepted) => request.header(ACCEPT, accepted),
            Err(_never) => request,
        }
    }

    fn host(&self) -> &str {
        self.operation.remote.repository.host().unwrap_or_default()
    }

    fn side(&self) -> Side {
        self.operation.remote.side
    }

    fn failure(&self, error: RequestError) -> Failure {
        self.operation.failure(error)
    }
}

/// The media type that an answer states, without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    essence(value.unwrap_or_default())
}
