//! What all targets of a file have in common, if it is a way of naming.

use image_sync_shared::image::reference::Repository;

use super::rule::{Rule, Target};

/// A registry, or a part of one, and how sources are called there.
pub(super) struct Common {
    pub(super) registry: String,
    pub(super) naming: &'static str,
}

/// A way of naming, and what a repository with this host and path is called by it.
type Way = (&'static str, fn(&str, &str) -> String);

const WAYS: [Way; 3] = [
    ("host_path", |host, path| format!("{host}/{path}")),
    ("path", |_, path| path.to_owned()),
    ("name", |_, path| last(path).to_owned()),
];

/// What all rules follow, if there are several sources, each of which goes to one place under its own tags.
pub(super) fn common(rules: &[Rule]) -> Option<Common> {
    let first = rules.first()?;
    if rules.iter().all(|rule| rule.repository == first.repository) {
        return None;
    }
    WAYS.iter().find_map(|(naming, name)| {
        let place = |rule: &Rule| place(rule, *name).map(str::to_owned);
        let registry = place(first)?;
        let is_same = |rule: &Rule| place(rule).as_ref() == Some(&registry);
        rules
            .iter()
            .all(is_same)
            .then_some(Common { registry, naming })
    })
}

/// What stands before the name of a rule's source at its only target, if that is called so.
fn place(rule: &Rule, name: fn(&str, &str) -> String) -> Option<&str> {
    let [Target { bare, tags, .. }] = rule.targets.as_slice() else {
        return None;
    };
    let Repository::Registry { host, name: path } = &rule.repository else {
        return None;
    };
    let host = match host.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => host,
    };
    let name = name(&host.to_ascii_lowercase(), path);
    let place = bare.strip_suffix(&name)?.strip_suffix('/')?;
    (tags.is_empty() && !place.is_empty()).then_some(place)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
