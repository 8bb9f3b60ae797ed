//! Short tries of one request, before its job is put back.

use std::future::Future;

use image_sync_shared::failure::{Failure, Reaction};
use image_sync_shared::retry::RetryPolicy;
use tracing::debug;

/// The tries of one request of a job with this policy; they never wait longer than the job itself would.
pub(crate) fn tries(job: &RetryPolicy) -> RetryPolicy {
    RetryPolicy {
        initial: RetryPolicy::IN_PLACE.initial.min(job.initial),
        max: RetryPolicy::IN_PLACE.max.min(job.max),
        ..RetryPolicy::IN_PLACE
    }
}

/// Makes a request, and again a few times if it fails in a way that may pass. Other failures go to the caller at once.
pub(crate) async fn in_place<T, F>(
    tries: RetryPolicy,
    mut request: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut attempt = 1;
    loop {
        match request().await {
            Err(failure) if again(&failure, tries, attempt) => {
                debug!(error = %failure, attempt, "a request failed and is made again");
                tokio::time::sleep(tries.delay(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

fn again(failure: &Failure, tries: RetryPolicy, attempt: u32) -> bool {
    failure.class.reaction() == Reaction::Retry && tries.allows_another(attempt)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image_sync_shared::failure::{FailureClass, Side, Step};

    use super::*;

    async fn requests_until_given_up(class: FailureClass) -> u32 {
        let mut requests = 0;
        let outcome: Result<(), Failure> = in_place(RetryPolicy::IN_PLACE, || {
            requests += 1;
            async move { Err(Failure::new(Side::Source, Step::Check, "t", class, "")) }
        })
        .await;
        assert_eq!(outcome.unwrap_err().class, class);
        requests
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again() {
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
    fn never_waits_longer_than_the_job() {
        let job = RetryPolicy {
            attempts: 9,
            initial: Duration::from_millis(1),
            max: Duration::from_millis(5),
        };
        let tries = tries(&job);
        assert_eq!((tries.initial, tries.max), (job.initial, job.max));
        assert_eq!(tries.attempts, RetryPolicy::IN_PLACE.attempts);
    }
}
