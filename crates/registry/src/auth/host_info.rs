//! What the first answer of a server told.

use reqwest::Url;

use super::Challenge;

/// What the first answer of a server told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostInfo {
    /// Its scheme, host and port.
    pub(crate) base: Url,
    /// Whether its certificate could not be verified, and it is spoken to all the same.
    pub(crate) unverified: bool,
    /// What it wants of who asks.
    pub(crate) challenge: Challenge,
}
