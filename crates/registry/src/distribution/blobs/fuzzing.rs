//! Ranges of any bytes.

use image_sync_fuzzkit::{assert_presentable, first_lines, text};
use image_sync_shared::failure::{Failure, Side, Step};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE};

use super::blob_answer::bytes_to_skip;
use crate::fuzzing::headers;

/// A line each: the size of a blob, how much of it is there already, the answer's status, Content-Range, Content-Length and
/// Content-Encoding. What is to be skipped is there already.
///
/// # Panics
/// If that does not hold.
pub fn content_range(input: &[u8]) {
    let ([size, offset, status, range, length, encoding], _) = first_lines(input);
    let number = |line| text(line).parse::<u64>().ok();
    let status = text(status).parse().ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let (Some(size), Some(offset), Some(status)) = (number(size), number(offset), status) else {
        return;
    };
    let mut all = headers(CONTENT_RANGE, range);
    all.extend(headers(CONTENT_LENGTH, length));
    all.extend(headers(CONTENT_ENCODING, encoding));
    let offset = offset.min(size);
    match bytes_to_skip(status, &all, offset, size) {
        Ok(skipped) => assert!(skipped == 0 || skipped == offset, "{skipped} of {offset}"),
        Err((class, answer)) => {
            let failure = Failure::new(Side::Source, Step::PullBlob, "a.test/b", class, answer);
            assert_presentable(&failure.to_string());
        }
    }
}
