//! Lists tags and repositories page by page (OCI distribution spec, section "Listing Tags"; the catalog of the distribution
//! project, `GET /v2/_catalog`, has pages likewise).

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(super) mod link;
mod names;

use std::collections::HashSet;

use image_sync_shared::failure::{Failure, FailureClass, Reaction, Step};
use image_sync_shared::run::job::Remote;
use image_sync_shared::text;
use image_sync_shared::text::bounded;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use self::names::{Kind, Names, RepositoryNames, Tags};
use super::HttpRegistry;
use crate::client::{Operation, Target};
use crate::http::{RequestError, body};

/// Names asked for with one request: the most that many registries take, and as many as others give in any case.
const PAGE_SIZE: usize = 1000;
/// The longest page that is read, in bytes: some registries put all on one.
const MAX_PAGE: usize = 32 * 1024 * 1024;
/// Pages read, at most.
const MAX_PAGES: usize = 10_000;

#[derive(Deserialize)]
#[serde(bound = "K: Kind")]
struct Page<K: Kind> {
    /// `null` where there are none.
    #[serde(alias = "tags", alias = "repositories")]
    names: Option<Names<K>>,
}

/// What came of asking for a page.
enum Asked {
    /// Its names, and where the next one is.
    Page(Vec<String>, Option<Url>),
    /// The registry does not take the number of names that was asked for.
    NumberRefused,
}

/// Whose list it is, and what for.
#[derive(Clone, Copy)]
struct List<'a> {
    at: &'a Remote,
    step: Step,
    path: &'static str,
    /// Whether it is one of the registry, and not of the repository.
    is_of_registry: bool,
}

impl<'a> List<'a> {
    fn of_tags(at: &'a Remote) -> Self {
        Self {
            at,
            step: Step::ListTags,
            path: "tags/list",
            is_of_registry: false,
        }
    }

    fn invalid(self, answer: impl Into<String>) -> Failure {
        let error = RequestError::new(FailureClass::Invalid, answer.into());
        error.at(self.at.side, self.step, &self.at.repository)
    }
}

impl HttpRegistry {
    /// See [`Registries::tags`](image_sync_shared::ports::transfer::registries::Registries::tags).
    pub(crate) async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        self.all::<Tags>(List::of_tags(at)).await
    }

    /// See [`Registries::first_tags`](image_sync_shared::ports::transfer::registries::Registries::first_tags).
    pub(crate) async fn first_tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let list = List::of_tags(at);
        let target = Target::Path(format!("{}?n={PAGE_SIZE}", list.path));
        match self.page::<Tags>(list, target, &[]).await? {
            Asked::Page(tags, _) => Ok(tags),
            Asked::NumberRefused => Ok(Vec::new()),
        }
    }

    /// See [`Registries::repositories`](image_sync_shared::ports::transfer::registries::Registries::repositories). An endpoint that
    /// keeps all repositories under a path has no others, and they are named without it.
    pub(crate) async fn repositories(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let list = List {
            at,
            step: Step::ListRepositories,
            path: "_catalog",
            is_of_registry: true,
        };
        let listed = self.all::<RepositoryNames>(list).await;
        let names = listed.map_err(|failure| match failure.class.reaction() {
            Reaction::Fail => {
                let answer = format!(
                    "it shows us no catalog of its repositories, so name them in images: {}",
                    failure.answer
                );
                Failure {
                    answer: text::bounded(answer),
                    ..failure
                }
            }
            _ => failure,
        })?;
        let prefix = self.client.name_at(at, "");
        let below = names.iter().filter_map(|name| name.strip_prefix(&prefix));
        Ok(below.map(str::to_owned).collect())
    }

    async fn all<K: Kind>(&self, list: List<'_>) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut seen = HashSet::new();
        let mut target = Target::Path(format!("{}?n={PAGE_SIZE}", list.path));
        let mut accept: &[StatusCode] = &[StatusCode::BAD_REQUEST];
        loop {
            let asked = self.page::<K>(list, target, accept).await?;
            accept = &[];
            let (page, next) = match asked {
                Asked::Page(page, next) => (page, next),
                Asked::NumberRefused => {
                    target = Target::Path(list.path.to_owned());
                    continue;
                }
            };
            names.extend(page);
            if names.len() > K::MAX {
                return Err(list.invalid(format!("it has {}", K::TOO_MANY)));
            }
            let Some(next) = next else {
                return Ok(names);
            };
            if seen.len() == MAX_PAGES || !seen.insert(next.clone()) {
                return Err(list.invalid("its pages lead on without end"));
            }
            target = Target::Url(next);
        }
    }

    /// One page.
    async fn page<K: Kind>(
        &self,
        list: List<'_>,
        target: Target,
        accept: &[StatusCode],
    ) -> Result<Asked, Failure> {
        let at = list.at;
        // One for each page: between two pages others get their turn.
        let permits = self.client.permit(at).await;
        let subject = at.repository.to_string();
        let operation = Operation::new(at, &permits, list.step, subject);
        let mut request = operation.request(Method::GET, target).accept(accept);
        if list.is_of_registry {
            request = request.of_registry();
        }
        let response = self.client.send(request).await?;
        if !response.status().is_success() {
            return Ok(Asked::NumberRefused);
        }
        let invalid = |answer| operation.failure(RequestError::new(FailureClass::Invalid, answer));
        let next = link::next(response.url(), response.headers()).map_err(invalid)?;
        let patience = self.client.timeouts().stall;
        let bytes = body::read_whole(response, MAX_PAGE, patience).await;
        let bytes = bytes.map_err(|error| operation.failure(error))?;
        if body::is_html(&bytes) {
            return Err(operation.failure(body::html_error("a list")));
        }
        let page: Page<K> = serde_json::from_slice(&bytes).map_err(|error| {
            invalid(format!(
                "its list is not the JSON expected: {}",
                bounded(error)
            ))
        })?;
        let names = page.names.map_or_else(Vec::new, Names::into_texts);
        Ok(Asked::Page(names, next))
    }
}
