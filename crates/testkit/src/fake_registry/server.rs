//! Accepts connections and answers their requests: one by one over HTTP/1.1, all at once over HTTP/2.

mod streams;

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::faults::Fault;
use super::http::body::Body;
use super::http::connection::Connection;
use super::http::interruption::{At, Interruption};
use super::http::message_body::MessageBody;
use super::http::request_head::{Head, read_head};
use super::http::response::Response;
use super::records::Request;
use super::routes;
use super::shared::Shared;
use crate::tls::HTTP2;

/// Serves until it is dropped, its connections with it.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve_connection(stream, tls.clone(), shared.clone(), number));
                number += 1;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    number: u64,
) {
    // An error here is a client that went away or a cut that the test staged: the test sees it at the other end.
    drop(converse(stream, tls, &shared, number).await);
}

async fn converse(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
    number: u64,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = match tls {
        None => Connection::new(Box::new(stream)),
        Some(tls) => {
            let stream = tls.accept(stream).await?;
            if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
                return streams::serve(stream, shared, number).await;
            }
            Connection::new(Box::new(stream))
        }
    };
    while let Some(head) = read_head(&mut connection, number).await? {
        if !exchange(shared, &mut connection, head).await? {
            break;
        }
    }
    Ok(())
}

/// Answers one request; false if the connection ends with it.
async fn exchange(
    shared: &Shared,
    connection: &mut Connection,
    mut head: Head,
) -> io::Result<bool> {
    shared.records.arrived(&mut head.request);
    let request = &head.request;
    let _present = Present(shared, request.sequence);
    let faults = shared.faults.met_by(request);
    wait(shared).await;
    for fault in &faults {
        fault.wait(connection.client_left()).await?;
    }
    let interruptions: Vec<Interruption> = faults.iter().filter_map(interruption).collect();
    let (in_request, in_answer) = interruptions
        .into_iter()
        .partition(|i| matches!(i.at, At::RequestBody(_)));
    let body = MessageBody::new(connection, head.framing, head.wants_continue, in_request);
    let mut body = Body::Message(body);
    let response = answer(shared, request, &faults, &mut body).await?;
    let read = body.length_read();
    let finished = matches!(&body, Body::Message(message) if message.is_finished());
    shared
        .records
        .decided(request.sequence, response.status, read);
    let without_body = request.method == "HEAD";
    response.send(connection, without_body, &in_answer).await?;
    shared.records.answered(request.sequence);
    if response.is_closing() {
        connection.finish().await?;
        return Ok(false);
    }
    Ok(head.keep_alive && finished)
}

async fn wait(shared: &Shared) {
    let latency = shared.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

async fn answer(
    shared: &Shared,
    request: &Request,
    faults: &[Fault],
    body: &mut Body<'_>,
) -> io::Result<Response> {
    let response = match faults.iter().find_map(Fault::answer) {
        None => routes::answer(shared, request, body).await?,
        Some(staged) => {
            if !staged.is_closing() {
                body.drain().await?;
            }
            staged
        }
    };
    let bend = |response, fault: &Fault| fault.bend(response, request);
    Ok(faults.iter().fold(response, bend))
}

fn interruption(fault: &Fault) -> Option<Interruption> {
    match fault {
        Fault::Interrupt(at, then) => Some(Interruption {
            at: *at,
            then: then.clone(),
        }),
        _ => None,
    }
}

/// A request between its arrival and its end, however it ends.
struct Present<'a>(&'a Shared, u64);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.records.ended(self.1);
    }
}
