//! `config convert`: the config of another tool in this program's own form.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use image_sync_catalog::config_file::{self, DialectOptions, Format};

use crate::options::{DialectArgs, format};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::process::stdout::Stdout;

pub(crate) const HELP: &str = "\
Examples:
  image-sync config convert external-images.yaml > config.yaml
  image-sync config convert images.txt --target registry.example.com/mirror

What has no plain equal is told in comments. Passwords are not repeated: variables of the
environment stand for them.

Exit codes:
  0   all that is copied is the same
  1   something was left out that changes what is copied, or when: see the comments
  2   the file cannot be read as what it is";

/// Options of `config convert`.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// The config of another tool
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The same as --format
    #[arg(long, value_name = "FORMAT", conflicts_with = "format", value_parser = format())]
    from: Option<Format>,
    #[command(flatten)]
    dialect: DialectArgs,
}

/// Runs `config convert`.
pub(crate) fn run(args: &ConvertArgs, environment: &Environment) -> Result<Exit, Problem> {
    let options = args.dialect.options(environment);
    let options = DialectOptions {
        format: args.from.or(options.format),
        ..options
    };
    let converted = config_file::convert(&args.file, &options).map_err(Problem::usage)?;
    let written = Stdout::Process.write(|out| out.write_all(converted.text.as_bytes()));
    written.map_err(Problem::not_carried_out)?;
    if converted.is_complete {
        Ok(Exit::Success)
    } else {
        Ok(Exit::ImagesFailed)
    }
}
