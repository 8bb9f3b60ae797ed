//! Times in which the queue cannot be reached, or has no room.

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
    /// What the queue answered, or none, after a wait, where it could not be reached or had no room.
    pub(crate) async fn sit_out<T>(
        &mut self,
        answer: Result<T, QueueError>,
    ) -> Result<Option<T>, QueueError> {
        let error = match answer {
            Err(error @ (QueueError::Unreachable(_) | QueueError::Full(_))) => error,
            answer => {
                self.is_on = false;
                return answer.map(Some);
            }
        };
        if !std::mem::replace(&mut self.is_on, true) {
            tracing::warn!(%error, "trying again until this is over");
        }
        sleep(WAIT).await;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_cannot_be_reached_or_is_full_is_waited_for() {
        let mut outage = Outage::default();
        assert_eq!(outage.sit_out(Ok(1)).await, Ok(Some(1)));
        let away = QueueError::Unreachable("away".to_owned());
        for trouble in [away, QueueError::Full("full".to_owned())] {
            assert_eq!(outage.sit_out(Err::<u8, _>(trouble)).await, Ok(None));
            assert!(outage.is_on);
        }
        let closed = Err::<u8, _>(QueueError::Closed);
        assert_eq!(outage.sit_out(closed).await, Err(QueueError::Closed));
        assert!(!outage.is_on, "the next one is told of again");
    }
}
