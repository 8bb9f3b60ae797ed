//! Finding something out once for all who need it.

use std::sync::{Mutex, MutexGuard};

use image_sync_shared::panics::lock;

use crate::http::RequestError;

/// A value that one caller finds out while the others wait for it. A failure is shared by those who waited for it, so
/// that a host that does not answer costs a crowd one timeout and not one after another.
pub(crate) struct SingleFlight<T, E = RequestError> {
    state: Mutex<State<T, E>>,
    turn: tokio::sync::Mutex<()>,
}

struct State<T, E> {
    value: Option<T>,
    failures: u64,
    last_failure: Option<E>,
}

/// What a caller gets.
pub(crate) enum Flight<'a, T, E = RequestError> {
    /// The value.
    Known(T),
    /// Who had the turn before failed, while this caller waited.
    Failed(E),
    /// This caller's turn to find the value out.
    Leader(Leader<'a, T, E>),
}

/// The right to find the value out. Dropping it passes the turn on, with nothing learnt.
pub(crate) struct Leader<'a, T, E = RequestError> {
    flight: &'a SingleFlight<T, E>,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl<T, E> Default for SingleFlight<T, E> {
    fn default() -> Self {
        let state = State {
            value: None,
            failures: 0,
            last_failure: None,
        };
        Self {
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl<T: Clone, E: Clone> SingleFlight<T, E> {
    /// The value where there is one that is `usable`; else waits for this caller's turn to find it out.
    pub(crate) async fn join(&self, usable: impl Fn(&T) -> bool) -> Flight<'_, T, E> {
        let failures_before = {
            let state = self.state();
            if let Some(value) = state.value.as_ref().filter(|value| usable(value)) {
                return Flight::Known(value.clone());
            }
            state.failures
        };
        let turn = self.turn.lock().await;
        // Whoever had the turn may have found it meanwhile.
        let state = self.state();
        if let Some(value) = state.value.as_ref().filter(|value| usable(value)) {
            return Flight::Known(value.clone());
        }
        match &state.last_failure {
            // An older one than this wait says nothing of how it would go now.
            Some(failure) if state.failures > failures_before => Flight::Failed(failure.clone()),
            _ => Flight::Leader(Leader {
                flight: self,
                _turn: turn,
            }),
        }
    }

    /// The value as it is now.
    pub(crate) fn peek(&self) -> Option<T> {
        self.state().value.clone()
    }

    /// Puts `value` in the place of the present one.
    pub(crate) fn replace(&self, value: T) {
        self.state().value = Some(value);
    }

    /// Forgets the value if it is `unwanted`.
    pub(crate) fn forget_if(&self, unwanted: impl Fn(&T) -> bool) {
        let mut state = self.state();
        if state.value.as_ref().is_some_and(unwanted) {
            state.value = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        lock(&self.state)
    }
}

impl<T: Clone, E: Clone> Leader<'_, T, E> {
    /// The value is found.
    pub(crate) fn found(self, value: T) {
        self.flight.replace(value);
    }

    /// It could not be found out, and those who wait need not try.
    pub(crate) fn failed(self, failure: &E) {
        let mut state = self.flight.state();
        state.failures += 1;
        state.last_failure = Some(failure.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use image_sync_shared::failure::FailureClass;

    use super::*;

    fn failure() -> RequestError {
        RequestError::new(FailureClass::Timeout, "no answer")
    }

    async fn ask(
        flight: &SingleFlight<u32>,
        asked: &AtomicUsize,
        answer: Result<u32, RequestError>,
    ) -> Result<u32, RequestError> {
        match flight.join(|_| true).await {
            Flight::Known(value) => Ok(value),
            Flight::Failed(failure) => Err(failure),
            Flight::Leader(leader) => {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                match &answer {
                    Ok(value) => leader.found(*value),
                    Err(failure) => leader.failed(failure),
                }
                answer
            }
        }
    }

    #[tokio::test]
    async fn fifty_callers_ask_once() {
        let (flight, asked) = (SingleFlight::default(), AtomicUsize::new(0));
        let answers = join_all((0..50).map(|_| ask(&flight, &asked, Ok(7)))).await;
        assert!(answers.iter().all(|answer| *answer == Ok(7)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn those_who_waited_share_a_failure_and_later_ones_ask_again() {
        let (flight, asked) = (SingleFlight::default(), AtomicUsize::new(0));
        let answers = join_all((0..50).map(|_| ask(&flight, &asked, Err(failure())))).await;
        assert!(answers.iter().all(|answer| *answer == Err(failure())));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(ask(&flight, &asked, Ok(7)).await, Ok(7));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_turn_that_is_dropped_goes_to_the_next() {
        let flight = SingleFlight::<u32>::default();
        let Flight::Leader(leader) = flight.join(|_| true).await else {
            panic!("nothing is known yet");
        };
        drop(leader);
        assert!(matches!(flight.join(|_| true).await, Flight::Leader(_)));
    }

    #[tokio::test]
    async fn what_is_not_usable_is_found_out_anew() {
        let flight = SingleFlight::<u32>::default();
        flight.replace(1);
        assert!(matches!(
            flight.join(|value| *value > 1).await,
            Flight::Leader(_)
        ));
        flight.forget_if(|value| *value == 2);
        assert_eq!(flight.peek(), Some(1));
        flight.forget_if(|value| *value == 1);
        assert_eq!(flight.peek(), None);
    }
}
