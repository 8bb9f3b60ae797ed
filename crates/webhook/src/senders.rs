//! What those that send events of registries say: one file for each sender, which turns its payload into hints. Nothing is
//! believed and no address is contacted: whoever reads the hints asks the registry.

mod acr;
mod distribution;
mod dockerhub;
mod ecr;
mod gcp;
mod generic;
mod github;
mod harbor;
mod payload;
mod quay;
mod zot;

use std::fmt;

use http::HeaderMap;
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::hint::{Hint, HintAction};
use image_sync_shared::image::referrers::subject_of_tag;
use image_sync_shared::text::{bounded, excerpt};
use thiserror::Error;

/// How many hints of one delivery are taken, and as many events that are ignored are told of. Registries send one event, or
/// those of some seconds.
pub const MOST_HINTS: usize = 1_000;

/// What one request brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Its name in the log of its sender, as short and clean as a text of others is inside a sentence.
    pub id: Option<String>,
    /// What was pushed or deleted, [`MOST_HINTS`] at most.
    pub hints: Vec<Hint>,
    /// What else it has, [`MOST_HINTS`] at most.
    pub ignored: Vec<Ignored>,
}

/// Why nothing follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It says of something else than a push or a delete, which its sender calls so.
    Event(String),
    /// It is about a package of another kind.
    NoContainer(String),
    /// It names neither a tag nor a digest.
    NoReference,
    /// A blob was pushed, which is not an image yet.
    Blob,
    /// What it tells of has failed, as its sender says.
    Failed(String),
    /// It names what no registry has, for this reason.
    Invalid(String),
    /// A delivery has so many more events than are taken.
    TooMany(usize),
}

impl Ignored {
    /// An event of another name.
    fn event(name: &str) -> Self {
        Self::Event(excerpt(name))
    }

    /// Something that no registry can have, as an error says.
    fn invalid(reason: impl fmt::Display) -> Self {
        Self::Invalid(bounded(reason))
    }

    /// Its name in metrics: one of a few words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Event(_) => "other_event",
            Self::NoContainer(_) => "no_container",
            Self::NoReference => "no_reference",
            Self::Blob => "blob",
            Self::Failed(_) => "failed",
            Self::Invalid(_) => "invalid",
            Self::TooMany(_) => "too_many",
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(name) => write!(f, "an event {name:?}, which is no push and no delete"),
            Self::NoContainer(kind) => write!(f, "a package of the kind {kind:?}, not a container"),
            Self::NoReference => f.write_str("it names neither a tag nor a digest"),
            Self::Blob => f.write_str("a blob, not a manifest"),
            Self::Failed(result) => write!(f, "its result is {result:?}"),
            Self::Invalid(reason) => f.write_str(reason),
            Self::TooMany(more) => write!(
                f,
                "{more} more events, where {MOST_HINTS} are taken of one delivery"
            ),
        }
    }
}

/// Why a body is no payload of its sender: what was found in which place, and what was expected. Of the body it has names at most, in
/// short.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// What a request of `sender` says.
pub fn read(sender: Sender, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, Unreadable> {
    match sender {
        Sender::Distribution => distribution::read(body),
        Sender::Harbor => harbor::read(headers, body),
        Sender::DockerHub => dockerhub::read(body),
        Sender::Quay => quay::read(body),
        Sender::GitHub => github::read(headers, body),
        Sender::Zot => zot::read(headers, body),
        Sender::Ecr => ecr::read(body),
        Sender::Gcp => gcp::read(headers, body),
        Sender::Acr => acr::read(body),
        Sender::Generic => generic::read(body),
    }
}

impl Delivery {
    /// One that its sender knows by this name.
    fn new(id: Option<String>) -> Self {
        Self {
            id: id.map(excerpt),
            ..Self::default()
        }
    }

    /// The same with what one event has brought.
    fn with(mut self, read: Result<Hint, Ignored>) -> Self {
        self.add(read);
        self
    }

    fn add(&mut self, read: Result<Hint, Ignored>) {
        match read {
            Ok(hint) => self.hints.push(hint),
            Err(ignored) => self.ignored.push(ignored),
        }
    }

    /// So many events were not looked at.
    fn leave_out(&mut self, events: usize) {
        if events > 0 {
            self.ignored.truncate(MOST_HINTS - 1);
            self.ignored.push(Ignored::TooMany(events));
        }
    }
}

/// What an event says of a manifest, as its sender writes it.
#[derive(Clone, Copy, Debug, Default)]
struct Told<'a> {
    registry: Option<&'a str>,
    repository: &'a str,
    /// A tag, or a digest in place of one.
    reference: Option<&'a str>,
    digest: Option<&'a str>,
    is_own: bool,
}

impl Told<'_> {
    /// The hint at it. A digest beside a tag may be none: it is the tag that is asked for.
    fn hint(self, action: HintAction) -> Result<Hint, Ignored> {
        let mut hint =
            Hint::new(self.registry, self.repository, action).map_err(Ignored::invalid)?;
        if let Some(reference) = self.reference {
            hint = hint.with_reference(reference).map_err(Ignored::invalid)?;
        }
        match self.digest.map(str::parse::<Digest>) {
            Some(Ok(digest)) => hint.digest = Some(digest),
            Some(Err(error)) if hint.tag.is_none() && hint.digest.is_none() => {
                return Err(Ignored::invalid(error));
            }
            _ => {}
        }
        if hint.tag.is_none() && hint.digest.is_none() {
            return Err(Ignored::NoReference);
        }
        hint.subject = hint.tag.as_deref().and_then(subject_of_tag);
        hint.is_own = self.is_own;
        Ok(hint)
    }
}

/// Whether a User-Agent is this program's.
fn is_own(user_agent: Option<&str>) -> bool {
    let product = user_agent.and_then(|agent| agent.split(['/', ' ']).next());
    product == Some("image-sync")
}

/// The one header of this name, if it is a text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
