//! The API of registries (OCI distribution spec): manifests (sections "Pull" and "Push"), lists of tags and repositories
//! (section "Content Discovery"), referrers (section "Listing Referrers"),
//! upload sessions and blobs. Whatever is here is one or several requests of `client`.

pub(crate) mod blobs;
pub(crate) mod lists;
mod manifests;
pub(crate) mod referrers;
pub(crate) mod uploads;

use crate::client::Client;
use manifests::head_support::KnownHeadSupport;
use manifests::shared::SharedManifests;
use referrers::KnownReferrersApis;

/// A registry over HTTP.
#[derive(Clone)]
pub(crate) struct HttpRegistry {
    client: Client,
    head_support: KnownHeadSupport,
    referrers_apis: KnownReferrersApis,
    /// What is read for several targets at once; none where there is one alone.
    shared_manifests: Option<SharedManifests>,
}

impl HttpRegistry {
    /// A registry that `client` speaks to.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            shared_manifests: client.shares_reads().then(SharedManifests::new),
            client,
            head_support: KnownHeadSupport::default(),
            referrers_apis: KnownReferrersApis::default(),
        }
    }
}
