//! The dialect of this program's own: the keys of the first release, and those beside them.

mod defaults;
mod image;
mod include;
mod lists;
mod registries;
mod repositories;
mod schema;
mod settings;
mod tag_rules;
mod targets;
mod values;
mod webhooks;

use image_sync_shared::config::{Config, ImageDefaults};
use image_sync_shared::image::reference::Location;

use crate::document::{Keys, Node};
use crate::entry::{CACHE, Entry, Naming, Targets};
use crate::problem::{Origin, Problem, Problems, without_secrets};

pub(crate) use include::Include;
pub use registries::registry_host;
pub use schema::SCHEMA;

const EXPECTED: &str = "a mapping with cache_registry and images";
const EXPECTED_INCLUDED: &str = "a mapping with images";
/// What a file may say that is included by another one.
const KEYS_OF_EACH: [&str; 5] = ["images", "repositories", "lists", "defaults", "include"];
/// What only the file may say that the program is given.
const KEYS_OF_FIRST: [&str; 6] = [
    "cache_registry",
    "naming",
    "targets",
    "settings",
    "registries",
    "webhooks",
];
const KEYS: [&str; 11] = [
    "cache_registry",
    "naming",
    "targets",
    "images",
    "repositories",
    "lists",
    "settings",
    "registries",
    "webhooks",
    "defaults",
    "include",
];

/// What one file says of images, as far as it can be understood.
#[derive(Default)]
pub(crate) struct Images {
    pub(crate) entries: Vec<Entry>,
    /// What they have where they say nothing themselves.
    pub(crate) defaults: Option<ImageDefaults>,
    pub(crate) include: Vec<Include>,
    /// What is accepted, but probably not meant.
    pub(crate) warnings: Vec<Problem>,
    pub(crate) problems: Problems,
}

/// What the first file says that holds for those which it includes too, as far as it can be understood.
#[derive(Default)]
pub(crate) struct First {
    pub(crate) config: Option<Config>,
    /// Where images go to.
    pub(crate) targets: Option<Targets>,
    /// What images have whose file says nothing.
    defaults: Option<ImageDefaults>,
}

/// Reads the file that the program is given.
pub(crate) fn read(document: &Node) -> (First, Images) {
    let keys = match Keys::of(document, EXPECTED, &KEYS) {
        Ok(keys) => keys,
        Err(problem) => return (First::default(), Images::refused(problem)),
    };
    let usual = || settings::read(&Node::empty_mapping()).ok();
    let settings = match keys.node("settings") {
        Some(_) => keys.nested("settings", settings::read).or_else(usual),
        None => usual(),
    };
    let registries = keys.nested("registries", registries::read_all);
    let webhooks = keys.nested("webhooks", webhooks::read);
    let targets = targets(&keys);
    let first = First {
        config: None,
        targets: targets.clone(),
        defaults: settings.as_ref().map(|settings| settings.defaults.clone()),
    };
    let mut images = images(&keys, &first, 0);
    let config = || {
        let settings = settings?;
        images.warnings.extend(settings.warnings);
        let mut places = targets.iter().flat_map(Targets::places).cloned();
        Some(Config {
            cache_registry: places.next()?,
            further_targets: places.collect(),
            defaults: images.defaults.clone()?,
            settings: settings.settings,
            registries: registries.unwrap_or_default(),
            webhooks: webhooks.unwrap_or_default(),
        })
    };
    let config = config();
    images.problems = keys.into_problems();
    (First { config, ..first }, images)
}

/// Reads the file of this number, which another one includes.
pub(crate) fn read_included(document: &Node, first: &First, file: u16) -> Images {
    let keys = match Keys::of(document, EXPECTED_INCLUDED, &KEYS) {
        Ok(keys) => keys,
        Err(problem) => return Images::refused(problem),
    };
    for key in KEYS_OF_FIRST {
        if keys.node(key).is_some() {
            let may_say = KEYS_OF_EACH.join(", ");
            let text = format!(
                "found in a file that another one includes, expected it in the first file alone; this one may have {may_say}"
            );
            keys.report(Problem::new(text).key(key));
        }
    }
    let mut images = images(&keys, first, file);
    images.problems = keys.into_problems();
    images
}

impl Images {
    fn refused(problem: Problem) -> Self {
        Self {
            problems: problem.into(),
            ..Self::default()
        }
    }
}

/// The entries that one item of `images` stands for.
pub(crate) fn entries_of(item: &Node, origin: Origin) -> Result<Vec<Entry>, Problems> {
    image::read(item, origin)
}

/// What a file of either kind says of images. Problems stay with its `keys`.
fn images(keys: &Keys<'_>, first: &First, file: u16) -> Images {
    let of_all = || first.defaults.clone();
    let defaults = first
        .defaults
        .as_ref()
        .and_then(|of_all| keys.nested("defaults", |node| defaults::read(node, of_all)));
    // Those that cannot be read have problems of their own.
    let defaults = defaults.or_else(of_all);
    let include = keys.nested("include", include::read).unwrap_or_default();
    let has_none = |key: &&str| keys.node(key).is_none();
    if ["images", "repositories", "lists", "include"]
        .iter()
        .all(has_none)
    {
        keys.report(Problem::new("missing, expected a list of images").key("images"));
    }
    let where_and_how = first.targets.as_ref().zip(defaults.as_ref());
    let read = |key, read| keys.nested(key, |node| entries(node, where_and_how, file, read));
    let mut entries = read("images", image::read).unwrap_or_default();
    entries.extend(read("repositories", repositories::read).unwrap_or_default());
    entries.extend(read("lists", lists::read).unwrap_or_default());
    Images {
        entries,
        defaults,
        include,
        ..Images::default()
    }
}

/// Where images go to; the cache registry may be missing where other targets are named.
fn targets(keys: &Keys<'_>) -> Option<Targets> {
    let others = match keys.node("targets") {
        Some(_) => keys.nested("targets", targets::read_all)?,
        None => Vec::new(),
    };
    let cache = match keys.node("cache_registry") {
        None if !others.is_empty() => None,
        _ => {
            let read = keys.ok(cache_registry(keys.get("cache_registry")));
            // Images are checked although it is not known where they go.
            let somewhere = || Location::Registry {
                host: "localhost".to_owned(),
                prefix: String::new(),
            };
            Some(read.unwrap_or_else(somewhere))
        }
    };
    if cache.is_some() && others.iter().any(|target| *target.name == *CACHE) {
        let text = "this is how cache_registry is called among targets, expected another name";
        keys.report(Problem::new(text).key(CACHE).key("targets"));
    }
    let naming: Option<String> = keys.get("naming");
    let naming = naming.map(|text| Naming::parse(&text).map_err(|problem| problem.key("naming")));
    let naming = naming.and_then(|naming| keys.ok(naming));
    Some(Targets::new(cache, others).named(&naming.unwrap_or_default()))
}

fn cache_registry(text: Option<String>) -> Result<Location, Problem> {
    const FORM: &str =
        "expected HOST, HOST:PORT or HOST/PREFIX as in localhost:5000, or oci:FOLDER";
    let text = text.ok_or_else(|| Problem::new(format!("missing, {FORM}")));
    text.and_then(|text| without_secrets(&text)?.parse().map_err(Problem::new))
        .map_err(|problem| problem.key("cache_registry"))
}

/// The entries of a list, and whether each of them is an image, if it is known where images go and what they have.
fn entries(
    node: &Node,
    where_and_how: Option<(&Targets, &ImageDefaults)>,
    file: u16,
    read: fn(&Node, Origin) -> Result<Vec<Entry>, Problems>,
) -> Result<Vec<Entry>, Problems> {
    let items = node.items()?;
    let mut entries = Vec::with_capacity(items.len());
    let mut problems = Problems::default();
    for (index, item) in items.iter().enumerate() {
        let origin = Origin {
            file,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            place: item.place,
        };
        let read = read(item, origin).and_then(|read| {
            let Some((to, defaults)) = where_and_how else {
                return Ok(read);
            };
            let problems = read.iter().flat_map(|entry| {
                let each = 0..entry.destinations(to, defaults).max(1);
                each.filter_map(|nth| entry.image(nth, to, defaults).err())
            });
            let located = problems.map(|problem| {
                let place = item.locate(&problem.path());
                problem.at(place)
            });
            let problems: Problems = located.collect();
            if problems.is_empty() {
                Ok(read)
            } else {
                Err(problems)
            }
        });
        match read {
            Ok(read) => entries.extend(read),
            Err(of_item) => problems.append(of_item.map(|problem| problem.index(index))),
        }
    }
    if problems.is_empty() {
        Ok(entries)
    } else {
        Err(problems)
    }
}
