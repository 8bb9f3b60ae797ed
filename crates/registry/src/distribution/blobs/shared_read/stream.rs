//! One answer to GET of a blob, and those who read it.
//!
//! Nobody owns it. Whoever needs bytes that have not come yet reads them off the connection, for all; the others wait for that one,
//! and the next of them goes on where it is dropped in the middle.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use image_sync_shared::failure::Failure;
use image_sync_shared::panics::lock;
use reqwest::Response;
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::budget::Reservation;
use super::window::{Kept, ReaderId, Window};
use crate::client::Permits;
use crate::client::mirror::Mirrored;
use crate::http::RequestError;
use crate::http::body::encoding;
use crate::http::connection::explain_cut;

/// An answer, its body on the way.
pub(in crate::distribution::blobs) struct Answer {
    pub(in crate::distribution::blobs) response: Response,
    /// How many bytes of the body are yet to be skipped.
    pub(in crate::distribution::blobs) skip: u64,
    /// That its connection is counted, where its readers do not see to that themselves.
    pub(in crate::distribution::blobs) permits: Option<Arc<Permits>>,
}

/// A stream of the bytes of a blob, from some place on.
pub(super) struct Stream {
    /// Where in the blob it begins.
    base: u64,
    /// How many bytes the blob has.
    size: u64,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    window: Window,
    connection: Connection,
    /// The memory of the window; none where it has one reader alone.
    reservation: Option<Reservation>,
    /// What the head of the answer told.
    mirrored: Option<Mirrored>,
    encoding: Option<String>,
    /// Whether its bytes are wrong, or do not come.
    is_distrusted: bool,
}

enum Connection {
    /// The request is under way.
    Opening,
    /// Nobody reads at the moment.
    Idle(Answer),
    /// A reader has it.
    Driven,
    /// All came.
    Ended,
    /// It was cut. Whoever goes on first takes over its permits.
    Cut(RequestError, Option<Arc<Permits>>),
    /// The request failed.
    Refused(Failure),
    /// Whoever made the request was dropped.
    Abandoned,
}

/// What a reader gets.
pub(in crate::distribution::blobs) enum Next {
    /// The next bytes.
    Bytes(Bytes),
    /// Nothing more: all came.
    End,
    /// Nothing from this stream: the others are too far ahead.
    Behind,
    /// Nothing from this stream: it was cut.
    Cut(RequestError),
}

/// Why a stream did not begin.
pub(in crate::distribution::blobs) enum Unopened {
    /// The request failed, as it would for whoever makes it.
    Refused(Failure),
    /// Whoever made the request was dropped.
    Abandoned,
}

impl Stream {
    /// A stream that begins at `base` of a blob of `size` bytes, with its first reader. Without a reservation it has no other.
    pub(super) fn begin(base: u64, size: u64, reservation: Option<Reservation>) -> Lead {
        let limit = reservation.as_ref().map_or(0, Reservation::bytes);
        let mut window = Window::new(base, limit);
        let id = window.join(base).unwrap_or_default();
        let is_shared = reservation.is_some();
        if !is_shared {
            window.close();
        }
        let stream = Arc::new(Self {
            base,
            size,
            state: Mutex::new(State {
                window,
                connection: Connection::Opening,
                reservation,
                mirrored: None,
                encoding: None,
                is_distrusted: false,
            }),
            changed: Notify::new(),
        });
        Lead {
            opener: Opener(Arc::clone(&stream)),
            reader: Reader { stream, id },
            is_shared,
        }
    }

    /// A further reader, if it may begin at `position`.
    pub(super) fn join(self: &Arc<Self>, position: u64) -> Option<Reader> {
        let mut state = self.state();
        let is_of_use = matches!(
            state.connection,
            Connection::Opening | Connection::Idle(_) | Connection::Driven | Connection::Ended
        );
        if !is_of_use || state.is_distrusted {
            return None;
        }
        let id = state.window.join(position)?;
        let stream = Arc::clone(self);
        Some(Reader { stream, id })
    }

    /// How many bytes it keeps, where those are all of the blob.
    pub(super) fn kept_whole(&self) -> Option<u64> {
        let state = self.state();
        let is_whole = matches!(state.connection, Connection::Ended)
            && state.window.is_open()
            && !state.is_distrusted;
        let reserved = state.reservation.as_ref().map(Reservation::bytes);
        reserved.filter(|_| is_whole)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Gives back what a reader that is alone does not need.
    fn settle(&mut self) {
        if self.reservation.is_some() && self.window.is_lonely() {
            self.window.close();
            self.reservation = None;
        }
    }
}

/// The right and the duty to open a stream. Dropping it passes both on.
pub(in crate::distribution::blobs) struct Lead {
    opener: Opener,
    reader: Reader,
    /// Whether others may read it too.
    pub(in crate::distribution::blobs) is_shared: bool,
}

struct Opener(Arc<Stream>);

impl Lead {
    /// The request was answered, or failed.
    pub(in crate::distribution::blobs) fn opened(
        self,
        answer: Result<Answer, Failure>,
    ) -> Result<Reader, Failure> {
        let mut state = self.opener.0.state();
        match answer {
            Ok(answer) => {
                state.mirrored = Some(Mirrored::of(&answer.response));
                state.encoding = encoding::label(answer.response.headers());
                state.connection = Connection::Idle(answer);
                drop(state);
                self.opener.0.changed.notify_waiters();
                Ok(self.reader)
            }
            Err(failure) => {
                state.connection = Connection::Refused(failure.clone());
                drop(state);
                self.opener.0.changed.notify_waiters();
                Err(failure)
            }
        }
    }

    /// A stream for one reader, from `base` on of a blob of `size` bytes.
    pub(in crate::distribution::blobs) fn alone(base: u64, size: u64) -> Self {
        Stream::begin(base, size, None)
    }

    /// Where in the blob it begins.
    pub(in crate::distribution::blobs) fn position(&self) -> u64 {
        self.opener.0.base
    }

    /// The stream, for others to join.
    pub(super) fn stream(&self) -> &Arc<Stream> {
        &self.opener.0
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(state.connection, Connection::Opening) {
            state.connection = Connection::Abandoned;
            drop(state);
            self.0.changed.notify_waiters();
        }
    }
}

/// One reader of a stream.
pub(in crate::distribution::blobs) struct Reader {
    stream: Arc<Stream>,
    id: ReaderId,
}

impl Reader {
    /// Returns when the request is answered, or failed.
    pub(in crate::distribution::blobs) async fn opened(&self) -> Result<(), Unopened> {
        loop {
            let mut changed = pin!(self.stream.changed.notified());
            changed.as_mut().enable();
            match &self.stream.state().connection {
                Connection::Opening => {}
                Connection::Refused(failure) => return Err(Unopened::Refused(failure.clone())),
                Connection::Abandoned => return Err(Unopened::Abandoned),
                _ => return Ok(()),
            }
            changed.await;
        }
    }

    /// The next bytes, off the connection if nobody else is reading from it.
    pub(in crate::distribution::blobs) async fn next(&self) -> Next {
        loop {
            let mut changed = pin!(self.stream.changed.notified());
            changed.as_mut().enable();
            match self.next_kept() {
                Step::Ready(next) => return next,
                Step::Wait => changed.await,
                Step::Drive(answer, is_ahead) => {
                    let mut turn = Turn {
                        stream: &self.stream,
                        answer: Some(answer),
                    };
                    // Not a wait: those who could read now, and have but no processor, get theirs first.
                    if is_ahead {
                        yield_now().await;
                    }
                    turn.drive().await;
                }
            }
        }
    }

    fn next_kept(&self) -> Step {
        let mut state = self.stream.state();
        let kept = state.window.read(self.id);
        state.settle();
        match kept {
            Kept::Bytes(bytes) => return Step::Ready(Next::Bytes(bytes)),
            Kept::Behind => return Step::Ready(Next::Behind),
            Kept::Nothing => {}
        }
        match &state.connection {
            Connection::Opening | Connection::Driven => return Step::Wait,
            Connection::Ended => return Step::Ready(Next::End),
            Connection::Cut(error, _) => return Step::Ready(Next::Cut(error.clone())),
            Connection::Refused(_) | Connection::Abandoned => return Step::Ready(Next::Behind),
            Connection::Idle(_) => {}
        }
        match std::mem::replace(&mut state.connection, Connection::Driven) {
            Connection::Idle(answer) => Step::Drive(answer, state.window.has_slower_readers()),
            other => {
                state.connection = other;
                Step::Wait
            }
        }
    }

    /// The permits of a stream that was cut, for the one who goes on first.
    pub(in crate::distribution::blobs) fn take_permits(&self) -> Option<Arc<Permits>> {
        match &mut self.stream.state().connection {
            Connection::Cut(_, permits) => permits.take(),
            _ => None,
        }
    }

    /// Notes that its bytes are wrong, or do not come: nobody else begins to read them.
    pub(in crate::distribution::blobs) fn distrust(&self) {
        let mut state = self.stream.state();
        state.is_distrusted = true;
        if let Some(mirrored) = &state.mirrored {
            mirrored.distrust();
        }
    }

    /// The Content-Encoding that its bytes are labelled with.
    pub(in crate::distribution::blobs) fn encoding(&self) -> Option<String> {
        self.stream.state().encoding.clone()
    }

    pub(super) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.stream.state();
        state.window.leave(self.id);
        state.settle();
    }
}

enum Step {
    Ready(Next),
    Wait,
    /// With whether others are behind.
    Drive(Answer, bool),
}

/// The turn of one reader to read off the connection, for all. Dropping it passes it on.
struct Turn<'a> {
    stream: &'a Stream,
    answer: Option<Answer>,
}

impl Turn<'_> {
    /// Reads once.
    async fn drive(&mut self) {
        let Some(answer) = &mut self.answer else {
            return;
        };
        let read = answer.response.chunk().await;
        let mut state = self.stream.state();
        let ended = match read {
            Ok(Some(chunk)) => {
                let mut fresh = answer.unskipped(chunk);
                if state.reservation.is_some() {
                    // As a part of the connection's buffer it would keep all of that.
                    fresh = Bytes::copy_from_slice(&fresh);
                }
                if !fresh.is_empty() {
                    state.window.push(fresh);
                }
                return;
            }
            Ok(None) => Connection::Ended,
            // All bytes came, so nothing is lost with the connection.
            Err(_) if state.window.end() >= self.stream.size => Connection::Ended,
            Err(error) => {
                let error = error.with_url(answer.response.url().clone());
                Connection::Cut(explain_cut(&error), answer.permits.take())
            }
        };
        state.connection = ended;
        self.answer = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            self.stream.state().connection = Connection::Idle(answer);
        }
        self.stream.changed.notify_waiters();
    }
}

impl Answer {
    fn unskipped(&mut self, mut chunk: Bytes) -> Bytes {
        let skipped = usize::try_from(self.skip).map_or(chunk.len(), |skip| skip.min(chunk.len()));
        self.skip -= skipped as u64;
        chunk.split_off(skipped)
    }
}
