//! Ends a wait that would hang a test for ever. It counts real time: tokio's may be paused by the test, and then jumps.

use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

const LIMIT: Duration = Duration::from_secs(120);

/// What `future` gives, or a panic that says `what` did not happen.
pub(super) async fn watched<T>(future: impl Future<Output = T>, what: impl Fn() -> String) -> T {
    let (done, ended) = mpsc::channel::<()>();
    let (alarm, late) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Nobody listens if the wait has ended just now.
            alarm.send(()).unwrap_or_default();
        }
    });
    tokio::select! {
        value = future => {
            drop(done);
            value
        }
        Ok(()) = late => panic!("waited {} seconds in vain: {}", LIMIT.as_secs(), what()),
    }
}
