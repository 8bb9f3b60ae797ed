//! Dead letters over plain memory.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetterReader, DeadLetters};

use crate::sync::lock::locked;

/// The letters, in the order in which they came.
pub struct FakeLetters(Mutex<VecDeque<DeadLetter>>);

impl FakeLetters {
    /// These letters.
    pub fn of(letters: impl IntoIterator<Item = DeadLetter>) -> Self {
        Self(Mutex::new(letters.into_iter().collect()))
    }

    /// The ids of those that are left.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let letters = locked(&self.0);
        letters.iter().map(|letter| letter.id.clone()).collect()
    }
}

struct FakeReader(VecDeque<DeadLetter>);

#[async_trait]
impl DeadLetterReader for FakeReader {
    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        Ok(self.0.pop_front())
    }
}

#[async_trait]
impl DeadLetters for FakeLetters {
    async fn put(&self, letter: DeadLetter) -> Result<(), QueueError> {
        locked(&self.0).push_back(letter);
        Ok(())
    }

    async fn read(&self) -> Result<Box<dyn DeadLetterReader>, QueueError> {
        Ok(Box::new(FakeReader(locked(&self.0).clone())))
    }

    async fn get(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        let letters = locked(&self.0);
        Ok(letters.iter().find(|letter| letter.id == id).cloned())
    }

    async fn take(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        let mut letters = locked(&self.0);
        let found = letters.iter().position(|letter| letter.id == id);
        Ok(found.and_then(|found| letters.remove(found)))
    }
}
