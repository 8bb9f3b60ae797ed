//! ocync, without the artifacts that the others leave behind too.

use super::{Described, Task};

const CONFIG: &str = "ocync.yaml";

pub(super) fn describe(task: &Task) -> Described {
    Described::new(&["sync", "-c", CONFIG], &[(CONFIG, config(task))])
}

fn config(task: &Task) -> String {
    let Task { source, target, .. } = task;
    let scheme = if task.authority.is_some() {
        "https"
    } else {
        "http"
    };
    let images = task.each(|i| format!("  - {{from: images/{i}, to: images/{i}}}\n"));
    format!(
        "registries:\n  source: {{url: \"{scheme}://{source}\"}}\n  target: {{url: \"{scheme}://{target}\"}}\n\
         defaults:\n  source: source\n  targets: target\n  artifacts: {{enabled: false}}\n  tags: {{glob: [\"1\"]}}\n\
         mappings:\n{images}"
    )
}
