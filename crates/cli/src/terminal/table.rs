//! The report as a table for people.

use std::io::{self, Write};
use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str};
use image_sync_shared::run::outcome::{Action, ImageResult, ResultKind};

use crate::terminal::report_source::ReportSource;
use crate::terminal::summary;
use crate::terminal::text::{keep_end, keep_start, printable};
use crate::terminal::units;

/// What is known of the place that the table is shown in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Canvas {
    /// Columns of the terminal; none where lines may have any length.
    pub(crate) width: Option<usize>,
    /// Whether colours are wanted.
    pub(crate) colour: bool,
}

const GAP: &str = "  ";
const COLUMNS: usize = 7;
const HEADINGS: [&str; COLUMNS] = [
    "IMAGE", "TAG", "PLATFORM", "ACTION", "BLOBS", "BYTES", "TIME",
];
const ACTION: usize = 3;
const FIRST_NUMBER: usize = 4;
/// Image and tag are not cut below this width.
const NARROWEST_NAME: usize = 8;
/// Errors are left out of the lines below this width; they are told in full below the table.
const NARROWEST_ERROR: usize = 16;

/// Writes the whole report: a line per image, the errors in full, the images without a result, and the summary.
pub(crate) fn write(
    report: &mut impl ReportSource,
    canvas: Canvas,
    out: &mut impl Write,
) -> io::Result<()> {
    let survey = Survey::of(report)?;
    let layout = Layout::new(survey.widths, canvas);
    if survey.images > 0 {
        let error_heading = if survey.has_errors { "ERROR" } else { "" };
        let headings = HEADINGS.map(str::to_owned);
        writeln!(out, "{}", layout.line(&headings, error_heading, None))?;
    }
    for result in report.results()? {
        let result = result?;
        let error = printable(result.error.as_deref().unwrap_or_default());
        let line = layout.line(&cells(&result), &error, Some(result.kind()));
        writeln!(out, "{line}")?;
    }
    if survey.has_errors {
        write_errors(report, out)?;
    }
    let has_missing = write_missing(report, out)?;
    if survey.images > 0 || has_missing {
        writeln!(out)?;
    }
    if let Some(left_out) = &report.head().left_out {
        writeln!(out, "{}", summary::left_out(left_out))?;
    }
    writeln!(out, "{}", summary::sentence(report)?)
}

/// What an image's action is called.
fn action_word(action: Action) -> String {
    let word = match action {
        Action::AlreadyCached => "in place",
        Action::Pulled => "copied",
        Action::Skipped => "would copy",
        Action::Failed => "failed",
        Action::Other(word) => return printable(word.as_str()),
    };
    word.to_owned()
}

fn cells(result: &ImageResult) -> [String; COLUMNS] {
    let (blobs, bytes) = match (result.action, result.would_copy) {
        (Action::Skipped, Some(would)) => (would.blobs.to_string(), units::bytes(would.bytes)),
        (Action::AlreadyCached, _) | (Action::Skipped, None) => (String::new(), String::new()),
        (Action::Pulled | Action::Failed | Action::Other(_), _) => (
            result.blobs.copied.to_string(),
            units::bytes(result.bytes_copied),
        ),
    };
    [
        printable(&result.image),
        printable(&result.tag),
        printable(&result.platform),
        action_word(result.action),
        blobs,
        bytes,
        units::duration(Duration::from_millis(result.duration_ms)),
    ]
}

fn write_errors(report: &mut impl ReportSource, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nErrors:")?;
    for result in report.results()? {
        let result = result?;
        if let Some(error) = &result.error {
            let name = printable(&format!("{}:{}", result.image, result.tag));
            writeln!(out, "{GAP}{name}\n{GAP}{GAP}{}", printable(error))?;
        }
    }
    Ok(())
}

/// Says whether there are any.
fn write_missing(report: &mut impl ReportSource, out: &mut impl Write) -> io::Result<bool> {
    let mut any = false;
    for missing in report.missing()? {
        let missing = missing?;
        if !any {
            writeln!(out, "\nWithout a result:")?;
        }
        any = true;
        let name = printable(&format!("{}:{}", missing.image, missing.tag));
        writeln!(out, "{GAP}{name}")?;
        if let Some(error) = &missing.error {
            writeln!(out, "{GAP}{GAP}{}", printable(error))?;
        }
    }
    Ok(any)
}

/// What has to be known of all images before the first line is written.
struct Survey {
    images: usize,
    widths: [usize; COLUMNS],
    has_errors: bool,
}

impl Survey {
    fn of(report: &mut impl ReportSource) -> io::Result<Self> {
        let mut survey = Self {
            images: 0,
            widths: HEADINGS.map(str::len),
            has_errors: false,
        };
        for result in report.results()? {
            survey.note(&result?);
        }
        Ok(survey)
    }

    fn note(&mut self, result: &ImageResult) {
        self.images += 1;
        self.has_errors |= result.error.is_some();
        for (width, cell) in self.widths.iter_mut().zip(cells(result)) {
            *width = (*width).max(measure_text_width(&cell));
        }
    }
}

/// How wide the columns are.
struct Layout {
    widths: [usize; COLUMNS],
    /// Columns for the error; none where it may have any length.
    error: Option<usize>,
    colour: bool,
}

impl Layout {
    fn new(mut widths: [usize; COLUMNS], canvas: Canvas) -> Self {
        let fixed: usize = widths[2..].iter().sum::<usize>() + (COLUMNS - 1) * GAP.len();
        if let Some(width) = canvas.width {
            [widths[0], widths[1]] = share(width.saturating_sub(fixed), [widths[0], widths[1]]);
        }
        let taken = widths[0] + widths[1] + fixed + GAP.len();
        let error = canvas.width.map(|width| width.saturating_sub(taken));
        Self {
            widths,
            error,
            colour: canvas.colour,
        }
    }

    fn line(&self, cells: &[String; COLUMNS], error: &str, kind: Option<ResultKind>) -> String {
        let mut parts = Vec::with_capacity(COLUMNS + 1);
        for (column, (cell, width)) in cells.iter().zip(self.widths).enumerate() {
            let alignment = if column < FIRST_NUMBER {
                Alignment::Left
            } else {
                Alignment::Right
            };
            let padded = pad_str(&keep_end(cell, width), width, alignment, None).into_owned();
            parts.push(self.coloured(padded, kind.filter(|_| column == ACTION)));
        }
        match self.error {
            Some(width) if width < NARROWEST_ERROR => (),
            Some(width) => parts.push(keep_start(error, width).into_owned()),
            None => parts.push(error.to_owned()),
        }
        let mut line = parts.join(GAP);
        line.truncate(line.trim_end().len());
        line
    }

    fn coloured(&self, cell: String, kind: Option<ResultKind>) -> String {
        let style = console::Style::new().force_styling(self.colour);
        let style = match kind {
            Some(ResultKind::Pulled) => style.green(),
            Some(ResultKind::Failed) => style.red(),
            Some(ResultKind::Skipped) => style.yellow(),
            Some(ResultKind::AlreadyCached | ResultKind::Other) | None => return cell,
        };
        style.apply_to(cell).to_string()
    }
}

/// The widths of image and tag where both together have `room`: the one that needs less than half keeps what it needs.
fn share(room: usize, needed: [usize; 2]) -> [usize; 2] {
    let [image, tag] = needed;
    let half = room / 2;
    let shares = if image + tag <= room {
        needed
    } else if image <= half {
        [image, room - image]
    } else if tag <= half {
        [room - tag, tag]
    } else {
        [room - half, half]
    };
    [0, 1].map(|name| shares[name].max(needed[name].min(NARROWEST_NAME)))
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::outcome::WouldCopy;
    use image_sync_shared::run::report::{MissingImage, Report, RunStatus};

    use super::*;
    use crate::samples;

    fn render(report: &Report, canvas: Canvas) -> String {
        let mut out = Vec::new();
        write(&mut report.clone(), canvas, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn plain(report: &Report, width: Option<usize>) -> String {
        let colour = false;
        render(report, Canvas { width, colour })
    }

    #[test]
    fn shows_a_line_per_image_then_errors_then_the_summary() {
        let expected = "\
IMAGE                    TAG   PLATFORM     ACTION    BLOBS     BYTES  TIME  ERROR
docker.io/library/nginx  1.27  linux/amd64  copied        3  12.3 KiB  0.3s
redis                    1.27  linux/amd64  in place                   0.3s
quay.io/x                1.27  linux/amd64  failed        0       0 B  0.3s  source: check 1.27: 404, there is no such tag

Errors:
  quay.io/x:1.27
    source: check 1.27: 404, there is no such tag

3 images: 1 copied (12.3 KiB), 1 in place, 1 failed; 2.3s
";
        assert_eq!(plain(&samples::report(), None), expected);
    }

    #[test]
    fn an_unknown_action_is_shown_in_its_own_word() {
        let mut report = samples::report();
        report.results[1].action = Action::from("signed\u{9b}2J");
        report.head.summary.already_cached = 0;
        report.head.summary.other = 1;
        let text = plain(&report, None);
        assert!(
            text.contains("redis                    1.27  linux/amd64  signed 2J"),
            "{text}"
        );
        let sentence = "3 images: 1 copied (12.3 KiB), 1 failed, 1 done otherwise; 2.3s\n";
        assert!(text.ends_with(sentence), "{text}");
    }

    #[test]
    fn a_narrow_terminal_cuts_names_and_errors_and_not_the_full_error_below() {
        for width in [70, 80, 90, 100, 120] {
            let text = plain(&samples::report(), Some(width));
            let (table, below) = text.split_once("\n\n").unwrap();
            for line in table.lines() {
                assert!(measure_text_width(line) <= width, "{width}: {line}");
            }
            assert!(table.contains("y/nginx  1.27"), "{width}: {table}");
            assert!(
                below.contains("404, there is no such tag"),
                "{width}: {below}"
            );
        }
    }

    #[test]
    fn image_and_tag_share_what_room_there_is() {
        assert_eq!(share(40, [20, 10]), [20, 10]);
        assert_eq!(share(40, [60, 10]), [30, 10]);
        assert_eq!(share(40, [10, 75]), [10, 30]);
        assert_eq!(share(41, [60, 75]), [21, 20]);
        assert_eq!(share(0, [60, 75]), [8, 8], "below that, lines wrap");
    }

    #[test]
    fn a_dry_run_says_what_would_be_copied() {
        let mut report = samples::report();
        report.results.truncate(1);
        report.results[0].action = Action::Skipped;
        report.results[0].would_copy = Some(WouldCopy {
            blobs: 7,
            bytes: 40 * 1024 * 1024,
        });
        report.head.summary = image_sync_shared::run::report::Summary {
            skipped: 1,
            total: 1,
            ..Default::default()
        };
        let text = plain(&report, None);
        assert!(text.contains("would copy      7  40.0 MiB"), "{text}");
        assert!(
            text.ends_with("1 image: 1 would be copied (7 blobs, 40.0 MiB); 2.3s\n"),
            "{text}"
        );
    }

    #[test]
    fn images_without_a_result_are_named_with_what_is_known_of_them() {
        let mut report = samples::report();
        report.head.status = RunStatus::Incomplete;
        report.head.summary.total = 5;
        let late = MissingImage {
            image: "ghcr.io/late".to_owned(),
            tag: "2".to_owned(),
            target: "localhost:5000/late:2".to_owned(),
            attempts: 0,
            error: None,
        };
        let begun = MissingImage {
            tag: "1".to_owned(),
            attempts: 2,
            error: Some("source: check 1: 503".to_owned()),
            ..late.clone()
        };
        report.missing = vec![begun, late];
        let text = plain(&report, None);
        assert!(
            text.contains(
                "\nWithout a result:\n  ghcr.io/late:1\n    source: check 1: 503\n  ghcr.io/late:2\n"
            ),
            "{text}"
        );
        assert!(text.contains("Incomplete: 5 images: 1 copied"), "{text}");
        assert!(
            text.contains("1 failed, 2 without a result; 2.3s"),
            "{text}"
        );
    }

    #[test]
    fn a_run_of_no_images_is_its_summary_alone() {
        let report = Report {
            head: samples::head(),
            results: Vec::new(),
            missing: Vec::new(),
        };
        assert_eq!(plain(&report, Some(80)), "0 images: nothing to do; 2.3s\n");
    }

    #[test]
    fn a_report_that_lacks_entries_says_so() {
        let mut report = samples::report();
        report.results.remove(1);
        report.head.left_out = Some(image_sync_shared::run::report::LeftOut {
            already_cached: 1,
            ..Default::default()
        });
        let text = plain(&report, None);
        let said = "\nNot in this report, as it did not fit into the store of reports (--reports-max-bytes): 1 in place\n";
        assert!(text.contains(said), "{text}");
        assert!(text.contains("3 images: 1 copied"), "{text}");
    }

    #[test]
    fn colours_do_not_change_what_stands_where() {
        let canvas = Canvas {
            width: Some(100),
            colour: true,
        };
        let coloured = render(&samples::report(), canvas);
        assert!(coloured.contains("\u{1b}[31mfailed"), "{coloured:?}");
        let without = console::strip_ansi_codes(&coloured);
        assert_eq!(without, plain(&samples::report(), Some(100)));
    }

    #[test]
    fn an_error_cannot_play_with_the_terminal() {
        let mut report = samples::report();
        report.results[2].error = Some("\u{1b}[2J\nall well".to_owned());
        assert!(!plain(&report, None).contains('\u{1b}'));
    }
}
