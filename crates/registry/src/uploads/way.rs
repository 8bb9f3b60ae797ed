//! The two ways to send a blob in one piece (OCI distribution spec, section "Pushing blobs").

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use reqwest::StatusCode;

/// How a blob's bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// With the PUT that ends the upload: one request.
    Put,
    /// With one PATCH, then a PUT without a body: for what stands in front of some registries and refuses the first way.
    Patch,
}

/// Statuses by which a PUT with a body may be refused although the same bytes are welcome in a PATCH.
pub(super) const MAY_WANT_PATCH: [StatusCode; 6] = [
    StatusCode::BAD_REQUEST,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::LENGTH_REQUIRED,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::RANGE_NOT_SATISFIABLE,
    StatusCode::NOT_IMPLEMENTED,
];

/// The hosts that took a PATCH after they had refused a PUT.
#[derive(Debug, Default)]
pub(super) struct Ways {
    patched: Mutex<HashSet<String>>,
}

impl Ways {
    pub(super) fn of(&self, host: &str) -> Way {
        let patched = self.patched.lock().unwrap_or_else(PoisonError::into_inner);
        if patched.contains(host) {
            Way::Patch
        } else {
            Way::Put
        }
    }

    pub(super) fn remember_patch(&self, host: &str) {
        let mut patched = self.patched.lock().unwrap_or_else(PoisonError::into_inner);
        patched.insert(host.to_owned());
    }
}
