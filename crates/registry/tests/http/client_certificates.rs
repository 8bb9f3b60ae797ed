//! Client certificates, against a server that wants one.

use std::sync::Arc;

use image_sync_shared::failure::FailureClass;
use image_sync_testkit::PrivateCa;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{Setup, resolve_app, write};

/// A server that has never heard of an image, and says so only to whom `ca` vouches for.
async fn server(ca: &PrivateCa) -> (String, JoinSet<()>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let chain = vec![CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(ca.key_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        }
    });
    (host, server)
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_wants_it() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let (host, _server) = server(&ca).await;
    let certificate = write(folder.path(), "client.pem", ca.certificate_pem());
    let key = write(folder.path(), "client.key", ca.key_pem());
    let both = write(
        folder.path(),
        "both.pem",
        &format!("{}{}", ca.certificate_pem(), ca.key_pem()),
    );
    let trusting = || Setup::new().trusting(&host, &ca, folder.path());

    let failure = resolve_app(&trusting().router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied, "{failure}");
    assert!(failure.answer.contains("client certificate"), "{failure}");

    let setup = trusting().with(&host, |settings| {
        settings.cert_file = Some(certificate);
        settings.key_file = Some(key);
    });
    assert_eq!(resolve_app(&setup.router(), &host).await, Ok(None));
    let setup = trusting().with(&host, |settings| settings.cert_file = Some(both));
    assert_eq!(resolve_app(&setup.router(), &host).await, Ok(None));
}
