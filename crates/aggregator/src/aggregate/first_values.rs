//! Values by place, kept outside of memory.

use std::io::{self, BufRead as _, BufReader};
use std::marker::PhantomData;

use image_sync_spool::Spool;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sparse::Sparse;

/// The first value of each place, as lines of JSON in a spool.
pub(super) struct FirstValues<T> {
    lines: Spool,
    offsets: Sparse<u64>,
    values: PhantomData<fn() -> T>,
}

impl<T> Default for FirstValues<T> {
    fn default() -> Self {
        Self {
            lines: Spool::new(None),
            offsets: Sparse::default(),
            values: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> FirstValues<T> {
    /// Keeps `value` at `idx`, unless there is one already. Says whether it did.
    pub(super) fn put(&mut self, idx: u32, value: &T) -> io::Result<bool> {
        // A line that cannot be appended leaves an offset behind, which nobody reads: its error ends the whole reading.
        if !self.offsets.insert_first(idx, self.lines.len()) {
            return Ok(false);
        }
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.lines.append(&line)?;
        Ok(true)
    }

    /// All values in the order of their places.
    pub(super) fn iter(&mut self) -> impl Iterator<Item = io::Result<T>> {
        let mut lines = BufReader::new(self.lines.reader());
        let mut position = 0_u64;
        let mut line = Vec::new();
        self.offsets.iter().map(move |(_, offset)| {
            line.clear();
            // Results mostly come in the order of the catalog, so the next one is mostly in the buffer already.
            lines.seek_relative(offset.cast_signed() - position.cast_signed())?;
            position = offset + lines.read_until(b'\n', &mut line)? as u64;
            Ok(serde_json::from_slice(&line)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 20_000;

    /// Puts values at all even places, or at all odd ones, from the last to the first.
    fn fill(values: &mut FirstValues<String>, odd: bool) {
        for idx in (0..COUNT).rev().filter(|idx| (idx % 2 == 1) == odd) {
            assert!(values.put(idx, &value(idx)).unwrap());
            assert!(!values.put(idx, &"second".to_owned()).unwrap());
        }
    }

    fn value(idx: u32) -> String {
        format!("value {idx}")
    }

    #[test]
    fn the_first_value_of_each_place_is_kept_and_read_in_order() {
        let mut values = FirstValues::default();
        fill(&mut values, false);
        fill(&mut values, true);
        for _ in 0..2 {
            let read: Vec<String> = values.iter().map(Result::unwrap).collect();
            assert!(read == (0..COUNT).map(value).collect::<Vec<_>>());
        }
    }
}
