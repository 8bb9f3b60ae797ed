//! Informational answers (RFC 9110, section 15.2): a host may send any number of them before the one that counts, and each
//! keeps a connection busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use hyper::Request;
use hyper::ext::on_informational;
use thiserror::Error;
use tokio::sync::Notify;

/// How many come before an answer at most. A host that works on one for minutes and says so every second needs fewer.
pub(crate) const MAX_INFORMATIONAL: usize = 100;

/// A host sent more informational answers than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "more than {MAX_INFORMATIONAL} informational (1xx) answers to one request, the last one a {last}, and none that counts; \
     expected at most {MAX_INFORMATIONAL} of them before it"
)]
pub(crate) struct TooManyInformational {
    last: u16,
}

/// The informational answers to one request.
#[derive(Default)]
pub(super) struct Informational {
    count: AtomicUsize,
    last: AtomicU16,
    too_many: Notify,
}

impl Informational {
    /// Counts those to `request`.
    pub(super) fn counted<B>(request: &mut Request<B>) -> Arc<Self> {
        let counted = Arc::new(Self::default());
        let counting = Arc::clone(&counted);
        on_informational(request, move |answer| {
            counting.count(answer.status().as_u16());
        });
        counted
    }

    fn count(&self, status: u16) {
        // It is the connection alone that counts, so nothing comes in between.
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before == MAX_INFORMATIONAL {
            self.last.store(status, Ordering::Relaxed);
            self.too_many.notify_one();
        }
    }

    /// Waits until they are too many. Whoever asks when they are already is told at once.
    pub(super) async fn too_many(&self) -> TooManyInformational {
        self.too_many.notified().await;
        let last = self.last.load(Ordering::Relaxed);
        TooManyInformational { last }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn as_many_as_allowed_are_not_too_many() {
        let informational = Informational::default();
        for _ in 0..MAX_INFORMATIONAL {
            informational.count(100);
        }
        assert_eq!(informational.too_many().now_or_never(), None);
        informational.count(103);
        informational.count(102);
        let told = informational.too_many().now_or_never();
        assert_eq!(told, Some(TooManyInformational { last: 103 }));
    }
}
