//! Which registries answer HEAD as they would GET. HEAD is cheaper, but some know it not, or lead it to a storage that was
//! signed for GET alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use image_sync_shared::failure::{Failure, FailureClass, Step};
use image_sync_shared::panics::lock;
use reqwest::StatusCode;

/// Statuses of a HEAD that are no answer to what was asked.
const REFUSALS: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::NOT_IMPLEMENTED,
];

/// How a registry takes HEAD of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::distribution) enum HeadSupport {
    /// It has answered one.
    Supported,
    /// It refused one of a manifest that it then gave by GET.
    Unsupported,
}

/// What is known of each host. A clone shares it.
#[derive(Clone, Default)]
pub(in crate::distribution) struct KnownHeadSupport(Arc<Mutex<HashMap<String, HeadSupport>>>);

impl KnownHeadSupport {
    /// What is known of `host`, if anything.
    pub(in crate::distribution) fn of(&self, host: &str) -> Option<HeadSupport> {
        let known = lock(&self.0);
        known.get(host).copied()
    }

    /// Notes what `host` did. One that has answered a HEAD is no worse for refusing another.
    pub(in crate::distribution) fn note(&self, host: &str, head: HeadSupport) {
        let mut known = lock(&self.0);
        match known.get_mut(host) {
            Some(before) if head == HeadSupport::Supported => *before = head,
            Some(_) => {}
            None => {
                known.insert(host.to_owned(), head);
            }
        }
    }
}

/// The statuses of a HEAD after which GET is to be tried, or which say that there is nothing.
pub(in crate::distribution) fn refusals() -> &'static [StatusCode] {
    &REFUSALS
}

/// Whether a failure is a registry's own 401, rather than a token server's.
pub(in crate::distribution) fn is_refusal(failure: &Failure) -> bool {
    failure.step != Step::Authenticate && failure.class == FailureClass::Unauthorized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_answered_head_once_stays_good() {
        let head_support = KnownHeadSupport::default();
        assert_eq!(head_support.of("r.example"), None);
        head_support.note("r.example", HeadSupport::Unsupported);
        assert_eq!(head_support.of("r.example"), Some(HeadSupport::Unsupported));
        head_support.note("r.example", HeadSupport::Supported);
        head_support.note("r.example", HeadSupport::Unsupported);
        assert_eq!(head_support.of("r.example"), Some(HeadSupport::Supported));
        assert_eq!(head_support.of("other.example"), None);
    }
}
