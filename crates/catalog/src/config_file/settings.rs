//! Settings with their defaults.

use std::time::Duration;

use image_sync_shared::config::Settings;
use image_sync_shared::ports::host_pauses::LONGEST_PAUSE;
use image_sync_shared::retry::RetryPolicy;

use super::problem::Problem;
use super::raw::{RawRetry, RawSettings};
use super::values::{Count, Span};

const CONCURRENCY: usize = 16;
const PULL_TIMEOUT: Duration = Duration::from_secs(300);
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
const RUN_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);

pub(super) fn resolve(raw: &RawSettings) -> Result<Settings, Problem> {
    Ok(Settings {
        concurrency: raw.concurrency.map_or(CONCURRENCY, Count::as_usize),
        pull_timeout: raw
            .pull_timeout_secs
            .map_or(PULL_TIMEOUT, |count| Duration::from_secs(count.get())),
        stall_timeout: timeout("stall_timeout", raw.stall_timeout, STALL_TIMEOUT)?,
        run_timeout: timeout("run_timeout", raw.run_timeout, RUN_TIMEOUT)?,
        max_pause: max_pause(raw.max_pause)?,
        skip_on_error: raw.skip_on_error.unwrap_or(false),
        retry: raw.retry.as_ref().map(retry).unwrap_or_default(),
    })
}

fn timeout(key: &str, span: Option<Span>, default: Duration) -> Result<Duration, Problem> {
    match span {
        None => Ok(default),
        Some(Span(Duration::ZERO)) => {
            Err(Problem::new("found no time at all, expected a longer duration").key(key))
        }
        Some(Span(timeout)) => Ok(timeout),
    }
}

fn max_pause(span: Option<Span>) -> Result<Duration, Problem> {
    let pause = timeout("max_pause", span, MAX_PAUSE)?;
    if pause > LONGEST_PAUSE {
        let found = humantime::format_duration(pause);
        let text = format!("found {found}, expected a duration of 24h at most");
        return Err(Problem::new(text).key("max_pause"));
    }
    Ok(pause)
}

fn retry(raw: &RawRetry) -> RetryPolicy {
    let default = RetryPolicy::default();
    RetryPolicy {
        attempts: raw.attempts.map_or(default.attempts, Count::as_u32),
        initial: raw
            .initial_delay
            .map_or(default.initial, |Span(delay)| delay),
        max: raw.max_delay.map_or(default.max, |Span(delay)| delay),
    }
}
