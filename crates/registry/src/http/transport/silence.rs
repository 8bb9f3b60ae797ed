//! Hosts that accept a request and say nothing: that is told long before the request is given up.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use image_sync_shared::panics::lock;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::warn;

/// How long an answer may take before it is told that there is none.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// The hosts of which it was told, and which have not answered since.
#[derive(Debug, Default)]
pub(super) struct SilentHosts(Mutex<HashSet<String>>);

impl SilentHosts {
    /// Waits for the answer of a host, for `limit` at most, and says once if none comes for some seconds. Many requests to
    /// one host are told of once, until it answers again. Without a limit its body may be under way, and nothing is told.
    pub(super) async fn within<T>(
        &self,
        host: &str,
        limit: Option<Duration>,
        answer: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        match limit {
            Some(limit) => timeout(limit, self.watch(host, limit, answer)).await,
            None => Ok(answer.await),
        }
    }

    async fn watch<T>(&self, host: &str, limit: Duration, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        if let Ok(answered) = timeout(SILENT_AFTER, &mut answer).await {
            self.answered(host);
            return answered;
        }
        if self.falls_silent(host) {
            let (silent, limit) = (SILENT_AFTER.as_secs(), limit.as_secs());
            warn!(
                host,
                "no answer for {silent} s: the request is given up after {limit} s, and tried again"
            );
        }
        let answered = answer.await;
        self.answered(host);
        answered
    }

    /// Whether that is news.
    fn falls_silent(&self, host: &str) -> bool {
        lock(&self.0).insert(host.to_owned())
    }

    fn answered(&self, host: &str) {
        lock(&self.0).remove(host);
    }

    #[cfg(test)]
    fn is_silent(&self, host: &str) -> bool {
        lock(&self.0).contains(host)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_host_that_answers_in_time_is_not_silent() {
        let hosts = SilentHosts::default();
        let answer = async {
            sleep(Duration::from_secs(4)).await;
            assert!(!hosts.is_silent("a"));
            7
        };
        assert_eq!(hosts.watch("a", LIMIT, answer).await, 7);
    }

    #[test]
    fn that_a_host_is_silent_is_news_once_until_it_answers_again() {
        let hosts = SilentHosts::default();
        assert!(hosts.falls_silent("a") && hosts.falls_silent("b"));
        assert!(!hosts.falls_silent("a"));
        hosts.answered("a");
        assert!(hosts.falls_silent("a") && !hosts.falls_silent("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_silent_until_it_answers_again() {
        let hosts = SilentHosts::default();
        let given_up = hosts.within("a", Some(LIMIT), pending::<()>()).await;
        assert!(given_up.is_err());
        assert!(hosts.is_silent("a") && !hosts.is_silent("b"));
        hosts.watch("a", LIMIT, ready(())).await;
        assert!(!hosts.is_silent("a"));

        let late = async {
            sleep(Duration::from_secs(9)).await;
            assert!(hosts.is_silent("a"));
        };
        hosts.watch("a", LIMIT, late).await;
        assert!(!hosts.is_silent("a"));
    }
}
