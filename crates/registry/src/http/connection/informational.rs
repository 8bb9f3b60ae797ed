//! Informational answers (RFC 9110, section 15.2): a host may send any number of them before the one that counts, and each
//! keeps a connection busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use hyper::Request;
use hyper::ext::on_informational;
use hyper::http::Extensions;
use hyper_util::client::legacy::connect::capture_connection;
use thiserror::Error;

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

/// Whether there were too many on a connection, or to a request. A clone tells the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// The status of the first that was one too many; 0 if none was.
    last: Arc<AtomicU16>,
}

impl Verdict {
    /// An error once there were too many.
    pub(crate) fn check(&self) -> Result<(), TooManyInformational> {
        match self.last.load(Ordering::Relaxed) {
            0 => Ok(()),
            last => Err(TooManyInformational { last }),
        }
    }

    fn condemn(&self, last: u16) {
        self.last.store(last, Ordering::Relaxed);
    }
}

/// Counts those to `request`. Once they are too many, the verdict says so, and that of the connection which they are read from:
/// to stop waiting for the answer is not enough, as a connection that has more to read is read for long without a pause.
pub(crate) fn count<B>(request: &mut Request<B>) -> Verdict {
    let verdict = Verdict::default();
    let (of_request, counter) = (verdict.clone(), Counter::default());
    let connection = capture_connection(request);
    on_informational(request, move |answer| {
        if !counter.is_one_too_many() {
            return;
        }
        let last = answer.status().as_u16();
        of_request.condemn(last);
        let mut extras = Extensions::new();
        if let Some(connected) = &*connection.connection_metadata() {
            connected.get_extras(&mut extras);
        }
        if let Some(of_connection) = extras.get::<Verdict>() {
            of_connection.condemn(last);
        }
    });
    verdict
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Counter {
    /// Counts one more, and says whether that is the first that is too many.
    fn is_one_too_many(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == MAX_INFORMATIONAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_allowed_are_not_too_many() {
        let counter = Counter::default();
        for _ in 0..MAX_INFORMATIONAL {
            assert!(!counter.is_one_too_many());
        }
        assert!(counter.is_one_too_many());
        assert!(!counter.is_one_too_many());
    }

    #[test]
    fn a_verdict_is_told_to_all_who_share_it() {
        let verdict = Verdict::default();
        assert_eq!(verdict.check(), Ok(()));
        verdict.clone().condemn(103);
        assert_eq!(verdict.check(), Err(TooManyInformational { last: 103 }));
    }
}
