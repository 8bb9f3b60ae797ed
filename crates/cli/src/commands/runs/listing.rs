//! The list of runs: a table for people, or JSON.

use std::io::{self, Write};

use image_sync_shared::ports::runs::run_log::RunFrame;
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::run::Trigger;
use image_sync_shared::run::report::{ReportHead, RunStatus};
use image_sync_shared::text::JsonWriter;
use image_sync_shared::text::timestamp;
use serde::Serialize;
use time::OffsetDateTime;

use crate::output::Shape;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::terminal::table::{Canvas, Column, Table};
use crate::terminal::text::printable;
use crate::terminal::units;

const COLUMNS: [Column; 8] = [
    Column::text("RUN"),
    Column::text("STATUS"),
    Column::text("TRIGGER"),
    Column::text("STARTED"),
    Column::number("IMAGES"),
    Column::number("COPIED"),
    Column::number("IN PLACE"),
    Column::number("FAILED"),
];

/// A run of the list.
pub(super) struct Listed {
    pub(super) state: RunState,
    /// What its log says, if it is open.
    pub(super) frame: RunFrame,
}

impl Listed {
    fn trigger(&self) -> Option<Trigger> {
        let opened = self.frame.opened.as_ref().map(|opened| opened.trigger);
        self.head().map(|head| head.trigger).or(opened)
    }

    fn started_at(&self) -> Option<OffsetDateTime> {
        let opened = self.frame.opened.as_ref().map(|opened| opened.started_at);
        self.head().map(|head| head.started_at).or(opened)
    }

    fn jobs(&self) -> Option<u32> {
        let total = self.head().map(|head| head.summary.total);
        total.or(self.frame.jobs)
    }

    fn head(&self) -> Option<&ReportHead> {
        self.state.ended.as_ref()
    }

    /// Whether events led to it, and all went well: of such there may be thousands in a row.
    fn is_quiet(&self) -> bool {
        let is_well =
            |head: &ReportHead| head.status == RunStatus::Complete && head.summary.failed == 0;
        self.trigger() == Some(Trigger::Webhook) && self.head().is_some_and(is_well)
    }
}

/// A run in the JSON of the list: `ended` is the report without its lists.
#[derive(Serialize)]
struct Row<'a> {
    run_id: &'a str,
    status: &'static str,
    catalog: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<Trigger>,
    #[serde(with = "timestamp::option", skip_serializing_if = "Option::is_none")]
    started_at: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<u32>,
    #[serde(with = "timestamp")]
    until: OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'a ReportHead>,
}

/// Writes the runs to stdout. A table has the runs of events folded, JSON has each.
pub(super) async fn write(
    runs: Vec<Listed>,
    shape: Shape,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let written = stdout.write_aside(move |out| match shape {
        Shape::Json => write_json(&runs, out),
        Shape::Table(_) => write_table(&runs, out),
    });
    written.await?;
    Ok(Exit::Success)
}

fn write_json(runs: &[Listed], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Row<'_>> = runs.iter().map(row).collect();
    serde_json::to_writer_pretty(JsonWriter::new(&mut *out), &rows)?;
    writeln!(out)
}

fn row(run: &Listed) -> Row<'_> {
    Row {
        run_id: run.state.run.as_str(),
        status: status(&run.state),
        catalog: &run.state.catalog,
        trigger: run.trigger(),
        started_at: run.started_at(),
        jobs: run.jobs(),
        until: run.state.until,
        ended: run.head(),
    }
}

fn write_table(runs: &[Listed], out: &mut impl Write) -> io::Result<()> {
    if runs.is_empty() {
        return writeln!(out, "no runs");
    }
    let mut table = Table::new(&COLUMNS);
    // Those of events that follow each other are one line.
    let together = |one: &Listed, next: &Listed| one.is_quiet() && next.is_quiet();
    let lines = || runs.chunk_by(together).filter_map(cells);
    lines().for_each(|line| table.measure(&line));
    // Nothing here is cut: ids are there to be copied.
    let layout = table.layout(Canvas::default());
    writeln!(out, "{}", layout.headings())?;
    for line in lines() {
        writeln!(out, "{}", layout.line(&line, ""))?;
    }
    Ok(())
}

/// The line of these runs, which has the id and the time of the first one and the counts of all.
fn cells(runs: &[Listed]) -> Option<[String; COLUMNS.len()]> {
    let run = runs.first()?;
    let sum = |count: fn(&Listed) -> Option<u32>| {
        let counts: Option<Vec<u64>> = runs.iter().map(|run| count(run).map(u64::from)).collect();
        text(counts.map(|counts| counts.iter().sum::<u64>()))
    };
    let trigger = text(run.trigger().map(Trigger::name));
    let trigger = match runs.len() {
        1 => trigger,
        several => format!("{trigger}, {several} runs"),
    };
    Some([
        printable(run.state.run.as_str()),
        printable(status(&run.state)),
        printable(&trigger),
        text(run.started_at().map(units::time)),
        sum(Listed::jobs),
        sum(|run| run.head().map(|head| head.summary.pulled)),
        sum(|run| run.head().map(|head| head.summary.already_cached)),
        sum(|run| run.head().map(|head| head.summary.failed)),
    ])
}

/// What is not known is left out.
fn text(known: Option<impl ToString>) -> String {
    known.map_or_else(String::new, |known| known.to_string())
}

fn status(state: &RunState) -> &'static str {
    match state.ended.as_ref().map(|head| head.status) {
        None => "open",
        Some(status) => status.name(),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::ports::telemetry::trace_context::TraceContext;
    use image_sync_shared::run::{RunId, RunOpened};
    use time::macros::datetime;

    use super::*;
    use crate::samples;

    /// One that ended, one that is open, and one that was only claimed so far.
    fn runs() -> [Listed; 3] {
        let run = |id: &str, ended: Option<ReportHead>, frame: RunFrame| Listed {
            state: RunState {
                run: RunId::new(id),
                catalog: "c0ffee".to_owned(),
                until: datetime!(2026-11-20 18:00 UTC),
                ended,
            },
            frame,
        };
        let opened = RunOpened {
            started_at: datetime!(2026-11-20 12:30 UTC),
            deadline_at: datetime!(2026-11-20 18:00 UTC),
            trigger: Trigger::Enqueue,
            cache_registry: "localhost:5000".to_owned(),
            config_hash: "c0ffee".to_owned(),
            images: None,
            skip_on_error: false,
            silence_ms: 90_000,
            key: None,
            trace: TraceContext::default(),
            dry_run: false,
        };
        let frame = RunFrame {
            opened: Some(opened),
            jobs: Some(7),
        };
        [
            run("r1", Some(samples::report().head), RunFrame::default()),
            run("r2", None, frame),
            run("r3", None, RunFrame::default()),
        ]
    }

    #[test]
    fn the_table_has_a_line_per_run_with_what_is_known_of_it() {
        let mut out = Vec::new();
        write_table(&runs(), &mut out).unwrap();
        let expected = "\
RUN  STATUS    TRIGGER   STARTED               IMAGES  COPIED  IN PLACE  FAILED
r1   complete  schedule  2026-11-20T12:00:00Z       3       1         1       1
r2   open      enqueue   2026-11-20T12:30:00Z       7
r3   open
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut none = Vec::new();
        write_table(&[], &mut none).unwrap();
        assert_eq!(none, b"no runs\n");
    }

    #[test]
    fn runs_of_events_that_went_well_are_one_line_and_others_stand_out() {
        let of_event = |id: &str, failed: u32| {
            let mut head = samples::report().head;
            head.trigger = Trigger::Webhook;
            head.summary.failed = failed;
            Listed {
                state: RunState {
                    run: RunId::new(id),
                    ended: Some(head),
                    ..runs()[0].state.clone()
                },
                frame: RunFrame::default(),
            }
        };
        let [scheduled, ..] = runs();
        let well = |id: &str| {
            let mut run = of_event(id, 0);
            let ended = run.state.ended.as_mut().unwrap();
            ended.trigger = Trigger::Enqueue;
            run
        };
        let listed = [
            well("m1"),
            well("m2"),
            of_event("w1", 0),
            of_event("w2", 0),
            of_event("w3", 0),
            scheduled,
            of_event("w4", 0),
            of_event("w5", 1),
            of_event("w6", 0),
        ];
        let mut out = Vec::new();
        write_table(&listed, &mut out).unwrap();
        let expected = "\
RUN  STATUS    TRIGGER          STARTED               IMAGES  COPIED  IN PLACE  FAILED
m1   complete  enqueue          2026-11-20T12:00:00Z       3       1         1       0
m2   complete  enqueue          2026-11-20T12:00:00Z       3       1         1       0
w1   complete  webhook, 3 runs  2026-11-20T12:00:00Z       9       3         3       0
r1   complete  schedule         2026-11-20T12:00:00Z       3       1         1       1
w4   complete  webhook          2026-11-20T12:00:00Z       3       1         1       0
w5   complete  webhook          2026-11-20T12:00:00Z       3       1         1       1
w6   complete  webhook          2026-11-20T12:00:00Z       3       1         1       0
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut json = Vec::new();
        write_json(&listed, &mut json).unwrap();
        let all: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(all.as_array().unwrap().len(), 9);
    }

    #[test]
    fn the_json_says_how_each_run_began_and_ended() {
        let mut out = Vec::new();
        write_json(&runs(), &mut out).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(list[0]["ended"]["summary"]["total"], 3);
        assert_eq!(
            (&list[0]["trigger"], &list[0]["jobs"]),
            (&"schedule".into(), &3.into())
        );
        assert_eq!(list[1]["status"], "open");
        assert_eq!(
            (&list[1]["trigger"], &list[1]["jobs"]),
            (&"enqueue".into(), &7.into())
        );
        assert_eq!(list[1]["started_at"], "2026-11-20T12:30:00.000Z");
        assert_eq!(list[1].get("ended"), None);
        for unknown in ["trigger", "started_at", "jobs", "ended"] {
            assert_eq!(list[2].get(unknown), None);
        }
    }
}
