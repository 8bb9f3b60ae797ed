//! The command line.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::workloads::{ALL, Workload};

pub(crate) struct Options {
    pub(crate) workloads: Vec<&'static Workload>,
    pub(crate) rounds: usize,
    pub(crate) output: PathBuf,
    pub(crate) image_sync: PathBuf,
    pub(crate) commit: String,
    pub(crate) limit: Duration,
    /// Those that run beside image-sync, where the command line says it.
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) images_instead: Option<usize>,
    round_trips: Vec<u64>,
}

const DEFAULT_ROUNDS: usize = 3;
const DEFAULT_LIMIT_SECS: u64 = 30;

pub(crate) fn usage() -> String {
    let workloads: Vec<String> = ALL
        .iter()
        .map(|workload| format!("  {:<26} {}", workload.name, workload.what))
        .collect();
    format!(
        "\
Usage: scripts/bench [WORKLOAD...] [OPTION VALUE]...

Without a WORKLOAD all of them run.

  --rounds N         counted runs of each tool, after one that is not counted (default: {DEFAULT_ROUNDS})
  --rtt MS           round trip to the registries, may be given several times (default: those of the workload)
  --tools A,B        only these tools (default: all that are found on PATH)
  --images N         so many images instead of those of the workload
  --limit SECONDS    stop a tool that takes longer, and do not run it again in that workload (default: {DEFAULT_LIMIT_SECS})
  --output DIR       where bench.json and bench.md are written (default: target/bench)
  --image-sync PATH  the program (default: target/release/image-sync)
  --commit TEXT      what the results say that it was built from

Workloads:

{}",
        workloads.join("\n")
    )
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> io::Result<Self> {
        let mut options = Self {
            workloads: Vec::new(),
            rounds: DEFAULT_ROUNDS,
            output: PathBuf::from("target/bench"),
            image_sync: PathBuf::from("target/release/image-sync"),
            commit: String::new(),
            limit: Duration::from_secs(DEFAULT_LIMIT_SECS),
            tools: None,
            images_instead: None,
            round_trips: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument.starts_with('-') {
                let value = arguments.next().map(String::as_str).unwrap_or_default();
                options.set(argument, value)?;
            } else {
                let named = ALL.iter().find(|workload| workload.name == argument);
                let named = named.ok_or_else(|| wrong(&format!("no workload {argument:?}")))?;
                options.workloads.push(named);
            }
        }
        if options.workloads.is_empty() {
            options.workloads = ALL.iter().collect();
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> io::Result<()> {
        match name {
            "--rounds" => self.rounds = number::<usize>(name, value)?.max(1),
            "--rtt" => self.round_trips.push(number(name, value)?),
            "--tools" => self.tools = Some(value.split(',').map(str::to_owned).collect()),
            "--images" => self.images_instead = Some(number(name, value)?),
            "--limit" => self.limit = Duration::from_secs(number(name, value)?),
            "--output" => self.output = value.into(),
            "--image-sync" => self.image_sync = value.into(),
            "--commit" => value.clone_into(&mut self.commit),
            _ => return Err(wrong(&format!("no option {name:?}"))),
        }
        Ok(())
    }

    /// Shortest first.
    pub(crate) fn round_trips(&self, workload: &Workload) -> Vec<u64> {
        let mut round_trips = if self.round_trips.is_empty() {
            workload.round_trips.to_vec()
        } else {
            self.round_trips.clone()
        };
        round_trips.sort_unstable();
        round_trips
    }

    /// How many images, of so many.
    pub(crate) fn images(&self, of_workload: usize) -> usize {
        self.images_instead.unwrap_or(of_workload)
    }

    pub(crate) fn wants(&self, tool: &str) -> bool {
        let among = |tools: &Vec<String>| tools.iter().any(|name| name == tool);
        self.tools.as_ref().is_none_or(among)
    }
}

fn number<N: std::str::FromStr<Err = std::num::ParseIntError>>(
    name: &str,
    value: &str,
) -> io::Result<N> {
    value
        .parse()
        .map_err(|error| wrong(&format!("{name} {value:?}: {error}")))
}

fn wrong(problem: &str) -> io::Error {
    io::Error::other(format!("{problem}\n\n{}", usage()))
}
