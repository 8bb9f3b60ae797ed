//! `save`: the images of a config into an archive.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use image_sync_catalog::config_file::{DialectOptions, Images};
use image_sync_registry::{Archive, ArchiveState};
use image_sync_shared::config::Config;
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::{Location, Reference, Repository};
use tempfile::{NamedTempFile, TempDir};
use tracing::info;

use super::{Form, form_to_write, location};
use crate::commands::sync::{Beside, WorkArgs, work_with};
use crate::options::{CommonArgs, DialectArgs};
use crate::process::environment::Environment;
use crate::process::exit::{Exit, Problem};
use crate::run::choice::ChoiceArgs;
use crate::run::setup::{self, Loaded, Named};
use crate::terminal::progress::Screen;
use crate::terminal::units;

pub(crate) const HELP: &str = "\
Examples:
  image-sync save -c outside.yaml carry.tar
  image-sync save -c outside.yaml carry-2.tar --since carry-1.tar
  image-sync save -c outside.yaml folder --only '*nginx*'

Images are saved under the names that the config gives them at its targets. An archive is an OCI image
layout: `image-sync load` reads it, and other tools do. Exit codes are those of `sync`; with 1, all but the
images that failed are saved.";

/// Options of `save`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SaveArgs {
    /// Where they go: a folder, or one file whose name ends with .tar
    #[arg(value_name = "FOLDER|FILE.tar")]
    to: PathBuf,
    /// Leave out what this archive and those before it have: an earlier FOLDER or FILE.tar, or what --state wrote with it, as .json
    #[arg(long, value_name = "ARCHIVE|STATE")]
    since: Option<PathBuf>,
    /// Write what this archive and those before it have to a file too, for a later --since
    #[arg(long, value_name = "STATE.json")]
    state: Option<PathBuf>,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// Where an archive is written, and where it is to be.
struct Destination<'a> {
    path: &'a Path,
    /// Where it is written before it is packed; none for a folder.
    unpacked: Option<TempDir>,
}

/// Runs `save`.
pub(crate) fn run(
    common: &CommonArgs,
    args: &SaveArgs,
    environment: &Environment,
    screen: &Screen,
) -> Result<Exit, Problem> {
    let since = args.since()?;
    let place = location(&args.to)?;
    let destination = Destination::prepare(&args.to, since.is_some())?;
    let loaded = args.load(common, environment)?;
    let (images, config) = (loaded.images, loaded.config);
    let registry = match &config.cache_registry {
        Location::Registry { .. } => Some(config.cache_registry.to_string()),
        Location::Folder(_) => None,
    };
    let config = Config {
        cache_registry: place,
        further_targets: Vec::new(),
        ..config
    };
    let archive = Archive::to_write(&args.to, destination.root(), since, registry);
    let beside = Beside {
        archive: Some(archive.clone()),
        ..Beside::default()
    };
    let exit = work_with(config, &images, &args.work, beside, environment, screen)?;
    // What was broken off is no archive; what is there of a folder is, as far as it goes.
    if args.work.is_dry_run() || !matches!(exit, Exit::Success | Exit::ImagesFailed) {
        return Ok(exit);
    }
    let untagged = untagged(&images, &args.to);
    let state = archive
        .finish(&untagged)
        .map_err(Problem::not_carried_out)?;
    destination.pack(&archive, &state)?;
    if let Some(path) = &args.state {
        write_whole(path, |out| out.write_all(&state.to_bytes()))?;
    }
    Ok(exit)
}

impl SaveArgs {
    /// What is known since another archive, and how that is called.
    fn since(&self) -> Result<Option<(String, ArchiveState)>, Problem> {
        let Some(path) = &self.since else {
            return Ok(None);
        };
        let state =
            Archive::state_at(path).map_err(|error| Problem::usage(format!("--since {error}")))?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Some((name.to_string_lossy().into_owned(), state)))
    }

    /// The config, with the archive in the place of its targets.
    fn load(&self, common: &CommonArgs, environment: &Environment) -> Result<Loaded, Problem> {
        let dialect = self.dialect.options(environment);
        let place = || Location::Folder(self.to.clone()).to_string();
        let dialect = DialectOptions {
            target: dialect.target.clone().or_else(|| Some(place())),
            folder: Some(self.to.clone()),
            ..dialect
        };
        let mut loaded = setup::load(Named::new(common, &dialect), environment)?;
        setup::warn_of_unused_registries(&loaded);
        loaded.images = self.choice.choose(&loaded.file, loaded.images)?;
        Ok(loaded)
    }
}

impl<'a> Destination<'a> {
    fn prepare(path: &'a Path, is_part: bool) -> Result<Self, Problem> {
        let told = |what: &str| Problem::usage(format!("{}: {what}", path.display()));
        if form_to_write(path)? == Form::Folder {
            let before = path.join("index.json").exists();
            if before && is_part {
                return Err(told(
                    "there is an archive already, and what came --since another one is no part of it, expected a new folder",
                ));
            }
            let has_since = before && Archive::open(path).is_ok_and(|of| of.since().is_some());
            if has_since {
                return Err(told(
                    "it has only what came since another archive, so that nothing can be added to it, expected a new folder",
                ));
            }
            return Ok(Self {
                path,
                unpacked: None,
            });
        }
        let unpacked = tempfile::Builder::new()
            .prefix(&temporary_name(path))
            .tempdir_in(folder_of(path))
            .map_err(|error| told(&error.to_string()))?;
        Ok(Self {
            path,
            unpacked: Some(unpacked),
        })
    }

    fn root(&self) -> &Path {
        self.unpacked.as_ref().map_or(self.path, TempDir::path)
    }

    /// Gives the archive its name, once all of it is written.
    fn pack(&self, archive: &Archive, state: &ArchiveState) -> Result<(), Problem> {
        let path = self.path;
        if self.unpacked.is_some() {
            write_whole(path, |out| archive.pack(out))?;
        }
        let images = state.images();
        let size = fs::metadata(path).map_or(0, |found| found.len());
        let size = units::bytes(size);
        if self.unpacked.is_some() {
            info!(archive = %path.display(), images, %size, "saved");
        } else {
            info!(archive = %path.display(), images, "saved");
        }
        Ok(())
    }
}

/// Writes a file that gets its name once it is whole.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<()>,
) -> Result<(), Problem> {
    let written = || {
        let file = tempfile::Builder::new()
            .prefix(&temporary_name(path))
            .make_in(folder_of(path), |path| File::create_new(path))?;
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        persist(out.into_inner()?, path)
    };
    written().map_err(|error| Problem::not_carried_out(format!("{}: {error}", path.display())))
}

/// Gives a whole file its name, once its bytes are safe on the disk.
fn persist(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder_of(path))?.sync_all()
}

fn temporary_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The images that are known by their digests alone.
fn untagged(images: &Images, root: &Path) -> Vec<(String, Digest)> {
    let named = images
        .iter()
        .filter_map(|image| match (image.target, image.target_reference) {
            (Repository::Folder(path), Reference::Digest(digest)) => {
                let name = path.strip_prefix(root).ok()?.to_str()?.to_owned();
                Some((name, digest))
            }
            _ => None,
        });
    named.collect()
}
