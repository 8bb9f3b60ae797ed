//! The dialect of this program's own: the keys of the first release, and those beside them.

mod image;
mod registries;
mod settings;
mod tag_rules;
mod values;

use image_sync_shared::config::{Config, ImageDefaults};
use image_sync_shared::image::reference::Location;

use crate::document::{Keys, Node};
use crate::entry::Entry;
use crate::images::Entries;
use crate::problem::{Problem, Problems, without_secrets};

pub use registries::registry_host;

const EXPECTED: &str = "a mapping with cache_registry and images";
const KEYS: [&str; 4] = ["cache_registry", "images", "settings", "registries"];

/// What a config says.
pub(crate) struct Native {
    pub(crate) config: Config,
    pub(crate) entries: Entries,
    /// What is accepted, but probably not meant.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads a config.
pub(crate) fn read(document: &Node) -> Result<Native, Problems> {
    let keys = Keys::of(document, EXPECTED, &KEYS)?;
    let usual = || settings::read(&Node::empty_mapping()).ok();
    let settings = match keys.node("settings") {
        Some(_) => keys.nested("settings", settings::read).or_else(usual),
        None => usual(),
    };
    let registries = keys.nested("registries", registries::read_all);
    let cache_registry = keys.ok(cache_registry(keys.get("cache_registry")));
    let defaults = settings.as_ref().map(|settings| &settings.defaults);
    if keys.node("images").is_none() {
        keys.report(Problem::new("missing, expected a list of images").key("images"));
    }
    let entries = keys.nested("images", |node| {
        images(node, cache_registry.as_ref().zip(defaults))
    });
    let config = || {
        let (cache_registry, settings) = (cache_registry?, settings?);
        let entries = Entries {
            all: entries?,
            cache_registry: cache_registry.clone(),
            defaults: settings.defaults.clone(),
        };
        let config = Config {
            cache_registry,
            defaults: settings.defaults,
            settings: settings.settings,
            registries: registries.unwrap_or_default(),
        };
        Some(Native {
            config,
            entries,
            warnings: settings.warnings,
        })
    };
    keys.finish(config())
}

fn cache_registry(text: Option<String>) -> Result<Location, Problem> {
    const FORM: &str =
        "expected HOST, HOST:PORT or HOST/PREFIX as in localhost:5000, or oci:FOLDER";
    let text = text.ok_or_else(|| Problem::new(format!("missing, {FORM}")));
    text.and_then(|text| without_secrets(&text)?.parse().map_err(Problem::new))
        .map_err(|problem| problem.key("cache_registry"))
}

/// The entries of a list, and whether each of them is an image, if it is known where images go and what they have.
fn images(
    node: &Node,
    where_and_how: Option<(&Location, &ImageDefaults)>,
) -> Result<Vec<Entry>, Problems> {
    let items = node.items()?;
    let mut entries = Vec::with_capacity(items.len());
    let mut problems = Problems::default();
    for (index, item) in items.iter().enumerate() {
        let read = image::read(item).and_then(|read| {
            let Some((to, defaults)) = where_and_how else {
                return Ok(read);
            };
            let problems = read
                .iter()
                .filter_map(|entry| entry.image(to, defaults).err());
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
