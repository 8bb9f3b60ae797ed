//! A file that others exchange while it is used: it is read again on use, once a second at most.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use image_sync_shared::panics::lock;
use image_sync_shared::text::excerpt;
use time::{Duration, OffsetDateTime};

use super::ProofError;

const EACH: Duration = Duration::SECOND;

/// A small file, and what it says.
pub(super) struct WatchedFile<T> {
    path: PathBuf,
    most_bytes: usize,
    parse: fn(&str) -> Result<T, String>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    looked_at: OffsetDateTime,
    is_broken: bool,
}

impl<T> WatchedFile<T> {
    pub(super) fn open(
        path: &Path,
        most_bytes: usize,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Self, ProofError> {
        let value = read(path, most_bytes).and_then(|text| parse(&text));
        let value = value.map_err(|why| ProofError::of_file(path, why))?;
        Ok(Self {
            path: path.to_owned(),
            most_bytes,
            parse,
            state: Mutex::new(State {
                value: Arc::new(value),
                looked_at: OffsetDateTime::UNIX_EPOCH,
                is_broken: false,
            }),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now. One that cannot be read any more still says the last that it said.
    pub(super) fn current(&self, now: OffsetDateTime) -> Arc<T> {
        let mut state = lock(&self.state);
        if let Some(why) = self.look(&mut state, now) {
            let error = ProofError::of_file(&self.path, why);
            tracing::warn!("{error}; what was read before goes on to be used");
        }
        Arc::clone(&state.value)
    }

    /// Reads it if it is time to. What is wrong with it is told once, until it is right again.
    fn look(&self, state: &mut State<T>, now: OffsetDateTime) -> Option<String> {
        // It is read, rather than asked when it was written: some file systems tell that in seconds, and a read costs no more.
        if (now - state.looked_at).abs() < EACH {
            return None;
        }
        state.looked_at = now;
        match read(&self.path, self.most_bytes).and_then(|text| (self.parse)(&text)) {
            Ok(value) => {
                state.value = Arc::new(value);
                state.is_broken = false;
                None
            }
            Err(why) => (!std::mem::replace(&mut state.is_broken, true)).then_some(why),
        }
    }
}

fn read(path: &Path, most_bytes: usize) -> Result<String, String> {
    let io_error = |error: io::Error| excerpt(error);
    // Opening a pipe would wait for who writes into it.
    if !fs::metadata(path).map_err(io_error)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(io_error)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(most_bytes).unwrap_or(u64::MAX);
    let mut file = file.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() > most_bytes {
        return Err(format!("it has more than {most_bytes} bytes"));
    }
    let text = String::from_utf8(bytes).ok();
    text.ok_or_else(|| "it is no UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_once_until_it_is_right_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let parse = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
        let file = WatchedFile::open(&path, 10, parse).unwrap();
        let mut now = datetime!(2026-11-20 12:00 UTC);
        let mut look = |text: &str| {
            now += Duration::seconds(1);
            fs::write(&path, text).unwrap();
            let told = file.look(&mut lock(&file.state), now);
            (told, *file.current(now))
        };
        assert_eq!(look("2"), (None, 2));
        let broken = "invalid digit found in string";
        assert_eq!(look("x"), (Some(broken.to_owned()), 2));
        assert_eq!(look("x"), (None, 2));
        assert_eq!(look("3"), (None, 3));
        assert_eq!(look("y"), (Some(broken.to_owned()), 3));
    }
}
