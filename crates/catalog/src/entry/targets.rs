//! Places that images go to.

use std::path::Path;

use image_sync_shared::image::reference::{Location, Reference, Repository};
use image_sync_shared::text::nearest::nearest;

use super::named_in_full;
use super::naming::Naming;
use super::source::Source;
use crate::problem::{Problem, without_secrets};

/// How `cache_registry` is called among targets.
pub(crate) const CACHE: &str = "cache";

/// A place that images go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: Box<str>,
    pub(crate) place: Location,
    pub(crate) naming: Naming,
}

/// The places that a config names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// The cache registry first, where there is one.
    all: Vec<Target>,
    has_cache: bool,
    /// What takes the place of repositories that are named in full, if something does.
    folder: Option<Location>,
}

/// One place that one image goes to.
pub(super) enum Destination<'a> {
    /// A target of the config, in which it gets a name.
    Named(&'a Target),
    /// A repository, and a tag if one is said.
    InFull(Repository, Option<Reference>),
}

impl Targets {
    /// The cache registry, if there is one, and others.
    pub(crate) fn new(cache_registry: Option<Location>, others: Vec<Target>) -> Self {
        let has_cache = cache_registry.is_some();
        let cache = cache_registry.map(|place| Target {
            name: CACHE.into(),
            place,
            naming: Naming::AsInCache,
        });
        Self {
            all: cache.into_iter().chain(others).collect(),
            has_cache,
            folder: None,
        }
    }

    /// The same, where those that do not say how repositories are called there say so.
    pub(crate) fn named(mut self, naming: &Naming) -> Self {
        for target in &mut self.all {
            if target.naming == Naming::AsInCache {
                target.naming = naming.clone();
            }
        }
        self
    }

    /// The same names, all of them in `folder`.
    pub(crate) fn in_folder(self, folder: &Path) -> Self {
        let folder = Location::Folder(folder.to_owned());
        let all = self.all.into_iter().map(|target| Target {
            place: folder.clone(),
            ..target
        });
        Self {
            all: all.collect(),
            has_cache: self.has_cache,
            folder: Some(folder),
        }
    }

    /// Where an image goes that does not say where: to the cache registry, or to all of them where there is none.
    pub(super) fn usual(&self) -> &[Target] {
        match self.all.first() {
            Some(_) if self.has_cache => &self.all[..1],
            _ => &self.all,
        }
    }

    /// Their places.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Location> {
        self.all.iter().map(|target| &target.place)
    }

    /// The place that `text` names in full, if it is none of these.
    pub(crate) fn place_in_full(&self, text: &str) -> Option<Location> {
        match self.destination(text).ok()? {
            Destination::Named(_) => None,
            Destination::InFull(Repository::Registry { host, name }, _) => {
                Some(Location::Registry { host, prefix: name })
            }
            Destination::InFull(Repository::Folder(path), _) => Some(Location::Folder(path)),
        }
    }

    /// The place that an image means by `text`.
    pub(super) fn destination(&self, text: &str) -> Result<Destination<'_>, Problem> {
        if let Some(target) = self.all.iter().find(|target| *target.name == *text) {
            return Ok(Destination::Named(target));
        }
        if text.contains('/') || text.starts_with("oci:") {
            let (named, reference) = named_in_full(text)?;
            let repository = match &self.folder {
                Some(folder) => folder.repository(named.name()).map_err(Problem::new)?,
                None => named,
            };
            return Ok(Destination::InFull(repository, reference));
        }
        let names = || self.all.iter().map(|target| &*target.name);
        let hint = nearest(text, names())
            .map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
        let known: Vec<&str> = names().chain(["HOST/NAME", "oci:FOLDER"]).collect();
        let found = without_secrets(text)?;
        Err(Problem::new(format!(
            "found {found:?}{hint}, expected one of {}",
            known.join(", ")
        )))
    }
}

impl Target {
    /// Where `source` goes to in it; under the name `cache_as` if there is one.
    pub(super) fn repository(
        &self,
        source: &Source,
        cache_as: Option<&str>,
    ) -> Result<Repository, Problem> {
        if let Some(name) = cache_as {
            return without_secrets(name)
                .and_then(|name| self.place.repository(name).map_err(Problem::new))
                .map_err(|problem| problem.key("cache_as"));
        }
        let name = self
            .naming
            .name(source)
            .map_err(|problem| problem.key("source"))?;
        self.place.repository(&name).ok().ok_or_else(|| {
            let place = match &*self.name {
                CACHE => "the cache".to_owned(),
                name => format!("target {name}"),
            };
            let text = format!(
                "{name:?}, made of {:?}, cannot be a name in {place}, expected cache_as: NAME beside it",
                source.bare
            );
            Problem::new(text).key("source")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::source;

    #[test]
    fn a_source_that_makes_no_name_needs_one() {
        let cache = Targets::new("localhost:5000".parse().ok(), Vec::new());
        let [target] = cache.usual() else {
            panic!("the cache is the only target")
        };
        for text in ["[::1]:5000/a", "oci:.", "oci:/", "oci:My Images"] {
            let source = source::parse(text).unwrap();
            let problem = target.repository(&source, None).unwrap_err().to_string();
            assert!(problem.contains("expected cache_as: NAME"), "{problem}");
            let named = target.repository(&source, Some("x/y")).unwrap();
            assert_eq!(named.to_string(), "localhost:5000/x/y");
        }
    }
}
