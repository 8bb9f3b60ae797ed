//! What is kept of a stream of bytes for several readers, each at a pace of its own.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// Names a reader of one window.
pub(super) type ReaderId = u64;

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The bytes from where it is.
    Bytes(Bytes),
    /// It has had all that came so far.
    Nothing,
    /// What it needs next is kept no more: it was too slow.
    Behind,
}

/// The last bytes of a stream that one of its readers may still need, never more than a limit.
#[derive(Debug)]
pub(super) struct Window {
    /// Where the stream begins.
    base: u64,
    /// Where the bytes that are kept begin.
    start: u64,
    /// Where they end: so far the stream has come.
    end: u64,
    chunks: VecDeque<Bytes>,
    /// How many bytes are kept at most. The chunk that came last is kept in any case, until it was read.
    limit: u64,
    /// Whether nobody may join any more.
    is_closed: bool,
    /// Where each reader is.
    readers: HashMap<ReaderId, u64>,
    next_id: ReaderId,
}

impl Window {
    /// Nothing yet of a stream that begins at `base`.
    pub(super) fn new(base: u64, limit: u64) -> Self {
        Self {
            base,
            start: base,
            end: base,
            chunks: VecDeque::new(),
            limit,
            is_closed: false,
            readers: HashMap::new(),
            next_id: 0,
        }
    }

    /// A further reader, which begins at `position`. None where that is not kept.
    pub(super) fn join(&mut self, position: u64) -> Option<ReaderId> {
        if self.is_closed || !(self.start..=self.end).contains(&position) {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.readers.insert(id, position);
        Some(id)
    }

    /// A reader is gone.
    pub(super) fn leave(&mut self, id: ReaderId) {
        self.readers.remove(&id);
        self.trim();
    }

    /// The next bytes of the stream. Readers that are too far behind are left behind.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.end += chunk.len() as u64;
        self.chunks.push_back(chunk);
        self.trim();
    }

    /// The next bytes for a reader.
    pub(super) fn read(&mut self, id: ReaderId) -> Kept {
        let Some(&position) = self.readers.get(&id) else {
            return Kept::Behind;
        };
        let mut chunk_start = self.start;
        for chunk in &self.chunks {
            let chunk_end = chunk_start + chunk.len() as u64;
            if position < chunk_end {
                let skipped = usize::try_from(position - chunk_start).unwrap_or(chunk.len());
                let bytes = chunk.slice(skipped..);
                self.readers.insert(id, chunk_end);
                self.trim();
                return Kept::Bytes(bytes);
            }
            chunk_start = chunk_end;
        }
        Kept::Nothing
    }

    /// Where the stream is.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether a reader has not had all that came.
    pub(super) fn has_slower_readers(&self) -> bool {
        self.readers.values().any(|position| *position < self.end)
    }

    /// Whether all of the stream so far is kept, so that one who comes late may still join at its beginning.
    pub(super) fn is_open(&self) -> bool {
        !self.is_closed && self.end - self.base <= self.limit
    }

    /// Whether there is one reader alone, which has had all that came, and nobody can join at the beginning.
    pub(super) fn is_lonely(&self) -> bool {
        !self.is_open() && self.readers.len() <= 1 && self.chunks.is_empty()
    }

    /// From now on it is for the reader that it has, which gets each chunk as it comes.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.limit = 0;
    }

    /// Lets go of what is too much or needed by nobody, and of the readers who needed what was too much.
    fn trim(&mut self) {
        if self.is_open() {
            return;
        }
        let needed = self.readers.values().min().copied().unwrap_or(self.end);
        let floor = self.end.saturating_sub(self.limit);
        while let Some(oldest) = self.chunks.front() {
            let oldest_end = self.start + oldest.len() as u64;
            let is_too_much = self.start < floor && self.chunks.len() > 1;
            if !is_too_much && needed < oldest_end {
                break;
            }
            self.start = oldest_end;
            self.chunks.pop_front();
        }
        let start = self.start;
        self.readers.retain(|_, position| *position >= start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 10;

    fn chunk(number: u8) -> Bytes {
        Bytes::from(vec![number; CHUNK])
    }

    fn kept(window: &Window) -> usize {
        window.chunks.iter().map(Bytes::len).sum()
    }

    #[test]
    fn all_readers_get_all_bytes_while_they_are_inside_the_window() {
        let mut window = Window::new(0, 30);
        let readers = [window.join(0).unwrap(), window.join(0).unwrap()];
        for number in 0..100 {
            window.push(chunk(number));
            for id in readers {
                assert!(window.has_slower_readers());
                assert_eq!(window.read(id), Kept::Bytes(chunk(number)));
                assert_eq!(window.read(id), Kept::Nothing);
            }
        }
        assert!(!window.has_slower_readers());
        assert_eq!(kept(&window), 0, "nobody needs anything any more");
    }

    #[test]
    fn a_slow_reader_is_left_behind_and_holds_no_more_than_the_window() {
        let mut window = Window::new(0, 30);
        let (fast, slow) = (window.join(0).unwrap(), window.join(0).unwrap());
        window.push(chunk(0));
        for id in [fast, slow] {
            assert_eq!(window.read(id), Kept::Bytes(chunk(0)));
        }
        for number in 1..100 {
            assert_eq!(window.readers.len(), 2 - usize::from(number > 4));
            window.push(chunk(number));
            assert_eq!(window.read(fast), Kept::Bytes(chunk(number)));
            assert!(kept(&window) <= 30, "{}", kept(&window));
        }
        assert_eq!(window.read(slow), Kept::Behind);
        assert_eq!(kept(&window), 0, "what it needed is kept no more");
    }

    #[test]
    fn a_reader_joins_at_the_beginning_as_long_as_that_is_kept() {
        let mut window = Window::new(100, 30);
        let first = window.join(100).unwrap();
        for number in 0..3 {
            window.push(chunk(number));
            let _ = window.read(first);
        }
        assert!(window.is_open());
        let late = window.join(100).unwrap();
        assert_eq!(window.read(late), Kept::Bytes(chunk(0)));
        window.push(chunk(3));
        assert!(!window.is_open());
        assert_eq!(window.join(100), None, "too late");
        assert!(window.join(115).is_some(), "what the other one still needs");
        assert_eq!(window.join(99), None, "before the stream");
        assert_eq!(window.join(141), None, "beyond it");
    }

    #[test]
    fn a_reader_joins_in_the_middle_of_a_chunk() {
        let mut window = Window::new(0, 30);
        window.push(chunk(7));
        let reader = window.join(4).unwrap();
        assert_eq!(window.read(reader), Kept::Bytes(chunk(7).slice(4..)));
    }

    #[test]
    fn whoever_leaves_holds_nothing() {
        let mut window = Window::new(0, 30);
        let (fast, slow) = (window.join(0).unwrap(), window.join(0).unwrap());
        for number in 0..4 {
            window.push(chunk(number));
            let _ = window.read(fast);
            if number == 0 {
                let _ = window.read(slow);
            }
        }
        assert_eq!(kept(&window), 30);
        window.leave(slow);
        assert_eq!(kept(&window), 0);
    }

    #[test]
    fn a_lonely_reader_needs_no_window() {
        let mut window = Window::new(0, 30);
        let (only, other) = (window.join(0).unwrap(), window.join(0).unwrap());
        for number in 0..4 {
            assert!(!window.is_lonely(), "somebody may join still");
            window.push(chunk(number));
            let _ = window.read(only);
            if number == 0 {
                let _ = window.read(other);
            }
        }
        assert!(!window.is_lonely(), "there is the other one");
        window.leave(other);
        assert!(window.is_lonely());
        window.close();
        window.push(chunk(4));
        assert_eq!(window.read(only), Kept::Bytes(chunk(4)));
        assert_eq!((kept(&window), window.join(50)), (0, None));
    }

    #[test]
    fn one_reader_that_is_behind_loses_nothing_when_the_fast_one_leaves() {
        let mut window = Window::new(0, 30);
        let (fast, slow) = (window.join(0).unwrap(), window.join(0).unwrap());
        window.push(chunk(0));
        let _ = window.read(slow);
        for number in 1..4 {
            window.push(chunk(number));
        }
        window.leave(fast);
        assert!(!window.is_lonely(), "it has not had all of it");
        for number in 1..4 {
            assert_eq!(window.read(slow), Kept::Bytes(chunk(number)));
        }
        assert!(window.is_lonely());
    }
}
