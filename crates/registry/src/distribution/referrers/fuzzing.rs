//! Pages of any bytes.

use image_sync_fuzzkit::assert_presentable;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::referrers::listed;
use image_sync_shared::text::bounded;

use super::page::{MAX_REFERRERS, MAX_TYPE, parse};

/// A page of a list of referrers: what is read of it is what an index under a referrers tag would list, and has a bound.
///
/// # Panics
/// If that does not hold.
pub fn referrers(page: &[u8]) {
    let entries = match parse(page) {
        Ok(Some(entries)) => entries,
        Ok(None) => return,
        Err(why) => {
            let (side, step) = (Side::Source, Step::ListReferrers);
            let class = FailureClass::Invalid;
            let failure = Failure::new(side, step, "a.test/b", class, bounded(why));
            return assert_presentable(&failure.to_string());
        }
    };
    assert!(entries.len() <= MAX_REFERRERS);
    for entry in &entries {
        let texts = [Some(&entry.media_type), entry.artifact_type.as_ref()];
        assert!(texts.iter().flatten().all(|text| text.len() <= MAX_TYPE));
        assert!(entry.urls.is_empty() && entry.data.is_none());
    }
    let digests = entries.iter().map(|entry| &entry.digest);
    let under_tag = listed(page).unwrap_or_default();
    let under_tag: Vec<&Digest> = under_tag.iter().map(|entry| &entry.digest).collect();
    assert_eq!(digests.collect::<Vec<_>>(), under_tag);
}
