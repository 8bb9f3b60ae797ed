//! What the source lists and does not serve.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use image_sync_shared::digest::Digest;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};

/// The attestations that an index lists and the source does not serve.
#[derive(Debug, Default)]
pub(crate) struct MissingAttestations(Mutex<HashSet<Digest>>);

impl MissingAttestations {
    /// Notes an attestation.
    pub(crate) fn note(&self, attestation: Digest) {
        self.lock().insert(attestation);
    }

    /// Those that were met.
    pub(crate) fn all(&self) -> HashSet<Digest> {
        self.lock().clone()
    }

    /// The failure to read an attestation, where it cannot be left out.
    pub(crate) fn explain(failure: Failure) -> Failure {
        let answer = format!(
            "{}: the index lists this attestation, but the source does not serve it; where platforms are chosen, such are left out",
            failure.answer
        );
        Failure { answer, ..failure }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the source says that it does not have a manifest or a blob which its tag stands for.
pub(crate) fn is_missing_at_source(failure: &Failure) -> bool {
    failure.side == Side::Source
        && failure.class == FailureClass::NotFound
        && matches!(failure.step, Step::PullManifest | Step::PullBlob)
}
