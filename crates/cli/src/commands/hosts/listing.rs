//! The list of paused registries: a table for people, or JSON.

use std::io::{self, Write};

use image_sync_shared::ports::queue::host_pauses::HostPause;
use image_sync_shared::text::escape_json;
use image_sync_shared::text::timestamp;
use serde::Serialize;
use time::OffsetDateTime;

use crate::output::Shape;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::terminal::table::{Canvas, Column, Remarks, Table};
use crate::terminal::text::printable;
use crate::terminal::units;

const COLUMNS: [Column; 3] = [
    Column::text("HOST"),
    Column::text("PAUSED UNTIL"),
    Column::text("SINCE"),
];

/// A pause in the JSON of the list.
#[derive(Serialize)]
struct Row<'a> {
    host: &'a str,
    #[serde(with = "timestamp")]
    paused_until: OffsetDateTime,
    #[serde(with = "timestamp")]
    since: OffsetDateTime,
    reason: &'a str,
}

/// Writes the pauses to stdout.
pub(super) async fn write(
    pauses: Vec<HostPause>,
    shape: Shape,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let written = stdout.write_aside(move |out| match shape {
        Shape::Json => write_json(&pauses, out),
        Shape::Table(canvas) => write_table(&pauses, canvas, out),
    });
    written.await?;
    Ok(Exit::Success)
}

fn write_json(pauses: &[HostPause], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Row<'_>> = pauses
        .iter()
        .map(|pause| Row {
            host: &pause.host,
            paused_until: pause.until,
            since: pause.since,
            reason: &pause.reason,
        })
        .collect();
    let json = serde_json::to_string_pretty(&rows)?;
    writeln!(out, "{}", escape_json(&json))
}

fn write_table(pauses: &[HostPause], canvas: Canvas, out: &mut impl Write) -> io::Result<()> {
    if pauses.is_empty() {
        return writeln!(out, "no paused hosts");
    }
    let mut table = Table::new(&COLUMNS).with_remarks(Remarks::Always("REASON"));
    for pause in pauses {
        table.measure(&cells(pause));
    }
    let layout = table.layout(canvas);
    writeln!(out, "{}", layout.headings())?;
    for pause in pauses {
        let line = layout.line(&cells(pause), &printable(&pause.reason));
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn cells(pause: &HostPause) -> [String; COLUMNS.len()] {
    [
        printable(&pause.host),
        units::time(pause.until),
        units::time(pause.since),
    ]
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;
    use time::macros::datetime;

    use super::*;

    fn pauses() -> [HostPause; 2] {
        let pause = |host: &str, reason: &str| HostPause {
            host: host.to_owned(),
            since: datetime!(2026-11-20 12:00:01.5 UTC),
            until: datetime!(2026-11-20 13:15 +1),
            reason: reason.to_owned(),
        };
        [
            pause("docker.io", "source: pull manifest sha256:ab: 429"),
            pause("localhost:5000", "no \u{1b}[2J\u{9b}2J"),
        ]
    }

    fn table(pauses: &[HostPause], width: Option<usize>) -> String {
        let mut out = Vec::new();
        let canvas = Canvas {
            width,
            colour: false,
        };
        write_table(pauses, canvas, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_says_until_when_since_when_and_why() {
        let expected = "\
HOST            PAUSED UNTIL          SINCE                 REASON
docker.io       2026-11-20T12:15:00Z  2026-11-20T12:00:01Z  source: pull manifest sha256:ab: 429
localhost:5000  2026-11-20T12:15:00Z  2026-11-20T12:00:01Z  no  [2J 2J
";
        assert_eq!(table(&pauses(), None), expected);
        assert_eq!(table(&[], None), "no paused hosts\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_reason() {
        let text = table(&pauses(), Some(80));
        let fits = |line: &str| measure_text_width(line) <= 80;
        assert!(text.lines().all(fits), "{text}");
    }

    #[test]
    fn the_json_is_a_list_with_no_control_character() {
        let mut out = Vec::new();
        write_json(&pauses(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "host": "docker.io",
            "paused_until": "2026-11-20T12:15:00.000Z",
            "since": "2026-11-20T12:00:01.500Z",
            "reason": "source: pull manifest sha256:ab: 429",
        });
        assert_eq!(list[0], expected);
    }
}
