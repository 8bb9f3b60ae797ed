//! The `image-sync` program: arguments, wiring, logs, progress, shutdown, and what a person sees.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use args::{Command, ConfigCommand, SchemaOf};
use commands::config::{check, convert, tags};
use image_sync_catalog::config_file::{DialectOptions, SCHEMA};
use image_sync_shared::run::report;
use options::CommonArgs;
use process::clock::SystemClock;
use process::environment::Environment;
use process::exit::{Exit, Problem};
use process::stdout::Stdout;
use run::events;
use run::setup::{self, Named};
use telemetry::logging;
use telemetry::traces::Telemetry;
use terminal::progress::Screen;
use terminal::text;

mod args;
mod commands;
mod options;
mod output;
mod process;
mod run;
#[cfg(test)]
mod samples;
mod server;
mod telemetry;
mod terminal;

/// What is logged beside a display: what was put back or stands still it shows, and what failed is told at the end.
const BESIDE_A_DISPLAY: &str = "warn,image_sync_worker::run_loop::settle=off,image_sync_registry::distribution::blobs::verified=off,\
     rustls_platform_verifier=off,async_nats=off";
/// What is logged where nothing but failures are to be seen, which are told at the end.
const QUIET: &str =
    "error,image_sync_worker::run_loop::settle=off,rustls_platform_verifier=off,async_nats=off";

/// Runs the program with the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    // TLS asks for the provider of its algorithms once per process; a second choice is refused and changes nothing.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let environment = Environment::of_process();
    let arguments = args::with_command(std::env::args_os(), &environment);
    let (common, command) = match args::parse(arguments) {
        Ok(invocation) => invocation,
        Err(help_or_error) => {
            // Who closed the stream does not want to read it.
            help_or_error.print().ok();
            return u8::try_from(help_or_error.exit_code())
                .map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let telemetry = Telemetry::new(&environment);
    let exit = carry_out(&common, command, &environment, &telemetry).unwrap_or_else(|problem| {
        let problem_shown = text::printable_lines(&problem.to_string());
        writeln!(io::stderr(), "error: {problem_shown}").ok();
        problem.exit
    });
    telemetry.end(exit);
    exit.into()
}

fn carry_out(
    common: &CommonArgs,
    command: Command,
    environment: &Environment,
    telemetry: &Telemetry,
) -> Result<Exit, Problem> {
    let is_quiet = match &command {
        Command::Sync(args) => args.work.table.quiet,
        Command::Copy(args) => args.work.table.quiet,
        Command::Save(args) => args.work.table.quiet,
        Command::Load(args) => args.work.table.quiet,
        _ => false,
    };
    let shows_a_run = works_images(&command) || command.shows_a_run_of_others();
    let has_progress = shows_a_run && !common.no_progress && !is_quiet;
    let screen = Screen::of_process(!has_progress || environment.dumb_terminal);
    start_logging(
        common,
        &command,
        environment,
        telemetry,
        (&screen, is_quiet),
    )?;
    if command.takes_nothing_from_a_config() {
        setup::check_unneeded(common, environment)?;
    }
    dispatch(common, command, environment, &screen)
}

fn start_logging(
    common: &CommonArgs,
    command: &Command,
    environment: &Environment,
    telemetry: &Telemetry,
    (screen, is_quiet): (&Screen, bool),
) -> Result<(), Problem> {
    // Beside a display, what it shows need not be logged too.
    let is_shown = screen.has_display() && works_images(command);
    let usual = match command {
        Command::Kyma(args) if args.debug(environment)? => "debug",
        _ if is_shown => BESIDE_A_DISPLAY,
        _ if is_quiet => QUIET,
        _ => "info",
    };
    let (said_by, level) = asked_level(common, environment).unwrap_or(("log level", usual));
    let (format, spans) = (common.log_format, telemetry.layer());
    let file = match command {
        Command::Aliyun(args) => args.log(),
        _ => None,
    };
    let to = logging::Destination::of(screen, file).map_err(Problem::usage)?;
    logging::start(to, format, level, environment.no_color, spans)
        .map_err(|error| Problem::usage(format!("{said_by} {error}")))?;
    telemetry.tell();
    Ok(())
}

/// The other commands show nothing while they are at work.
fn works_images(command: &Command) -> bool {
    matches!(
        command,
        Command::Sync(_)
            | Command::Copy(_)
            | Command::Save(_)
            | Command::Load(_)
            | Command::Kyma(_)
            | Command::Aliyun(_)
    )
}

fn dispatch(
    common: &CommonArgs,
    command: Command,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    use commands::roles::{aggregator, producer, webhook, worker};
    match command {
        Command::Sync(args) => commands::sync::run(common, &args, environment, screen),
        Command::Copy(args) => commands::sync::copy::run(common, &args, environment, screen),
        Command::Save(args) => commands::archive::save::run(common, &args, environment, screen),
        Command::Load(args) => commands::archive::load::run(common, &args, environment, screen),
        Command::Kyma(args) => commands::sync::kyma::run(common, &args, environment, screen),
        Command::Aliyun(args) => commands::sync::aliyun::run(common, &args, environment, screen),
        Command::Provision(args) => commands::provision::run(&args, environment),
        Command::NatsCredentials(args) => commands::provision::nats_credentials::run(&args),
        Command::Producer(args) => producer::run(common, &args, environment, screen),
        Command::Worker(args) => worker::run(common, &args, environment),
        Command::Webhook(args) => webhook::run(common, &args, environment),
        Command::Aggregator(args) => aggregator::run(&args, environment),
        Command::Enqueue(args) => commands::enqueue::run(common, &args, environment, screen),
        Command::DeadLetters(command) => commands::dead_letters::run(&command, environment, screen),
        Command::Runs(command) => commands::runs::run(&command, environment, screen),
        Command::Why(args) => commands::runs::why::run(&args, environment),
        Command::Hosts(command) => commands::hosts::run(&command, environment),
        Command::Workers(command) => commands::workers::run(&command, environment),
        Command::Healthcheck(args) => server::healthcheck::run(&args),
        Command::Config(ConfigCommand::Check(args)) => {
            config_check(common, &args.options(environment), environment)
        }
        Command::Config(ConfigCommand::Convert(args)) => convert::run(&args, environment),
        Command::Config(ConfigCommand::Schema { of }) => print(match of {
            SchemaOf::Config => SCHEMA.as_bytes(),
            SchemaOf::Report => report::schema::SCHEMA.as_bytes(),
        }),
        Command::Config(ConfigCommand::Tags(args)) => tags::run(common, &args, environment),
        Command::Completions { shell } => print(args::completions::script(shell).as_bytes()),
        Command::Man { folder } => args::man_pages::write(&folder).map(|()| Exit::Success),
    }
}

/// The log level that is asked for, and where.
fn asked_level<'a>(
    common: &'a CommonArgs,
    environment: &'a Environment,
) -> Option<(&'static str, &'a str)> {
    let option = common.log_level.as_deref();
    let variable = environment.log.as_ref();
    option
        .map(|level| ("--log-level", level))
        .or(variable.map(|log| (log.name, log.value.as_str())))
}

fn config_check(
    common: &CommonArgs,
    dialect: &DialectOptions,
    environment: &Environment,
) -> Result<Exit, Problem> {
    let loaded = setup::load(Named::new(common, dialect), environment)?;
    setup::warn_of_unused_registries(&loaded);
    setup::registries(&loaded.config, environment)?;
    events::guards(&loaded.config, false, Arc::new(SystemClock))?;
    let written = Stdout::Process.write(|out| check::describe(&loaded, out));
    written.map_err(Problem::not_carried_out)?;
    Ok(Exit::Success)
}

fn print(text: &[u8]) -> Result<Exit, Problem> {
    let written = Stdout::Process.write(|out| out.write_all(text));
    written.map_err(Problem::not_carried_out)?;
    Ok(Exit::Success)
}
