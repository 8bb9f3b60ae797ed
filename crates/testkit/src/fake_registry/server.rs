//! Accepts connections and answers their requests one by one.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::faults::Fault;
use super::http::body::Body;
use super::http::connection::Connection;
use super::http::interruption::{At, Interruption};
use super::http::request_head::{Head, read_head};
use super::http::response::Response;
use super::records::Request;
use super::routes;
use super::shared::Shared;

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
    shared: &Shared,
    number: u64,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = match tls {
        Some(tls) => Connection::new(Box::new(tls.accept(stream).await?)),
        None => Connection::new(Box::new(stream)),
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
    let latency = shared.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    for fault in &faults {
        fault.wait(connection).await?;
    }
    let interruptions: Vec<Interruption> = faults.iter().filter_map(interruption).collect();
    let (in_request, in_answer) = interruptions
        .into_iter()
        .partition(|i| matches!(i.at, At::RequestBody(_)));
    let mut body = Body::new(connection, head.framing, head.wants_continue, in_request);
    let response = answer(shared, request, &faults, &mut body).await?;
    let (read, finished) = (body.length_read(), body.is_finished());
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
