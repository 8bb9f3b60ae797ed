//! What goes wrong, when, and for which requests.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::http::interruption::{At, Then, hold};
use super::http::response::Response;
use super::records::Request;
use crate::sync::gate::Gate;
use crate::sync::lock::locked;

/// Which requests a fault is for.
#[derive(Clone)]
pub struct Rule {
    method: String,
    pattern: String,
    when: Option<Predicate>,
    skip: usize,
    times: usize,
}

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

impl Rule {
    /// All requests of this method (`*`: any) with a path like `pattern`, where `*` stands for any text.
    pub fn new(method: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            pattern: pattern.into(),
            when: None,
            skip: 0,
            times: usize::MAX,
        }
    }

    /// Only those for which `predicate` holds.
    #[must_use]
    pub fn when(mut self, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(predicate));
        self
    }

    /// Only the first `count` of them.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        (self.skip, self.times) = (0, count);
        self
    }

    /// Only the `nth` of them, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: usize) -> Self {
        (self.skip, self.times) = (nth.saturating_sub(1), 1);
        self
    }

    /// All but the first `count` of them.
    #[must_use]
    pub fn after(mut self, count: usize) -> Self {
        (self.skip, self.times) = (count, usize::MAX);
        self
    }

    fn is_for(&self, request: &Request) -> bool {
        request.is(&self.method, &self.pattern) && self.when.as_ref().is_none_or(|w| w(request))
    }
}

/// What goes wrong. Several faults may be staged for one request; they are done in the order they were staged in.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer in place of the true one, after the request's body was read.
    Answer {
        /// The status.
        status: u16,
        /// Headers beside Content-Length.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// This status at once, the request's body unread, and the connection closed.
    AnswerEarly(u16),
    /// The exchange is interrupted.
    Interrupt(At, Then),
    /// The request waits at the gate before anything is done about it.
    Hold(Gate),
    /// The request waits so long, in tokio's time.
    Delay(Duration),
    /// The body lacks its last bytes, and Content-Length says so.
    TooShort(u64),
    /// The body has more bytes than it should, and Content-Length says so.
    TooLong(u64),
    /// The body has its length, but its first byte is another.
    WrongBytes,
    /// The body is compressed once more, and Content-Encoding says so.
    Encoded,
    /// What was asked is done, but the answer has this status and nothing else, as of a proxy that did not wait for it.
    DoneButAnswered(u16),
    /// A header is added, or replaced where it is present.
    SetHeader(String, String),
    /// A header is left out.
    DropHeader(String),
    /// 307 to the same path elsewhere.
    Redirect {
        /// The other server, as in `http://127.0.0.1:4711`.
        base: String,
        /// The query of the new URL, where signed URLs keep their secret.
        query: String,
    },
}

/// A fault that was staged.
#[derive(Clone)]
pub struct Staged(Arc<Entry>);

struct Entry {
    rule: Rule,
    fault: Fault,
    seen: AtomicUsize,
    hits: AtomicUsize,
    over: AtomicBool,
}

impl Staged {
    /// How often it happened.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.0.hits.load(Ordering::SeqCst)
    }

    /// It happens no more.
    pub fn end(&self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

impl Fault {
    /// An answer of this status with an error body of the OCI form.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let body =
            r#"{"errors":[{"code":"UNKNOWN","message":"staged by the test","detail":null}]}"#;
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_owned(),
        }
    }

    /// 429, with Retry-After where it is given: seconds or a date.
    #[must_use]
    pub fn rate_limited(retry_after: Option<&str>) -> Self {
        let answer = Self::status(429);
        match retry_after {
            Some(value) => answer.with_header("retry-after", value),
            None => answer,
        }
    }

    /// The connection is reset.
    #[must_use]
    pub fn reset(at: At) -> Self {
        Self::Interrupt(at, Then::Reset)
    }

    /// The connection is closed.
    #[must_use]
    pub fn close(at: At) -> Self {
        Self::Interrupt(at, Then::Close)
    }

    /// The exchange stalls until the gate is released.
    #[must_use]
    pub fn stall(at: At, gate: &Gate) -> Self {
        Self::Interrupt(at, Then::Stall(gate.clone()))
    }

    /// The request is held until the gate is released.
    #[must_use]
    pub fn hold(gate: &Gate) -> Self {
        Self::Hold(gate.clone())
    }

    /// A redirect to the same path at another base URL.
    #[must_use]
    pub fn redirect(base: &str, query: &str) -> Self {
        Self::Redirect {
            base: base.to_owned(),
            query: query.to_owned(),
        }
    }

    /// An [`Answer`](Self::Answer) with one more header; anything else stays as it is.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// An [`Answer`](Self::Answer) with another body; anything else stays as it is.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<String>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }

    /// Waits where it says so; an error if `client_left` comes first.
    pub(super) async fn wait(&self, client_left: impl Future<Output = ()>) -> io::Result<()> {
        match self {
            Self::Hold(gate) => hold(gate, client_left).await,
            Self::Delay(time) => {
                tokio::time::sleep(*time).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The answer that takes the true one's place.
    pub(super) fn answer(&self) -> Option<Response> {
        match self {
            Self::Answer {
                status,
                headers,
                body,
            } => Some(headers.iter().fold(
                Response::new(*status).text(body.clone()),
                |response, (name, value)| response.header(name, value),
            )),
            Self::AnswerEarly(status) => Some(Response::new(*status).closing()),
            _ => None,
        }
    }

    /// The answer as this fault leaves it.
    pub(super) fn bend(&self, response: Response, request: &Request) -> Response {
        match self {
            Self::TooShort(bytes) => response.shortened(*bytes),
            Self::TooLong(bytes) => response.lengthened(*bytes),
            Self::WrongBytes => response.corrupted(),
            Self::Encoded => response.encoded(),
            Self::DoneButAnswered(status) => Response::new(*status),
            Self::SetHeader(name, value) => response.header(name, value),
            Self::DropHeader(name) => response.without(name),
            Self::Redirect { base, query } => {
                let location = format!("{base}{}?{query}", request.path);
                Response::new(307).header("location", &location)
            }
            _ => response,
        }
    }
}

/// All that was staged.
#[derive(Default)]
pub(super) struct Faults {
    any: AtomicBool,
    staged: Mutex<Vec<Arc<Entry>>>,
}

impl Faults {
    pub(super) fn stage(&self, rule: Rule, fault: Fault) -> Staged {
        let entry = Arc::new(Entry {
            rule,
            fault,
            seen: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        locked(&self.staged).push(entry.clone());
        self.any.store(true, Ordering::SeqCst);
        Staged(entry)
    }

    pub(super) fn clear(&self) {
        self.any.store(false, Ordering::SeqCst);
        locked(&self.staged).clear();
    }

    /// The faults that this request meets; they count it.
    pub(super) fn met_by(&self, request: &Request) -> Vec<Fault> {
        if !self.any.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let staged = locked(&self.staged).clone();
        staged
            .iter()
            .filter(|entry| !entry.over.load(Ordering::SeqCst) && entry.rule.is_for(request))
            .filter(|entry| entry.counts())
            .map(|entry| entry.fault.clone())
            .collect()
    }
}

impl Entry {
    fn counts(&self) -> bool {
        let nth = self.seen.fetch_add(1, Ordering::SeqCst);
        let meets = nth >= self.rule.skip && nth - self.rule.skip < self.rule.times;
        self.hits.fetch_add(usize::from(meets), Ordering::SeqCst);
        meets
    }
}
