//! Answers that refuse, in words (OCI distribution spec, section "Error Codes").

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::clock::Clock;
use reqwest::Response;

/// Reads what a refusal says, and how it is classed.
pub(crate) async fn explain(response: Response, clock: &dyn Clock) -> (FailureClass, String) {
    (FailureClass::Invalid, response.status().to_string())
}
