//! regsync, with as many images at once as image-sync has, and with enough requests for them.

use super::{Described, Task};

const CONFIG: &str = "regsync.yaml";

pub(super) fn describe(task: &Task) -> Described {
    Described::new(
        &["once", "-c", CONFIG, "-v", "error"],
        &[(CONFIG, config(task))],
    )
}

fn config(task: &Task) -> String {
    let Task { source, target, .. } = task;
    let tls = if task.authority.is_some() {
        "enabled"
    } else {
        "disabled"
    };
    let images = task.each(|i| {
        let name = format!("images/{i}:1");
        format!("  - {{source: \"{source}/{name}\", target: \"{target}/{name}\", type: image}}\n")
    });
    format!(
        "version: 1\ndefaults: {{parallel: 16}}\ncreds:\n  - {{registry: \"{source}\", tls: {tls}, reqConcurrent: 32}}\n  \
         - {{registry: \"{target}\", tls: {tls}, reqConcurrent: 32}}\nsync:\n{images}"
    )
}
