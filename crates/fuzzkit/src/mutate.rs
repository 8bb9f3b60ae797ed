//! Inputs that differ a little from those of a corpus, the same ones every time.

/// Longer inputs are cut.
const MAX_BYTES: usize = 64 * 1024;

/// What parsers stumble over.
const TOKENS: [&[u8]; 24] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\x1b[2J",
    b"\x7f",
    b"\xff\xfe",
    b"\"",
    b"\\u0000",
    b"{}",
    b"[]",
    b"null",
    b"-1",
    b"0",
    b"4294967295",
    b"18446744073709551615",
    b"1e400",
    b"9999-12-31T23:59:59Z",
    b"0000-01-01T00:00:00Z",
    b"://",
    b"@",
    b"%00",
    "\u{202e}".as_bytes(),
    "\u{85}".as_bytes(),
    b"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// Numbers that look random (Marsaglia, "Xorshift RNGs").
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same ones for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Below `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.0 >> 16) % limit).unwrap_or(0)
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }

    /// One of them, if there are any.
    pub fn choose<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// A part of what is `length` long, mostly a short one.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = if self.below(4) == 0 { length } else { 8 };
        let end = start + self.below(longest + 1);
        start..end.min(length)
    }
}

/// A mutation of one of `seeds`.
pub(crate) fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.choose(seeds).cloned().unwrap_or_default();
    for _ in 0..=random.below(4) {
        change(&mut input, seeds, random);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let place = random.range(input.len());
    match random.below(6) {
        0 => drop(input.drain(place)),
        1 => {
            let copy = input[place.clone()].to_vec();
            let times = 1 + random.below(64);
            input.splice(place, copy.repeat(times));
        }
        2 => {
            let token = random.choose(&TOKENS).copied().unwrap_or_default();
            input.splice(place, token.iter().copied());
        }
        3 => {
            let other = random.choose(seeds).cloned().unwrap_or_default();
            let part = random.range(other.len());
            input.splice(place, other[part].iter().copied());
        }
        4 => {
            let bit = 1 << random.below(8);
            if let Some(byte) = input.get_mut(place.start) {
                *byte ^= bit;
            }
        }
        _ => {
            let byte = u8::try_from(random.below(256)).unwrap_or_default();
            input.insert(place.start, byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn mutations_are_many_and_the_same_every_time() {
        let seeds = [
            br#"{"name":"a","number":17}"#.to_vec(),
            b"some text".to_vec(),
        ];
        let all = || {
            let mut random = Random::new(7);
            let mutations = (0..500).map(|_| mutate(&seeds, &mut random));
            mutations.collect::<Vec<_>>()
        };
        assert_eq!(all(), all());
        assert!(BTreeSet::from_iter(all()).len() > 300);
    }

    #[test]
    fn mutations_of_nothing_and_of_much_are_bounded() {
        for seed in [vec![], vec![0; 2 * MAX_BYTES]] {
            let (seeds, mut random) = ([seed], Random::new(1));
            for _ in 0..200 {
                assert!(mutate(&seeds, &mut random).len() <= MAX_BYTES);
            }
        }
    }
}
