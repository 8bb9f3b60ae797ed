//! The order in which entries are worked: those that read what others write come after these.
//!
//! What is compared are hashes of what entries read and write, so that a catalog without chains, which most are, costs no more
//! than these, and only while they are compared. A list is not read for it: it is taken to read any repository of the registries that
//! its lines name, and to write any below its targets.

mod levels;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Component;

use image_sync_shared::config::ImageSpec;
use image_sync_shared::image::reference::{Reference, Repository};

use super::Images;
use super::entries::{Entries, EntryTarget};
use crate::entry::Entry;
use levels::levels;

/// Where folders are, in place of a host.
const FOLDERS: &str = "oci:";

/// What an entry writes and another one reads.
#[derive(Hash)]
enum Key<'a> {
    /// One image.
    Image(&'a Place, &'a str),
    /// An image of a repository, of which is not known which one.
    AnyImage(&'a Place),
    /// A repository: who reads all of it looks for this, and whoever writes into it says so.
    Repository(&'a Place),
    /// The repositories below a path: who reads all of them looks for this, and whoever writes into one says so.
    Within(&'a str, &'a str),
    /// The same: who writes any of them says so, and whoever reads one looks for this.
    Below(&'a str, &'a str),
}

/// A repository, by what is the same for all ways to write it.
#[derive(Hash)]
struct Place {
    root: String,
    path: String,
}

/// Which keys are worth looking for: without namespaces and lists, none of those for paths.
#[derive(Clone, Copy)]
struct Paths {
    are_used: bool,
}

impl Images {
    /// The entries, stage by stage: what one of them reads is written by none of the same or of a later stage, but where entries lead
    /// back to what they read, as other images of the same repositories do. Those are of one stage.
    pub(super) fn stages(&self) -> Vec<Vec<EntryTarget<'_>>> {
        let entries: Vec<EntryTarget<'_>> = self.kept().collect();
        let Some(levels) = self.entries.levels(&entries) else {
            return vec![entries];
        };
        let last = levels.iter().max().copied().unwrap_or_default();
        let mut stages = vec![Vec::new(); last as usize + 1];
        for (of, level) in entries.into_iter().zip(levels) {
            if let Some(stage) = stages.get_mut(level as usize) {
                stage.push(of);
            }
        }
        stages
    }
}

impl Entries {
    /// The stage of each of these; none where all are of the first one.
    fn levels(&self, all: &[EntryTarget<'_>]) -> Option<Vec<u32>> {
        let paths = Paths {
            are_used: all.iter().any(|of| is_of_many(of.entry)),
        };
        let mut read = Vec::with_capacity(all.len());
        for (node, of) in nodes(all) {
            if node.is_new {
                self.reads(*of, paths, &mut |key| read.push((hash(&key), node.number)));
            }
        }
        read.sort_unstable();
        read.dedup();
        let mut written = Vec::new();
        for (node, of) in nodes(all) {
            self.writes(*of, paths, &mut |key| {
                let key = hash(&key);
                let first = read.partition_point(|(read, _)| *read < key);
                if read.get(first).is_some_and(|(read, _)| *read == key) {
                    written.push((key, node.number));
                }
            });
        }
        if written.is_empty() {
            return None;
        }
        written.sort_unstable();
        written.dedup();
        let entries = nodes(all).last().map_or(0, |(node, _)| node.number + 1);
        let levels = levels(entries, &written, &read);
        let of_all = nodes(all).map(|(node, _)| levels.get(node.number as usize).copied());
        Some(of_all.map(Option::unwrap_or_default).collect())
    }

    /// Tells what is read for an entry.
    fn reads(&self, of: EntryTarget<'_>, paths: Paths, tell: &mut impl FnMut(Key<'_>)) {
        if let Some(list) = of.entry.list.as_deref() {
            for line in &list.samples {
                if let Ok(image) = self.image_of_line(of, line) {
                    let place = Place::of(&image.source);
                    tell(Key::Within(&place.root, ""));
                    tell(Key::Below(&place.root, ""));
                }
            }
            return;
        }
        let Ok(image) = self.image(of) else { return };
        let place = Place::of(&image.source);
        let from = image.policy.referrers.as_ref();
        if let Some(from) = from.and_then(|referrers| referrers.from.as_ref()) {
            let from = Place::of(&from.repository);
            tell(Key::Repository(&from));
            from.each_path_above(paths, |path| tell(Key::Below(&from.root, path)));
        }
        place.each_path_above(paths, |path| tell(Key::Below(&place.root, path)));
        if of.entry.namespace.is_some() {
            // The source of its image is the one that stands for all of them.
            tell(Key::Within(&place.root, place.above()));
            return;
        }
        match &image.reference {
            Reference::Tag(tag) if of.entry.rules().is_none() => {
                tell(Key::Image(&place, tag));
                tell(Key::AnyImage(&place));
            }
            Reference::Tag(_) | Reference::Digest(_) => tell(Key::Repository(&place)),
        }
    }

    /// Tells what is written for an entry.
    fn writes(&self, of: EntryTarget<'_>, paths: Paths, tell: &mut impl FnMut(Key<'_>)) {
        let Ok(image) = self.image(of) else { return };
        let place = Place::of(&image.target);
        if is_of_many(of.entry) {
            let common = self.common_path(of, &image);
            let below = Place {
                path: format!("{common}/any"),
                ..place
            };
            tell(Key::Below(&below.root, &common));
            below.each_path_above(paths, |path| tell(Key::Within(&below.root, path)));
            return;
        }
        place.each_path_above(paths, |path| tell(Key::Within(&place.root, path)));
        tell(Key::Repository(&place));
        if of.entry.is_named() {
            tell(Key::Image(&place, &image.target_reference.to_string()));
        } else {
            tell(Key::AnyImage(&place));
        }
    }

    /// The path that all repositories are below which an entry of many writes.
    pub(super) fn common_path(&self, of: EntryTarget<'_>, image: &ImageSpec) -> String {
        let defaults = self.defaults(of.entry);
        let names =
            defaults.and_then(|defaults| of.entry.two_targets(of.nth, &self.targets, defaults));
        let Ok([left, right]) = names else {
            return String::new();
        };
        let (left, right) = (Place::of(&left), Place::of(&right));
        if left.root != Place::of(&image.target).root {
            return String::new();
        }
        let same = left.path.split('/').zip(right.path.split('/'));
        let same = same.take_while(|(left, right)| left == right);
        let same: Vec<&str> = same.map(|(left, _)| left).collect();
        same.join("/")
    }
}

/// An entry for all of its targets.
#[derive(Clone, Copy)]
struct Node {
    number: u32,
    /// Whether this is the first of its targets.
    is_new: bool,
}

/// Each of these, with its number: the same for those of one entry, which stand together.
fn nodes<'a, 'e>(all: &'a [EntryTarget<'e>]) -> impl Iterator<Item = (Node, &'a EntryTarget<'e>)> {
    let mut last: Option<(&Entry, u32)> = None;
    all.iter().map(move |of| {
        let (number, is_new) = match last {
            Some((entry, number)) if std::ptr::eq(entry, of.entry) => (number, false),
            Some((_, number)) => (number + 1, true),
            None => (0, true),
        };
        last = Some((of.entry, number));
        (Node { number, is_new }, of)
    })
}

fn is_of_many(entry: &Entry) -> bool {
    entry.namespace.is_some() || entry.list.is_some()
}

fn hash(key: &Key<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

impl Place {
    fn of(repository: &Repository) -> Self {
        match repository {
            Repository::Registry { host, name } => Self {
                root: host.to_ascii_lowercase(),
                path: name.clone(),
            },
            Repository::Folder(path) => {
                let components = path.components();
                let components = components.filter(|part| !matches!(part, Component::CurDir));
                let components = components.map(|part| part.as_os_str().to_string_lossy());
                Self {
                    root: FOLDERS.to_owned(),
                    path: components.collect::<Vec<_>>().join("/"),
                }
            }
        }
    }

    /// The path that it is directly below.
    fn above(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(above, _)| above)
    }

    /// Each path that it is below, if any are looked for.
    fn each_path_above<'a>(&'a self, paths: Paths, mut tell: impl FnMut(&'a str)) {
        if !paths.are_used {
            return;
        }
        tell("");
        let ends = self.path.match_indices('/');
        ends.filter(|(end, _)| *end > 0)
            .for_each(|(end, _)| tell(&self.path[..end]));
    }
}

#[cfg(test)]
mod tests;
