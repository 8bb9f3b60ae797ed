//! A map from places in a run to small values.

use std::collections::BTreeMap;

const BLOCK: u32 = 1024;
const SLOTS: usize = BLOCK as usize;

/// Values by place. Costs little more than the values themselves where places are dense, and nothing for wide gaps, so
/// that a single wrong place cannot use the memory up.
#[derive(Clone, Debug)]
pub(crate) struct Sparse<T>(BTreeMap<u32, Box<[Option<T>; SLOTS]>>);

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy> Sparse<T> {
    /// Puts `value` at `idx` unless there is one already. Says whether it did.
    pub(crate) fn insert_first(&mut self, idx: u32, value: T) -> bool {
        let (block, slot) = parts(idx);
        let block = self
            .0
            .entry(block)
            .or_insert_with(|| Box::new([None; SLOTS]));
        let vacant = block[slot].is_none();
        if vacant {
            block[slot] = Some(value);
        }
        vacant
    }

    /// The value at `idx`.
    pub(crate) fn get(&self, idx: u32) -> Option<T> {
        let (block, slot) = parts(idx);
        self.0.get(&block)?[slot]
    }

    /// All values and their places, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, T)> {
        self.0.iter().flat_map(|(block, slots)| {
            let first = block * BLOCK;
            (0..)
                .zip(slots.iter())
                .filter_map(move |(slot, value)| Some((first + slot, (*value)?)))
        })
    }
}

fn parts(idx: u32) -> (u32, usize) {
    (idx / BLOCK, (idx % BLOCK) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_value_of_each_place_in_order() {
        let mut sparse = Sparse::default();
        for idx in [u32::MAX, 0, 1023, 1024, 5, 5] {
            sparse.insert_first(idx, idx ^ 1);
        }
        assert!(!sparse.insert_first(5, 77));
        assert_eq!((sparse.get(5), sparse.get(6)), (Some(4), None));
        let places: Vec<(u32, u32)> = sparse.iter().collect();
        assert_eq!(
            places,
            [0, 5, 1023, 1024, u32::MAX].map(|idx| (idx, idx ^ 1))
        );
    }
}
