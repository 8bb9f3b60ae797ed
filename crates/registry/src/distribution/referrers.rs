//! Lists what refers to a manifest (OCI distribution spec, section "Listing Referrers").

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod known;
mod page;

use std::collections::HashSet;

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::image::media_type::OCI_INDEX;
use image_sync_shared::run::job::Remote;
use image_sync_shared::text::bounded;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

pub(super) use self::known::KnownReferrersApis;
use self::page::{MAX_REFERRERS, too_many};
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
/// Pages of one list, at most.
const MAX_PAGES: usize = 1_000;
/// The header by which a registry says that it has processed the `subject` of a manifest.
const OCI_SUBJECT: &str = "oci-subject";
/// The header by which a registry says that it lists only what was asked for.
const OCI_FILTERS_APPLIED: &str = "oci-filters-applied";
/// Statuses by which registries say that they do not know the API. The spec has 404; Artifactory 406, and Harbor before 2.8 a 401 that
/// does not say how it wants credentials.
const UNSUPPORTED: [StatusCode; 6] = [
    StatusCode::NOT_FOUND,
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::NOT_IMPLEMENTED,
];
/// Codes of refusals that are about what was asked for, and not about the API.
const OF_THE_SUBJECT: [&str; 5] = [
    "NAME_UNKNOWN",
    "NAME_INVALID",
    "MANIFEST_UNKNOWN",
    "BLOB_UNKNOWN",
    "DIGEST_INVALID",
];

/// Whose referrers are asked for.
#[derive(Clone, Copy)]
struct Question<'a> {
    at: &'a Remote,
    subject: &'a Digest,
    /// Those of one type alone.
    artifact_type: Option<&'a str>,
    /// Of the registry itself, whatever mirrors there are.
    past_mirrors: bool,
}

/// What came of asking for a page.
enum Asked {
    /// What it lists, and where the next one is.
    Page(Vec<Descriptor>, Option<Url>),
    /// There is no such API, or no such repository.
    Nothing,
}

/// How the pages came.
#[derive(Default)]
struct Way {
    /// That a mirror gave one of them.
    mirrored: bool,
    /// That those of one type were asked for, and the registry says that it gave only them.
    filtered: bool,
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
        if self.referrers_apis.is_missing(host) {
            return Ok(None);
        }
        let question = Question {
            at,
            subject,
            artifact_type,
            past_mirrors: false,
        };
        match self.certain_referrers(question).await {
            Err(refusal)
                if at.side == Side::Target
                    && (is_refusal(&refusal) || refusal.class == FailureClass::Denied) =>
            {
                Ok(None)
            }
            listed => listed,
        }
    }

    /// All that is listed, without what is known to be of another type than the one that is asked for. That there is nothing is
    /// believed of no mirror, as proxies have the API without what is at the registry, and of no filter that has not worked before,
    /// as Harbor's takes the media types of configurations for types of artifacts.
    async fn certain_referrers(
        &self,
        question: Question<'_>,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let host = question.at.repository.host().unwrap_or_default();
        let mut way = Way::default();
        let mut listed = self.all_referrers(question, &mut way).await;
        let is_empty = matches!(&listed, Ok(Some(found)) if found.is_empty());
        let is_nothing = is_empty || !matches!(&listed, Ok(Some(_)));
        if way.filtered && !way.mirrored && !is_nothing {
            self.referrers_apis.note_filter(host);
        }
        let unfiltered = is_empty && way.filtered && !self.referrers_apis.filters(host);
        if unfiltered || (is_nothing && way.mirrored) {
            let of_all = Question {
                artifact_type: None,
                past_mirrors: true,
                ..question
            };
            listed = self.all_referrers(of_all, &mut way).await;
        }
        Ok(listed?.map(|mut found| {
            if let Some(wanted) = question.artifact_type {
                found.retain(|entry| entry.artifact_type.as_deref().is_none_or(|of| of == wanted));
            }
            found
        }))
    }

    async fn all_referrers(
        &self,
        question: Question<'_>,
        way: &mut Way,
    ) -> Result<Option<Vec<Descriptor>>, Failure> {
        let mut target = Target::Path(question.path());
        let (mut all, mut seen, mut pages) = (Vec::new(), HashSet::new(), HashSet::new());
        loop {
            let is_first = pages.is_empty();
            let (page, next) = match self.referrers_page(question, target, way).await? {
                Asked::Page(page, next) => (page, next),
                Asked::Nothing if is_first => return Ok(None),
                Asked::Nothing => return Err(question.invalid("its pages end with a refusal")),
            };
            all.extend(
                page.into_iter()
                    .filter(|entry| seen.insert(entry.digest.clone())),
            );
            if all.len() > MAX_REFERRERS {
                return Err(question.invalid(too_many()));
            }
            let Some(next) = next else {
                return Ok(Some(all));
            };
            if pages.len() == MAX_PAGES || !pages.insert(next.clone()) {
                return Err(question.invalid("its pages lead on without end"));
            }
            target = Target::Url(next);
        }
    }

    async fn referrers_page(
        &self,
        question: Question<'_>,
        target: Target,
        way: &mut Way,
    ) -> Result<Asked, Failure> {
        let at = question.at;
        let permits = self.client.permit(at).await;
        let operation =
            Operation::new(at, &permits, Step::ListReferrers, question.subject.as_str());
        let request = operation.request(Method::GET, target);
        let mut request = request
            .header(ACCEPT, HeaderValue::from_static(OCI_INDEX))
            .accept(&UNSUPPORTED);
        if question.past_mirrors {
            request = request.past_mirrors();
        }
        let response = self.client.send(request).await?;
        let mirrored = Mirrored::of(&response);
        way.mirrored |= mirrored.is_mirrored();
        if !response.status().is_success() {
            self.note_refusal(at, response).await;
            return Ok(Asked::Nothing);
        }
        way.filtered = question.artifact_type.is_some()
            && response.headers().contains_key(OCI_FILTERS_APPLIED);
        let read = self.read_page(&operation, response).await;
        if read.is_err() && mirrored.is_mirrored() {
            mirrored.distrust();
            return Ok(Asked::Nothing);
        }
        if matches!(read, Ok(Asked::Page(..))) && !mirrored.is_mirrored() {
            let host = at.repository.host().unwrap_or_default();
            self.referrers_apis.note_list(host);
        }
        read
    }

    async fn read_page(
        &self,
        operation: &Operation<'_>,
        response: Response,
    ) -> Result<Asked, Failure> {
        let failure =
            |answer: String| operation.failure(RequestError::new(FailureClass::Invalid, answer));
        let next = link::next(response.url(), response.headers());
        let is_json = is_json(response.headers());
        let is_mirrored = Mirrored::of(&response).is_mirrored();
        let patience = self.client.timeouts().stall;
        let bytes = body::read_whole(response, MAX_PAGE, patience).await;
        let bytes = bytes.map_err(|error| operation.failure(error))?;
        match page::parse(&bytes) {
            Ok(Some(entries)) => Ok(Asked::Page(entries, next.map_err(failure)?)),
            Ok(None) => Ok(Asked::Nothing),
            // A page for people, to which one is led from what a registry does not know.
            Err(_) if !is_json && !is_mirrored => {
                let host = operation.remote.repository.host().unwrap_or_default();
                self.referrers_apis.note_missing(host);
                Ok(Asked::Nothing)
            }
            Err(error) => Err(failure(format!(
                "its referrers are not the JSON of an index: {}",
                bounded(error)
            ))),
        }
    }

    /// Notes that the registry has no such API, unless it refuses what was asked for, or it was a mirror that answered.
    async fn note_refusal(&self, at: &Remote, response: Response) {
        if Mirrored::of(&response).is_mirrored() {
            return;
        }
        let patience = self.client.timeouts().stall;
        let refusal = body::read_some(response, MAX_REFUSAL, patience).await;
        let refusal = String::from_utf8_lossy(&refusal);
        if !OF_THE_SUBJECT.iter().any(|code| refusal.contains(code)) {
            let host = at.repository.host().unwrap_or_default();
            self.referrers_apis.note_missing(host);
        }
    }
}

impl Question<'_> {
    fn path(self) -> String {
        let Some(artifact_type) = self.artifact_type else {
            return format!("referrers/{}", self.subject);
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("artifactType", artifact_type);
        format!("referrers/{}?{}", self.subject, query.finish())
    }

    fn invalid(self, answer: impl Into<String>) -> Failure {
        let error = RequestError::new(FailureClass::Invalid, answer.into());
        error.at(self.at.side, Step::ListReferrers, self.subject)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE);
    let text = content_type.and_then(|value| value.to_str().ok());
    text.is_some_and(|text| text.contains("json"))
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::job::{Access, Trust};

    use super::*;

    #[test]
    fn a_type_that_is_asked_for_is_a_parameter_of_the_query() {
        let digest = Digest::of(b"an image");
        let at = Remote {
            side: Side::Source,
            repository: "r.example/app".parse().unwrap(),
            trust: Trust::Verified,
            access: Access::Pull,
        };
        let path = |artifact_type| {
            let question = Question {
                at: &at,
                subject: &digest,
                artifact_type,
                past_mirrors: false,
            };
            question.path()
        };
        assert_eq!(path(None), format!("referrers/{digest}"));
        let path = path(Some("application/spdx+json"));
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
}
