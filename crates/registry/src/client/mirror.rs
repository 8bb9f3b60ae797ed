//! Answers of mirrors.

use std::sync::Arc;

use super::endpoint::Endpoint;
use reqwest::{Response, StatusCode};

/// The mirror that an answer is of, if it is not of the registry itself.
pub(crate) struct Mirrored(Option<Arc<Endpoint>>);

impl Mirrored {
    /// Notes in `answer` that it is of `mirror`.
    pub(crate) fn note(answer: &mut Response, mirror: Arc<Endpoint>) {
        answer.extensions_mut().insert(mirror);
    }

    pub(crate) fn of(answer: &Response) -> Self {
        Self(answer.extensions().get().cloned())
    }

    /// Whether it is of a mirror.
    pub(crate) fn is_mirrored(&self) -> bool {
        self.0.is_some()
    }

    /// Leaves the mirror alone for a while, as there was something wrong with the answer.
    pub(crate) fn distrust(&self) {
        if let Some(mirror) = &self.0 {
            tracing::debug!(mirror = mirror.host, "mirror left alone");
            mirror.cooldown.start();
        }
    }
}

/// Whether whatever else is asked for will hardly get a better answer.
pub(crate) fn is_unhealthy(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
