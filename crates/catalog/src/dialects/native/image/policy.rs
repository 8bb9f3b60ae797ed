//! What becomes of an image beside what is to be where: the keys of its policy.

use image_sync_shared::run::job::{Overwrite, PlatformMissing};

use crate::document::Keys;
use crate::entry::StatedPolicy;

use super::super::values::word;
use super::referrers;

const OVERWRITE: [(&str, Overwrite); 3] = [
    ("always", Overwrite::Always),
    ("never", Overwrite::Never),
    ("error", Overwrite::Error),
];
const PLATFORM_MISSING: [(&str, PlatformMissing); 2] = [
    ("fail", PlatformMissing::Fail),
    ("skip", PlatformMissing::Skip),
];

/// What `overwrite`, `platform_missing` and `referrers` say.
pub(in super::super) fn read(keys: &Keys<'_>) -> StatedPolicy {
    StatedPolicy {
        overwrite: word(keys, "overwrite", &OVERWRITE),
        platform_missing: word(keys, "platform_missing", &PLATFORM_MISSING),
        referrers: keys.nested("referrers", referrers::read),
    }
}
