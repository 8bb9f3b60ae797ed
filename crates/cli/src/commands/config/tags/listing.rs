//! What becomes of tags: a table for people, or JSON.

use std::io::{self, Write};

use image_sync_catalog::selection::{Explained, Fate};
use image_sync_shared::text::escape_json;
use serde::Serialize;

use crate::output::Shape;
use crate::terminal::table::{Canvas, Column, Remarks, Table};
use crate::terminal::text::printable;
use crate::terminal::units::count;

const COLUMNS: [Column; 2] = [Column::name("TAG"), Column::text("STAGE")];
/// What stands for the stage of a tag that passes all of them.
const CHOSEN: &str = "chosen";

/// What becomes of the tags of a repository.
pub(super) struct Told {
    pub(super) repository: String,
    /// How many it has.
    pub(super) tags: usize,
    pub(super) explanations: Vec<Explanation>,
}

/// What becomes of them by some rules.
pub(super) struct Explanation {
    /// Where these stand.
    pub(super) rules: String,
    pub(super) explained: Explained,
}

#[derive(Serialize)]
struct Json<'a> {
    repository: &'a str,
    tags: usize,
    rules: Vec<JsonRules<'a>>,
}

#[derive(Serialize)]
struct JsonRules<'a> {
    from: &'a str,
    stages: Vec<JsonStage>,
    tags: Vec<JsonTag<'a>>,
}

#[derive(Serialize)]
struct JsonStage {
    stage: &'static str,
    left: usize,
}

#[derive(Serialize)]
struct JsonTag<'a> {
    tag: &'a str,
    chosen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// Writes it as it is asked for.
pub(super) fn write(told: &Told, shape: Shape, out: &mut impl Write) -> io::Result<()> {
    match shape {
        Shape::Json => write_json(told, out),
        Shape::Table(canvas) => write_tables(told, canvas, out),
    }
}

fn write_json(told: &Told, out: &mut impl Write) -> io::Result<()> {
    let rules = told.explanations.iter().map(|explanation| JsonRules {
        from: &explanation.rules,
        stages: (explanation.explained.stages.iter())
            .map(|stage| JsonStage {
                stage: stage.name,
                left: stage.left,
            })
            .collect(),
        tags: explanation.explained.tags.iter().map(json).collect(),
    });
    let json = Json {
        repository: &told.repository,
        tags: told.tags,
        rules: rules.collect(),
    };
    let json = serde_json::to_string_pretty(&json)?;
    writeln!(out, "{}", escape_json(&json))
}

fn json(fate: &Fate) -> JsonTag<'_> {
    let out = fate.out.as_ref();
    JsonTag {
        tag: &fate.tag,
        chosen: out.is_none(),
        stage: out.map(|out| out.stage),
        why: out.map(|out| out.why.as_str()),
    }
}

fn write_tables(told: &Told, canvas: Canvas, out: &mut impl Write) -> io::Result<()> {
    let tags = count(told.tags as u64, "tag");
    writeln!(out, "{}: {tags}", printable(&told.repository))?;
    for Explanation { rules, explained } in &told.explanations {
        writeln!(out, "\n{}:", printable(rules))?;
        for stage in &explained.stages {
            writeln!(out, "  {:<9}  leaves {}", stage.name, stage.left)?;
        }
        if explained.tags.is_empty() {
            continue;
        }
        let mut table = Table::new(&COLUMNS).with_remarks(Remarks::Always("WHY"));
        for fate in &explained.tags {
            table.measure(&cells(fate));
        }
        let layout = table.layout(canvas);
        writeln!(out, "\n{}", layout.headings())?;
        for fate in &explained.tags {
            let why = fate.out.as_ref().map_or("", |out| &out.why);
            let line = layout.line(&cells(fate), &printable(why));
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn cells(fate: &Fate) -> [String; COLUMNS.len()] {
    let stage = fate.out.as_ref().map_or(CHOSEN, |out| out.stage);
    [printable(&fate.tag), stage.to_owned()]
}
