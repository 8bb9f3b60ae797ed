//! The config of regsync: a list of steps, each of which copies an image, a repository or a registry to one target.

mod creds;
mod entry;
mod options;
mod references;
mod tags;
mod template;

use std::collections::{BTreeMap, HashMap, HashSet};

use entry::{Copied, Platforms, Step, Steps, Target, What};
use options::Told;
use tags::{Checked, Rules, lists};

use super::translation::{Mapping, Pairs, Translation, Translator};
use crate::document::Node;
use crate::problem::{Place, Problem};

const KEYS: [&str; 4] = ["version", "creds", "defaults", "sync"];

pub(super) fn translate(document: &Node, mut to: Translator<'_>) -> Translation {
    let root = match Mapping::of(document, "", "a mapping with sync") {
        Ok(root) => root,
        Err(problem) => {
            to.report(problem);
            return to.finish();
        }
    };
    root.note_unknown(&KEYS, &mut to);
    root.note_repeated(&mut to);
    version(&root, &mut to);
    creds::translate(&root, &mut to);
    let nothing = Node::empty_mapping();
    let node = root.node("defaults").unwrap_or(&nothing);
    let defaults = Mapping::of(node, "defaults", "a mapping of options");
    let defaults = to.ok(
        node.place,
        defaults.map_err(|problem| problem.key("defaults")),
    );
    let Some(defaults) = defaults.or_else(|| Mapping::of(&nothing, "defaults", "").ok()) else {
        return to.finish();
    };
    let mut told = of_all(&defaults, &mut to);
    let mut groups = Groups::default();
    let items = root.items("sync", &mut to);
    let mut steps = Steps {
        defaults: &defaults,
        checked: Checked::default(),
        told: std::mem::take(&mut told),
        to: &mut to,
    };
    for (index, item) in items.iter().enumerate() {
        let path = format!("sync[{index}]");
        let entry = Mapping::of(item, &path, "a mapping with source, target and type");
        let entry = steps
            .to
            .ok(item.place, entry.map_err(|problem| problem.key(&path)));
        if let Some(step) = entry.and_then(|entry| steps.read(&entry)) {
            groups.add(step);
        }
    }
    let told = steps.told;
    told.tell(&mut to);
    groups.write(&mut to);
    to.finish()
}

fn version(root: &Mapping<'_>, to: &mut Translator<'_>) {
    let Some(node) = root.node("version") else {
        return;
    };
    let version = root.text("version", to).map(str::parse::<u64>);
    if !matches!(version, None | Some(Ok(0 | 1))) {
        let found = node.text().unwrap_or_default();
        let told = format!("found version {found:?}, expected 1");
        to.report(Problem::new(told).key("version").at(node.place));
    }
}

/// What `defaults` says of the whole.
fn of_all(defaults: &Mapping<'_>, to: &mut Translator<'_>) -> Told {
    let known = [&options::OF_ALL[..], &options::OF_EACH, &options::WHEN].concat();
    defaults.note_unknown(&known, to);
    defaults.note_repeated(to);
    let mut told = Told::default();
    told.of_all(defaults);
    let parallel = defaults.text("parallel", to).filter(|text| *text != "0");
    if let (Some(text), Some(node)) = (parallel, defaults.node("parallel")) {
        to.setting("concurrency", Node::of_text(text).at(node.place));
    }
    told
}

/// Steps that copy the same to several targets.
#[derive(Default)]
struct Groups {
    all: Vec<Group>,
    known: HashMap<Copied, usize>,
}

struct Group {
    copied: Copied,
    /// As the first step writes it.
    source: (String, Place),
    place: Place,
    targets: Vec<Target>,
}

impl Groups {
    fn add(&mut self, step: Step) {
        let Step {
            copied,
            target,
            source,
            place,
        } = step;
        if let Some(known) = self.known.get(&copied)
            && let Some(group) = self.all.get_mut(*known)
        {
            group.targets.push(target);
            return;
        }
        self.known.insert(copied.clone(), self.all.len());
        self.all.push(Group {
            copied,
            source,
            place,
            targets: vec![target],
        });
    }

    fn write(self, to: &mut Translator<'_>) {
        let mut names = TargetNames::default();
        let of_registries = self.all.iter().filter(|group| group.is_registry());
        for target in of_registries.flat_map(|group| &group.targets) {
            names.add(target, to);
        }
        let first = self.all.first().and_then(|group| group.targets.first());
        if let Some(first) = first.filter(|_| names.by_text.is_empty()) {
            let registry = Node::of_text(&first.registry).at(first.place);
            to.set("cache_registry", registry);
        }
        if self.all.is_empty() {
            to.set("cache_registry", Node::of_text("localhost"));
        }
        let defaults = vec![("platform", Node::of_text("all"))];
        to.set("defaults", Node::of_pairs(defaults));
        for group in self.all {
            group.write(&names, to);
        }
    }
}

impl Group {
    fn is_registry(&self) -> bool {
        matches!(self.copied.what, What::Registry(..))
    }

    fn write(self, names: &TargetNames, to: &mut Translator<'_>) {
        let place = self.place;
        match &self.copied.what {
            What::Image { tag, .. } => {
                let mut pairs = vec![self.source()];
                // The source says all others itself.
                let (text, place_of_source) = &self.source;
                let tagged = text.rsplit_once('@').map_or(&**text, |(tagged, _)| tagged);
                let is_said = tagged.ends_with(&format!(":{tag}"));
                if !is_said {
                    pairs.push(("tag", Node::of_text(tag).at(*place_of_source)));
                }
                pairs.extend(self.platforms());
                pairs.extend(self.artifacts());
                pairs.push(self.targets(|target| target.text.clone()));
                to.image(place, pairs);
            }
            What::Tags(sets) => {
                for rules in sets {
                    let mut pairs = vec![self.source(), ("tags", rules.node(place))];
                    pairs.extend(self.platforms());
                    pairs.extend(self.artifacts());
                    pairs.push(self.targets(|target| target.text.clone()));
                    to.image(place, pairs);
                }
            }
            What::Registry(
                Rules {
                    include, exclude, ..
                },
                sets,
            ) => {
                for rules in sets {
                    let mut pairs = vec![self.source()];
                    pairs.extend(lists(include, exclude, place));
                    pairs.push(("tags", rules.node(place)));
                    pairs.extend(self.platforms());
                    pairs.extend(self.artifacts());
                    pairs.push(self.targets(|target| names.of(target)));
                    to.repository(place, pairs);
                }
            }
        }
    }

    fn source(&self) -> (&'static str, Node) {
        let (text, place) = &self.source;
        let text = match text.split_once("://") {
            Some((_, folder)) => format!("oci:{folder}"),
            None => text.clone(),
        };
        ("source", Node::of_text(&text).at(*place))
    }

    fn platforms(&self) -> Pairs {
        let text = |text: &String| Node::of_text(text).at(self.place);
        match &self.copied.platforms {
            Platforms::All => Vec::new(),
            Platforms::One(platform) => vec![("platform", text(platform))],
            Platforms::Several(platforms) => {
                let platforms = Node::of_items(platforms.iter().map(text).collect());
                let missing = text(&"skip".to_owned());
                vec![
                    ("platform", platforms.at(self.place)),
                    ("platform_missing", missing),
                ]
            }
        }
    }

    fn artifacts(&self) -> Option<(&'static str, Node)> {
        let artifacts = self.copied.artifacts.as_ref()?;
        Some(("referrers", artifacts.node(self.place)))
    }

    fn targets(&self, named: impl Fn(&Target) -> String) -> (&'static str, Node) {
        let targets = self.targets.iter();
        let items = targets.map(|target| Node::of_text(&named(target)).at(target.place));
        ("targets", Node::of_items(items.collect()).at(self.place))
    }
}

/// The names of the places that all repositories of registries go to.
#[derive(Default)]
struct TargetNames {
    by_text: BTreeMap<String, String>,
    taken: HashSet<String>,
}

impl TargetNames {
    fn add(&mut self, target: &Target, to: &mut Translator<'_>) {
        if self.by_text.contains_key(&target.text) {
            return;
        }
        let is_other = |letter: char| !letter.is_ascii_alphanumeric();
        let words = target.text.split(is_other).filter(|word| !word.is_empty());
        let name = words.collect::<Vec<_>>().join("-").to_lowercase();
        // Keys that begin so are the user's.
        let name = if name.starts_with("x-") {
            format!("to-{name}")
        } else {
            name
        };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names
            .find(|name| !self.taken.contains(name))
            .unwrap_or_default();
        self.taken.insert(free.clone());
        let registry = Node::of_text(&target.text).at(target.place);
        to.target(
            &free,
            vec![
                ("registry", registry),
                ("naming", Node::of_text("path").at(target.place)),
            ],
        );
        self.by_text.insert(target.text.clone(), free);
    }

    fn of(&self, target: &Target) -> String {
        self.by_text.get(&target.text).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
