//! The report as a table for people.

use std::io::{self, Write};
use std::time::Duration;

use console::Style;
use image_sync_shared::run::outcome::{Action, ArtifactCounts, ImageResult, ResultKind};

use crate::terminal::failures;
use crate::terminal::report_source::ReportSource;
use crate::terminal::summary;
use crate::terminal::table::{Canvas, Column, Table};
use crate::terminal::targets::{Shown, Targets, place_of};
use crate::terminal::text::printable;
use crate::terminal::units;

const COLUMNS: [Column; 10] = [
    Column::name("IMAGE"),
    Column::name("TAG"),
    // One of these, or neither.
    Column::name("TARGET"),
    Column::name("TARGET"),
    Column::text("PLATFORM"),
    Column::text("ACTION"),
    Column::number("BLOBS"),
    Column::number("BYTES"),
    Column::text("ARTIFACTS"),
    Column::number("TIME"),
];
const PLACE: usize = 2;
const TARGET: usize = 3;
const ACTION: usize = 5;
const ARTIFACTS: usize = 8;
const INDENT: &str = "  ";

/// Images that are named under one reason for their failure at most, unless all are asked for.
const NAMED_PER_REASON: usize = 20;

/// How much of a report is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What changed, and what failed; what is up to date is counted.
    #[default]
    Changes,
    /// Every image.
    All,
    /// What failed or has no result, and nothing where all is well.
    Failures,
}

/// Writes the report: a line per image that is shown, what failed by its reasons, the images without a result, and the
/// summary.
pub(crate) fn write(
    report: &mut impl ReportSource,
    canvas: Canvas,
    extent: Extent,
    out: &mut impl Write,
) -> io::Result<()> {
    let survey = Survey::of(report, extent)?;
    let layout = survey.table.layout(canvas);
    let mut parts = Parts::default();
    if survey.rows > 0 {
        parts.begin(out)?;
        writeln!(out, "{}", layout.headings())?;
        for result in report.results()? {
            let result = result?;
            if is_row(&result, extent) {
                let style = style(result.kind()).map(|style| (ACTION, style));
                let line = layout.styled(&cells(&result), "", style.as_ref());
                writeln!(out, "{line}")?;
            }
        }
    }
    write_what_lacks(report, &survey, extent, &mut parts, out)?;
    if extent == Extent::Failures && !parts.any {
        return Ok(());
    }
    parts.begin(out)?;
    if let Some(left_out) = &report.head().left_out {
        writeln!(out, "{}", summary::left_out(left_out))?;
    }
    let sentence = summary::sentence(report)?;
    match survey.artifacts {
        Some(counts) => writeln!(out, "{sentence}; artifacts: {counts}"),
        None => writeln!(out, "{sentence}"),
    }
}

/// Writes what failed or has no result, and the summary in any case.
pub(crate) fn write_failures(
    report: &mut impl ReportSource,
    out: &mut impl Write,
) -> io::Result<()> {
    let extent = Extent::Failures;
    let survey = Survey::of(report, extent)?;
    let mut parts = Parts::default();
    write_what_lacks(report, &survey, extent, &mut parts, out)?;
    parts.begin(out)?;
    writeln!(out, "{}", summary::sentence(report)?)
}

/// Below the table: what failed, artifacts that did not come along, and images without a result.
fn write_what_lacks(
    report: &mut impl ReportSource,
    survey: &Survey,
    extent: Extent,
    parts: &mut Parts,
    out: &mut impl Write,
) -> io::Result<()> {
    let most = match extent {
        Extent::All => usize::MAX,
        Extent::Changes | Extent::Failures => NAMED_PER_REASON,
    };
    if survey.has_errors {
        parts.begin(out)?;
        failures::write(report, survey.shown, most, out)?;
    }
    if survey.artifacts.is_some_and(lacks_some) {
        parts.begin(out)?;
        write_artifacts(report, survey.shown, out)?;
    }
    if survey.has_missing {
        parts.begin(out)?;
        failures::write_missing(report, survey.shown, most, out)?;
    }
    Ok(())
}

/// The parts of what is written, with an empty line in between.
#[derive(Default)]
struct Parts {
    any: bool,
}

impl Parts {
    fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.any {
            writeln!(out)?;
        }
        self.any = true;
        Ok(())
    }
}

/// Whether a result has a line in the table. What failed is told below it.
fn is_row(result: &ImageResult, extent: Extent) -> bool {
    match extent {
        Extent::All => true,
        Extent::Failures => false,
        Extent::Changes => !matches!(
            result.kind(),
            ResultKind::AlreadyCached | ResultKind::Failed
        ),
    }
}

/// What an image's action is called.
fn action_word(action: Action) -> String {
    let word = match action {
        Action::AlreadyCached => "in place",
        Action::Pulled => "copied",
        Action::Skipped => "would copy",
        Action::Kept => "kept",
        Action::Failed => "failed",
        Action::Other(word) => return printable(word.as_str()),
    };
    word.to_owned()
}

fn cells(result: &ImageResult) -> [String; COLUMNS.len()] {
    let (blobs, bytes) = match (result.action, result.would_copy) {
        (Action::Skipped, Some(would)) => (would.blobs.to_string(), units::bytes(would.bytes)),
        (Action::AlreadyCached | Action::Kept, _) | (Action::Skipped, None) => {
            (String::new(), String::new())
        }
        (Action::Pulled | Action::Failed | Action::Other(_), _) => (
            result.blobs.copied.to_string(),
            units::bytes(result.bytes_copied),
        ),
    };
    [
        printable(&result.image),
        printable(&result.tag),
        printable(place_of(&result.target)),
        printable(&result.target),
        printable(&result.platform),
        action_word(result.action),
        blobs,
        bytes,
        artifacts(result),
        units::duration(Duration::from_millis(result.duration_ms)),
    ]
}

/// What is most to be known of its artifacts: all is told below the table.
fn artifacts(result: &ImageResult) -> String {
    let Some(counts) = result.artifacts else {
        return String::new();
    };
    let would_copy = result.would_copy.map_or(0, |would| would.artifacts);
    let parts = [
        (counts.failed, "failed"),
        (would_copy, "to copy"),
        (counts.copied, "copied"),
        (counts.present.saturating_add(counts.kept), "in place"),
        (counts.unfit, "unfit"),
    ];
    let mut told = parts.into_iter().filter(|(count, _)| *count > 0);
    told.next().map_or_else(
        || "none".to_owned(),
        |(count, word)| format!("{count} {word}"),
    )
}

/// The artifacts that did not come along, with why, if something is known of that.
fn write_artifacts(
    report: &mut impl ReportSource,
    shown: Shown,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "Artifacts:")?;
    for result in report.results()? {
        let result = result?;
        let Some(counts) = result.artifacts.filter(|counts| lacks_some(*counts)) else {
            continue;
        };
        let name = printable(&shown.name(&result.image, &result.tag, &result.target));
        writeln!(out, "{INDENT}{name}\n{INDENT}{INDENT}{counts}")?;
        if let Some(note) = &result.note {
            writeln!(out, "{INDENT}{INDENT}{}", printable(note))?;
        }
    }
    Ok(())
}

fn lacks_some(counts: ArtifactCounts) -> bool {
    counts.failed > 0 || counts.unfit > 0
}

fn style(kind: ResultKind) -> Option<Style> {
    match kind {
        ResultKind::Pulled => Some(Style::new().green()),
        ResultKind::Failed => Some(Style::new().red()),
        ResultKind::Skipped | ResultKind::Kept => Some(Style::new().yellow()),
        ResultKind::AlreadyCached | ResultKind::Other => None,
    }
}

/// What has to be known of all images before the first line is written.
struct Survey {
    /// Lines of the table.
    rows: usize,
    has_errors: bool,
    has_missing: bool,
    /// What became of all artifacts; nothing where no image is to have any.
    artifacts: Option<ArtifactCounts>,
    shown: Shown,
    table: Table<{ COLUMNS.len() }>,
}

impl Survey {
    fn of(report: &mut impl ReportSource, extent: Extent) -> io::Result<Self> {
        let (mut rows, mut has_errors, mut has_missing) = (0, false, false);
        let mut artifacts: Option<ArtifactCounts> = None;
        let (mut table, mut targets) = (Table::new(&COLUMNS), Targets::default());
        for result in report.results()? {
            let result = result?;
            has_errors |= result.error.is_some();
            if let Some(counts) = result.artifacts {
                artifacts = Some(artifacts.unwrap_or_default().and(counts));
            }
            if is_row(&result, extent) {
                rows += 1;
                table.measure(&cells(&result));
            }
            targets.add(&result.image, &result.tag, &result.target);
        }
        for missing in report.missing()? {
            let missing = missing?;
            has_missing = true;
            targets.add(&missing.image, &missing.tag, &missing.target);
        }
        let shown = targets.shown();
        let table = match shown {
            Shown::Nothing => table.without(PLACE).without(TARGET),
            Shown::Place => table.without(TARGET),
            Shown::Target => table.without(PLACE),
        };
        let table = if artifacts.is_some() {
            table
        } else {
            table.without(ARTIFACTS)
        };
        Ok(Self {
            rows,
            has_errors,
            has_missing,
            artifacts,
            shown,
            table,
        })
    }
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;
    use image_sync_shared::run::outcome::WouldCopy;
    use image_sync_shared::run::report::{MissingImage, Report, RunStatus};

    use super::*;
    use crate::samples;

    fn render(report: &Report, canvas: Canvas, extent: Extent) -> String {
        let mut out = Vec::new();
        write(&mut report.clone(), canvas, extent, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn shown(report: &Report, extent: Extent) -> String {
        render(report, Canvas::default(), extent)
    }

    /// Every image of it.
    fn plain(report: &Report, width: Option<usize>) -> String {
        let colour = false;
        render(report, Canvas { width, colour }, Extent::All)
    }

    #[test]
    fn shows_what_changed_and_what_failed_and_counts_what_is_in_place() {
        let expected = "\
IMAGE                    TAG   PLATFORM     ACTION  BLOBS     BYTES  TIME
docker.io/library/nginx  1.27  linux/amd64  copied      3  12.3 KiB  0.3s

Failed:
  source: check 1.27: 404, there is no such tag
    quay.io/x:1.27

3 images: 1 copied (12.3 KiB), 1 in place, 1 failed; 2.3s
";
        assert_eq!(shown(&samples::report(), Extent::Changes), expected);
    }

    #[test]
    fn shows_every_image_where_all_are_asked_for() {
        let expected = "\
IMAGE                    TAG   PLATFORM     ACTION    BLOBS     BYTES  TIME
docker.io/library/nginx  1.27  linux/amd64  copied        3  12.3 KiB  0.3s
redis                    1.27  linux/amd64  in place                   0.3s
quay.io/x                1.27  linux/amd64  failed        0       0 B  0.3s

Failed:
  source: check 1.27: 404, there is no such tag
    quay.io/x:1.27

3 images: 1 copied (12.3 KiB), 1 in place, 1 failed; 2.3s
";
        assert_eq!(shown(&samples::report(), Extent::All), expected);
    }

    #[test]
    fn shows_nothing_but_failures_where_these_are_asked_for_and_nothing_where_all_is_well() {
        let mut report = samples::report();
        let text = shown(&report, Extent::Failures);
        assert!(text.starts_with("Failed:\n"), "{text}");
        assert!(!text.contains("nginx"), "{text}");
        report.results.pop();
        assert_eq!(shown(&report, Extent::Failures), "");
    }

    #[test]
    fn ten_thousand_images_of_which_three_failed_are_no_more_than_a_screen() {
        let mut report = samples::report();
        let in_place = |number| samples::result(&format!("q.io/{number}"), Action::AlreadyCached);
        report.results = (0..10_000).map(in_place).collect();
        for place in [7, 70, 7_000] {
            report.results[place].action = Action::Failed;
            report.results[place].error = Some(format!("source: check q.io/{place}:1.27: 503"));
        }
        let text = shown(&report, Extent::Changes);
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.contains("q.io/7000:1.27"), "{text}");
    }

    #[test]
    fn all_names_of_what_failed_are_shown_where_all_images_are_asked_for() {
        let mut report = samples::report();
        let failed = |number| {
            let mut result = samples::result(&format!("q.io/{number}"), Action::Failed);
            result.error = Some("503".to_owned());
            result
        };
        report.results = (0..=NAMED_PER_REASON).map(failed).collect();
        assert!(shown(&report, Extent::Changes).contains("and 1 more (--all)"));
        assert!(!shown(&report, Extent::All).contains("more (--all)"));
    }

    #[test]
    fn what_failed_is_told_with_the_summary_to_who_does_not_see_the_report() {
        let mut out = Vec::new();
        write_failures(&mut samples::report(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("Failed:\n"), "{text}");
        assert!(text.ends_with("1 failed; 2.3s\n"), "{text}");
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
    fn a_narrow_terminal_cuts_names_and_not_the_error_below() {
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
    fn a_dry_run_says_what_would_be_copied() {
        let mut report = samples::report();
        report.results.truncate(1);
        report.results[0].action = Action::Skipped;
        report.results[0].would_copy = Some(WouldCopy {
            blobs: 7,
            bytes: 40 * 1024 * 1024,
            artifacts: 0,
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
        report.results[0].would_copy.as_mut().unwrap().artifacts = 2;
        let text = plain(&report, None);
        let sentence = "1 image: 1 would be copied (7 blobs, 40.0 MiB, 2 artifacts); 2.3s\n";
        assert!(text.ends_with(sentence), "{text}");
    }

    #[test]
    fn artifacts_are_shown_where_an_image_is_to_have_some_and_those_that_did_not_come_in_full() {
        let mut report = samples::report();
        let counts = |copied, present, unfit, failed| {
            Some(ArtifactCounts {
                copied,
                present,
                unfit,
                kept: 0,
                failed,
            })
        };
        report.results[0].artifacts = counts(2, 1, 1, 1);
        report.results[0].note = Some("artifact sha256:0: \u{1b}target: 400".to_owned());
        report.results[1].artifacts = counts(0, 3, 0, 0);
        let expected = "\
IMAGE                    TAG   PLATFORM     ACTION    BLOBS     BYTES  ARTIFACTS   TIME
docker.io/library/nginx  1.27  linux/amd64  copied        3  12.3 KiB  1 failed    0.3s
redis                    1.27  linux/amd64  in place                   3 in place  0.3s
quay.io/x                1.27  linux/amd64  failed        0       0 B              0.3s

Failed:
  source: check 1.27: 404, there is no such tag
    quay.io/x:1.27

Artifacts:
  docker.io/library/nginx:1.27
    2 copied, 1 present, 1 unfit, 1 failed
    artifact sha256:0:  target: 400

3 images: 1 copied (12.3 KiB), 1 in place, 1 failed; 2.3s; artifacts: 2 copied, 4 present, 1 unfit, 1 failed
";
        assert_eq!(plain(&report, None), expected);
        for (found, would_copy, expected) in [
            (counts(2, 1, 0, 0), 0, "2 copied"),
            (counts(0, 1, 0, 0), 2, "2 to copy"),
            (counts(0, 0, 1, 0), 0, "1 unfit"),
            (counts(0, 0, 0, 0), 0, "none"),
            (None, 0, ""),
        ] {
            let mut result = samples::result("a", Action::Skipped);
            result.artifacts = found;
            result.would_copy = Some(WouldCopy {
                artifacts: would_copy,
                ..WouldCopy::default()
            });
            assert_eq!(artifacts(&result), expected);
        }
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
            bytes_copied: 0,
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
                "\nWithout a result:\n  source: check 1: 503\n    ghcr.io/late:1\n  never begun\n    ghcr.io/late:2\n"
            ),
            "{text}"
        );
        assert!(text.contains("Incomplete: 5 images: 1 copied"), "{text}");
        assert!(
            text.contains("1 failed, 2 without a result; 12.3 KiB sent; 2.3s"),
            "{text}"
        );
    }

    /// The sample for two registries: what failed for one of them is in place at the other.
    fn for_two_targets() -> Report {
        let mut report = samples::report();
        let mut elsewhere = samples::result("quay.io/x", Action::AlreadyCached);
        elsewhere.target = "registry.example.eu/mirror/x:1.27".to_owned();
        report.results.push(elsewhere);
        report
    }

    #[test]
    fn results_for_several_registries_are_told_apart_by_these() {
        let expected = "\
IMAGE                    TAG   TARGET               PLATFORM     ACTION    BLOBS     BYTES  TIME
docker.io/library/nginx  1.27  localhost:5000       linux/amd64  copied        3  12.3 KiB  0.3s
redis                    1.27  localhost:5000       linux/amd64  in place                   0.3s
quay.io/x                1.27  localhost:5000       linux/amd64  failed        0       0 B  0.3s
quay.io/x                1.27  registry.example.eu  linux/amd64  in place                   0.3s

Failed:
  source: check 1.27: 404, there is no such tag
    quay.io/x:1.27 -> localhost:5000/quay.io/x:1.27
";
        let text = plain(&for_two_targets(), None);
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn results_for_several_targets_fit_a_narrow_terminal() {
        for width in [70, 80, 90, 100, 120] {
            let text = plain(&for_two_targets(), Some(width));
            let (table, _) = text.split_once("\n\n").unwrap();
            for line in table.lines() {
                assert!(measure_text_width(line) <= width, "{width}: {line}");
            }
            assert!(table.contains("le.eu  linux/amd64  in place"), "{table}");
        }
    }

    #[test]
    fn an_image_for_two_repositories_of_a_registry_is_told_with_its_target() {
        let mut report = for_two_targets();
        report.results[3].target = "localhost:5000/web/x:1.27".to_owned();
        let text = plain(&report, None);
        for line in [
            "quay.io/x                1.27  localhost:5000/quay.io/x:1.27 ",
            "quay.io/x                1.27  localhost:5000/web/x:1.27 ",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn an_image_without_a_result_for_one_of_its_targets_is_told_with_that() {
        let mut report = samples::report();
        report.missing = vec![MissingImage {
            image: "redis".to_owned(),
            tag: "1.27".to_owned(),
            target: "registry.example.eu/redis:1.27".to_owned(),
            attempts: 0,
            error: None,
            bytes_copied: 0,
        }];
        let text = plain(&report, None);
        let missing = "\nWithout a result:\n  never begun\n    redis:1.27 -> registry.example.eu/redis:1.27\n";
        assert!(text.contains(missing), "{text}");
        assert!(
            text.contains("redis                    1.27  localhost:5000 "),
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
        let coloured = render(&samples::report(), canvas, Extent::All);
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
