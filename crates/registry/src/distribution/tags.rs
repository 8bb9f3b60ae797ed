//! Lists tags page by page (OCI distribution spec, section "Listing Tags").

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod link;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::image::reference::Reference;
use image_sync_shared::run::job::Remote;
use image_sync_shared::text::bounded;
use reqwest::{Method, Url};
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use super::HttpRegistry;
use crate::client::{Operation, Target};
use crate::http::{RequestError, body};

/// Tags asked for with one request.
const PAGE_SIZE: usize = 1000;
/// The longest page that is read, in bytes: some registries put all tags on one.
const MAX_PAGE: usize = 32 * 1024 * 1024;
/// Pages read, at most.
const MAX_PAGES: usize = 10_000;

/// Tags of one repository, at most. What a registry lists is held in memory.
const MAX_TAGS: usize = 1_000_000;

#[derive(serde::Deserialize)]
struct Page {
    /// `null` where there are none.
    tags: Option<Tags>,
}

/// The tags of a page, without texts that are none by the grammar of the spec: nothing can be asked for by such a name.
#[derive(Default)]
struct Tags(Vec<String>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TagsVisitor)
    }
}

struct TagsVisitor;

impl<'de> Visitor<'de> for TagsVisitor {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tags, A::Error> {
        let mut tags = Vec::new();
        while let Some(text) = seq.next_element::<Cow<'_, str>>()? {
            if matches!(text.parse(), Ok(Reference::Tag(_))) {
                tags.push(text.into_owned());
            }
            if tags.len() > MAX_TAGS {
                return Err(A::Error::custom(TOO_MANY));
            }
        }
        Ok(Tags(tags))
    }
}

const TOO_MANY: &str = "more than 1,000,000 tags";

impl HttpRegistry {
    /// See [`Registries::tags`](image_sync_shared::ports::transfer::registries::Registries::tags).
    pub(crate) async fn tags(&self, at: &Remote) -> Result<Vec<String>, Failure> {
        let mut tags = Vec::new();
        let mut seen = HashSet::new();
        let mut target = Target::Path(format!("tags/list?n={PAGE_SIZE}"));
        loop {
            let (page, next) = self.page(at, target).await?;
            tags.extend(page);
            if tags.len() > MAX_TAGS {
                let error = RequestError::new(FailureClass::Invalid, format!("it has {TOO_MANY}"));
                return Err(error.at(at.side, Step::ListTags, &at.repository));
            }
            let Some(next) = next else {
                return Ok(tags);
            };
            if seen.len() == MAX_PAGES || !seen.insert(next.clone()) {
                let answer = "its pages of tags lead on without end";
                let error = RequestError::new(FailureClass::Invalid, answer);
                return Err(error.at(at.side, Step::ListTags, &at.repository));
            }
            target = Target::Url(next);
        }
    }

    /// One page, and where the next one is.
    async fn page(
        &self,
        at: &Remote,
        target: Target,
    ) -> Result<(Vec<String>, Option<Url>), Failure> {
        // One for each page: between two pages others get their turn.
        let permits = self.client.permit(at).await;
        let subject = at.repository.to_string();
        let operation = Operation::new(at, &permits, Step::ListTags, subject);
        let request = operation.request(Method::GET, target);
        let response = self.client.send(request).await?;
        let invalid = |answer| operation.failure(RequestError::new(FailureClass::Invalid, answer));
        let next = link::next(response.url(), response.headers()).map_err(invalid)?;
        let patience = self.client.timeouts().stall;
        let bytes = body::read_whole(response, MAX_PAGE, patience).await;
        let bytes = bytes.map_err(|error| operation.failure(error))?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
            invalid(format!(
                "its list of tags is not the JSON expected: {}",
                bounded(error)
            ))
        })?;
        Ok((page.tags.unwrap_or_default().0, next))
    }
}
