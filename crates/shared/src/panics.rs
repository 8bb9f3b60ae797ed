//! What a panic of one piece of work must not do to those beside it: end them, or keep them from what they share.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use thiserror::Error;

use crate::text::bounded;

/// Work that panicked: a defect in this program, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a defect in this program: {0}")]
pub struct Panicked(String);

/// What `work` comes to, or that it panicked. It is dropped then; what it shares with others must bear that it ended in the
/// middle, as it must bear that a task is dropped.
pub async fn caught<F: Future>(work: F) -> Result<F::Output, Panicked> {
    let mut work = pin!(work);
    poll_fn(
        // After a panic it is not polled again, as `poll_fn` is ready then.
        |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(said) => Poll::Ready(Err(Panicked(words(said.as_ref())))),
        },
    )
    .await
}

/// The same of work that does not wait.
pub fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|said| Panicked(words(said.as_ref())))
}

/// Locks `mutex`. What it guards is whole between any two statements that could panic, so a panic of another holder
/// spoils nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| said.downcast_ref::<&str>().copied());
    bounded(text.unwrap_or("it panicked"))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn now<F: Future>(work: F) -> F::Output {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(work).poll(&mut context) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn a_panic_becomes_an_error_that_says_what_was_said() {
        assert_eq!(now(caught(async { 7 })), Ok(7));
        assert_eq!(caught_now(|| 7), Ok(7));
        assert!(caught_now(|| panic!("{}", 1)).is_err());
        let panics = async {
            let found = 7;
            assert_eq!(found, 8, "no luck");
        };
        let error = now(caught(panics)).unwrap_err().to_string();
        assert!(
            error.contains("no luck") && error.starts_with("a defect"),
            "{error}"
        );
    }
}
