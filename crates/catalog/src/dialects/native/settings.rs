//! The mapping `settings`, with its defaults.

use std::time::Duration;

use image_sync_shared::config::{ImageDefaults, Settings};
use image_sync_shared::image::platform::{Platform, Platforms};
use image_sync_shared::ports::queue::host_pauses::LONGEST_PAUSE;
use image_sync_shared::retry::RetryPolicy;
use image_sync_shared::run::job::{ImagePolicy, Trust};

use crate::document::{Keys, Node};
use crate::entry::trust;
use crate::problem::{Problem, Problems};

use super::values::{Count, MAX_SECONDS, Span};

const CONCURRENCY: usize = 16;
const PULL_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
const RUN_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);

pub(super) const KEYS: [&str; 14] = [
    "concurrency",
    "pull_timeout_secs",
    "skip_on_error",
    "default_platform",
    "cache_insecure",
    "source_tls_verify",
    "preferred_tool",
    "connect_timeout",
    "response_timeout",
    "helper_timeout",
    "stall_timeout",
    "run_timeout",
    "max_pause",
    "retry",
];
pub(super) const RETRY_KEYS: [&str; 3] = ["attempts", "initial_delay", "max_delay"];

/// What the mapping `settings` says.
pub(super) struct SettingsAndDefaults {
    pub(super) settings: Settings,
    pub(super) defaults: ImageDefaults,
    pub(super) warnings: Vec<Problem>,
}

pub(super) fn read(node: &Node) -> Result<SettingsAndDefaults, Problems> {
    let keys = Keys::of(node, "a mapping of settings", &KEYS)?;
    let concurrency: Option<Count<10_000>> = keys.get("concurrency");
    let pull_timeout: Option<Count<MAX_SECONDS>> = keys.get("pull_timeout_secs");
    let settings = Settings {
        concurrency: concurrency.map_or(CONCURRENCY, Count::as_usize),
        pull_timeout: pull_timeout.map_or(PULL_TIMEOUT, |count| Duration::from_secs(count.get())),
        connect_timeout: timeout(&keys, "connect_timeout", CONNECT_TIMEOUT),
        response_timeout: timeout(&keys, "response_timeout", RESPONSE_TIMEOUT),
        helper_timeout: timeout(&keys, "helper_timeout", HELPER_TIMEOUT),
        stall_timeout: timeout(&keys, "stall_timeout", STALL_TIMEOUT),
        run_timeout: timeout(&keys, "run_timeout", RUN_TIMEOUT),
        max_pause: max_pause(&keys),
        skip_on_error: keys.get("skip_on_error").unwrap_or(false),
        retry: keys.nested("retry", retry).unwrap_or_default(),
    };
    let defaults = defaults(&keys);
    let mut warnings = Vec::new();
    if keys.get::<String>("preferred_tool").is_some() {
        let text = "this has no effect, as no tool is run; remove it";
        let problem = Problem::new(text).key("preferred_tool");
        warnings.push(problem.key("settings"));
    }
    keys.finish(Some(SettingsAndDefaults {
        settings,
        defaults,
        warnings,
    }))
}

/// What an image has where it says nothing itself.
fn defaults(keys: &Keys<'_>) -> ImageDefaults {
    let usual = || Platforms::One(Platform::stated("linux", "amd64", None));
    let source_tls_verify: Option<bool> = keys.get("source_tls_verify");
    let cache_insecure: Option<bool> = keys.get("cache_insecure");
    ImageDefaults {
        platforms: keys.get("default_platform").unwrap_or_else(usual),
        source_trust: trust(!source_tls_verify.unwrap_or(true)),
        target_trust: cache_insecure.map_or(Trust::InsecureByDefault, trust),
        policy: ImagePolicy::default(),
        targets: None,
    }
}

fn timeout(keys: &Keys<'_>, key: &str, default: Duration) -> Duration {
    let timeout = match keys.get(key) {
        Some(Span(Duration::ZERO)) => {
            let text = "found no time at all, expected a longer duration";
            Err(Problem::new(text).key(key))
        }
        span => Ok(span.map(|Span(timeout)| timeout)),
    };
    keys.ok(timeout).flatten().unwrap_or(default)
}

fn max_pause(keys: &Keys<'_>) -> Duration {
    let pause = timeout(keys, "max_pause", MAX_PAUSE);
    if pause > LONGEST_PAUSE {
        let found = humantime::format_duration(pause);
        let text = format!("found {found}, expected a duration of 24h at most");
        keys.report(Problem::new(text).key("max_pause"));
    }
    pause
}

fn retry(node: &Node) -> Result<RetryPolicy, Problems> {
    const EXPECTED: &str = "a mapping with attempts, initial_delay and max_delay";
    let keys = Keys::of(node, EXPECTED, &RETRY_KEYS)?;
    let default = RetryPolicy::default();
    let attempts: Option<Count<100>> = keys.get("attempts");
    let delay = |key| keys.get(key).map(|Span(delay)| delay);
    let policy = RetryPolicy {
        attempts: attempts.map_or(default.attempts, Count::as_u32),
        initial: delay("initial_delay").unwrap_or(default.initial),
        max: delay("max_delay").unwrap_or(default.max),
    };
    keys.finish(Some(policy))
}
