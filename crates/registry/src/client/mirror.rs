//! Mirrors: servers that need not be asked, and are left alone for a while where they do not help.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use super::endpoint::Endpoint;

/// How long a server is left alone.
const REST: Duration = Duration::from_secs(60);

/// Until when a server is left alone.
#[derive(Default)]
pub(crate) struct Rest(Mutex<Option<Instant>>);

impl Rest {
    /// Leaves the server alone from now on.
    pub(crate) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    /// Whether the server may be asked.
    pub(crate) fn is_over(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }
}

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
            mirror.rest.begin();
        }
    }
}

/// Whether whatever else is asked for will hardly get a better answer.
pub(crate) fn is_trouble(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rest_has_an_end_and_may_begin_again() {
        let rest = Rest::default();
        assert!(rest.is_over());
        for _ in 0..2 {
            rest.begin();
            tokio::time::advance(REST / 2).await;
            assert!(!rest.is_over());
            tokio::time::advance(REST / 2).await;
            assert!(rest.is_over());
        }
    }
}
