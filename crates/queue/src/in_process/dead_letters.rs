//! Dead letters in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use image_sync_shared::panics::lock;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::dead_letters::{DeadLetter, DeadLetterReader, DeadLetters};

#[derive(Default)]
struct Letters {
    next_number: u64,
    by_age: BTreeMap<u64, DeadLetter>,
    by_id: HashMap<String, u64>,
}

impl Letters {
    fn put(&mut self, letter: DeadLetter) {
        if let Some(replaced) = self.by_id.insert(letter.id.clone(), self.next_number) {
            self.by_age.remove(&replaced);
        }
        self.by_age.insert(self.next_number, letter);
        self.next_number += 1;
    }

    fn get(&self, id: &str) -> Option<&DeadLetter> {
        self.by_age.get(self.by_id.get(id)?)
    }

    fn take(&mut self, id: &str) -> Option<DeadLetter> {
        let number = self.by_id.remove(id)?;
        self.by_age.remove(&number)
    }

    fn drop_oldest(&mut self) {
        if let Some((_, letter)) = self.by_age.pop_first() {
            self.by_id.remove(&letter.id);
        }
    }
}

/// Keeps the last letters.
pub(super) struct InProcessDeadLetters {
    capacity: usize,
    letters: Mutex<Letters>,
}

impl InProcessDeadLetters {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            letters: Mutex::default(),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        lock(&self.letters).by_age.len() as u64
    }

    /// Keeps a letter, and drops the oldest if there are too many.
    pub(super) fn keep(&self, letter: DeadLetter) {
        let mut letters = lock(&self.letters);
        letters.put(letter);
        if letters.by_age.len() > self.capacity {
            letters.drop_oldest();
        }
    }
}

#[async_trait]
impl DeadLetters for InProcessDeadLetters {
    async fn put(&self, letter: DeadLetter) -> Result<(), QueueError> {
        self.keep(letter);
        Ok(())
    }

    async fn read(&self) -> Result<Box<dyn DeadLetterReader>, QueueError> {
        let letters = lock(&self.letters).by_age.values().cloned().collect();
        Ok(Box::new(Reader(letters)))
    }

    async fn get(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        Ok(lock(&self.letters).get(id).cloned())
    }

    async fn take(&self, id: &str) -> Result<Option<DeadLetter>, QueueError> {
        Ok(lock(&self.letters).take(id))
    }
}

/// There are few enough to be copied.
struct Reader(VecDeque<DeadLetter>);

#[async_trait]
impl DeadLetterReader for Reader {
    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        Ok(self.0.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_number_of_letters_is_bounded_and_the_oldest_goes_first() {
        let letters = InProcessDeadLetters::new(3);
        for number in 0..100 {
            letters.keep(DeadLetter {
                id: number.to_string(),
                died_at: datetime!(2026-11-20 12:00 UTC),
                reason: String::new(),
                job: None,
                raw: None,
            });
        }
        let letters = lock(&letters.letters);
        let kept: Vec<&str> = letters
            .by_age
            .values()
            .map(|kept| kept.id.as_str())
            .collect();
        assert_eq!(kept, ["97", "98", "99"]);
        assert_eq!(letters.by_id.len(), 3);
    }
}
