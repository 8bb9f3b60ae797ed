//! What was measured, as it is written.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use super::measure::Taken;
use super::options::Options;
use super::tools::Found;

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) commit: String,
    pub(crate) rounds: usize,
    pub(crate) machine: Machine,
    pub(crate) tools: Vec<ToolUsed>,
    pub(crate) tables: Vec<Table>,
}

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
}

/// A tool, with its command and config as they are for a catalog of one image.
#[derive(Serialize)]
pub(crate) struct ToolUsed {
    pub(crate) name: &'static str,
    /// What it says its version is.
    pub(crate) version: String,
    /// That of its file.
    pub(crate) digest: String,
    pub(crate) command: String,
    pub(crate) files: BTreeMap<String, String>,
}

/// A workload at one round trip.
#[derive(Serialize)]
pub(crate) struct Table {
    pub(crate) workload: &'static str,
    pub(crate) what: &'static str,
    pub(crate) round_trip_ms: u64,
    /// How many images there were, where the command line said so.
    pub(crate) images_instead: Option<usize>,
    pub(crate) rows: Vec<Row>,
}

/// A tool in a table, the first one being what the others are multiples of.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) tool: String,
    pub(crate) rounds: Vec<Round>,
    pub(crate) wall_secs: Option<Spread>,
    /// Of the first row's, round by round.
    pub(crate) wall_ratio: Option<Spread>,
    pub(crate) cpu_secs: Option<Spread>,
    pub(crate) peak_bytes: Option<u64>,
    /// Bytes on the way to and from the registries, those of TLS included.
    pub(crate) bytes: Option<Bytes>,
    /// Why there is less than was to be.
    pub(crate) note: Option<String>,
    /// Whether it was stopped at the limit.
    pub(crate) is_too_slow: bool,
}

#[derive(Clone, Serialize)]
pub(crate) struct Round {
    #[serde(flatten)]
    pub(crate) taken: Taken,
    pub(crate) requests: Requests,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu_us_per_job: Option<f64>,
}

/// Requests by method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Requests {
    pub(crate) source: BTreeMap<String, u64>,
    pub(crate) target: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bytes {
    pub(crate) to_source: u64,
    pub(crate) from_source: u64,
    pub(crate) to_target: u64,
    pub(crate) from_target: u64,
    pub(crate) connections: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// None of no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self {
            median,
            least,
            most,
        })
    }
}

impl Row {
    /// The row of a tool; `first` are the rounds of the first one.
    pub(crate) fn new(tool: &str, rounds: Vec<Round>, first: &[Round]) -> Self {
        let ratios = rounds.iter().zip(first);
        let ratios = ratios.map(|(round, first)| round.taken.wall_secs / first.taken.wall_secs);
        Self {
            tool: tool.to_owned(),
            wall_secs: Spread::of(rounds.iter().map(|round| round.taken.wall_secs)),
            wall_ratio: Spread::of(ratios),
            cpu_secs: Spread::of(rounds.iter().map(|round| round.taken.cpu_secs)),
            peak_bytes: rounds.iter().map(|round| round.taken.peak_bytes).max(),
            bytes: None,
            note: None,
            is_too_slow: false,
            rounds,
        }
    }
}

impl Report {
    pub(crate) fn new(options: &Options, tools: &[Found]) -> Self {
        Self {
            commit: options.commit.clone(),
            rounds: options.rounds,
            machine: machine(),
            tools: tools.iter().map(Found::as_used).collect(),
            tables: Vec::new(),
        }
    }
}

fn machine() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name.to_owned());
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        processor: processor.unwrap_or_default(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(wall_secs: f64) -> Round {
        Round {
            taken: Taken {
                wall_secs,
                cpu_secs: 1.0,
                peak_bytes: 7,
            },
            requests: Requests::default(),
            server_cpu_us_per_job: None,
        }
    }

    #[test]
    fn ratios_are_those_of_rounds_and_not_of_medians() {
        let ours = [1.0, 2.0, 4.0].map(round);
        let theirs = [3.0, 2.0, 8.0].map(round);
        let row = Row::new("other", theirs.to_vec(), &ours);
        let spread = |median, least, most| {
            Some(Spread {
                median,
                least,
                most,
            })
        };
        assert_eq!(row.wall_secs, spread(3.0, 2.0, 8.0));
        assert_eq!(row.wall_ratio, spread(2.0, 1.0, 3.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        let spread = Spread {
            median: 2.5,
            least: 1.0,
            most: 4.0,
        };
        assert_eq!(Spread::of([4.0, 1.0]), Some(spread));
        assert_eq!(Spread::of([]), None);
    }
}
