//! One image of Docker Hub that is written in several ways. In a cache it is called as it is written, so that `nginx` and
//! `docker.io/library/nginx` are two there, and whoever asks the cache in the place of Docker Hub asks for the second.

use std::collections::HashMap;

use image_sync_shared::config::ImageDefaults;
use image_sync_shared::image::reference::{DOCKER_HUB, Repository};

use super::naming::Naming;
use super::targets::{Destination, Targets};
use super::{Entry, source};
use crate::problem::Problem;

const SETTLES: &str = "naming: path, or host_path, beside cache_registry settles all names, and cache_as beside source that of one image";

/// An image as it is written, and its names.
struct Spelt {
    bare: String,
    /// At Docker Hub.
    there: String,
    /// In the cache.
    here: String,
}

/// What is to be known of the names of images in the cache: one sentence at most, however many images there are.
pub(crate) fn warning<'a>(
    entries: impl Iterator<Item = (&'a Entry, &'a ImageDefaults)>,
    targets: &Targets,
) -> Option<Problem> {
    let mut names: HashMap<String, (String, String)> = HashMap::new();
    let mut short: Option<(&Entry, Spelt)> = None;
    let mut others = 0;
    for (entry, defaults) in entries {
        let Some(spelt) = spelt(entry, targets, defaults) else {
            continue;
        };
        let name = || (spelt.here.clone(), spelt.bare.clone());
        let (first, bare) = names.entry(spelt.there.clone()).or_insert_with(name);
        if *first != spelt.here {
            let Spelt {
                bare: this, here, ..
            } = &spelt;
            return Some(at(
                entry,
                format!(
                    "{this:?} and {bare:?} are one image and have two names in the cache, {here} and {first}; {SETTLES}"
                ),
            ));
        }
        if spelt.here == spelt.there {
            continue;
        }
        if short.is_some() {
            others += 1;
        } else {
            short = Some((entry, spelt));
        }
    }
    let (entry, Spelt { bare, there, here }) = short?;
    let and_others = match others {
        0 => String::new(),
        others => format!(" ({others} more are alike)"),
    };
    Some(at(
        entry,
        format!(
            "{bare:?} is called {here} in the cache, where a mirror of Docker Hub is asked for {there}{and_others}; {SETTLES}"
        ),
    ))
}

/// An image of Docker Hub that is called in the cache as it is written.
fn spelt(entry: &Entry, targets: &Targets, defaults: &ImageDefaults) -> Option<Spelt> {
    if entry.namespace.is_some() || entry.list.is_some() || entry.cache_as.is_some() {
        return None;
    }
    let mut places = 0..entry.destinations(targets, defaults);
    let is_as_written = places.any(|nth| {
        let destination = entry.destination(nth, targets, defaults);
        matches!(destination, Ok(Destination::Named(target)) if target.naming == Naming::AsInCache)
    });
    if !is_as_written {
        return None;
    }
    let source = source::parse(&entry.source).ok()?;
    let Repository::Registry { host, name } = &source.repository else {
        return None;
    };
    (host == DOCKER_HUB).then(|| Spelt {
        there: name.clone(),
        here: Naming::AsInCache.name(&source).unwrap_or_default(),
        bare: source.bare.clone(),
    })
}

fn at(entry: &Entry, text: String) -> Problem {
    let origin = entry.origin;
    let problem = Problem::new(text).key("source");
    let problem = problem.index(origin.index as usize).key("images");
    problem.at(origin.place).in_file(origin.file)
}
