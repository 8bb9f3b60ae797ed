//! Ends a wait that would hang a test for ever. It counts real time: tokio's may be paused by the test, and then jumps.

use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

const LIMIT: Duration = Duration::from_secs(120);

/// What `future` gives, or a panic that says `what` did not happen.
pub(crate) async fn watched<T>(future: impl Future<Output = T>, what: impl Fn() -> String) -> T {
    watched_for(LIMIT, future, what).await
}

async fn watched_for<T>(
    limit: Duration,
    future: impl Future<Output = T>,
    what: impl Fn() -> String,
) -> T {
    let (done, ended) = mpsc::channel::<()>();
    let (alarm, late) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Nobody listens if the wait has ended just now.
            alarm.send(()).unwrap_or_default();
        }
    });
    tokio::select! {
        value = future => {
            drop(done);
            value
        }
        Ok(()) = late => panic!("waited {} seconds in vain: {}", limit.as_secs(), what()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "in vain: the sun to rise")]
    async fn a_wait_in_vain_fails_even_while_time_is_paused() {
        let never = std::future::pending::<()>();
        watched_for(Duration::from_millis(1), never, || {
            "the sun to rise".to_owned()
        })
        .await;
    }
}
