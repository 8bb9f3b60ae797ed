//! Work that begins anew where it panicked, so that a defect that one message brings to light does not end a role.

use std::time::Duration;

use image_sync_shared::panics::caught;
use tokio::time::sleep;

/// The wait after a panic.
const WAIT: Duration = Duration::from_secs(5);

/// Does `work`, and once more some seconds after each time that it panics.
pub(crate) async fn again_after_panic<F: Future>(
    name: &'static str,
    mut work: impl FnMut() -> F,
) -> F::Output {
    loop {
        match caught(work()).await {
            Ok(done) => return done,
            Err(panicked) => {
                tracing::error!(error = %panicked, "{name} was broken off: it begins anew");
                sleep(WAIT).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_begins_anew_until_it_is_done() {
        let mut times = 0;
        let done = again_after_panic("it", || {
            times += 1;
            async move {
                assert!(times > 2, "too early");
                times
            }
        });
        assert_eq!(done.await, 3);
    }
}
