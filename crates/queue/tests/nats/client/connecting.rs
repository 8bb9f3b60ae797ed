//! Connecting, and what is said where that fails.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use image_sync_queue::jetstream::{Auth, ConnectError, ConnectSettings, Connection, TlsFiles};
use image_sync_shared::secret::Secret;
use image_sync_testkit::servers::NatsServer;
use image_sync_testkit::{ClosedPort, PrivateCa};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::waiting::PATIENCE;

async fn error_of(settings: ConnectSettings) -> ConnectError {
    match Connection::open(settings).await {
        Ok(_) => panic!("it should not have connected"),
        Err(error) => error,
    }
}

fn with_auth(server: &NatsServer, auth: Auth) -> ConnectSettings {
    ConnectSettings {
        auth,
        ..ConnectSettings::new(server.url())
    }
}

fn password(password: &str) -> Auth {
    Auth::Password {
        user: "me".to_owned(),
        password: Secret::new(password),
    }
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let port = ClosedPort::new().unwrap();
    let url = format!("nats://me:hunter2@{}", port.host());
    let text = error_of(ConnectSettings::new(url)).await.to_string();
    let expected = format!("no NATS server can be reached at {}: ", port.host());
    assert!(
        text.starts_with(&expected) && text.contains("refused"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn what_is_no_address_is_told_from_who_is_away() {
    for (url, expected) in [
        ("http://localhost", "server 1 is not valid"),
        (
            "nats://no-such-host.invalid:4222",
            "no NATS server can be reached at no-such-host.invalid:4222",
        ),
    ] {
        let text = error_of(ConnectSettings::new(url)).await.to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_user_needs_the_right_password() {
    let arguments = ["--user", "me", "--pass", "hunter2"];
    let server = NatsServer::start_with(&arguments).await.unwrap();
    for wrong in [
        Auth::None,
        password("hunter3"),
        Auth::Token(Secret::new("hunter2")),
    ] {
        let expected = match wrong {
            Auth::None => "wants credentials, and none are given",
            _ => "does not accept these credentials",
        };
        let error = error_of(with_auth(&server, wrong)).await;
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("hunter"), "{text}");
    }
    Connection::open(with_auth(&server, password("hunter2")))
        .await
        .unwrap();
    let in_url = server.url().replace("//", "//me:hunter2@");
    Connection::open(ConnectSettings::new(in_url))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_is_as_good_as_a_user() {
    let server = NatsServer::start_with(&["--auth", "t0ken"]).await.unwrap();
    let wrong = error_of(with_auth(&server, Auth::Token(Secret::new("other")))).await;
    assert!(matches!(wrong, ConnectError::Credentials { .. }), "{wrong}");
    let right = Auth::Token(Secret::new("t0ken"));
    Connection::open(with_auth(&server, right)).await.unwrap();
    let in_url = server.url().replace("//", "//t0ken@");
    Connection::open(ConnectSettings::new(in_url))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_nkey_proves_who_one_is() {
    let (known, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let user = known.public_key();
    let config = format!("authorization {{ users = [ {{ nkey: {user} }} ] }}");
    let server = NatsServer::start_configured(&config).await.unwrap();
    let seed = |pair: &nkeys::KeyPair| Auth::NkeySeed(Secret::new(pair.seed().unwrap()));
    Connection::open(with_auth(&server, seed(&known)))
        .await
        .unwrap();
    let unknown = error_of(with_auth(&server, seed(&other))).await;
    assert!(
        matches!(unknown, ConnectError::Credentials { .. }),
        "{unknown}"
    );
    let no_seed = Auth::NkeySeed(Secret::new("SUNOSEED"));
    let no_seed = error_of(with_auth(&server, no_seed)).await;
    assert!(matches!(no_seed, ConnectError::Settings(_)), "{no_seed}");
}

#[tokio::test]
async fn a_server_without_jetstream_is_told_so() {
    let server = NatsServer::start_without_jetstream().await.unwrap();
    let text = error_of(ConnectSettings::new(server.url()))
        .await
        .to_string();
    assert!(text.contains("has no JetStream"), "{text}");
}

#[tokio::test]
async fn an_account_without_jetstream_is_told_so() {
    let config = "
        accounts {
            ONE { jetstream: enabled, users: [ { user: one, password: p } ] }
            TWO { users: [ { user: me, password: hunter2 } ] }
        }";
    let server = NatsServer::start_configured(config).await.unwrap();
    let text = error_of(with_auth(&server, password("hunter2")))
        .await
        .to_string();
    assert!(text.contains("has no JetStream"), "{text}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
    fs::write(&empty, "").unwrap();
    let new = || ConnectSettings::new("nats://127.0.0.1:1");
    let with_tls = |tls: TlsFiles| ConnectSettings { tls, ..new() };
    let cases = [
        (
            with_tls(TlsFiles {
                ca_file: Some(missing.clone()),
                ..TlsFiles::default()
            }),
            "missing cannot be read",
        ),
        (
            with_tls(TlsFiles {
                cert_file: Some(empty.clone()),
                ..TlsFiles::default()
            }),
            "one of the two is missing",
        ),
        (
            ConnectSettings {
                auth: Auth::CredsFile(missing),
                ..new()
            },
            "missing cannot be read",
        ),
        (
            ConnectSettings {
                auth: Auth::CredsFile(empty),
                ..new()
            },
            "empty is no credentials file",
        ),
    ];
    for (settings, expected) in cases {
        let text = error_of(settings).await.to_string();
        assert!(text.contains(expected), "{text}");
    }
}

/// The files of an authority and of what it signed.
struct Pki {
    folder: TempDir,
}

impl Pki {
    fn new() -> Self {
        let (folder, ca) = (tempfile::tempdir().unwrap(), PrivateCa::new().unwrap());
        let files = [
            ("ca.pem", ca.ca_pem()),
            ("cert.pem", ca.certificate_pem()),
            ("key.pem", ca.key_pem()),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn server(&self, more: &[&str]) -> NatsServer {
        let mut arguments: Vec<OsString> = vec!["--tls".into()];
        for (option, file) in [
            ("--tlscert", "cert.pem"),
            ("--tlskey", "key.pem"),
            ("--tlscacert", "ca.pem"),
        ] {
            arguments.extend([option.into(), self.file(file).into_os_string()]);
        }
        arguments.extend(more.iter().map(Into::into));
        NatsServer::start_with(&arguments).await.unwrap()
    }

    fn trusting(&self) -> TlsFiles {
        TlsFiles {
            ca_file: Some(self.file("ca.pem")),
            ..TlsFiles::default()
        }
    }

    fn with_certificate(&self) -> TlsFiles {
        TlsFiles {
            cert_file: Some(self.file("cert.pem")),
            key_file: Some(self.file("key.pem")),
            ..self.trusting()
        }
    }
}

fn over_tls(server: &NatsServer, tls: TlsFiles) -> ConnectSettings {
    ConnectSettings {
        tls,
        ..ConnectSettings::new(server.url().replace("nats://", "tls://"))
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let (pki, other) = (Pki::new(), Pki::new());
    let server = pki.server(&[]).await;
    Connection::open(over_tls(&server, pki.trusting()))
        .await
        .unwrap();
    for untrusted in [TlsFiles::default(), other.trusting()] {
        let error = error_of(over_tls(&server, untrusted)).await;
        assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_asked_for() {
    let pki = Pki::new();
    let server = pki.server(&["--tlsverify"]).await;
    Connection::open(over_tls(&server, pki.with_certificate()))
        .await
        .unwrap();
    let error = error_of(over_tls(&server, pki.trusting())).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn no_password_is_sent_where_tls_was_asked_for_and_is_not_spoken() {
    let server = NatsServer::start_with(&["--user", "me", "--pass", "hunter2"])
        .await
        .unwrap();
    let url = server.url().replace("nats://", "tls://me:hunter2@");
    let error = error_of(ConnectSettings::new(url)).await;
    assert!(
        matches!(
            error,
            ConnectError::Tls { .. } | ConnectError::Unreachable { .. }
        ),
        "{error:?}"
    );
}

/// Longer than any test may take.
const NEVER: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_server_that_restarts_is_waited_for_up_to_the_connect_timeout() {
    let mut server = NatsServer::start().await.unwrap();
    server.kill().unwrap();
    let settings = ConnectSettings {
        connect_timeout: NEVER,
        ..ConnectSettings::new(server.url())
    };
    let (opened, restarted) = tokio::join!(Connection::open(settings), server.restart());
    restarted.unwrap();
    opened.unwrap();
}

#[tokio::test]
async fn what_does_not_pass_by_itself_is_no_matter_of_the_connect_timeout() {
    let server = NatsServer::start_with(&["--auth", "t0ken"]).await.unwrap();
    let plain = NatsServer::start_without_jetstream().await.unwrap();
    let tls = server.url().replace("nats://", "tls://");
    for (url, expected) in [
        (server.url(), "none are given"),
        (tls, "no TLS connection"),
        (plain.url(), "has no JetStream"),
        ("http://localhost".to_owned(), "is not valid"),
    ] {
        let settings = ConnectSettings {
            connect_timeout: NEVER,
            ..ConnectSettings::new(url)
        };
        let error = timeout(PATIENCE, error_of(settings)).await;
        let text = error.expect("an error at once").to_string();
        assert!(text.contains(expected), "{text}");
    }
}
