//! The list of workers: a table for people, or JSON.

use std::io::{self, Write};

use image_sync_shared::ports::queue::fleet::{About, ImageInHand};
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

const COLUMNS: [Column; 7] = [
    Column::name("WORKER"),
    Column::number("SLOTS"),
    Column::number("IN HAND"),
    Column::text("VERSION"),
    Column::name("HOST"),
    Column::text("SINCE"),
    Column::text("LAST SEEN"),
];

/// A worker that answered.
pub(super) struct Seen {
    /// What it says of itself.
    pub(super) about: About,
    /// When it said so last.
    pub(super) at: OffsetDateTime,
}

/// A worker in the JSON of the list.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    slots: u32,
    in_hand: u32,
    version: &'a str,
    host: &'a str,
    #[serde(with = "timestamp")]
    since: OffsetDateTime,
    #[serde(with = "timestamp")]
    last_seen: OffsetDateTime,
    images: &'a [ImageInHand],
}

/// Writes the workers to stdout.
pub(super) async fn write(
    workers: Vec<Seen>,
    shape: Shape,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let written = stdout.write_aside(move |out| match shape {
        Shape::Json => write_json(&workers, out),
        Shape::Table(canvas) => write_table(&workers, canvas, out),
    });
    written.await?;
    Ok(Exit::Success)
}

fn write_json(workers: &[Seen], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<Row<'_>> = workers
        .iter()
        .map(|Seen { about, at }| Row {
            name: &about.name,
            slots: about.slots,
            in_hand: about.in_hand,
            version: &about.version,
            host: &about.host,
            since: about.since,
            last_seen: *at,
            images: &about.images,
        })
        .collect();
    let json = serde_json::to_string_pretty(&rows)?;
    writeln!(out, "{}", escape_json(&json))
}

fn write_table(workers: &[Seen], canvas: Canvas, out: &mut impl Write) -> io::Result<()> {
    if workers.is_empty() {
        return writeln!(out, "no worker answers");
    }
    let mut table = Table::new(&COLUMNS).with_remarks(Remarks::None);
    for worker in workers {
        table.measure(&cells(worker));
    }
    let layout = table.layout(canvas);
    writeln!(out, "{}", layout.headings())?;
    for worker in workers {
        writeln!(out, "{}", layout.line(&cells(worker), ""))?;
    }
    Ok(())
}

fn cells(Seen { about, at }: &Seen) -> [String; COLUMNS.len()] {
    [
        printable(&about.name),
        about.slots.to_string(),
        about.in_hand.to_string(),
        printable(&about.version),
        printable(&about.host),
        units::time(about.since),
        units::time(*at),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use console::measure_text_width;
    use image_sync_shared::run::RunId;
    use time::macros::datetime;

    use super::*;

    fn workers() -> [Seen; 2] {
        let worker = |name: &str, images: Vec<ImageInHand>| Seen {
            about: About {
                name: name.to_owned(),
                host: "machine.example".to_owned(),
                version: "0.1.0".to_owned(),
                since: datetime!(2026-11-20 13:00 +1),
                slots: 4,
                in_hand: u32::try_from(images.len()).unwrap(),
                images,
                has_left: false,
            },
            at: datetime!(2026-11-20 12:30:01.5 UTC),
        };
        let image = ImageInHand {
            run: RunId::new("r1"),
            idx: 7,
            image: "nginx:1.27".to_owned(),
            target: "localhost:5000/nginx:1.27".to_owned(),
            since: Duration::from_secs(3),
            transfers: None,
        };
        [
            worker("worker-1", vec![image]),
            worker("w\u{1b}[2J", Vec::new()),
        ]
    }

    fn table(workers: &[Seen], width: Option<usize>) -> String {
        let mut out = Vec::new();
        let canvas = Canvas {
            width,
            colour: false,
        };
        write_table(workers, canvas, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_says_who_is_there() {
        let expected = "\
WORKER    SLOTS  IN HAND  VERSION  HOST             SINCE                 LAST SEEN
worker-1      4        1  0.1.0    machine.example  2026-11-20T12:00:00Z  2026-11-20T12:30:01Z
w [2J         4        0  0.1.0    machine.example  2026-11-20T12:00:00Z  2026-11-20T12:30:01Z
";
        assert_eq!(table(&workers(), None), expected);
        assert_eq!(table(&[], None), "no worker answers\n");
        let narrow = table(&workers(), Some(90));
        let fits = |line: &str| measure_text_width(line) <= 90;
        assert!(narrow.lines().all(fits), "{narrow}");
    }

    #[test]
    fn the_json_names_what_is_in_hand_and_has_no_control_character() {
        let mut out = Vec::new();
        write_json(&workers(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "name": "worker-1", "slots": 4, "in_hand": 1, "version": "0.1.0", "host": "machine.example",
            "since": "2026-11-20T12:00:00.000Z", "last_seen": "2026-11-20T12:30:01.500Z",
            "images": [{"run_id": "r1", "idx": 7, "image": "nginx:1.27", "target": "localhost:5000/nginx:1.27", "since_ms": 3000}],
        });
        assert_eq!(list[0], expected);
    }
}
