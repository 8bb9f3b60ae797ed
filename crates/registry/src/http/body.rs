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
