//! TLS handshakes that the fake registry does not know: with the certificate of a client, and of a server that is self-signed.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::PrivateCa;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{RouterBuilder, insecure, resolve_app, source, tag, write};

/// Accepts connections with this certificate and key: with `clients` only of whom that authority vouches for.
pub(crate) fn acceptor(certificate: &str, key: &str, clients: Option<&str>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let authority = CertificateDer::from_pem_slice(authority.as_bytes());
            roots.add(authority.unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = builder.with_single_cert(chain, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that has never heard of an image, and accepts connections so.
async fn server(certificate: &str, key: &str, clients: Option<&str>) -> (String, JoinSet<()>) {
    let acceptor = acceptor(certificate, key, clients);
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
            let answer =
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    (host, server)
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_wants_it() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let (certificate, key) = (ca.certificate_pem(), ca.key_pem());
    let (host, _server) = server(certificate, key, Some(ca.ca_pem())).await;
    let both = write(folder.path(), "both.pem", &format!("{certificate}{key}"));
    let certificate = write(folder.path(), "client.pem", certificate);
    let key = write(folder.path(), "client.key", key);
    let trusting = || RouterBuilder::new().trusting(&host, &ca, folder.path());

    let failure = resolve_app(&trusting().router(), &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied, "{failure}");
    assert!(failure.answer.contains("client certificate"), "{failure}");

    let setup = trusting().with(&host, |settings| {
        settings.cert_file = Some(certificate);
        settings.key_file = Some(key);
    });
    assert_eq!(resolve_app(&setup.router(), &host).await, Ok(None));
    let identity = |settings: &mut image_sync_shared::config::RegistrySettings| {
        settings.cert_file = Some(both.clone());
    };
    assert_eq!(
        resolve_app(&trusting().with(&host, identity).router(), &host).await,
        Ok(None)
    );
    let unverified = RouterBuilder::new().with(&host, identity).router();
    let at = insecure(source(&host, "app"));
    assert_eq!(unverified.resolve(&at, &tag("v1")).await, Ok(None));

    let root = tempfile::tempdir().unwrap();
    let of_host = root.path().join(&host);
    fs::create_dir_all(&of_host).unwrap();
    for (name, text) in [
        ("ca.crt", ca.ca_pem()),
        ("client.cert", ca.certificate_pem()),
        ("client.key", ca.key_pem()),
    ] {
        write(&of_host, name, text);
    }
    let in_folder = RouterBuilder::new()
        .certificate_folder(root.path())
        .router();
    assert_eq!(resolve_app(&in_folder, &host).await, Ok(None));
}

/// A certificate as `openssl req -x509` makes it, for one name, that ended in a year.
fn self_signed(name: &str, last_year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// What becomes of a server that vouches for itself, where `trusted` is trusted.
async fn ask_self_signed(name: &str, last_year: i32, trusted: Option<&str>) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(name, last_year);
    let (host, _server) = server(&certificate, &key, None).await;
    let path = write(folder.path(), "ca.pem", trusted.unwrap_or(&certificate));
    let setup = RouterBuilder::new().with(&host, |settings| settings.ca_file = Some(path));
    match resolve_app(&setup.router(), &host).await {
        Ok(_) => Ok(()),
        Err(failure) => {
            assert_eq!(failure.class, FailureClass::Denied, "{failure}");
            Err(failure.answer)
        }
    }
}

#[tokio::test]
async fn a_server_that_vouches_for_itself_is_trusted_if_it_is_named() {
    assert_eq!(ask_self_signed("127.0.0.1", 3000, None).await, Ok(()));
    let (other, _) = self_signed("127.0.0.1", 3000);
    let refused = ask_self_signed("127.0.0.1", 3000, Some(&other))
        .await
        .unwrap_err();
    assert!(refused.contains("is not trusted"), "{refused}");
}

#[tokio::test]
async fn its_name_and_time_are_looked_at_all_the_same() {
    let refused = ask_self_signed("elsewhere.example", 3000, None)
        .await
        .unwrap_err();
    assert!(
        refused.contains("it is for another name: elsewhere.example"),
        "{refused}"
    );
    let refused = ask_self_signed("127.0.0.1", 2001, None).await.unwrap_err();
    assert!(
        refused.contains("it has expired on 2001-12-31"),
        "{refused}"
    );
}

/// Names the server that is asked, in the second run.
const SERVER: &str = "IMAGE_SYNC_TEST_SELF_SIGNED_SERVER";

/// Runs the test `name` once more, with `store` as the system's certificates.
async fn again_with_store(name: &str, host: &str, variable: &str, store: &Path) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(SERVER, host)
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .env(variable, store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.await.unwrap().success()
}

#[tokio::test]
async fn a_servers_own_certificate_counts_where_it_is_in_the_systems_store() {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells the second run of this test from the first"
    )]
    if let Ok(host) = std::env::var(SERVER) {
        let asked = resolve_app(&RouterBuilder::new().router(), &host).await;
        assert_eq!(asked, Ok(None));
        return;
    }
    let name =
        "transport::handshakes::a_servers_own_certificate_counts_where_it_is_in_the_systems_store";
    let (by_itself, key) = self_signed("127.0.0.1", 3000);
    let ca = PrivateCa::new().unwrap();
    let of_unknown_authority = (ca.certificate_pem().to_owned(), ca.key_pem().to_owned());
    for (certificate, key) in [(by_itself, key), of_unknown_authority] {
        let (host, _server) = server(&certificate, &key, None).await;
        let store = tempfile::tempdir().unwrap();
        let file = write(store.path(), "one.pem", &certificate);
        assert!(again_with_store(name, &host, "SSL_CERT_FILE", &file).await);
        assert!(again_with_store(name, &host, "SSL_CERT_DIR", store.path()).await);
        let (other, _) = self_signed("127.0.0.1", 3000);
        let file = write(store.path(), "one.pem", &other);
        assert!(!again_with_store(name, &host, "SSL_CERT_FILE", &file).await);
    }
}
