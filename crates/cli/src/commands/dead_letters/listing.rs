//! The list of dead letters: a table for people, or JSON.
//!
//! There may be more letters than memory should hold, and columns are as wide as the widest of them. So the list is kept in
//! a temporary file (in memory while it is short) before it is written.

use std::io::{self, BufRead as _, BufReader, Seek as _, Write};

use image_sync_shared::ports::queue::dead_letters::DeadLetters;
use image_sync_shared::text::escape_json;
use tempfile::SpooledTempFile;

use super::row::Row;
use crate::output::Shape;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::terminal::table::{Canvas, Column, Remarks, Table};
use crate::terminal::text::printable;
use crate::terminal::units;

/// Up to this many bytes stay in memory.
const IN_MEMORY: usize = 1024 * 1024;
const COLUMNS: [Column; 4] = [
    Column::text("ID"),
    Column::text("DIED"),
    Column::number("ATTEMPTS"),
    Column::name("IMAGE"),
];

/// Writes all letters to stdout.
pub(super) async fn write(
    letters: &dyn DeadLetters,
    shape: Shape,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let mut reader = letters.read().await.map_err(Problem::not_carried_out)?;
    let mut list = List::default();
    while let Some(letter) = reader.next().await.map_err(Problem::not_carried_out)? {
        list.add(&letter.into()).map_err(Problem::not_carried_out)?;
    }
    let written = stdout.write_aside(move |out| match shape {
        Shape::Json => list.write_json(out),
        Shape::Table(canvas) => list.write_table(canvas, out),
    });
    written.await?;
    Ok(Exit::Success)
}

/// The letters, a line of JSON each.
struct List {
    lines: SpooledTempFile,
    letters: usize,
    table: Table<{ COLUMNS.len() }>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            lines: SpooledTempFile::new(IN_MEMORY),
            letters: 0,
            table: Table::new(&COLUMNS).with_remarks(Remarks::Always("REASON")),
        }
    }
}

impl List {
    fn add(&mut self, row: &Row) -> io::Result<()> {
        self.letters += 1;
        self.table.measure(&cells(row));
        let json = serde_json::to_string(row)?;
        writeln!(self.lines, "{}", escape_json(&json))
    }

    fn lines(&mut self) -> io::Result<impl Iterator<Item = io::Result<String>>> {
        self.lines.rewind()?;
        Ok(BufReader::new(&mut self.lines).lines())
    }

    fn write_json(&mut self, out: &mut impl Write) -> io::Result<()> {
        let mut before = "\n";
        write!(out, "[")?;
        for line in self.lines()? {
            write!(out, "{before}  {}", line?)?;
            before = ",\n";
        }
        writeln!(out, "{}]", if self.letters > 0 { "\n" } else { "" })
    }

    fn write_table(&mut self, canvas: Canvas, out: &mut impl Write) -> io::Result<()> {
        if self.letters == 0 {
            return writeln!(out, "no dead letters");
        }
        let layout = self.table.layout(canvas);
        writeln!(out, "{}", layout.headings())?;
        for line in self.lines()? {
            let row: Row = serde_json::from_str(&line?)?;
            writeln!(
                out,
                "{}",
                layout.line(&cells(&row), &printable(&row.reason))
            )?;
        }
        Ok(())
    }
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let job = row.job.as_ref();
    let image = job.map(|job| format!("{}:{}", job.image, job.tag));
    [
        printable(&row.id),
        units::time(row.died_at),
        job.map_or_else(String::new, |job| job.attempts.to_string()),
        printable(&image.unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;
    use image_sync_shared::ports::queue::dead_letters::DeadLetter;
    use time::macros::datetime;

    use super::*;
    use crate::samples;

    fn list() -> List {
        let mut job = samples::job(17, "docker.io/library/nginx");
        job.attempt = 4;
        let letter = DeadLetter {
            id: job.job_id.to_string(),
            died_at: datetime!(2026-11-20 12:00:01.5 +1),
            reason: "source: check 1.27: 503 (attempt 4)".to_owned(),
            job: Some(job),
            raw: None,
        };
        let undecodable = DeadLetter {
            id: "undecodable-9".to_owned(),
            died_at: datetime!(2026-11-20 12:00 UTC),
            reason: "no job: \u{9b}2J".to_owned(),
            job: None,
            raw: Some("secret".to_owned()),
        };
        let mut list = List::default();
        for letter in [letter, undecodable] {
            list.add(&letter.into()).unwrap();
        }
        list
    }

    fn table(mut list: List, width: Option<usize>) -> String {
        let mut out = Vec::new();
        let canvas = Canvas {
            width,
            colour: false,
        };
        list.write_table(canvas, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json(mut list: List) -> String {
        let mut out = Vec::new();
        list.write_json(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_says_what_when_and_why() {
        let expected = "\
ID             DIED                  ATTEMPTS  IMAGE                         REASON
r1:17          2026-11-20T11:00:01Z         4  docker.io/library/nginx:1.27  source: check 1.27: 503 (attempt 4)
undecodable-9  2026-11-20T12:00:00Z                                          no job:  2J
";
        assert_eq!(table(list(), None), expected);
        assert_eq!(table(List::default(), None), "no dead letters\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_reason_and_the_start_of_the_image() {
        for width in [90, 100, 120] {
            let text = table(list(), Some(width));
            let fits = |line: &str| measure_text_width(line) <= width;
            assert!(text.lines().all(fits), "{width}: {text}");
            assert!(text.contains("nginx:1.27  source: c"), "{width}: {text}");
        }
    }

    #[test]
    fn the_json_is_a_line_per_letter_without_the_bytes_of_what_was_no_job() {
        let text = json(list());
        let expected = r#"[
  {"id":"r1:17","died_at":"2026-11-20T11:00:01.500Z","reason":"source: check 1.27: 503 (attempt 4)","image":"docker.io/library/nginx","tag":"1.27","target":"localhost:5000/library/nginx:1.27","platform":"all","attempts":4,"run_id":"r1"},
  {"id":"undecodable-9","died_at":"2026-11-20T12:00:00.000Z","reason":"no job: \u009b2J"}
]
"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Vec<Row>>(&text).unwrap().len(), 2);
        assert_eq!(json(List::default()), "[]\n");
    }
}
