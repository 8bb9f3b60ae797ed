//! How many requests to one registry may be under way at the same time, which may depend on how those before ended.

use std::time::Duration;

use async_trait::async_trait;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEnd {
    /// The status of the answer; none where no answer came.
    pub status: Option<u16>,
    /// From its sending until the head of the answer came, or it was given up. Sending its body is part of it.
    pub latency: Duration,
}

/// The right to have requests to one registry under way, one after another. Dropping it gives it back.
pub trait RequestPermit: Send + Sync {
    /// A request under it has ended. One that is dropped half way is not told of.
    fn ended(&self, end: RequestEnd);
}

/// The limit of each registry, by its host.
#[async_trait]
pub trait RequestLimits: Send + Sync {
    /// Waits until one more may have a request to `host` under way. The mirrors of a host count as the host.
    async fn acquire(&self, host: &str) -> Box<dyn RequestPermit>;
}
