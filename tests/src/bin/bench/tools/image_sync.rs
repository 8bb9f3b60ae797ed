//! image-sync at its defaults.

use super::{Described, Task};

pub(super) fn describe(task: &Task) -> Described {
    Described::new(
        &[
            "sync",
            "-c",
            CONFIG,
            "--log-level",
            "off",
            "--output",
            "json",
        ],
        &[(CONFIG, config(task))],
    )
}

const CONFIG: &str = "config.yaml";

/// The config of a catalog, for workers too.
pub(crate) fn config(task: &Task) -> String {
    let Task { source, target, .. } = task;
    let images = task.each(|i| {
        format!("  - {{source: \"{source}/images/{i}\", tag: \"1\", cache_as: images/{i}, platform: all}}\n")
    });
    let connection = match &task.authority {
        Some(authority) => format!("{{ca_file: \"{}\"}}", authority.display()),
        None => "{plain_http: true}".to_owned(),
    };
    format!(
        "cache_registry: \"{target}\"\nsettings: {{cache_insecure: {}}}\nregistries:\n  \"{source}\": {connection}\n  \
         \"{target}\": {connection}\nimages:\n{images}",
        task.authority.is_none()
    )
}
