//! Images that the report of a run names.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use image_sync_shared::config::ImageSpec;
use image_sync_shared::run::ImageName;
use image_sync_shared::text;

use super::expand::{all_of, of_any_digest};

/// How many are told by their names that are missing.
const MOST_NAMED: usize = 20;

/// Names of images, and which of them were found among images.
#[derive(Debug)]
pub struct Listed {
    /// How messages call what names them.
    report: String,
    found: HashMap<Name, AtomicBool>,
    /// The sources of all of them.
    sources: HashSet<String>,
}

/// Source, tag and target, as reports have them.
type Name = [String; 3];

impl Listed {
    /// Those that `report` names. One with the tag `*` is all that rules choose of its source, one with
    /// that tag at its target has a digest in it that was not known.
    pub fn new(report: String, names: impl IntoIterator<Item = ImageName>) -> Self {
        let names = names.into_iter();
        let names = names.map(|name| [name.image, name.tag, name.target]);
        let found: HashMap<Name, AtomicBool> = names
            .map(|name| (name.map(text::bounded), AtomicBool::new(false)))
            .collect();
        let sources = found.keys().map(|[source, ..]| source.clone()).collect();
        Self {
            report,
            found,
            sources,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether `image` is named. It counts as found then.
    pub(super) fn names(&self, image: &ImageSpec) -> bool {
        let failed = of_any_digest(image.clone());
        let any = all_of(image.clone());
        // Each of them, as all are found then.
        self.find(image) | self.find(&failed) | self.find(&any)
    }

    fn find(&self, image: &ImageSpec) -> bool {
        let name = [&image.image, &image.tag, &image.target_name()];
        let found = self.found.get(&name.map(text::bounded));
        found.inspect(|found| found.store(true, Ordering::Relaxed));
        found.is_some()
    }

    /// Whether images of the source of `sample` are named.
    pub(super) fn may_name(&self, sample: &ImageSpec) -> bool {
        match sample.image.strip_suffix('*') {
            Some(namespace) => self
                .sources
                .iter()
                .any(|source| source.starts_with(namespace)),
            None => self.sources.contains(&text::bounded(&sample.image)),
        }
    }

    /// What is named of the source of `sample` is as good as found, as nobody can say whether it is there.
    pub(super) fn cannot_tell(&self, sample: &ImageSpec) {
        let (name, namespace) = (text::bounded(&sample.image), sample.image.strip_suffix('*'));
        let is_same = |source: &str| match namespace {
            Some(namespace) => source.starts_with(namespace),
            None => source == name,
        };
        let found = self.found.iter();
        let same = found.filter(|([source, ..], _)| is_same(source));
        same.for_each(|(_, found)| found.store(true, Ordering::Relaxed));
    }

    /// What is to be said of those that were not found so far, but for what rules may still choose of `awaited`. Each is told
    /// once.
    pub(crate) fn missing(&self, awaited: impl Iterator<Item = ImageSpec>) -> Vec<String> {
        // Reports call what is found in a namespace by its own name, and all of it `HOST/NAMESPACE/*`.
        let (namespaces, sources): (Vec<String>, Vec<String>) = awaited
            .map(|image| image.image)
            .partition(|image| image.ends_with('*'));
        let sources: HashSet<String> = sources.iter().map(text::bounded).collect();
        let is_awaited = |source: &str| {
            let is_below = |namespace: &String| source.starts_with(namespace.trim_end_matches('*'));
            sources.contains(source) || namespaces.iter().any(is_below)
        };
        let of_none = self.found.iter().filter(|([source, ..], found)| {
            !is_awaited(source) && !found.swap(true, Ordering::Relaxed)
        });
        let mut names: Vec<String> = of_none
            .map(|([source, tag, target], _)| format!("{source}:{tag} for {target}"))
            .collect();
        names.sort_unstable();
        let more = names.len().saturating_sub(MOST_NAMED);
        names.truncate(MOST_NAMED);
        let sentence = |name| {
            format!(
                "{name}: failed in {}, and is no image of the config now",
                self.report
            )
        };
        let mut sentences: Vec<String> = names.iter().map(sentence).collect();
        if more > 0 {
            sentences.push(format!("{more} more of {} are none either", self.report));
        }
        sentences
    }
}
