//! Locations of any bytes.

use image_sync_fuzzkit::assert_presentable;
use image_sync_shared::failure::{Failure, FailureClass, Side, Step};
use image_sync_shared::image::digest::Digest;
use reqwest::Url;
use reqwest::header::LOCATION;

use super::location::{closing, next};
use crate::fuzzing::headers;

pub(crate) fn location(from: &Url, value: &[u8]) {
    match next(from, &headers(LOCATION, value)) {
        Ok(to) => {
            let is_allowed =
                to.scheme() == "https" || (to.scheme(), from.scheme()) == ("http", "http");
            assert!(is_allowed && to.fragment().is_none(), "{to} from {from}");
            let digest = Digest::of(b"");
            let end = closing(&to, &digest);
            let last = end.query_pairs().last();
            let last = last.map(|(name, value)| (name.into_owned(), value.into_owned()));
            assert_eq!(last, Some(("digest".to_owned(), digest.to_string())));
            assert_eq!((end.host(), end.path()), (to.host(), to.path()));
        }
        Err(why) => {
            let (side, step) = (Side::Target, Step::PushBlob);
            let failure = Failure::new(side, step, "a.test/b", FailureClass::Invalid, why);
            assert_presentable(&failure.to_string());
        }
    }
}
