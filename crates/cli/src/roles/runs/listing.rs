//! The list of runs: a table for people, or JSON.

use std::io::{self, Write};

use console::{Alignment, measure_text_width, pad_str};
use image_sync_shared::ports::run_states::RunState;
use image_sync_shared::report::{ReportHead, RunStatus};
use image_sync_shared::run::Trigger;
use serde::Serialize;
use time::UtcOffset;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use crate::exit::{Exit, Problem};
use crate::outputs::Shape;
use crate::stdout;
use crate::text::printable;

const COLUMNS: usize = 8;
const HEADINGS: [&str; COLUMNS] = [
    "RUN", "STATUS", "TRIGGER", "STARTED", "IMAGES", "COPIED", "IN PLACE", "FAILED",
];
const FIRST_NUMBER: usize = 4;
const STARTED: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A run in the JSON of the list: `ended` is the report without its lists.
#[derive(Serialize)]
struct Row<'a> {
    run_id: &'a str,
    status: &'static str,
    catalog: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    until: time::OffsetDateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'a ReportHead>,
}

/// Writes the runs to stdout.
pub(super) async fn write(states: Vec<RunState>, shape: Shape) -> Result<Exit, Problem> {
    stdout::write_aside(move |out| match shape {
        Shape::Json => write_json(&states, out),
        Shape::Table(_) => write_table(&states, out),
    })
    .await?;
    Ok(Exit::Success)
}

fn write_json(states: &[RunState], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Row<'_>> = states.iter().map(row).collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

fn row(state: &RunState) -> Row<'_> {
    Row {
        run_id: state.run.as_str(),
        status: status(state),
        catalog: &state.catalog,
        until: state.until,
        ended: state.ended.as_ref(),
    }
}

fn write_table(states: &[RunState], out: &mut impl Write) -> io::Result<()> {
    if states.is_empty() {
        return writeln!(out, "no runs");
    }
    let lines: Vec<[String; COLUMNS]> = [HEADINGS.map(str::to_owned)]
        .into_iter()
        .chain(states.iter().map(cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(move |line| measure_text_width(&line[column]))
    };
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| width(column).max().unwrap_or(0))
        .collect();
    for line in &lines {
        let padded = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let alignment = if column < FIRST_NUMBER {
                    Alignment::Left
                } else {
                    Alignment::Right
                };
                pad_str(cell, *width, alignment, None).into_owned()
            });
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn cells(state: &RunState) -> [String; COLUMNS] {
    let of_report =
        |cell: fn(&ReportHead) -> String| state.ended.as_ref().map_or_else(String::new, cell);
    [
        printable(state.run.as_str()),
        status(state).to_owned(),
        of_report(|head| trigger(head.trigger).to_owned()),
        of_report(|head| {
            let started = head.started_at.to_offset(UtcOffset::UTC);
            started.format(STARTED).unwrap_or_default()
        }),
        of_report(|head| head.summary.total.to_string()),
        of_report(|head| head.summary.pulled.to_string()),
        of_report(|head| head.summary.already_cached.to_string()),
        of_report(|head| head.summary.failed.to_string()),
    ]
}

fn status(state: &RunState) -> &'static str {
    match state.ended.as_ref().map(|head| head.status) {
        None => "open",
        Some(RunStatus::Complete) => "complete",
        Some(RunStatus::Incomplete) => "incomplete",
        Some(RunStatus::Abandoned) => "abandoned",
        Some(RunStatus::Cancelled) => "cancelled",
    }
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Cron => "cron",
        Trigger::Manual => "manual",
        Trigger::Webhook => "webhook",
        Trigger::Replay => "replay",
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::run::RunId;
    use time::macros::datetime;

    use super::*;
    use crate::samples;

    fn states() -> [RunState; 2] {
        let open = RunState {
            run: RunId::new("r2"),
            catalog: "c0ffee".to_owned(),
            until: datetime!(2026-11-20 18:00 UTC),
            ended: None,
        };
        let ended = RunState {
            run: RunId::new("r1"),
            ended: Some(samples::report().head),
            ..open.clone()
        };
        [ended, open]
    }

    #[test]
    fn the_table_has_a_line_per_run() {
        let mut out = Vec::new();
        write_table(&states(), &mut out).unwrap();
        let expected = "\
RUN  STATUS    TRIGGER  STARTED               IMAGES  COPIED  IN PLACE  FAILED
r1   complete  cron     2026-11-20T12:00:00Z       3       1         1       1
r2   open
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut none = Vec::new();
        write_table(&[], &mut none).unwrap();
        assert_eq!(none, b"no runs\n");
    }

    #[test]
    fn the_json_says_how_each_run_ended() {
        let mut out = Vec::new();
        write_json(&states(), &mut out).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(list[0]["ended"]["summary"]["total"], 3);
        assert_eq!(list[1]["status"], "open");
        assert_eq!(list[1].get("ended"), None);
    }
}
