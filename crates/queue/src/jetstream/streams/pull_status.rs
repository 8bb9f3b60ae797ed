//! The statuses with which a server ends a pull request, or keeps it alive (NATS ADR-13 and ADR-9).

use async_nats::StatusCode;

/// A sign of life, or a request for one, while the request stands.
const IDLE: u16 = 100;
/// A limit, or the state of the consumer.
const CONFLICT: u16 = 409;

/// What a status says of the request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullStatus {
    /// It stands.
    Stands,
    /// It is over: there is nothing more now.
    NoMore,
    /// It is over, as so much was delivered as it asked for.
    Full,
    /// It is over, as the next message alone has more bytes than it asked for, if nothing was delivered.
    TooLarge,
    /// It is not taken, and would not be if it were made again.
    Refused,
    /// Its consumer is gone, or has moved.
    Lost,
}

/// What this status means. Servers add details to the descriptions, and new ones come: what is not known is taken for the
/// loss of the consumer, after which another one goes on.
pub(crate) fn meaning(status: Option<StatusCode>, description: &str) -> PullStatus {
    let says = |part: &str| {
        let description = description.to_ascii_lowercase();
        description.contains(part)
    };
    match status.map(|status| status.as_u16()) {
        Some(IDLE) => PullStatus::Stands,
        // No messages, or its time is over.
        Some(404 | 408) => PullStatus::NoMore,
        Some(CONFLICT) if says("batch completed") => PullStatus::Full,
        Some(CONFLICT) if says("message size exceeds") => PullStatus::TooLarge,
        // Of a limit that the server sets for requests. Too many that wait (`MaxWaiting`) pass.
        Some(CONFLICT) if says("exceeded maxrequest") => PullStatus::Refused,
        Some(400) => PullStatus::Refused,
        // Consumer deleted, leadership change, server shutdown (409), too many requests (429), no responders (503).
        _ => PullStatus::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_pull_request_has_its_meaning() {
        for (status, description, expected) in [
            (100, "Idle Heartbeat", PullStatus::Stands),
            (100, "FlowControl Request", PullStatus::Stands),
            (404, "No Messages", PullStatus::NoMore),
            (408, "Request Timeout", PullStatus::NoMore),
            (408, "Interest Expired", PullStatus::NoMore),
            (408, "Requests Pending", PullStatus::NoMore),
            (409, "Batch Completed", PullStatus::Full),
            (409, "Message Size Exceeds MaxBytes", PullStatus::TooLarge),
            (400, "Bad Request - no JSON", PullStatus::Refused),
            (409, "Exceeded MaxWaiting", PullStatus::Lost),
            (409, "Exceeded MaxRequestBatch of 100", PullStatus::Refused),
            (409, "Exceeded MaxRequestExpires of 1s", PullStatus::Refused),
            (
                409,
                "Exceeded MaxRequestMaxBytes of 1024",
                PullStatus::Refused,
            ),
            (409, "Consumer Deleted", PullStatus::Lost),
            (409, "Consumer is push based", PullStatus::Lost),
            (409, "Leadership Change", PullStatus::Lost),
            (409, "Server Shutdown", PullStatus::Lost),
            (409, "something new", PullStatus::Lost),
            (429, "Too Many Requests", PullStatus::Lost),
            (503, "", PullStatus::Lost),
            (200, "", PullStatus::Lost),
        ] {
            let status = StatusCode::from_u16(status).ok();
            assert_eq!(meaning(status, description), expected, "{description}");
        }
        assert_eq!(meaning(None, ""), PullStatus::Lost);
    }
}
