//! HTTP/2 (RFC 9113): each request is a stream, and all of a connection are answered at the same time.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::{Present, answer, interruption, wait};
use crate::fake_registry::http::body::Body;
use crate::fake_registry::http::interruption::{Then, hold};
use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::fake_registry::shared::Shared;

/// What Go's server allows, which most registries are behind.
const MAX_STREAMS: u32 = 250;

/// So large that a benchmark measures the client and not these.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TlsStream<TcpStream>,
    shared: &Arc<Shared>,
    number: u64,
) -> io::Result<()> {
    let handshake = Builder::new()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(stream);
    let mut connection = handshake.await.map_err(io::Error::other)?;
    let mut exchanges = JoinSet::new();
    while let Some(accepted) = connection.accept().await {
        while exchanges.try_join_next().is_some() {}
        let (request, respond) = accepted.map_err(io::Error::other)?;
        let shared = shared.clone();
        exchanges.spawn(async move {
            let (request, body) = described(request, number);
            // An error here is a stream that the client or the test has ended.
            drop(exchange(&shared, request, body, respond).await);
        });
    }
    Ok(())
}

async fn exchange(
    shared: &Shared,
    mut request: Request,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> io::Result<()> {
    shared.records.arrived(&mut request);
    let _present = Present(shared, request.sequence);
    let faults = shared.faults.met_by(&request);
    wait(shared).await;
    for fault in &faults {
        fault.wait(client_left(&mut respond)).await?;
    }
    let mut body = Body::Stream(body, 0);
    let response = answer(shared, &request, &faults, &mut body).await?;
    shared
        .records
        .decided(request.sequence, response.status, body.length_read());
    for interruption in faults.iter().filter_map(interruption) {
        if let Then::Stall(gate) = &interruption.then {
            hold(gate, client_left(&mut respond)).await?;
        } else {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
    }
    send(&response, request.method == "HEAD", respond).await?;
    shared.records.answered(request.sequence);
    Ok(())
}

fn described(request: http::Request<RecvStream>, number: u64) -> (Request, RecvStream) {
    let (head, body) = request.into_parts();
    let mut described = Request {
        sequence: 0,
        answered: None,
        ended: false,
        connection: number,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: std::collections::BTreeMap::new(),
        body_length: 0,
        status: None,
    };
    if let Some(authority) = head.uri.authority() {
        let host = authority.to_string();
        described.headers.insert("host".to_owned(), host);
    }
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let present = described.headers.entry(name.to_string());
        present
            .and_modify(|present| *present = format!("{present}, {value}"))
            .or_insert_with(|| value.into_owned());
    }
    (described, body)
}

async fn client_left(respond: &mut SendResponse<Bytes>) {
    // Whether it was reset or the connection is over: nobody waits for the answer any more.
    drop(poll_fn(|context| respond.poll_reset(context)).await);
}

async fn send(
    response: &Response,
    without_body: bool,
    mut respond: SendResponse<Bytes>,
) -> io::Result<()> {
    let mut head = http::Response::builder().status(response.status);
    for (name, value) in response.headers() {
        if !name.eq_ignore_ascii_case("connection") {
            head = head.header(name, value);
        }
    }
    if response.status != 204 {
        head = head.header("content-length", response.length());
    }
    let head = head.body(()).map_err(io::Error::other)?;
    let length = if without_body { 0 } else { response.length() };
    let stream = respond.send_response(head, length == 0);
    let stream = stream.map_err(io::Error::other)?;
    send_body(response, length, stream).await
}

async fn send_body(
    response: &Response,
    length: u64,
    mut stream: SendStream<Bytes>,
) -> io::Result<()> {
    let mut at = 0;
    while at < length {
        let mut piece = response.piece(at);
        if piece.is_empty() {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Err(io::Error::other("the content was discarded"));
        }
        at += piece.len() as u64;
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            let granted = poll_fn(|context| stream.poll_capacity(context)).await;
            let granted = granted.unwrap_or(Err(Reason::CANCEL.into()));
            let granted = granted.map_err(io::Error::other)?.min(piece.len());
            let part = piece.split_to(granted);
            let is_last = at >= length && piece.is_empty();
            stream.send_data(part, is_last).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
