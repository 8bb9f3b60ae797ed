//! What the registry was asked.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::sync::lock::locked;
use crate::sync::watchdog::watched;

/// One request, and how far its answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its place in the order of events. Arrivals and answers share one count, so the two can be compared.
    pub sequence: u64,
    /// The place of its answer's last byte in that order; none while it is under way, or if it was cut.
    pub answered: Option<u64>,
    /// Whether it is over: answered, or cut by either side.
    pub ended: bool,
    /// Which connection it came over, counted from 0.
    pub connection: u64,
    /// The method, in upper case.
    pub method: String,
    /// The path, as it was sent, without the query.
    pub path: String,
    /// The query, as it was sent, without the question mark.
    pub query: String,
    /// The headers, names in lower case; repeated ones are joined with a comma.
    pub headers: BTreeMap<String, String>,
    /// How many bytes of its body were read.
    pub body_length: u64,
    /// The status of the answer, from when it is decided.
    pub status: Option<u16>,
}

impl Request {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether it brought credentials or a token.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.headers.contains_key("authorization")
    }

    /// Whether it has this method and a path like `pattern`, where `*` stands for any text, slashes included. `*` as
    /// the method stands for all.
    #[must_use]
    pub fn is(&self, method: &str, pattern: &str) -> bool {
        (method == "*" || self.method == method) && is_like(&self.path, pattern)
    }

    /// A parameter of the query, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// Whether `text` is like `pattern`, where `*` stands for any text.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| is_like(&text[at..], rest))
}

/// The order of events and the requests in it.
pub(super) struct Records {
    recording: AtomicBool,
    next: AtomicU64,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    by_method: Mutex<BTreeMap<String, u64>>,
    requests: Mutex<Vec<Request>>,
    changed: Notify,
}

impl Records {
    pub(super) fn new(recording: bool) -> Self {
        Self {
            recording: AtomicBool::new(recording),
            next: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            by_method: Mutex::default(),
            requests: Mutex::new(Vec::new()),
            changed: Notify::new(),
        }
    }

    /// Takes note that a request has come.
    pub(super) fn arrived(&self, request: &mut Request) {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::Relaxed);
        *locked(&self.by_method)
            .entry(request.method.clone())
            .or_default() += 1;
        if !self.recording.load(Ordering::Relaxed) {
            request.sequence = self.next.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut requests = locked(&self.requests);
        request.sequence = self.next.fetch_add(1, Ordering::Relaxed);
        requests.push(request.clone());
        drop(requests);
        self.changed.notify_waiters();
    }

    /// Takes note of the status that a request will be answered with, and of the body read so far.
    pub(super) fn decided(&self, sequence: u64, status: u16, body_length: u64) {
        self.update(sequence, |request| {
            request.status = Some(status);
            request.body_length = body_length;
        });
    }

    /// Takes note that the last byte of an answer was sent.
    pub(super) fn answered(&self, sequence: u64) {
        self.update(sequence, |request| {
            request.answered = Some(self.next.fetch_add(1, Ordering::Relaxed));
        });
    }

    /// Takes note that a request is over, answered or cut.
    pub(super) fn ended(&self, sequence: u64) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.update(sequence, |request| request.ended = true);
    }

    fn update(&self, sequence: u64, change: impl FnOnce(&mut Request)) {
        if !self.recording.load(Ordering::Relaxed) {
            return;
        }
        let mut requests = locked(&self.requests);
        if let Ok(at) = requests.binary_search_by_key(&sequence, |request| request.sequence) {
            change(&mut requests[at]);
        }
        drop(requests);
        self.changed.notify_waiters();
    }

    pub(super) fn all(&self) -> Vec<Request> {
        locked(&self.requests).clone()
    }

    pub(super) fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        locked(&self.requests).iter().filter(|r| wanted(r)).count()
    }

    pub(super) fn by_method(&self) -> BTreeMap<String, u64> {
        locked(&self.by_method).clone()
    }

    pub(super) fn clear(&self) {
        locked(&self.by_method).clear();
        locked(&self.requests).clear();
        let now = self.in_flight.load(Ordering::Relaxed);
        self.most_in_flight.store(now, Ordering::Relaxed);
    }

    pub(super) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::Relaxed)
    }

    pub(super) async fn wait_for(&self, wanted: impl Fn(&Request) -> bool) -> Request {
        let found = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let found = locked(&self.requests).iter().find(|r| wanted(r)).cloned();
                if let Some(request) = found {
                    return request;
                }
                changed.await;
            }
        };
        watched(found, || format!("no such request among {:#?}", self.all())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        assert!(is_like("/v2/a/b/blobs/sha256:1", "/v2/*/blobs/*"));
        assert!(is_like("/v2/", "/v2/"));
        assert!(is_like("/v2/", "*"));
        assert!(!is_like("/v2/a/manifests/1", "/v2/*/blobs/*"));
        assert!(!is_like("/v2/a", "/v2/"));
        assert!(is_like("aXbXc", "a*X*c") && !is_like("aXbX", "a*X*c"));
    }
}
