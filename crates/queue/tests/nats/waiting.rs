//! Waiting for what another client learns.

use std::time::Duration;

/// Longer than any hiccup of a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Returns when `is_so`, and fails if that takes too long.
pub(crate) async fn eventually(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("it should have become so");
}
