//! May a tag of the target that has another image be written?

use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::ImageRef;
use image_sync_shared::run::job::Overwrite;

/// What is to be said of a tag that keeps its image, or why that is a failure.
pub(crate) fn keep(
    overwrite: Overwrite,
    target: &ImageRef,
    found: &Digest,
    expected: &Digest,
) -> Result<String, Failure> {
    let what = format!("the target has {found}, the source {expected}");
    match overwrite {
        Overwrite::Always | Overwrite::Never => Ok(format!("overwrite: never; {what}")),
        Overwrite::Error => Err(Failure::new(
            Side::Target,
            Step::PushManifest,
            target,
            FailureClass::ImmutableTag,
            format!("overwrite: error; {what}, and nothing was written"),
        )),
    }
}
