//! The registry as a test sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::auth::Auth;
use super::behaviour::Behaviour;
use super::faults::{Fault, Rule, Staged};
use super::records::Request;
use super::shared::Shared;
use crate::sync::lock::written;

/// A registry in this process. It ends when it is dropped.
///
/// ```
/// use image_sync_testkit::fake_registry::{Fault, Rule};
/// use image_sync_testkit::{FakeRegistry, images};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let registry = FakeRegistry::start().await?;
/// registry.put_image("app", "1", &images::image("app"));
/// let cut = registry.stage(Rule::new("GET", "/v2/app/blobs/*").nth(2), Fault::status(503));
/// // ... the code under test copies registry.image("app", "1") ...
/// assert_eq!(registry.count("GET", "/v2/app/blobs/*"), 0);
/// assert_eq!(cut.hits(), 0);
/// registry.assert_every_tag_is_complete();
/// # Ok(())
/// # }
/// ```
pub struct FakeRegistry {
    pub(super) host: String,
    pub(super) shared: Arc<Shared>,
    // Aborts the server when dropped.
    pub(super) _server: JoinSet<()>,
}

impl FakeRegistry {
    /// Its address, as it stands before an image's name: `127.0.0.1:4711`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its base URL: `http://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The name of an image in it: `127.0.0.1:4711/repository:tag`.
    #[must_use]
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.host)
    }

    /// Changes how it behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.shared.behave(change);
    }

    /// Changes how it authenticates. Tokens at `/token` stay those that it was started with.
    pub fn set_auth(&self, auth: Auth) {
        *written(&self.shared.auth) = auth;
    }

    /// Makes every request wait so long, in tokio's time.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }
}

/// What goes wrong.
impl FakeRegistry {
    /// Makes a fault happen to the requests of a rule.
    #[expect(
        clippy::must_use_candidate,
        reason = "who counts requests need not ask the fault too"
    )]
    pub fn stage(&self, rule: Rule, fault: Fault) -> Staged {
        self.shared.faults.stage(rule, fault)
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }
}

/// What it was asked.
impl FakeRegistry {
    /// All requests, in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.records.all()
    }

    /// How many requests of this method (`*`: any) had a path like `pattern`, where `*` stands for any text.
    #[must_use]
    pub fn count(&self, method: &str, pattern: &str) -> usize {
        self.count_where(|request| request.is(method, pattern))
    }

    /// How many requests there were like this.
    pub fn count_where(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.shared.records.count(wanted)
    }

    /// How many requests of each method there were. They are counted without records too.
    #[must_use]
    pub fn requests_by_method(&self) -> BTreeMap<String, u64> {
        self.shared.records.by_method()
    }

    /// Forgets all requests so far.
    pub fn reset(&self) {
        self.shared.records.clear();
    }

    /// The most requests that were under way at the same time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.shared.records.most_in_flight()
    }

    /// Returns the first request like this, when it has come. Look at `status` or `answered` to wait for an answer.
    pub async fn wait_for(&self, wanted: impl Fn(&Request) -> bool) -> Request {
        self.shared.records.wait_for(wanted).await
    }
}
