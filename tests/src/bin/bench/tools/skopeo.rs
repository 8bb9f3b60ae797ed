//! `skopeo sync`, one image after the other.

use super::{Described, Task};

const CONFIG: &str = "skopeo.yaml";

pub(super) fn describe(task: &Task) -> Described {
    let Task { source, target, .. } = task;
    let verify = task.authority.is_some();
    let images = task.each(|i| format!("    images/{i}: [\"1\"]\n"));
    let config = format!("\"{source}\":\n  tls-verify: {verify}\n  images:\n{images}");
    Described::new(
        &[
            "--insecure-policy",
            "sync",
            "--all",
            "--src=yaml",
            "--dest=docker",
            &format!("--src-tls-verify={verify}"),
            &format!("--dest-tls-verify={verify}"),
            CONFIG,
            &format!("{target}/images"),
        ],
        &[(CONFIG, config)],
    )
}
