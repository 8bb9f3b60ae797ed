//! Connections to the server, and what none of them can do to the others.
//!
//! Whoever reaches the port may open any number of them, and be as slow as they like. So each has one request, little time
//! and little memory, and there are never more than a few: the oldest that waits for its client gives way to a new one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::tls::Tls;

/// Bytes of a request's head at most; a longer one is answered with 431.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Header lines of a request at most.
const MAX_HEADERS: usize = 64;
/// How long nothing is accepted after the system had no room for a connection, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// What a client can use up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at the same time.
    connections: usize,
    /// How long the head of a request may take, however steadily its bytes come.
    head: Duration,
    /// How long a connection may take from its beginning to the last byte of its answer.
    whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            head: Duration::from_secs(5),
            whole: Duration::from_secs(15),
        }
    }
}

/// Who is at the other end, as a request has it among its extensions.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Where it comes from.
    pub(super) address: SocketAddr,
    /// Whether it has a certificate that is trusted.
    pub(super) has_certificate: bool,
    is_answering: Arc<AtomicBool>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            has_certificate: false,
            is_answering: Arc::default(),
        }
    }

    /// Waits for what the client has still to send: meanwhile its connection may have to give way to others.
    pub(super) async fn wait_for<T>(&self, sent: impl Future<Output = T>) -> T {
        self.is_answering.store(false, Ordering::Relaxed);
        let sent = sent.await;
        self.is_answering.store(true, Ordering::Relaxed);
        sent
    }
}

/// One that is open.
struct Connection {
    task: AbortHandle,
    /// Whether its request is there and its answer is being made, so that it does not wait for its client.
    is_answering: Arc<AtomicBool>,
}

/// Serves until it is dropped, its connections with it.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tls: Option<Arc<Tls>>,
) {
    let mut tasks = JoinSet::new();
    // By age, the oldest first.
    let mut open: Vec<Connection> = Vec::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    if open.len() >= limits.connections {
                        give_way(&mut tasks, &mut open).await;
                    }
                    let peer = Peer::new(address);
                    let is_answering = Arc::clone(&peer.is_answering);
                    let task = match &tls {
                        None => tasks.spawn(converse(stream, router.clone(), peer, limits)),
                        Some(tls) => {
                            let tls = Arc::clone(tls);
                            tasks.spawn(converse_over_tls(stream, tls, router.clone(), peer, limits))
                        }
                    };
                    open.push(Connection { task, is_answering });
                    // Whose request is there already is answered before another connection can take its place.
                    yield_now().await;
                }
                Err(error) => {
                    debug!(%error, "a connection could not be accepted");
                    if !is_of_the_client(&error) {
                        // Where files are short, one of these connections gives its own back.
                        give_way(&mut tasks, &mut open).await;
                        sleep(PAUSE).await;
                    }
                }
            },
            Some(_) = tasks.join_next() => forget_closed(&mut open),
        }
    }
}

/// Whether only this one connection is lost.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Closes the oldest one that waits for its client; if none does, the oldest.
async fn give_way(tasks: &mut JoinSet<()>, open: &mut Vec<Connection>) {
    let waits = |connection: &&Connection| !connection.is_answering.load(Ordering::Relaxed);
    if let Some(oldest) = open.iter().find(waits).or(open.first()) {
        oldest.task.abort();
        // Its socket is closed when its task has ended, and not before.
        tasks.join_next().await;
        forget_closed(open);
    }
}

fn forget_closed(open: &mut Vec<Connection>) {
    open.retain(|connection| !connection.task.is_finished());
}

async fn converse_over_tls(
    stream: TcpStream,
    tls: Arc<Tls>,
    router: Router,
    mut peer: Peer,
    limits: Limits,
) {
    match timeout(limits.head, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            // What is no certificate of a trusted authority has ended the handshake.
            peer.has_certificate = session.peer_certificates().is_some();
            converse(stream, router, peer, limits).await;
        }
        Ok(Err(error)) => debug!(%error, "a client of the server made no TLS connection"),
        Err(_elapsed) => debug!("a client of the server was too slow"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    peer: Peer,
    limits: Limits,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        peer.is_answering.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer.clone());
        let answer = router.call(request);
        async {
            let answer = answer.await;
            peer.is_answering.store(false, Ordering::Relaxed);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(limits.whole, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a client of the server went away"),
        Err(_elapsed) => debug!("a client of the server was too slow"),
    }
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::time::Instant;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    fn router() -> Router {
        Router::new().route("/", get(async || "here"))
    }

    fn nobody() -> Peer {
        Peer::new(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    /// A server with room for `connections`, and where it is.
    async fn server(router: Router, connections: usize) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            connections,
            head: Duration::from_secs(3600),
            whole: Duration::from_secs(3600),
        };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router, limits, None));
        (address, server)
    }

    /// What is answered until the connection is closed.
    async fn said(stream: &mut (impl AsyncRead + Unpin)) -> String {
        let mut answer = Vec::new();
        // A reset is an end as well: what was answered before it counts.
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        said(&mut stream).await
    }

    #[tokio::test]
    async fn the_oldest_idle_connection_gives_way_to_a_new_one() {
        let (address, _server) = server(router(), 3).await;
        let mut idle = Vec::new();
        for _ in 0..3 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(ask(address, GET).await.ends_with("here"));
        assert_eq!(said(&mut idle[0]).await, "", "closed");
        for stream in &mut idle[1..] {
            stream.write_all(GET).await.unwrap();
            assert!(said(stream).await.ends_with("here"), "still open");
        }
    }

    #[tokio::test]
    async fn a_connection_whose_answer_is_being_made_does_not_give_way_to_a_new_one() {
        let (reached, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (asked, released) = (Arc::clone(&reached), Arc::clone(&go_on));
        let slow = get(async move || {
            asked.add_permits(1);
            released.acquire().await.unwrap().forget();
            "at last"
        });
        let (address, _server) = server(router().route("/slow", slow), 2).await;
        let mut waiting = TcpStream::connect(address).await.unwrap();
        let request = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
        waiting.write_all(request).await.unwrap();
        reached.acquire().await.unwrap().forget();
        let mut idle = TcpStream::connect(address).await.unwrap();
        assert!(ask(address, GET).await.ends_with("here"));
        assert_eq!(said(&mut idle).await, "", "closed, although it is younger");
        go_on.add_permits(1);
        assert!(said(&mut waiting).await.ends_with("at last"));
    }

    #[tokio::test]
    async fn a_connection_whose_body_is_waited_for_gives_way_before_one_that_is_answered() {
        let (reached, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (asked, released) = (Arc::clone(&reached), Arc::clone(&go_on));
        let slow = get(async move || {
            asked.add_permits(1);
            released.acquire().await.unwrap().forget();
            "at last"
        });
        let asked = Arc::clone(&reached);
        let body = get(async move |Extension(peer): Extension<Peer>, body: Body| {
            let read = peer.wait_for(async {
                asked.add_permits(1);
                to_bytes(body, 10).await
            });
            format!("{} bytes", read.await.map_or(0, |bytes| bytes.len()))
        });
        let router = router().route("/slow", slow).route("/body", body);
        let (address, _server) = server(router, 2).await;
        let begin = async |request: &[u8]| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request).await.unwrap();
            reached.acquire().await.unwrap().forget();
            stream
        };
        let mut older = begin(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let with_body = b"GET /body HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n";
        let mut younger = begin(with_body).await;
        assert!(ask(address, GET).await.ends_with("here"));
        assert_eq!(said(&mut younger).await, "", "closed");
        let mut another = begin(with_body).await;
        another.write_all(b"12345").await.unwrap();
        assert!(said(&mut another).await.ends_with("5 bytes"));
        go_on.add_permits(1);
        assert!(said(&mut older).await.ends_with("at last"), "still open");
    }

    #[tokio::test]
    async fn clients_that_ask_and_stay_keep_nobody_from_an_answer() {
        let (address, _server) = server(router(), 4).await;
        let mut chatty = Vec::new();
        for _ in 0..64 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(GET).await.unwrap();
            assert!(said(&mut stream).await.ends_with("here"));
            // It is closed by now: whatever follows is not heard.
            stream.write_all(GET).await.ok();
            chatty.push(stream);
        }
        assert!(ask(address, GET).await.ends_with("here"));
    }

    #[tokio::test]
    async fn a_connection_has_one_request_and_is_closed_behind_it() {
        let (address, _server) = server(router(), 4).await;
        let answer = ask(address, &GET.repeat(3)).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_is_not_waited_for() {
        let (address, _server) = server(router(), 4).await;
        for length in ["content-length: 1000000000", "transfer-encoding: chunked"] {
            let request = format!("POST / HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n");
            let answer = ask(address, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 405 "), "{length}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_or_no_http_is_refused() {
        let (address, _server) = server(router(), 4).await;
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65));
        let path = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
        let (smuggled, nul) = (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 4\r\n\r\n",
            "GET /\0 HTTP/1.1\r\n\r\n",
        );
        let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let tls = "\x16\x03\x01\x02\0";
        for request in [
            &long,
            &many,
            &path,
            smuggled,
            nul,
            http2,
            tls,
            "GET /\r\n\r\n",
        ] {
            let (mut client, end) = duplex(1 << 20);
            client.write_all(request.as_bytes()).await.unwrap();
            let shown = &request[..20.min(request.len())];
            converse(end, router(), nobody(), Limits::default()).await;
            let answer = said(&mut client).await;
            let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
            assert!(refused, "{shown:?}: {answer}");
        }
        assert!(ask(address, GET).await.ends_with("here"), "it goes on");
    }

    /// Serves the other end of a connection, and says how long that took.
    async fn served(end: DuplexStream, router: Router) -> Duration {
        let began = Instant::now();
        converse(end, router, nobody(), Limits::default()).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_given_up_however_steadily_it_comes() {
        let (mut client, end) = duplex(1024);
        let drip = async {
            for byte in GET.iter().cycle() {
                if client.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        let (took, ()) = tokio::join!(served(end, router()), drip);
        assert_eq!(took, Limits::default().head);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_given_up() {
        let (_client, end) = duplex(1024);
        assert_eq!(served(end, router()).await, Limits::default().head);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_is_given_up() {
        let (mut client, end) = duplex(256);
        client.write_all(GET).await.unwrap();
        let long = Router::new().route("/", get(async || "x".repeat(1 << 20)));
        assert_eq!(served(end, long).await, Limits::default().whole);
    }
}
