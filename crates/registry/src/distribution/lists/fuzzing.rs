//! Links of any bytes.

use image_sync_fuzzkit::assert_presentable;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use reqwest::Url;
use reqwest::header::LINK;

use super::link::next;
use crate::fuzzing::headers;

pub(crate) fn link(page: &Url, value: &[u8]) {
    match next(page, &headers(LINK, value)) {
        Ok(to) => {
            let origin = to.as_ref().map_or(page.origin(), Url::origin);
            assert_eq!(origin, page.origin(), "{to:?} from {page}");
        }
        Err(why) => {
            let (side, step) = (Side::Source, Step::ListTags);
            let failure = Failure::new(side, step, "a.test/b", FailureClass::Invalid, why);
            assert_presentable(&failure.to_string());
        }
    }
}
