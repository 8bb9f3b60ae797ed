//! Reading small bodies whole.

pub(crate) mod encoding;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use image_sync_shared::failure::FailureClass;
use reqwest::Response;
use tokio::time::timeout;

use super::{RequestError, connection};

/// The whole body, if it is at most `limit` bytes long. Waits up to `patience` for each piece of it.
pub(crate) async fn read_whole(
    mut response: Response,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, RequestError> {
    let mut body = BytesMut::new();
    while let Some(piece) = next_piece(&mut response, patience).await? {
        if body.len() + piece.len() > limit {
            let answer = format!("the body is longer than {limit} bytes");
            return Err(RequestError::new(FailureClass::Invalid, answer));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The first `limit` bytes of a body, or what could be had of them.
pub(crate) async fn read_some(mut response: Response, limit: usize, patience: Duration) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < limit {
        match next_piece(&mut response, patience).await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(limit);
    body.freeze()
}

async fn next_piece(
    response: &mut Response,
    patience: Duration,
) -> Result<Option<Bytes>, RequestError> {
    match timeout(patience, response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => {
            let error = error.with_url(response.url().clone());
            Err(connection::explain_cut(&error))
        }
        Err(_elapsed) => Err(RequestError::new(
            FailureClass::Timeout,
            format!("the answer stood still for {} s", patience.as_secs_f32()),
        )),
    }
}

/// Whether these bytes are an HTML page: those of no registry are.
pub(crate) fn is_html(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"].iter().any(|tag| {
        start
            .get(..tag.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(tag))
    })
}

/// That a page came where `what` was asked for.
pub(crate) fn html_error(what: &str) -> RequestError {
    let answer = format!(
        "an HTML page came in place of {what}: this is no registry, or something in between answers for it, as a login page or a \
         proxy; look at the host and at its endpoint"
    );
    RequestError::new(FailureClass::Invalid, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_from_what_registries_answer() {
        for page in ["<!DOCTYPE html><p>", "\n <HTML lang=en>", "<html>"] {
            assert!(is_html(page.as_bytes()), "{page}");
        }
        for other in ["", "{}", "<?xml version=\"1.0\"?>", "<htm"] {
            assert!(!is_html(other.as_bytes()), "{other}");
        }
    }
}
