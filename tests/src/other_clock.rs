//! A machine whose clock is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Stands between a program and the system, as a library that is loaded before all others.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *shown) {
    int result = (int)syscall(SYS_clock_gettime, clock, shown);
    const char *ahead = getenv("CLOCK_AHEAD_SECS");
    if (result == 0 && clock == CLOCK_REALTIME && ahead) {
        shown->tv_sec += atol(ahead);
    }
    return result;
}
"#;

/// A clock that shows another time of day, and passes as all others do.
pub struct OtherClock {
    library: PathBuf,
    ahead_secs: i64,
}

impl OtherClock {
    /// A clock that is so many seconds ahead, or behind if they are negative. `folder` keeps what is needed for it.
    ///
    /// # Panics
    /// If there is no C compiler, which links Rust programs too.
    #[must_use]
    #[expect(clippy::expect_used, reason = "without the clock there is no test")]
    pub fn ahead_by(ahead_secs: i64, folder: &Path) -> Self {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        if !library.exists() {
            fs::write(&source, LIBRARY).expect("a written file");
            let compiled = std::process::Command::new("cc")
                .args(["-shared", "-fPIC", "-o"])
                .args([&library, &source])
                .status();
            assert!(
                compiled.expect("a C compiler").success(),
                "the library compiles"
            );
        }
        Self {
            library,
            ahead_secs,
        }
    }

    pub(crate) fn set<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("CLOCK_AHEAD_SECS", self.ahead_secs.to_string())
    }
}
