//! The mapping `targets`: places that images go to, by their names.

use image_sync_shared::image::reference::Location;

use crate::document::{Keys, Node, all_keys};
use crate::entry::{Naming, Target};
use crate::problem::{Problem, Problems, without_secrets};

const EXPECTED_ALL: &str = "a mapping of names to registries";
const EXPECTED: &str = "a mapping with registry";
pub(super) const KEYS: [&str; 2] = ["registry", "naming"];

/// All of them, in the order of the file.
pub(super) fn read_all(node: &Node) -> Result<Vec<Target>, Problems> {
    let mut problems = Problems::default();
    let named = all_keys(node, EXPECTED_ALL, &mut problems)?;
    let mut targets = Vec::with_capacity(named.len());
    for (name, node) in named {
        match read(name, node) {
            Ok(target) => targets.push(target),
            Err(of_target) => problems.append(of_target.map(|problem| problem.key(name))),
        }
    }
    if problems.is_empty() {
        Ok(targets)
    } else {
        Err(problems)
    }
}

fn read(name: &str, node: &Node) -> Result<Target, Problems> {
    let keys = Keys::of(node, EXPECTED, &KEYS)?;
    if name.is_empty() || name.contains(['/', ':']) {
        let text = "found a name that is empty or has a / or a :, expected one as in eu-west";
        keys.report(Problem::new(text));
    }
    if keys.node("registry").is_none() {
        let text = "missing, expected HOST, HOST:PORT or HOST/PREFIX as in registry.example.eu/mirror, or oci:FOLDER";
        keys.report(Problem::new(text).key("registry"));
    }
    let place = keys.get("registry").map(|text: String| {
        let place = without_secrets(&text).and_then(|text| text.parse().map_err(Problem::new));
        place.map_err(|problem| problem.key("registry"))
    });
    let place: Option<Location> = place.and_then(|place| keys.ok(place));
    let naming = keys
        .get("naming")
        .map(|text: String| Naming::parse(&text).map_err(|problem| problem.key("naming")));
    let naming = naming.map_or(Some(Naming::default()), |naming| keys.ok(naming));
    let target = place.zip(naming).map(|(place, naming)| Target {
        name: name.into(),
        place,
        naming,
    });
    keys.finish(target)
}
