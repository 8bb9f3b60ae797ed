//! The tools in turn, round by round.

use std::io;
use std::time::Duration;

use tempfile::TempDir;

use super::measure::{self, Ended};
use super::options::Options;
use super::registries::Site;
use super::results::{Bytes, Round, Row};
use super::tools::{FLOOR, Found, OURS, ours};
use super::workloads::{Sync, Target};

/// What is known of a tool so far.
struct Runs<'a> {
    tool: &'a Found,
    rounds: Vec<Round>,
    bytes: Option<Bytes>,
    /// Why it runs no more.
    over: Option<String>,
    is_too_slow: bool,
}

/// A tool that takes longer than this is not run again to be counted: its first run is.
const SLOW: Duration = Duration::from_secs(10);

pub(crate) async fn run(
    workload: &Sync,
    round_trip: u64,
    tools: &[&Found],
    options: &Options,
) -> io::Result<Vec<Row>> {
    let ours = ours(tools)?;
    let site = Site::start(workload, options.images(workload.images), ours).await?;
    let mut all: Vec<Runs<'_>> = tools
        .iter()
        .filter(|tool| takes_part(tool, workload))
        .map(|tool| Runs::new(tool))
        .collect();
    // The round before the first counted one warms the servers, and is where bytes are counted: a link without delay
    // counts too, and only tools that are far from their registries are timed over one.
    for round in 0..=options.rounds {
        let is_warming = round == 0;
        let linked = is_warming || round_trip > 0;
        let time = linked.then(|| Duration::from_millis(round_trip));
        for runs in all.iter_mut().filter(|runs| runs.over.is_none()) {
            runs.once(&site, time, is_warming, options.limit).await?;
        }
    }
    let first = all.first().map(|runs| runs.rounds.clone());
    let first = first.unwrap_or_default();
    Ok(all.into_iter().map(|runs| runs.row(&first)).collect())
}

fn takes_part(tool: &Found, workload: &Sync) -> bool {
    match tool.name {
        OURS => true,
        // It asks for what is in place, over HTTP/2.
        FLOOR => workload.target == Target::UpToDate && workload.server.speaks_tls(),
        _ => !workload.floor_alone,
    }
}

impl<'a> Runs<'a> {
    fn new(tool: &'a Found) -> Self {
        Self {
            tool,
            rounds: Vec::new(),
            bytes: None,
            over: None,
            is_too_slow: false,
        }
    }

    async fn once(
        &mut self,
        site: &Site<'_>,
        round_trip: Option<Duration>,
        is_warming: bool,
        limit: Duration,
    ) -> io::Result<()> {
        let stage = site.stage(round_trip).await?;
        let folder = TempDir::new()?;
        let invocation = self.tool.invocation(&stage.task);
        match measure::run(&invocation, folder.path(), limit).await? {
            Ended::OutOfTime => {
                self.is_too_slow = true;
                self.over = Some(format!("takes more than {} s", limit.as_secs()));
            }
            Ended::Failed(said) => self.over = Some(format!("failed: {said}")),
            Ended::Done(_) if !stage.is_complete().await? => {
                self.over = Some("did not copy all images".to_owned());
            }
            Ended::Done(taken) => {
                self.bytes = stage.bytes().or(self.bytes);
                let is_enough =
                    is_warming && taken.wall_secs > SLOW.as_secs_f64() && self.tool.name != OURS;
                if is_enough {
                    self.over = Some("slow: one run".to_owned());
                }
                if is_enough || !is_warming {
                    self.rounds.push(Round {
                        taken,
                        requests: stage.requests().await?,
                        server_cpu_us_per_job: None,
                    });
                }
            }
        }
        Ok(())
    }

    fn row(self, first: &[Round]) -> Row {
        let mut row = Row::new(self.tool.name, self.rounds, first);
        row.bytes = self.bytes;
        row.note = self.over;
        row.is_too_slow = self.is_too_slow;
        row
    }
}
