//! How requests are made again: those to registries before their job is put back, and those to the queue while it is away.

use std::future::Future;
use std::time::Duration;

use image_sync_shared::failure::{Failure, Reaction};
use image_sync_shared::ports::QueueError;
use image_sync_shared::retry::RetryPolicy;
use tokio::time::{Instant, sleep};
use tracing::debug;

/// The tries of one request of a job with this policy; they never wait longer than the job itself would.
pub(crate) fn request_policy(job: &RetryPolicy) -> RetryPolicy {
    RetryPolicy {
        initial: RetryPolicy::IN_PLACE.initial.min(job.initial),
        max: RetryPolicy::IN_PLACE.max.min(job.max),
        ..RetryPolicy::IN_PLACE
    }
}

/// Makes a request to a registry, and again a few times if it fails in a way that may pass. Other failures go to the caller at
/// once.
pub(crate) async fn retry_request<T, F>(
    policy: RetryPolicy,
    request: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    retry(policy, request, |failure, attempt| {
        let again = failure.class.reaction() == Reaction::Retry;
        if again {
            debug!(error = %failure, attempt, "a request failed and is made again");
        }
        again
    })
    .await
}

/// The pauses between the tries of a request to the queue.
const QUEUE_RETRY: RetryPolicy = RetryPolicy {
    attempts: 6,
    initial: Duration::from_millis(500),
    max: Duration::from_secs(5),
};

/// How long a request to the queue is made again, what it takes itself included. A queue may have asked again for longer
/// than that before it fails: then this was all.
const QUEUE_RETRY_BUDGET: Duration = Duration::from_secs(10);

/// Makes a request to the queue, and again for some seconds while it cannot be reached.
pub(crate) async fn retry_queue<T, F>(request: impl FnMut() -> F) -> Result<T, QueueError>
where
    F: Future<Output = Result<T, QueueError>>,
{
    let start = Instant::now();
    retry(QUEUE_RETRY, request, |error, _| match error {
        QueueError::Unreachable(error) if start.elapsed() < QUEUE_RETRY_BUDGET => {
            debug!(error, "the queue cannot be reached: asking again");
            true
        }
        // Refused, full or closed is an answer, which seconds do not change.
        _ => false,
    })
    .await
}

/// Makes a request until it works, `again` says of its error that it is not to be made again, or `policy` is used up.
async fn retry<T, E, F>(
    policy: RetryPolicy,
    mut request: impl FnMut() -> F,
    again: impl Fn(&E, u32) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut attempt = 1;
    loop {
        match request().await {
            Err(error) if policy.allows_another(attempt) && again(&error, attempt) => {
                sleep(policy.delay(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use image_sync_shared::failure::{FailureClass, Side, Step};

    use super::*;

    async fn requests_until_given_up(class: FailureClass) -> u32 {
        let mut requests = 0;
        let outcome: Result<(), Failure> = retry_request(RetryPolicy::IN_PLACE, || {
            requests += 1;
            async move { Err(Failure::new(Side::Source, Step::Check, "t", class, "")) }
        })
        .await;
        assert_eq!(outcome.unwrap_err().class, class);
        requests
    }

    #[tokio::test(start_paused = true)]
    async fn only_transient_failures_are_retried() {
        assert_eq!(requests_until_given_up(FailureClass::Unavailable).await, 3);
        assert_eq!(
            requests_until_given_up(FailureClass::DigestMismatch).await,
            3
        );
        assert_eq!(requests_until_given_up(FailureClass::NotFound).await, 1);
        let limited = FailureClass::RateLimited {
            retry_after_ms: None,
        };
        assert_eq!(requests_until_given_up(limited).await, 1);
    }

    #[test]
    fn a_retry_never_waits_longer_than_the_job() {
        let job = RetryPolicy {
            attempts: 9,
            initial: Duration::from_millis(1),
            max: Duration::from_millis(5),
        };
        let tries = request_policy(&job);
        assert_eq!((tries.initial, tries.max), (job.initial, job.max));
        assert_eq!(tries.attempts, RetryPolicy::IN_PLACE.attempts);
    }

    async fn tries_of_requests_that_take(time: Duration) -> u32 {
        let tries = AtomicU32::new(0);
        let failed = retry_queue(|| async {
            tries.fetch_add(1, Ordering::Relaxed);
            sleep(time).await;
            Err::<(), _>(QueueError::Unreachable("away".to_owned()))
        });
        assert!(failed.await.is_err());
        tries.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_its_queue_retried_for_long_is_not_retried_again() {
        assert_eq!(tries_of_requests_that_take(Duration::ZERO).await, 6);
        assert_eq!(tries_of_requests_that_take(Duration::from_secs(5)).await, 2);
        assert_eq!(
            tries_of_requests_that_take(Duration::from_secs(30)).await,
            1
        );
    }
}
