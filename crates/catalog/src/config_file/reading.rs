//! From the first file, through all that it includes, to a config.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_sync_shared::config::ImageDefaults;

use super::error::{ConfigError, Source, shown};
use super::files;
use super::lists::Lists;
use super::{Images, Parsed};
use crate::dialects::native::{self, First, Include};
use crate::dialects::{DialectOptions, Format, Note};
use crate::document::{Node, Variables};
use crate::entry::{Entry, ImageList, Line, spellings};
use crate::images::{Entries, FileOfEntries, hash_of_target};
use crate::problem::{Origin, Place, Problem, Problems};

const EXPECTED: &str = "expected a YAML config with cache_registry and images";
/// How deep files may include each other.
const MAX_DEPTH: usize = 8;
/// How many files there may be.
const MAX_FILES: usize = 10_000;

/// Where the files are that the first one includes.
#[derive(Clone, Copy)]
pub(super) enum Folder<'a> {
    /// Below this folder, the current one if it is empty.
    Of(&'a Path),
    /// Nowhere.
    None,
}

/// What was read so far. A file is known by its number.
pub(super) struct Reading<'a, 's> {
    folder: Folder<'a>,
    pub(super) variables: Variables<'a>,
    pub(super) options: &'a DialectOptions,
    /// How the first file is written.
    pub(super) format: Format,
    pub(super) lists: Lists<'s>,
    pub(super) sources: Vec<Source>,
    /// What the images of each file have where they say nothing themselves.
    defaults: Vec<Option<ImageDefaults>>,
    /// Where files are, without links, so that none is read twice.
    known: HashSet<PathBuf>,
    /// The files that lead to the one that is read now, and that one: where they are, and how they are called.
    chain: Vec<(PathBuf, String)>,
    first: First,
    entries: Vec<Entry>,
    /// The hashes of the targets of all lines of lists.
    targets_of_lines: Vec<u64>,
    /// What is to be known of the translation of the first file.
    pub(super) notes: Vec<Note>,
    pub(super) warnings: Vec<Problem>,
    pub(super) problems: Problems,
}

/// A file that was parsed.
pub(super) struct Parse {
    pub(super) number: u16,
    pub(super) root: Node,
    /// The values whose variables are not known.
    pub(super) unfilled: Vec<Problem>,
}

impl<'a, 's> Reading<'a, 's> {
    pub(super) fn new(
        folder: Folder<'a>,
        variables: Variables<'a>,
        options: &'a DialectOptions,
        lists: Lists<'s>,
    ) -> Self {
        Self {
            folder,
            variables,
            options,
            format: Format::Native,
            lists,
            sources: Vec::new(),
            defaults: Vec::new(),
            known: HashSet::new(),
            chain: Vec::new(),
            first: First::default(),
            entries: Vec::new(),
            targets_of_lines: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            problems: Problems::default(),
        }
    }

    /// Reads the first file, which messages call `name`, and those that it includes.
    pub(super) fn read_first(&mut self, name: String, text: Result<String, String>) {
        if matches!(self.folder, Folder::Of(_))
            && let Ok(path) = fs::canonicalize(&name)
        {
            self.known.insert(path.clone());
            self.chain.push((path, name.clone()));
        }
        let parsed = match text {
            Ok(text) => self.parse_first(&name, text),
            Err(found) => {
                self.add(Source::without_text(name));
                self.problems
                    .push(Problem::new(format!("{found}, {EXPECTED}")));
                return;
            }
        };
        match parsed {
            Ok(Some(parsed)) => self.read_parsed(parsed),
            Ok(None) => {
                let text = format!("the file is empty, {EXPECTED}");
                self.problems.push(Problem::new(text));
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// The same, once the first file is parsed.
    pub(super) fn read_parsed(&mut self, parsed: Parse) {
        let folder = match self.folder {
            Folder::Of(folder) => Some(folder.to_owned()),
            Folder::None => None,
        };
        let (first, mut images) = native::read(&parsed.root);
        if self.format != Format::Native {
            // They name keys that the file does not have.
            images.problems = images.problems.map(Problem::without_path);
        }
        self.first = first;
        if let Some(folder) = &self.options.folder {
            let targets = self.first.targets.take();
            self.first.targets = targets.map(|targets| targets.in_folder(folder));
        }
        self.take(parsed, images, folder.as_deref());
    }

    pub(super) fn add(&mut self, source: Source) -> u16 {
        let number = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        self.sources.push(source);
        self.defaults.push(None);
        number
    }

    /// Keeps what a file says of images, and reads what it includes.
    fn take(&mut self, parsed: Parse, mut images: native::Images, folder: Option<&Path>) {
        let Parse {
            number,
            root,
            unfilled,
        } = parsed;
        // It takes several times the memory of what was made of it.
        drop(root);
        let places: HashSet<Place> = unfilled.iter().filter_map(Problem::place).collect();
        let in_file = |problem: Problem| problem.in_file(number);
        self.problems.extend(unfilled.into_iter().map(in_file));
        // What is said of a value that is not known is beside the point.
        let is_real =
            |problem: &Problem| !problem.place().is_some_and(|place| places.contains(&place));
        let real = images.problems.filter(is_real);
        self.problems.append(real.map(in_file));
        self.warnings
            .extend(images.warnings.into_iter().map(in_file));
        for entry in &mut images.entries {
            self.read_list(entry, images.defaults.as_ref(), folder);
        }
        if let Some(defaults) = self.defaults.get_mut(usize::from(number)) {
            *defaults = images.defaults;
        }
        if self.entries.is_empty() {
            self.entries = images.entries;
        } else {
            self.entries.extend(images.entries);
        }
        for include in &images.include {
            self.include(include, number, folder);
        }
    }

    fn include(&mut self, include: &Include, from: u16, folder: Option<&Path>) {
        let pattern = &include.pattern;
        let Some(folder) = folder else {
            let text = "found a config that is no file, expected one that includes no others";
            self.problems.push(include.problem(text, from));
            return;
        };
        let is_pattern = files::is_pattern(pattern);
        let paths = if is_pattern {
            files::matching(folder, pattern).map(|paths| self.all_but_itself(paths))
        } else {
            Ok(vec![folder.join(pattern)])
        };
        match paths {
            Ok(paths) => {
                if paths.is_empty() {
                    let text = format!("{pattern:?} matches no file");
                    self.warnings.push(include.problem(&text, from));
                }
                for path in paths {
                    if let Err(text) = self.include_file(&path) {
                        self.problems.push(include.problem(&text, from));
                    }
                }
            }
            Err(text) => self.problems.push(include.problem(&text, from)),
        }
    }

    /// A pattern may match the file that it is in, as `*.yaml` does.
    fn all_but_itself(&self, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let itself = self.chain.last().map(|(path, _)| path);
        let is_other = |path: &PathBuf| fs::canonicalize(path).ok().as_ref() != itself;
        paths
            .into_iter()
            .filter(|path| itself.is_none() || is_other(path))
            .collect()
    }

    /// An error is why it cannot be included; what is wrong in it is kept.
    fn include_file(&mut self, path: &Path) -> Result<(), String> {
        let name = path.display().to_string();
        let of_file = |found: String| format!("{name}: {found}");
        let real = fs::canonicalize(path).map_err(|error| of_file(files::unreadable(&error)))?;
        let names = || self.chain.iter().map(|(_, name)| name.as_str());
        if let Some(at) = self.chain.iter().position(|(path, _)| *path == real) {
            let circle: Vec<&str> = names().skip(at).chain([name.as_str()]).collect();
            let circle = circle.join(" -> ");
            return Err(format!("found files that include each other: {circle}"));
        }
        if self.chain.len() > MAX_DEPTH {
            let text = format!("found files that include each other more than {MAX_DEPTH} deep");
            return Err(of_file(format!("{text}, expected less")));
        }
        if !self.known.insert(real.clone()) {
            return Ok(());
        }
        if self.sources.len() >= MAX_FILES {
            return Err(format!("found more than {MAX_FILES} files, expected less"));
        }
        let text = files::read_regular(path).map_err(of_file)?;
        self.chain.push((real, name.clone()));
        match self.parse(name, text) {
            Ok(Some(parsed)) => {
                let images = native::read_included(&parsed.root, &self.first, parsed.number);
                let folder = path.parent().unwrap_or(Path::new(""));
                self.take(parsed, images, Some(folder));
            }
            Ok(None) => {
                let number = u16::try_from(self.sources.len() - 1).unwrap_or(u16::MAX);
                let warning = Problem::new("the file is empty").in_file(number);
                self.warnings.push(warning);
            }
            Err(problem) => self.problems.push(problem),
        }
        self.chain.pop();
        Ok(())
    }

    /// Reads the list that an entry names, if it does, and checks each of its images for each of its targets.
    fn read_list(
        &mut self,
        entry: &mut Entry,
        of_file: Option<&ImageDefaults>,
        folder: Option<&Path>,
    ) {
        let Some(list) = entry.list.as_deref() else {
            return;
        };
        let (name, text) = match self.lists.open(&list.name, folder) {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            Err(text) => {
                let Origin { file, index, place } = entry.origin;
                let problem = Problem::new(text).key("file").index(index as usize);
                self.problems
                    .push(problem.key("lists").at(place).in_file(file));
                return;
            }
        };
        let number = self.add(Source::without_text(name.clone()));
        let (Some(targets), Some(defaults)) = (&self.first.targets, of_file) else {
            return;
        };
        let (hashes, problems) = (&mut self.targets_of_lines, &mut self.problems);
        let check = |line: &Line| {
            let of_line = entry.of_line(line)?;
            for nth in 0..entry.destinations(targets, defaults) {
                hashes.push(hash_of_target(&of_line.image(nth, targets, defaults)?));
            }
            Ok(())
        };
        let list = ImageList::read(&name, number, text, check, |problem| problems.push(problem));
        if list.images == 0 {
            let problem = Problem::new("the list has no images, so that nothing of it is copied");
            self.warnings.push(problem.in_file(number));
        }
        entry.list = Some(Arc::new(list));
    }

    /// The config with its images, or all that is wrong.
    pub(super) fn finish(self) -> Result<Parsed, ConfigError> {
        let Self {
            sources,
            defaults,
            first,
            entries,
            targets_of_lines,
            notes,
            mut warnings,
            problems,
            format,
            ..
        } = self;
        let (Some(mut config), Some(targets), true) =
            (first.config, first.targets, problems.is_empty())
        else {
            return Err(ConfigError::new(problems, &sources));
        };
        warnings.extend(notes.iter().map(Note::warning));
        if entries.is_empty() {
            warnings.push(Problem::new(
                "there are no images, so that nothing is copied",
            ));
        }
        let files = sources.iter().zip(defaults);
        let files = files.map(|(source, defaults)| FileOfEntries {
            name: source.name.as_str().into(),
            is_foreign: source.is_foreign,
            defaults: defaults.unwrap_or_else(|| config.defaults.clone()),
        });
        let entries = Entries {
            all: entries,
            targets,
            targets_of_lines,
            files: files.collect(),
        };
        // What others' tools call their images is as it is there.
        let each = entries.all.iter().filter_map(|entry| {
            let file = entries.files.get(usize::from(entry.origin.file))?;
            (format == Format::Native).then_some((entry, &file.defaults))
        });
        let naming = spellings::warning(each, &entries.targets);
        config.further_targets.extend(entries.places_in_full());
        let settled = Images::settled(entries);
        let (images, of_images) =
            settled.map_err(|problems| ConfigError::new(problems, &sources))?;
        warnings.extend(of_images);
        let warnings = warnings.iter().map(|warning| shown(warning, &sources));
        let warnings = warnings.collect();
        Ok(Parsed {
            config,
            images,
            warnings,
            naming: naming.map(|warning| shown(&warning, &sources)),
        })
    }
}
