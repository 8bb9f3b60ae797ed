//! What a registry is to be like from its start.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::auth::Auth;
use super::auth::token_service::TokenService;
use super::behaviour::Behaviour;
use super::registry::FakeRegistry;
use super::server::serve;
use super::shared::Shared;
use super::store::Store;
use crate::tls::PrivateCa;

impl FakeRegistry {
    /// An open registry over plain HTTP on a free port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// A registry that is to be something else.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new(Arc::default())
    }

    /// A builder of another server for the same content, as clouds have one for blobs: another host, open, with
    /// records and faults of its own.
    #[must_use]
    pub fn second_host(&self) -> Builder {
        Builder::new(self.shared.store.clone())
    }
}

/// What a registry is to be like from its start.
#[derive(Clone)]
pub struct Builder {
    port: u16,
    auth: Auth,
    tokens: Option<TokenService>,
    tls: Option<TlsAcceptor>,
    behaviour: Behaviour,
    recording: bool,
    store: Arc<Store>,
}

impl Builder {
    fn new(store: Arc<Store>) -> Self {
        Self {
            port: 0,
            auth: Auth::Open,
            tokens: None,
            tls: None,
            behaviour: Behaviour::default(),
            recording: true,
            store,
        }
    }

    /// How clients are authenticated. Default: not at all.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Serves these tokens at `/token`, for another registry. [`Auth::bearer`] alone does that for this one.
    #[must_use]
    pub fn tokens(mut self, tokens: &TokenService) -> Self {
        self.tokens = Some(tokens.clone());
        self
    }

    /// Speaks TLS, with a certificate of this authority for 127.0.0.1 and localhost.
    #[must_use]
    pub fn tls(mut self, ca: &PrivateCa) -> Self {
        self.tls = Some(ca.acceptor());
        self
    }

    /// Speaks TLS as with [`Self::tls`], and HTTP/2 with clients that offer it.
    ///
    /// Faults are those of HTTP/1.1 but for [`Fault::Interrupt`](super::Fault::Interrupt), which takes the whole answer:
    /// its stream is reset, or held, wherever in the exchange it was to happen.
    #[must_use]
    pub fn http2(mut self, ca: &PrivateCa) -> Self {
        self.tls = Some(ca.http2_acceptor());
        self
    }

    /// How it behaves.
    #[must_use]
    pub fn behaviour(mut self, change: impl FnOnce(&mut Behaviour)) -> Self {
        change(&mut self.behaviour);
        self
    }

    /// Keeps no record of requests, so that its memory does not grow with them.
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.recording = false;
        self
    }

    /// Listens on this port rather than on a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts it.
    pub async fn start(self) -> io::Result<FakeRegistry> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        let host = listener.local_addr()?.to_string();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let tokens = self.tokens.or_else(|| self.auth.own_tokens());
        let shared = Arc::new(Shared::new(
            format!("{scheme}://{host}"),
            self.store,
            self.recording,
            tokens,
            self.auth,
            self.behaviour,
        ));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, self.tls, shared.clone()));
        Ok(FakeRegistry {
            host,
            shared,
            _server: server,
        })
    }
}
