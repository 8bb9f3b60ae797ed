//! Aliyun's image-syncer, with as many images at once as image-sync has.

use super::{Described, Task};

const AUTH: &str = "auth.yaml";
const IMAGES: &str = "images.yaml";

pub(super) fn describe(task: &Task) -> Described {
    let Task { source, target, .. } = task;
    let insecure = task.authority.is_none();
    let auth = [source, target].map(|host| {
        format!("\"{host}\": {{username: \"\", password: \"\", insecure: {insecure}}}\n")
    });
    let images = task.each(|i| format!("{source}/images/{i}:1: {target}/images/{i}:1\n"));
    Described::new(
        &[
            "--proc=16",
            "--retries=1",
            &format!("--auth={AUTH}"),
            &format!("--images={IMAGES}"),
        ],
        &[(AUTH, auth.concat()), (IMAGES, images)],
    )
}
