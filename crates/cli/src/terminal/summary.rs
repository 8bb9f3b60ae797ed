//! A run in one sentence.

use std::io;
use std::time::Duration;

use image_sync_shared::run::outcome::WouldCopy;
use image_sync_shared::run::report::{LeftOut, ReportHead, RunStatus};

use crate::terminal::report_source::ReportSource;
use crate::terminal::text::printable;
use crate::terminal::units;

/// What a report says, in one sentence.
pub(crate) fn sentence(report: &mut impl ReportSource) -> io::Result<String> {
    let mut would_copy = WouldCopy::default();
    if report.head().summary.skipped > 0 {
        for result in report.results()? {
            let found = result?.would_copy.unwrap_or_default();
            would_copy.blobs += found.blobs;
            would_copy.bytes += found.bytes;
            would_copy.artifacts = would_copy.artifacts.saturating_add(found.artifacts);
        }
    }
    Ok(of(report.head(), would_copy))
}

fn of(head: &ReportHead, would_copy: WouldCopy) -> String {
    let counts = &head.summary;
    let artifacts = match would_copy.artifacts {
        0 => String::new(),
        some => format!(", {}", units::count(some, "artifact")),
    };
    let mut parts = Vec::new();
    let mut part = |count: u32, words: String| {
        if count > 0 {
            parts.push(words);
        }
    };
    let missing = counts.total.saturating_sub(counts.results());
    let bytes = units::bytes(head.bytes_copied);
    // Of a run that was interrupted, some were sent of images that are not copied.
    let (copied, sent) = match missing {
        0 => (format!("{} copied ({bytes})", counts.pulled), String::new()),
        _ => (
            format!("{} copied", counts.pulled),
            format!("; {bytes} sent"),
        ),
    };
    part(counts.pulled, copied);
    part(
        counts.skipped,
        format!(
            "{} would be copied ({}, {}{artifacts})",
            counts.skipped,
            units::count(would_copy.blobs, "blob"),
            units::bytes(would_copy.bytes)
        ),
    );
    part(
        counts.already_cached,
        in_place(counts.already_cached, counts.total),
    );
    part(
        counts.kept,
        format!("{} kept as their policy says", counts.kept),
    );
    part(counts.failed, format!("{} failed", counts.failed));
    part(counts.other, format!("{} done otherwise", counts.other));
    part(missing, format!("{missing} without a result"));

    let images = units::count(counts.total, "image");
    let list = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    let time = units::duration(Duration::from_millis(head.duration_ms));
    format!("{}{images}: {list}{sent}; {time}", status(head.status))
}

/// What a report lacks that did not fit into its store, in one sentence.
pub(crate) fn left_out(left_out: &LeftOut) -> String {
    let parts = [
        (left_out.already_cached, "in place"),
        (left_out.pulled, "copied"),
        (left_out.skipped, "that would be copied"),
        (left_out.kept, "kept"),
        (left_out.failed, "failed"),
        (left_out.other, "done otherwise"),
        (left_out.missing, "without a result"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    format!(
        "Not in this report, as it did not fit into the store of reports (--reports-max-bytes): {}",
        parts.join(", ")
    )
}

fn in_place(count: u32, total: u32) -> String {
    if count == total {
        "all in place".to_owned()
    } else {
        format!("{count} in place")
    }
}

fn status(status: RunStatus) -> String {
    let word = match status {
        RunStatus::Complete => return String::new(),
        RunStatus::Incomplete => "Incomplete",
        RunStatus::Abandoned => "Abandoned",
        RunStatus::Cancelled => "Cancelled",
        RunStatus::Other(word) => word.as_str(),
    };
    format!("{}: ", printable(word))
}
