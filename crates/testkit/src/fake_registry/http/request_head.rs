//! The start of a request (RFC 9112, sections 3 and 5).

use std::collections::BTreeMap;
use std::io;
use std::io::ErrorKind;

use bytes::Buf;

use super::connection::Connection;
use super::message_body::Framing;
use crate::fake_registry::records::Request;

const MAX_HEADERS: usize = 64;

/// A request before its body.
pub(crate) struct Head {
    pub(crate) request: Request,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) wants_continue: bool,
}

/// Reads the next request's start; none where the client closed the connection between two requests.
pub(crate) async fn read_head(
    connection: &mut Connection,
    number: u64,
) -> io::Result<Option<Head>> {
    loop {
        if let Some((length, head)) = parse(&connection.buffer, number)? {
            connection.buffer.advance(length);
            return Ok(Some(head));
        }
        if !connection.fill().await? {
            return if connection.buffer.is_empty() {
                Ok(None)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            };
        }
    }
}

fn parse(bytes: &[u8], number: u64) -> io::Result<Option<(usize, Head)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let status = parsed
        .parse(bytes)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lower_names(parsed.headers);
    let text = |name: &str| headers.get(name).map(|v| v.to_ascii_lowercase());
    let keep_alive = match text("connection").as_deref() {
        Some("close") => false,
        Some("keep-alive") => true,
        _ => parsed.version == Some(1),
    };
    let framing = match (text("transfer-encoding"), text("content-length")) {
        (Some(_), _) => Framing::Chunked,
        (None, Some(length)) => Framing::Length(length.parse().map_err(io::Error::other)?),
        (None, None) => Framing::Length(0),
    };
    let wants_continue = text("expect").as_deref() == Some("100-continue");
    let request = Request {
        sequence: 0,
        answered: None,
        ended: false,
        connection: number,
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body_length: 0,
        status: None,
    };
    let head = Head {
        request,
        framing,
        keep_alive,
        wants_continue,
    };
    Ok(Some((length, head)))
}

fn lower_names(headers: &[httparse::Header<'_>]) -> BTreeMap<String, String> {
    let mut map: BTreeMap<String, String> = BTreeMap::new();
    for header in headers {
        let value = String::from_utf8_lossy(header.value);
        map.entry(header.name.to_ascii_lowercase())
            .and_modify(|present| {
                present.push_str(", ");
                present.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    map
}
