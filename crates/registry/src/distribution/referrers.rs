//! Lists what refers to a manifest (OCI distribution spec, section "Listing Referrers").

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::referrers::listed;
use image_sync_shared::panics::lock;
use image_sync_shared::run::job::Remote;
use image_sync_shared::text::bounded;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::Instant;

use super::HttpRegistry;
use super::lists::link;
use super::manifests::head_support::is_refusal;
use crate::client::mirror::Mirrored;
use crate::client::{Operation, Target};
use crate::http::{RequestError, body};

/// The longest page that is read, in bytes.
const MAX_PAGE: usize = 8 * 1024 * 1024;
/// The longest refusal that is read, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;
/// Referrers of one manifest, at most.
const MAX_REFERRERS: usize = 10_000;
/// Pages of one list, at most.
const MAX_PAGES: usize = 1_000;
/// How long a registry is taken as one without the API before it is asked again: it may be another release by then.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);
/// The header by which a registry says that it has processed the `subject` of a manifest.
const OCI_SUBJECT: &str = "oci-subject";
/// Statuses by which registries say that they do not know the API. The spec has 404.
const UNSUPPORTED: [StatusCode; 5] = [
    StatusCode::NOT_FOUND,
    StatusCode::BAD_REQUEST,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::NOT_IMPLEMENTED,
];

/// Which registries have no referrers API. A clone shares it.
#[derive(Clone, Default)]
pub(super) struct WithoutReferrersApi(Arc<Mutex<HashMap<String, Instant>>>);

impl WithoutReferrersApi {
    fn has(&self, host: &str) -> bool {
        let known = lock(&self.0);
        let asked = known.get(host);
        asked.is_some_and(|asked| asked.elapsed() < ASKED_AGAIN_AFTER)
    }

    fn note(&self, host: &str) {
        lock(&self.0).insert(host.to_owned(), Instant::now());
    }
}

/// What came of asking for a page.
enum Asked {
    /// What it lists, and where the next one is.
    Page(Vec<Descriptor>, Option<Url>),
    /// There is no such API, or no such repository.
    Nothing,
}

/// The subject that an answer to a push says the registry has processed.
pub(super) fn processed(headers: &HeaderMap) -> Option<Digest> {
    headers.get(OCI_SUBJECT)?.to_str().ok()?.trim().parse().ok()
}

impl HttpRegistry {
    /// See [`Registries::referrers`](image_sync_shared::ports::transfer::registries::Registries::referrers). What is not allowed to be
    /// read of a target is taken as not there: the push will tell.
    pub(crate) async fn referrers(
        &self,
        at: &Remote,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let host = at.repository.host().unwrap_or_default();
        if self.without_referrers_api.has(host) {
            return Ok(None);
        }
        match self.all_referrers(at, subject, artifact_type).await {
            Err(refusal)
                if at.side == Side::Target
                    && (is_refusal(&refusal) || refusal.class == FailureClass::Denied) =>
            {
                Ok(None)
            }
            listed => listed,
        }
    }

    async fn all_referrers(
        &self,
        at: &Remote,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let mut target = Target::Path(path_of(subject, artifact_type));
        let (mut all, mut pages) = (Vec::new(), HashSet::new());
        loop {
            let is_first = pages.is_empty();
            let (page, next) = match self.referrers_page(at, subject, target).await? {
                Asked::Page(page, next) => (page, next),
                Asked::Nothing if is_first => return Ok(None),
                Asked::Nothing => return Err(invalid(at, subject, "its pages end with a 404")),
            };
            all.extend(page);
            if all.len() > MAX_REFERRERS {
                let answer = format!("more than {MAX_REFERRERS} manifests refer to it");
                return Err(invalid(at, subject, answer));
            }
            let Some(next) = next else {
                return Ok(Some(all));
            };
            if pages.len() == MAX_PAGES || !pages.insert(next.clone()) {
                return Err(invalid(at, subject, "its pages lead on without end"));
            }
            target = Target::Url(next);
        }
    }

    async fn referrers_page(
        &self,
        at: &Remote,
        subject: &Digest,
        target: Target,
    ) -> Result<Asked, Failure> {
        let permits = self.client.permit(at).await;
        let operation = Operation::new(at, &permits, Step::ListReferrers, subject.as_str());
        let index = HeaderValue::from_static("application/vnd.oci.image.index.v1+json");
        let request = operation.request(Method::GET, target);
        let request = request.header(ACCEPT, index).accept(&UNSUPPORTED);
        let response = self.client.send(request).await?;
        let failure =
            |answer: String| operation.failure(RequestError::new(FailureClass::Invalid, answer));
        if !response.status().is_success() {
            self.note_unsupported(at, response).await;
            return Ok(Asked::Nothing);
        }
        let next = link::next(response.url(), response.headers()).map_err(failure)?;
        let patience = self.client.timeouts().stall;
        let bytes = body::read_whole(response, MAX_PAGE, patience).await;
        let bytes = bytes.map_err(|error| operation.failure(error))?;
        let page = listed(&bytes);
        let page = page.map_err(|error| {
            failure(format!(
                "its referrers are not the JSON of an index: {}",
                bounded(error)
            ))
        })?;
        Ok(Asked::Page(page, next))
    }

    /// Notes that the registry has no such API, unless it is only the repository that it does not have, or it was a mirror that
    /// answered.
    async fn note_unsupported(&self, at: &Remote, response: Response) {
        if Mirrored::of(&response).is_mirrored() {
            return;
        }
        let patience = self.client.timeouts().stall;
        let refusal = body::read_whole(response, MAX_REFUSAL, patience).await;
        let refusal = refusal.unwrap_or_default();
        let says = |code: &str| String::from_utf8_lossy(&refusal).contains(code);
        if !["NAME_UNKNOWN", "MANIFEST_UNKNOWN"].into_iter().any(says) {
            let host = at.repository.host().unwrap_or_default();
            self.without_referrers_api.note(host);
        }
    }
}

fn path_of(subject: &Digest, artifact_type: Option<&str>) -> String {
    let Some(artifact_type) = artifact_type else {
        return format!("referrers/{subject}");
    };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("artifactType", artifact_type);
    format!("referrers/{subject}?{}", query.finish())
}

fn invalid(at: &Remote, subject: &Digest, answer: impl Into<String>) -> Failure {
    let error = RequestError::new(FailureClass::Invalid, answer.into());
    error.at(at.side, Step::ListReferrers, subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_asked_for_is_a_parameter_of_the_query() {
        let digest = Digest::of(b"an image");
        assert_eq!(path_of(&digest, None), format!("referrers/{digest}"));
        let path = path_of(&digest, Some("application/spdx+json"));
        assert!(
            path.ends_with("?artifactType=application%2Fspdx%2Bjson"),
            "{path}"
        );
    }

    #[test]
    fn a_registry_says_with_oci_subject_that_it_lists_what_was_pushed() {
        let digest = Digest::of(b"an image");
        let mut headers = HeaderMap::new();
        assert_eq!(processed(&headers), None);
        headers.insert(OCI_SUBJECT, digest.as_str().parse().unwrap());
        assert_eq!(processed(&headers), Some(digest));
        headers.insert(OCI_SUBJECT, HeaderValue::from_static("yes"));
        assert_eq!(processed(&headers), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_without_the_api_is_asked_again_after_an_hour() {
        let without = WithoutReferrersApi::default();
        assert!(!without.has("r.example"));
        without.note("r.example");
        assert!(without.clone().has("r.example") && !without.has("other.example"));
        tokio::time::advance(ASKED_AGAIN_AFTER).await;
        assert!(!without.has("r.example"));
    }
}
