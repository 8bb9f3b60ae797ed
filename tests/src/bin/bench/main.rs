//! Runs image-sync and the tools beside it over the same work, in turn, and writes how long each took and what it cost.
//! `scripts/bench` builds and starts it.

mod floor;
mod measure;
mod options;
mod queue;
mod registries;
mod report;
mod results;
mod side_by_side;
mod tools;
mod workloads;

use std::io::{self, Write as _};
use std::process::ExitCode;

use options::Options;
use results::{Report, Row, Table};
use tools::Found;
use workloads::{Kind, Workload};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.split_first() {
        Some((first, rest)) if first == measure::COMMAND => measure::child(rest),
        Some((first, rest)) if first == floor::COMMAND => floor::main(rest).await,
        _ => tokio::select! {
            ended = bench(&arguments) => ended,
            // Whatever was started ends as it is dropped.
            _ = tokio::signal::ctrl_c() => Err(io::Error::other("interrupted")),
        },
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "{error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn bench(arguments: &[String]) -> io::Result<()> {
    if arguments == ["--help"] {
        return writeln!(io::stdout(), "{}", options::usage());
    }
    let options = Options::parse(arguments)?;
    let tools = tools::found(&options)?;
    let mut report = Report::new(&options, &tools);
    for workload in &options.workloads {
        let mut left: Vec<&Found> = tools.iter().collect();
        for round_trip in options.round_trips(workload) {
            let name = workload.name;
            writeln!(io::stderr(), "==> {name}, {round_trip} ms").unwrap_or_default();
            let table = run(workload, round_trip, &left, &options).await?;
            let too_slow: Vec<&Row> = table.rows.iter().filter(|row| row.is_too_slow).collect();
            left.retain(|tool| too_slow.iter().all(|row| row.tool != tool.name));
            writeln!(io::stdout(), "{}", report::markdown_table(&table))?;
            report.tables.push(table);
            // After each, so that what was measured is there if a later one fails.
            report::write(&report, &options.output)?;
        }
    }
    let folder = options.output.display();
    writeln!(io::stderr(), "wrote {folder}/bench.json and bench.md")
}

async fn run(
    workload: &'static Workload,
    round_trip: u64,
    tools: &[&Found],
    options: &Options,
) -> io::Result<Table> {
    let rows = match &workload.kind {
        Kind::Sync(sync) => side_by_side::run(sync, round_trip, tools, options).await?,
        Kind::Queue(queue) => queue::run(queue, round_trip, tools, options).await?,
    };
    Ok(Table {
        workload: workload.name,
        what: workload.what,
        round_trip_ms: round_trip,
        images_instead: options.images_instead,
        rows,
    })
}
