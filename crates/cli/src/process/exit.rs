//! What the program's exit code says.

use std::fmt;
use std::process::ExitCode;

use image_sync_shared::run::report::{ReportHead, RunStatus};
use thiserror::Error;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All well.
    Success,
    /// An image failed, and `skip_on_error` is off.
    ImagesFailed,
    /// Bad arguments or config; nothing was done, and no registry contacted.
    Usage,
    /// The run could not be carried out, was interrupted, or its deadline passed.
    NotCarriedOut,
    /// Of a check: something would be copied.
    WouldCopy,
    /// Skipped, as a run of this catalog is open (`EX_TEMPFAIL` of sysexits.h).
    Busy,
    /// Ended at once by this signal.
    Signal(u8),
}

/// Why a command ended without doing what was asked: one sentence for stderr.
#[derive(Debug, Error)]
#[error("{message}")]
pub(crate) struct Problem {
    /// The exit code.
    pub(crate) exit: Exit,
    message: String,
}

impl Problem {
    /// Something is wrong with the arguments, the config or what they name; nothing was done.
    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Usage,
            message: error.to_string(),
        }
    }

    /// What was asked could not be carried out.
    pub(crate) fn not_carried_out(error: impl fmt::Display) -> Self {
        Self {
            exit: Exit::NotCarriedOut,
            message: error.to_string(),
        }
    }
}

impl Exit {
    /// What a report means for the exit code.
    pub(crate) fn of_report(report: &ReportHead, skip_on_error: bool) -> Self {
        match report.status {
            // What an aggregator of another version calls in a way that is not known here is not said to be complete.
            RunStatus::Incomplete
            | RunStatus::Abandoned
            | RunStatus::Cancelled
            | RunStatus::Other(_) => Self::NotCarriedOut,
            RunStatus::Complete if report.summary.failed > 0 && !skip_on_error => {
                Self::ImagesFailed
            }
            RunStatus::Complete => Self::Success,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::ImagesFailed => 1,
            Self::Usage => 2,
            Self::NotCarriedOut => 3,
            Self::WouldCopy => 4,
            Self::Busy => 75,
            // As shells report a process that a signal ended.
            Self::Signal(number) => 128 + number,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn failed_images_fail_the_run_unless_they_may() {
        let mut head = samples::head();
        assert_eq!(Exit::of_report(&head, false), Exit::Success);
        head.summary.failed = 1;
        assert_eq!(Exit::of_report(&head, false), Exit::ImagesFailed);
        assert_eq!(Exit::of_report(&head, true), Exit::Success);
    }

    #[test]
    fn a_run_that_is_not_complete_was_not_carried_out_whatever_may_fail() {
        let mut head = samples::head();
        for status in [
            RunStatus::Incomplete,
            RunStatus::Abandoned,
            RunStatus::Cancelled,
            RunStatus::from("superseded"),
        ] {
            head.status = status;
            assert_eq!(Exit::of_report(&head, true), Exit::NotCarriedOut);
        }
    }

    #[test]
    fn codes_are_those_of_the_help() {
        let codes = [
            Exit::Success,
            Exit::ImagesFailed,
            Exit::Usage,
            Exit::NotCarriedOut,
            Exit::WouldCopy,
            Exit::Busy,
            Exit::Signal(2),
            Exit::Signal(15),
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 75, 130, 143]);
    }
}
