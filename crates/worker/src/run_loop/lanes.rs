//! Which lane comes first.

use image_sync_shared::ports::job_queue::Lane;

/// The lanes for pull number `pull`: most urgent first, but every eighth pull begins with lane retry and another eighth with
/// lane bulk, so that a lane that never runs dry starves none.
pub(crate) fn lane_order(pull: u64) -> [Lane; 3] {
    match pull % 8 {
        3 => [Lane::Retry, Lane::Now, Lane::Bulk],
        7 => [Lane::Bulk, Lane::Now, Lane::Retry],
        _ => Lane::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_comes_first_in_every_eight_pulls() {
        let firsts: Vec<Lane> = (0..8).map(|pull| lane_order(pull)[0]).collect();
        assert_eq!(firsts.iter().filter(|lane| **lane == Lane::Now).count(), 6);
        assert!(firsts.contains(&Lane::Retry) && firsts.contains(&Lane::Bulk));
        for pull in 0..8 {
            let mut lanes = lane_order(pull);
            lanes.sort();
            assert_eq!(lanes, Lane::ALL, "every pull asks all lanes");
        }
    }
}
