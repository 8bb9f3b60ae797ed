//! crane, one process for each image.

use super::{Described, Task};

pub(super) fn describe(task: &Task) -> Described {
    let Task {
        source,
        target,
        images,
        authority,
    } = task;
    let insecure = if authority.is_some() {
        ""
    } else {
        " --insecure"
    };
    let copy = format!("crane copy{insecure} {source}/images/$i:1 {target}/images/$i:1");
    let script = format!("i=0; while [ $i -lt {images} ]; do {copy} || exit 1; i=$((i+1)); done");
    Described::new(&["-c", &script], &[])
}
