//! Manual pages, one for each command, made from the command line as it is understood.

use std::path::Path;
use std::{fs, io};

use clap::Command;
use clap_mangen::Man;

use crate::process::exit::Problem;

const SOURCE: &str = concat!("image-sync ", env!("CARGO_PKG_VERSION"));

/// Writes them into this folder, which is made if it is not there.
pub(crate) fn write(folder: &Path) -> Result<(), Problem> {
    let told = |error| Problem::not_carried_out(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(told)?;
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    write_with_subcommands(&command, folder).map_err(told)
}

fn write_with_subcommands(command: &Command, folder: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands() {
        write_with_subcommands(subcommand, folder)?;
    }
    // Of a subcommand, the page would be said to come from a program of its name.
    let page = Man::new(command.clone()).source(SOURCE);
    page.generate_to(folder)?;
    Ok(())
}
