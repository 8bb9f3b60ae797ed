//! Reads and writes manifests and lists tags at a registry (OCI distribution spec, sections "Pull", "Push" and "Content
//! Discovery"). Blobs are in `transfer`.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod link;
mod manifest;
mod tags;

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::job::Remote;
use image_sync_shared::manifest::{MAX_MANIFEST_BYTES, RawManifest};
use image_sync_shared::media_type::{ACCEPTED_MANIFESTS, essence};
use image_sync_shared::ports::registries::Resolved;
use image_sync_shared::reference::Reference;
use image_sync_shared::text::excerpt;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};

use crate::client::mirror::Mirrored;
use crate::client::trouble::Trouble;
use crate::client::{Call, Client, Payload, Permits, Target, body};

/// A registry over HTTP.
#[derive(Clone)]
pub(crate) struct HttpRegistry {
    client: Client,
}

/// A manifest in a repository, and what is done with it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    at: &'a Remote,
    reference: &'a Reference,
    step: Step,
}

impl HttpRegistry {
    /// A registry that `client` speaks to.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// See [`Registries::resolve`](image_sync_shared::ports::registries::Registries::resolve). A registry that states no
    /// digest, or knows no HEAD, is asked for the manifest itself.
    pub(crate) async fn resolve(
        &self,
        at: &Remote,
        reference: &Reference,
    ) -> Result<Option<Resolved>, Failure> {
        let asked = Asked {
            at,
            reference,
            step: Step::Check,
        };
        let permits = self.client.permit(at).await;
        let mut call = self.call(&asked, &permits, Method::HEAD);
        call.accept = &[StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        let response = self.client.send(call).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        // A refusal of HEAD states no digest either.
        let stated = manifest::stated_digest(response.headers(), reference);
        if let Some(digest) = stated.map_err(|trouble| asked.failure(trouble))? {
            let media_type = content_type(response.headers()).to_owned();
            return Ok(Some(Resolved { digest, media_type }));
        }
        let found = self.get(&asked, &permits).await?;
        Ok(found.map(|manifest| Resolved {
            digest: manifest.digest,
            media_type: manifest.media_type,
        }))
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
        };
        let permits = self.client.permit(at).await;
        let mut call = self.call(&asked, &permits, Method::PUT);
        let media_type = HeaderValue::try_from(&manifest.media_type).map_err(|_reason| {
            let answer = format!("{:?} is no media type", excerpt(&manifest.media_type));
            asked.failure(Trouble::new(FailureClass::Invalid, answer))
        })?;
        call.headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
        call.payload = Payload::Bytes(manifest.bytes.clone());
        let response = self.client.send(call).await?;
        let pushed = Reference::Digest(manifest.digest.clone());
        let stated = manifest::stated_digest(response.headers(), &pushed);
        stated.map(drop).map_err(|trouble| asked.failure(trouble))
    }

    /// See [`Registries::has_blob`](image_sync_shared::ports::registries::Registries::has_blob).
    pub(crate) async fn has_blob(&self, at: &Remote, digest: &Digest) -> Result<bool, Failure> {
        let permits = self.client.permit(at).await;
        let target = Target::Path(format!("blobs/{digest}"));
        let (step, method) = (Step::CheckBlob, Method::HEAD);
        let subject = digest.as_str();
        let mut call = Call::new(&self.client, &permits, at, step, subject, method, target);
        call.accept = &[StatusCode::NOT_FOUND];
        let response = self.client.send(call).await?;
        Ok(response.status() != StatusCode::NOT_FOUND)
    }

    /// The manifest by GET, or none if the repository does not have it.
    async fn get(
        &self,
        asked: &Asked<'_>,
        permits: &Permits,
    ) -> Result<Option<RawManifest>, Failure> {
        let mut call = self.call(asked, permits, Method::GET);
        call.accept = &[StatusCode::NOT_FOUND];
        let response = self.client.send(call).await?;
        if response.status() == StatusCode::NOT_FOUND {
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
            manifest::refuse_encoding(&headers)?;
            let patience = self.client.timeouts().stall;
            let bytes = body::read_whole(response, limit.min(MAX_MANIFEST_BYTES), patience).await?;
            manifest::verified(&headers, bytes, asked.reference)
        };
        read.await.map_err(|trouble| {
            mirror.distrust();
            asked.failure(trouble)
        })
    }

    fn call<'a>(&self, asked: &Asked<'a>, permits: &'a Permits, method: Method) -> Call<'a> {
        let target = Target::Path(format!("manifests/{}", asked.reference));
        let (at, step, subject) = (asked.at, asked.step, asked.subject());
        let mut call = Call::new(&self.client, permits, at, step, subject, method, target);
        if let Ok(accepted) = HeaderValue::try_from(ACCEPTED_MANIFESTS.join(", ")) {
            call.headers.insert(ACCEPT, accepted);
        }
        call
    }
}

impl Asked<'_> {
    fn subject(&self) -> String {
        let image = self.at.repository.image(self.reference.clone());
        image.to_string()
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        trouble.at(self.at.side, self.step, self.subject())
    }
}

/// The media type that an answer states, without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    essence(value.unwrap_or_default())
}
