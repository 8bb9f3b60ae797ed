//! Makes connections: to a host, or to the proxy before it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::header::{HeaderValue, USER_AGENT};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{HeaderMap, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use reqwest::dns::{Addrs, Resolve, Resolving};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::informational::Verdict;
use crate::http::proxy::ProxyAddress;

/// After how long an idle connection is probed, and how long after that once more.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How many probes without an answer end a connection.
const KEEPALIVE_PROBES: u32 = 3;
/// How long what was sent may be without an acknowledgement.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Tcp = HttpConnector<NameResolver>;
type Maybe<T> = MaybeHttpsStream<T>;

/// Makes connections that are all secured in the same way.
#[derive(Clone)]
pub(crate) struct Connector {
    route: Route,
    within: Duration,
}

#[derive(Clone)]
enum Route {
    /// To the host itself.
    Direct(HttpsConnector<Tcp>),
    /// To the proxy, which is told with each request where that goes (RFC 9112, section 3.2.2).
    Forwarding(HttpsConnector<Tcp>, Uri),
    /// Through the proxy, which does not see what is in there (RFC 9110, section 9.3.6).
    Tunnel(HttpsConnector<Tunnel<HttpsConnector<Tcp>>>),
}

impl Connector {
    /// Resolves names with `names`, secures connections with `tls` and makes each within `within`.
    pub(crate) fn new(names: Arc<dyn Resolve>, tls: ClientConfig, within: Duration) -> Self {
        Self {
            route: Route::Direct((tcp(names, within), tls).into()),
            within,
        }
    }

    /// The same through a proxy: in a tunnel to hosts with TLS, and with requests that name the host to others.
    pub(crate) fn through(
        proxy: &ProxyAddress,
        is_tunnel: bool,
        user_agent: HeaderValue,
        names: Arc<dyn Resolve>,
        tls: ClientConfig,
        within: Duration,
    ) -> Self {
        // What is spoken with the proxy is no matter of its TLS.
        let mut with_proxy = tls.clone();
        with_proxy.alpn_protocols.clear();
        let to_proxy = HttpsConnector::from((tcp(names, within), with_proxy));
        let route = if is_tunnel {
            let headers = HeaderMap::from_iter([(USER_AGENT, user_agent)]);
            let mut tunnel = Tunnel::new(proxy.uri.clone(), to_proxy).with_headers(headers);
            if let Some(login) = &proxy.login {
                tunnel = tunnel.with_auth(login.clone());
            }
            Route::Tunnel((tunnel, tls).into())
        } else {
            Route::Forwarding(to_proxy, proxy.uri.clone())
        };
        Self { route, within }
    }
}

fn tcp(names: Arc<dyn Resolve>, within: Duration) -> Tcp {
    let mut tcp = HttpConnector::new_with_resolver(NameResolver(names));
    // It is made for HTTPS as well.
    tcp.enforce_http(false);
    // Shared by the addresses of a name, so that one that is dead leaves time for the others.
    tcp.set_connect_timeout(Some(within));
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    tcp
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, host: Uri) -> Connecting<Stream> {
        let is_forwarding = matches!(self.route, Route::Forwarding(..));
        let connecting = match &mut self.route {
            Route::Direct(connector) => untunnelled(connector.call(host)),
            Route::Forwarding(connector, proxy) => untunnelled(connector.call(proxy.clone())),
            Route::Tunnel(connector) => connector.call(host),
        };
        let within = self.within;
        Box::pin(async move {
            let connected = timeout(within, connecting).await;
            let io = connected.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(Stream {
                io,
                is_forwarding,
                informational: Verdict::default(),
            })
        })
    }
}

fn untunnelled<T: Send + 'static>(connecting: Connecting<T>) -> Connecting<Maybe<T>> {
    Box::pin(async move { Ok(Maybe::Http(connecting.await?)) })
}

/// Resolves names for connections.
#[derive(Clone)]
struct NameResolver(Arc<dyn Resolve>);

impl Service<Name> for NameResolver {
    type Response = Addrs;
    type Error = BoxError;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move { names.resolve(name.as_str().parse()?).await })
    }
}

/// A connection, with TLS around what may be TLS with a proxy.
pub(crate) struct Stream {
    io: Maybe<Maybe<TokioIo<TcpStream>>>,
    is_forwarding: bool,
    /// Nothing is read any more after too many informational answers.
    informational: Verdict,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = self.io.connected().proxy(self.is_forwarding);
        connected.extra(self.informational.clone())
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.informational.check().map_err(io::Error::other)?;
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }
}
