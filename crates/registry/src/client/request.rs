//! Requests to a registry, and the operations that they are part of.

use std::borrow::Cow;

use bytes::Bytes;
use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::ports::transfer::request_limits::RequestEnd;
use image_sync_shared::run::job::Remote;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use super::Permits;
use crate::http::RequestError;
use crate::http::refusal::WriteKind;

/// What is done at a registry, in one or several requests.
#[derive(Clone)]
pub(crate) struct Operation<'a> {
    /// The repository it is about; its access decides which scopes a token needs.
    pub(crate) remote: &'a Remote,
    /// That its requests are counted: see [`Client::permit`](super::Client::permit).
    pub(super) permits: &'a Permits,
    /// What is being done, for failures.
    pub(super) step: Step,
    /// What it is done to, for failures.
    pub(super) subject: Cow<'a, str>,
}

impl<'a> Operation<'a> {
    pub(crate) fn new(
        remote: &'a Remote,
        permits: &'a Permits,
        step: Step,
        subject: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self {
            remote,
            permits,
            step,
            subject: subject.into(),
        }
    }

    /// A request without body and further headers, whose answer is a failure unless it is a 2xx.
    pub(crate) fn request(&self, method: Method, target: Target) -> Request<'_> {
        Request {
            operation: self,
            method,
            target,
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            also_pull: None,
            accept: &[],
            renews: true,
            is_timed: true,
            is_of_registry: false,
            mirrors: Mirrors::First,
        }
    }

    /// One of its requests has ended.
    pub(super) fn ended(&self, end: RequestEnd) {
        let host = self.remote.repository.host().unwrap_or_default();
        self.permits.ended(host, end);
    }

    /// The failure that an error of one of its requests is.
    pub(crate) fn failure(&self, error: RequestError) -> Failure {
        error.at(self.remote.side, self.step, &self.subject)
    }
}

/// One request to a registry.
#[must_use]
pub(crate) struct Request<'a> {
    /// What it is part of.
    pub(super) operation: &'a Operation<'a>,
    /// The method.
    pub(super) method: Method,
    /// Where to.
    pub(super) target: Target,
    /// Headers beside those that the client sets (Authorization, Host, User-Agent).
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) payload: Payload,
    /// A further repository of the same registry that must be readable: the one a blob is mounted from.
    pub(super) also_pull: Option<&'a str>,
    /// Statuses beside 2xx that are answers rather than failures. A 401 is one only where it does not say how credentials are wanted.
    pub(super) accept: &'a [StatusCode],
    /// Whether a 403 may mean that the token has ended, so that it is tried with another one.
    pub(super) renews: bool,
    /// Whether the client limits how long the head of the answer may take, once the request is sent.
    pub(super) is_timed: bool,
    /// Whether it is about the registry itself and none of its repositories.
    pub(super) is_of_registry: bool,
    /// Whether mirrors are asked.
    pub(super) mirrors: Mirrors,
}

impl<'a> Request<'a> {
    /// With this header in the place of others of its name.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With this body.
    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// With these statuses as answers rather than failures, beside 2xx.
    pub(crate) fn accept(mut self, statuses: &'a [StatusCode]) -> Self {
        self.accept = statuses;
        self
    }

    /// With a token that lets another repository of the same registry be read too: the one a blob is mounted from.
    pub(crate) fn also_pull(mut self, name: Option<&'a str>) -> Self {
        self.also_pull = name;
        self
    }

    /// With a 403 as one to the token that there is, which is not fetched anew then.
    pub(crate) fn without_renewal(mut self) -> Self {
        self.renews = false;
        self
    }

    /// About the registry itself: a path is one below `/v2/`, the token is one for the catalog, and no mirror is asked, which would
    /// tell of itself.
    pub(crate) fn of_registry(mut self) -> Self {
        self.is_of_registry = true;
        self
    }

    /// Of the registry itself, whatever mirrors there are.
    pub(crate) fn past_mirrors(mut self) -> Self {
        self.mirrors = Mirrors::Never;
        self
    }

    /// With as long a wait for the head of the answer as the caller has patience.
    pub(crate) fn without_time_limit(mut self) -> Self {
        self.is_timed = false;
        self
    }

    /// What kind of write it is, which decides what a refusal of it means.
    pub(super) fn write_kind(&self) -> WriteKind {
        match (self.operation.step, &self.method) {
            (Step::PushBlob, &Method::POST) => WriteKind::Upload,
            (Step::PushBlob | Step::PushManifest, &Method::PUT | &Method::PATCH) => {
                WriteKind::Content
            }
            _ => WriteKind::Nothing,
        }
    }
}

/// Whether the mirrors of a registry are asked for what is read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mirrors {
    /// Before the registry is.
    First,
    /// Not at all.
    Never,
}

/// Where a request goes.
pub(crate) enum Target {
    /// Below `/v2/<name>/` of the repository, as in `manifests/latest`, with its query if any; below `/v2/` with
    /// [`Request::of_registry`].
    Path(String),
    /// Elsewhere: an upload's Location or the next page. Only a URL at the registry itself gets credentials.
    Url(Url),
}

/// The body of a request.
pub(crate) enum Payload {
    /// None.
    Empty,
    /// One that can be sent again.
    Bytes(Bytes),
    /// One that cannot. The caller sets Content-Length.
    Stream(reqwest::Body),
    /// A stream that was sent.
    Spent,
}

impl Payload {
    /// The body for one sending of the request.
    pub(super) fn next_body(&mut self) -> Result<Option<reqwest::Body>, RequestError> {
        match self {
            Self::Empty => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes.clone().into())),
            Self::Stream(_) => match std::mem::replace(self, Self::Spent) {
                Self::Stream(body) => Ok(Some(body)),
                _ => Ok(None),
            },
            Self::Spent => Err(RequestError::new(
                FailureClass::Connection,
                "the credentials were refused when the body was already sent; the next attempt has new ones",
            )),
        }
    }
}
