//! Whether there is anybody who takes jobs.

use std::time::Duration;

use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::job_queue::Lane;
use tokio::time::sleep;

use super::fetch::ConsumerState;
use crate::jetstream::client::Connection;
use crate::jetstream::names::Consumer;

/// Workers that are there ask far more often than this (see [`super::poll_backoff`]).
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Whether jobs wait in lanes, none is in anybody's hand, and nobody takes one.
pub(crate) async fn is_deserted(connection: &Connection) -> Result<bool, QueueError> {
    let first = look(connection).await?;
    if !stands_still(&first, &first) {
        return Ok(false);
    }
    sleep(BETWEEN_LOOKS).await;
    Ok(stands_still(&first, &look(connection).await?))
}

async fn look(connection: &Connection) -> Result<Vec<ConsumerState>, QueueError> {
    let mut lanes = Vec::with_capacity(Lane::ALL.len());
    for lane in Lane::ALL {
        lanes.push(connection.consumer_state(Consumer::Lane(lane)).await?);
    }
    Ok(lanes)
}

/// Whether jobs waited at both looks at the lanes, and none was taken.
fn stands_still(before: &[ConsumerState], now: &[ConsumerState]) -> bool {
    let waits = now.iter().any(|lane| lane.num_pending > 0);
    let is_taken = |(before, now): (&ConsumerState, &ConsumerState)| {
        now.num_ack_pending > 0 || now.delivered.stream_seq != before.delivered.stream_seq
    };
    waits && !before.iter().zip(now).any(is_taken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lane(num_pending: u64, num_ack_pending: u64, delivered: u64) -> ConsumerState {
        let state = json!({
            "num_pending": num_pending,
            "num_ack_pending": num_ack_pending,
            "delivered": {"stream_seq": delivered},
            "ack_floor": {"stream_seq": 0},
        });
        serde_json::from_value(state).unwrap()
    }

    #[test]
    fn lanes_stand_still_if_jobs_wait_and_none_is_in_hand_or_was_delivered() {
        let before = [lane(0, 0, 0), lane(7, 0, 3)];
        assert!(stands_still(&before, &before));
        for taken in [
            [lane(0, 0, 0), lane(0, 0, 3)],
            [lane(0, 0, 0), lane(7, 1, 3)],
            [lane(0, 0, 0), lane(6, 0, 4)],
        ] {
            assert!(!stands_still(&before, &taken), "{taken:?}");
        }
    }
}
