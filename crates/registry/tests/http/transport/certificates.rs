//! Certificates of servers: whom to trust.

use std::path::Path;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule};
use image_sync_testkit::{FakeRegistry, PrivateCa};

use crate::support::{RouterBuilder, insecure, put_app, resolve_app, router, source, tag, write};

async fn registry_with(ca: &PrivateCa) -> FakeRegistry {
    let registry = FakeRegistry::builder().tls(ca).start().await.unwrap();
    put_app(&registry);
    registry
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted_and_not_tried_again() {
    let registry = registry_with(&PrivateCa::new().unwrap()).await;
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    let expected = format!(
        "the certificate of {} is not trusted: its issuer is unknown: CN=image-sync test authority; expected one that the \
         system trusts, or its authority in the ca_file of the host under registries",
        registry.host()
    );
    assert_eq!(failure.answer, expected);
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_its_file_says_so() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let (registry, other) = (registry_with(&ca).await, registry_with(&ca).await);
    let router = RouterBuilder::new()
        .trusting(registry.host(), &ca, folder.path())
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert!(resolve_app(&router, other.host()).await.is_err());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let registry = registry_with(&ca).await;
    let host = registry.host().replace("127.0.0.1", "127.0.0.2");
    let url = format!("https://{host}");
    // The fake listens on 127.0.0.1 alone; a forwarder gives it another address.
    let listener = tokio::net::TcpListener::bind(&host).await.unwrap();
    let real = registry.host().to_owned();
    let mut forwarder = tokio::task::JoinSet::new();
    forwarder.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut onward = tokio::net::TcpStream::connect(&real).await.unwrap();
            tokio::io::copy_bidirectional(&mut stream, &mut onward)
                .await
                .ok();
        }
    });
    let setup = RouterBuilder::new().trusting(&host, &ca, folder.path());
    let router = setup
        .with(&host, |settings| settings.endpoint = Some(url))
        .router();
    let failure = resolve_app(&router, &host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    assert!(
        failure
            .answer
            .contains("it is for another name: 127.0.0.1, localhost"),
        "{failure}"
    );
}

/// Puts the files into the folder for `host`.
fn put_for(root: &Path, host: &str, files: &[(&str, &str)]) {
    let folder = root.join(host);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        write(&folder, name, text);
    }
}

#[tokio::test]
async fn the_folder_of_a_host_has_its_authorities() {
    let ca = PrivateCa::new().unwrap();
    let (registry, other) = (registry_with(&ca).await, registry_with(&ca).await);
    let (root, first) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = [
        ("ca.crt", ca.ca_pem()),
        ("notes.crt", "none"),
        ("README", ""),
    ];
    put_for(root.path(), registry.host(), &files);
    let setup = || {
        RouterBuilder::new()
            .certificate_folder(first.path())
            .certificate_folder(root.path())
    };
    let router = setup().router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert!(resolve_app(&router, other.host()).await.is_err());
    // What an endpoint needs is in the folder of the host that is spoken to.
    let url = registry.url().to_owned();
    let behind = setup().with("r.example", |settings| settings.endpoint = Some(url));
    assert!(
        resolve_app(&behind.router(), "r.example")
            .await
            .unwrap()
            .is_some()
    );
    // The first folder that is there is the only one.
    put_for(first.path(), registry.host(), &[]);
    assert!(
        resolve_app(&setup().router(), registry.host())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_folder_that_a_registry_names_is_used_in_place_of_the_usual_ones() {
    let ca = PrivateCa::new().unwrap();
    let registry = registry_with(&ca).await;
    let (root, named) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put_for(root.path(), registry.host(), &[("ca.crt", ca.ca_pem())]);
    put_for(named.path(), "own", &[("ca.crt", ca.ca_pem())]);
    put_for(named.path(), "empty", &[("README", "")]);
    let is_trusted = async |folder: &str, root: Option<&Path>| {
        let folder = named.path().join(folder);
        let setup =
            RouterBuilder::new().with(registry.host(), |settings| settings.cert_dir = Some(folder));
        let setup = match root {
            Some(root) => setup.certificate_folder(root),
            None => setup,
        };
        resolve_app(&setup.router(), registry.host()).await.is_ok()
    };
    assert!(is_trusted("own", None).await);
    assert!(!is_trusted("empty", Some(root.path())).await);
    assert!(!is_trusted("missing", Some(root.path())).await);
    assert!(!is_trusted("missing", None).await);
}

#[tokio::test]
async fn half_of_a_client_certificate_in_the_folder_of_a_host_is_told() {
    let registry = registry_with(&PrivateCa::new().unwrap()).await;
    let root = tempfile::tempdir().unwrap();
    put_for(root.path(), registry.host(), &[("client.cert", "")]);
    let router = RouterBuilder::new()
        .certificate_folder(root.path())
        .router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Local, "{failure}");
    assert!(failure.answer.contains("client.key beside it"), "{failure}");
}

#[tokio::test]
async fn unverified_is_only_who_is_called_insecure() {
    let registry = registry_with(&PrivateCa::new().unwrap()).await;
    let at = source(registry.host(), "app");
    let router = RouterBuilder::new().router();
    assert!(
        router
            .resolve(&insecure(at.clone()), &tag("v1"))
            .await
            .unwrap()
            .is_some()
    );
    // What the one found out does not open the way for the other.
    assert!(router.resolve(&at, &tag("v1")).await.is_err());
    let setup = RouterBuilder::new().with(registry.host(), |settings| settings.insecure = true);
    assert!(
        setup
            .router()
            .resolve(&at, &tag("v1"))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_insecure_registry_does_not_make_others_insecure() {
    let ca = PrivateCa::new().unwrap();
    let registry = registry_with(&ca).await;
    let elsewhere = registry.second_host().tls(&ca).start().await.unwrap();
    let port = elsewhere.host().rsplit_once(':').unwrap().1;
    let location = format!("https://localhost:{port}");
    registry.stage(Rule::new("*", "*"), Fault::redirect(&location, ""));
    let at = insecure(source(registry.host(), "app"));
    let failure = router().resolve(&at, &tag("v1")).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Denied);
    assert!(
        failure
            .answer
            .contains(&format!("certificate of localhost:{port}")),
        "{failure}"
    );
    let setup = RouterBuilder::new().with(&format!("localhost:{port}"), |settings| {
        settings.insecure = true;
    });
    assert!(
        setup
            .router()
            .resolve(&at, &tag("v1"))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_authority_holds_for_the_hosts_that_the_registry_leads_to() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let registry = registry_with(&ca).await;
    let elsewhere = registry.second_host().tls(&ca).start().await.unwrap();
    let port = elsewhere.host().rsplit_once(':').unwrap().1;
    let location = format!("https://localhost:{port}");
    registry.stage(Rule::new("*", "*"), Fault::redirect(&location, ""));
    let router = RouterBuilder::new()
        .trusting(registry.host(), &ca, folder.path())
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_password_waits_until_the_certificate_is_trusted() {
    let ca = PrivateCa::new().unwrap();
    let registry = registry_with(&ca).await;
    registry.set_auth(Auth::basic("u", "p"));
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    assert_eq!(
        resolve_app(&router, registry.host())
            .await
            .unwrap_err()
            .class,
        FailureClass::Denied
    );
    assert!(registry.requests().is_empty());
}

#[test]
fn a_file_that_is_no_certificate_is_told_before_anything_is_contacted() {
    let folder = tempfile::tempdir().unwrap();
    let broken = write(folder.path(), "broken.pem", "no certificate");
    let setup = RouterBuilder::new().with("r.example", |settings| settings.ca_file = Some(broken));
    let error = setup.try_router().err().unwrap().to_string();
    assert!(
        error.contains("broken.pem: there is no PEM certificate"),
        "{error}"
    );
    let missing = folder.path().join("missing.pem");
    let setup =
        RouterBuilder::new().with("r.example", |settings| settings.cert_file = Some(missing));
    let error = setup.try_router().err().unwrap().to_string();
    assert!(error.contains("missing.pem: cannot be read"), "{error}");
}
