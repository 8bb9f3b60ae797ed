//! The lock that keeps writers of one layout apart, tasks and processes alike.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::error::LayoutError;
use super::plain;

/// How long a lock is waited for: it is held for a few small writes only, so whoever holds it longer is stopped.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// A held lock. It ends when this is dropped, and when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else holds the lock in the file at `path`, in any way.
    pub(super) fn exclusive(path: &Path) -> Result<Self, LayoutError> {
        wait(path, File::try_lock)
    }

    /// Waits until nobody holds the lock in the file at `path` exclusively.
    pub(super) fn shared(path: &Path) -> Result<Self, LayoutError> {
        wait(path, File::try_lock_shared)
    }
}

fn wait(
    path: &Path,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Lock, LayoutError> {
    let file = plain::open_lock(path)?;
    // Asked again and again, as the call that waits has no limit.
    let mut waited = Duration::ZERO;
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::Error(error)) => return Err(LayoutError::io(path)(error)),
            Err(TryLockError::WouldBlock) if waited >= LONGEST_WAIT => {
                return Err(LayoutError::Locked {
                    path: path.to_owned(),
                    waited_secs: LONGEST_WAIT.as_secs(),
                });
            }
            Err(TryLockError::WouldBlock) => {
                thread::sleep(PAUSE);
                waited += PAUSE;
            }
        }
    }
}
