//! `why`: says in a sentence why an image is not up to date.

use std::io::Write as _;

use clap::Args;
use image_sync_aggregator::image_states::{ImageState, Meant};
use image_sync_aggregator::why::{InRun, Known};
use image_sync_queue::Ports;
use image_sync_shared::image::reference::split;
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::queue::host_pauses::HostPause;
use image_sync_shared::ports::runs::run_states::RunState;
use image_sync_shared::text::JsonWriter;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::progress::{holders, images_of};
use crate::options::Output;
use crate::output::{self, Shape};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;
use crate::run::connection::ConnectionArgs;
use crate::run::runtime;
use crate::terminal::text::printable;

pub(crate) const HELP: &str = "\
Examples:
  image-sync why nginx:1.27
  image-sync why ghcr.io/project-zot/zot:v2 --output json";

/// How many runs are looked at, from the latest on.
const RUNS: usize = 20;
/// How many of them that have the image are told of.
const TOLD: usize = 5;

/// Options of `why`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WhyArgs {
    /// The image as the config names it, in full, or as its target; without a tag all tags of it
    #[arg(value_name = "IMAGE")]
    image: String,
    /// What is known on stdout; auto is a sentence on a terminal and JSON otherwise
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    output: Output,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl WhyArgs {
    /// The images that are asked for.
    pub(in crate::commands) fn meant(&self) -> Result<Meant, Problem> {
        Meant::new(&self.image).map_err(Problem::usage)
    }
}

/// What is known, as JSON.
#[derive(Serialize)]
struct Told {
    image: String,
    sentence: String,
    runs: Vec<InRun>,
    paused_hosts: Vec<String>,
    dead_letters: Vec<String>,
}

/// Runs `why`.
pub(crate) fn run(args: &WhyArgs, environment: &Environment) -> Result<Exit, Problem> {
    let meant = args.meant()?;
    runtime::run(runtime::GRACE, |_stop| async move {
        let queue = args.connection.operator(environment).await?;
        let told = tell(args, &meant, queue.ports(), environment, &Stdout::Process);
        queue.ended(told.await).await
    })
}

/// Says what is known of the images that are meant.
pub(in crate::commands) async fn tell(
    args: &WhyArgs,
    meant: &Meant,
    queue: &Ports,
    environment: &Environment,
    stdout: &Stdout,
) -> Result<Exit, Problem> {
    let known = known(queue, meant, &args.image).await?;
    let shape = output::shape(args.output, environment.no_color);
    let told = Told {
        sentence: known.sentence(&args.image),
        image: args.image.clone(),
        paused_hosts: known.pauses.into_iter().map(|pause| pause.host).collect(),
        runs: known.runs,
        dead_letters: known.letters,
    };
    let written = stdout.write_aside(move |out| match shape {
        Shape::Json => {
            serde_json::to_writer_pretty(JsonWriter::new(&mut *out), &told)?;
            writeln!(out)
        }
        Shape::Table(_) => writeln!(out, "{}", printable(&told.sentence)),
    });
    written.await?;
    Ok(Exit::Success)
}

async fn known(queue: &Ports, meant: &Meant, text: &str) -> Result<Known, Problem> {
    let mut states = super::all(queue).await?;
    states.reverse();
    states.truncate(RUNS);
    let mut known = Known {
        looked_at: states.len(),
        ..Known::default()
    };
    for state in states {
        if known.runs.len() >= TOLD {
            break;
        }
        known.runs.extend(in_run(queue, meant, &state).await?);
    }
    let letters = letters(queue, meant).await;
    let (letters, mut hosts) = letters.map_err(Problem::not_carried_out)?;
    known.letters = letters;
    for image in known.runs.iter().map(|run| &run.image) {
        hosts.extend(host(&image.image).into_iter().chain(host(&image.target)));
    }
    hosts.extend(host(text));
    let pauses = queue.pauses.list().await;
    let mut pauses: Vec<HostPause> = pauses.map_err(Problem::not_carried_out)?;
    pauses.retain(|pause| hosts.contains(&pause.host));
    known.pauses = pauses;
    Ok(known)
}

fn host(name: &str) -> Option<String> {
    let (repository, _) = split(name).ok()?;
    repository.host().map(str::to_owned)
}

/// What a run says of the image; of several that are meant, of the one that is worst off.
async fn in_run(queue: &Ports, meant: &Meant, state: &RunState) -> Result<Option<InRun>, Problem> {
    let (images, status, at) = match &state.ended {
        None => {
            let states = images_of(queue, &state.run).await;
            let states = states.map_err(Problem::not_carried_out)?;
            let Some(at) = states.fold().opened().map(|opened| opened.started_at) else {
                return Ok(None);
            };
            (states.images(Some(meant), &holders(queue).await), None, at)
        }
        Some(head) => {
            let images = of_report(queue, meant, state).await?;
            (images, Some(head.status), head.timestamp)
        }
    };
    let Some(worst) = images.iter().min_by_key(|image| image.state) else {
        return Ok(None);
    };
    let is_other = |other: &ImageState| {
        let same = (&other.image, &other.tag) == (&worst.image, &worst.tag);
        same && other.target != worst.target
    };
    Ok(Some(InRun {
        run_id: state.run.clone(),
        status,
        at,
        has_other_targets: images.iter().any(is_other),
        image: worst.clone(),
    }))
}

/// What the report of a run says, as far as it is kept.
async fn of_report(
    queue: &Ports,
    meant: &Meant,
    state: &RunState,
) -> Result<Vec<ImageState>, Problem> {
    let stored = queue.reports.get(&state.run).await;
    let Some(mut stored) = stored.map_err(Problem::not_carried_out)? else {
        return Ok(Vec::new());
    };
    let report = spawn_blocking(move || output::read(&mut *stored)).await;
    let report = report.map_err(Problem::not_carried_out)??;
    let results = report.results.into_iter().map(ImageState::from);
    let missing = report.missing.into_iter().map(ImageState::from);
    let is_meant = |image: &ImageState| meant.is(&image.image, &image.tag, &image.target);
    Ok(results.chain(missing).filter(is_meant).collect())
}

/// The ids of its dead letters, and the registries that their jobs name.
async fn letters(queue: &Ports, meant: &Meant) -> Result<(Vec<String>, Vec<String>), QueueError> {
    let (mut ids, mut hosts) = (Vec::new(), Vec::new());
    let mut reader = queue.letters.read().await?;
    while let Some(letter) = reader.next().await? {
        let Some(job) = letter.job else { continue };
        if meant.is(&job.image, &job.tag, &job.target.image.to_string()) {
            ids.push(letter.id);
            let places = [&job.source, &job.target];
            hosts.extend(places.iter().filter_map(|place| {
                let host = place.image.repository.host();
                host.map(str::to_owned)
            }));
        }
    }
    Ok((ids, hosts))
}
