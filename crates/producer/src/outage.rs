//! Times in which the queue cannot be reached.

use std::time::Duration;

use image_sync_shared::ports::QueueError;
use tokio::time::sleep;

/// The wait before the queue is asked again.
const WAIT: Duration = Duration::from_secs(1);

/// Sits such times out, and says once that one has begun.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    is_on: bool,
}

impl Outage {
    /// What the queue answered, or none, after a wait, where it could not be reached.
    pub(crate) async fn sit_out<T>(
        &mut self,
        answer: Result<T, QueueError>,
    ) -> Result<Option<T>, QueueError> {
        let Err(QueueError::Unreachable(error)) = answer else {
            self.is_on = false;
            return answer.map(Some);
        };
        if !std::mem::replace(&mut self.is_on, true) {
            tracing::warn!(error, "the queue cannot be reached: trying until it can");
        }
        sleep(WAIT).await;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_cannot_be_reached_is_waited_for() {
        let mut outage = Outage::default();
        assert_eq!(outage.sit_out(Ok(1)).await, Ok(Some(1)));
        let away = || Err::<u8, _>(QueueError::Unreachable("away".to_owned()));
        for _ in 0..2 {
            assert_eq!(outage.sit_out(away()).await, Ok(None));
            assert!(outage.is_on);
        }
        let closed = Err::<u8, _>(QueueError::Closed);
        assert_eq!(outage.sit_out(closed).await, Err(QueueError::Closed));
        assert!(!outage.is_on, "the next one is told of again");
    }
}
