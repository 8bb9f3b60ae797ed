//! Results as JSON and as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::results::{Bytes, Report, Round, Row, Spread, Table, ToolUsed};

pub(crate) fn write(report: &Report, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let json = serde_json::to_vec_pretty(report)?;
    fs::write(folder.join("bench.json"), json)?;
    fs::write(folder.join("bench.md"), markdown(report))
}

fn markdown(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "Built from {}, on {} cores ({}), Linux {}. {} counted rounds: medians, and least to most.\n",
        report.commit, machine.cores, machine.processor, machine.kernel, report.rounds
    );
    for table in &report.tables {
        text.push('\n');
        text.push_str(&markdown_table(table));
    }
    text.push_str("\n## Tools\n");
    for tool in &report.tools {
        text.push_str(&markdown_tool(tool));
    }
    text
}

/// A workload at one round trip.
pub(crate) fn markdown_table(table: &Table) -> String {
    let mut text = format!(
        "## {}, {} ms\n\n{}.",
        table.workload, table.round_trip_ms, table.what
    );
    if let Some(images) = table.images_instead {
        write!(text, " With {images} images instead.").unwrap_or_default();
    }
    text.push_str("\n\n");
    let columns = [
        "",
        "wall",
        "of the first",
        "CPU",
        "peak memory",
        "requests to source",
        "requests to target",
        "bytes from source / to target",
        "nats-server per job",
        "",
    ];
    let rows: Vec<[String; 10]> = table.rows.iter().map(cells).collect();
    // A column that nothing is in is left out.
    let is_used = |at: usize| at == 0 || rows.iter().any(|cells| !cells[at].is_empty());
    let used: Vec<usize> = (0..columns.len()).filter(|at| is_used(*at)).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = used.iter().map(|at| cell(*at)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&line(&|at| columns[at].to_owned()));
    text.push_str(&line(&|_| "---".to_owned()));
    for cells in &rows {
        text.push_str(&line(&|at| cells[at].clone()));
    }
    text
}

fn cells(row: &Row) -> [String; 10] {
    let last = row.rounds.last();
    let requests = |of: fn(&Round) -> &BTreeMap<String, u64>| {
        last.map(|round| counts(of(round))).unwrap_or_default()
    };
    let per_job = row.rounds.iter().filter_map(|r| r.server_cpu_us_per_job);
    [
        row.tool.clone(),
        spread(row.wall_secs, " s"),
        spread(row.wall_ratio, ""),
        spread(row.cpu_secs, " s"),
        row.peak_bytes.map(size).unwrap_or_default(),
        requests(|round| &round.requests.source),
        requests(|round| &round.requests.target),
        row.bytes.map(traffic).unwrap_or_default(),
        spread(Spread::of(per_job), " us"),
        row.note.as_deref().map(one_line).unwrap_or_default(),
    ]
}

fn spread(spread: Option<Spread>, unit: &str) -> String {
    let Some(Spread {
        median,
        least,
        most,
    }) = spread
    else {
        return String::new();
    };
    if least.total_cmp(&most).is_eq() {
        return format!("{median:.2}{unit}");
    }
    format!("{median:.2}{unit} ({least:.2}-{most:.2})")
}

fn size(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
    }
}

fn counts(requests: &BTreeMap<String, u64>) -> String {
    let each = requests.iter();
    let each: Vec<String> = each
        .map(|(method, count)| format!("{count} {method}"))
        .collect();
    each.join(", ")
}

fn traffic(bytes: Bytes) -> String {
    format!("{} / {}", size(bytes.from_source), size(bytes.to_target))
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "/")
}

fn markdown_tool(tool: &ToolUsed) -> String {
    let mut text = format!(
        "\n**{}**: {} ({})\n\n```sh\n{}\n```\n",
        tool.name, tool.version, tool.digest, tool.command
    );
    for (name, content) in &tool.files {
        write!(text, "\n`{name}`\n\n```yaml\n{content}```\n").unwrap_or_default();
    }
    text
}
