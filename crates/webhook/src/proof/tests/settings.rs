//! How senders can prove themselves, as configs have it.

use super::*;

fn oidc() -> WebhookProof {
    WebhookProof::Oidc(OidcProof {
        issuer: "https://accounts.google.com".to_owned(),
        audience: "https://sync.example.com".to_owned(),
        email: "push@project.iam.gserviceaccount.com".to_owned(),
        keys: OidcKeys::File(PathBuf::from("keys.json")),
    })
}

fn is_refused(sender: Sender, proof: &WebhookProof, expected: &str) {
    assert_eq!(can_be_proven_by(sender, proof), Err(expected.to_owned()));
    let error = Proof::new(sender, proof, &no_keys).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_sender_that_cannot_prove_itself_so_is_an_error_that_says_how_it_can() {
    let certificate = WebhookProof::ClientCertificate;
    for (sender, proof, expected) in [
        (
            Sender::Gcp,
            secret(None, None),
            "gcp has no secret; expected oidc",
        ),
        (
            Sender::Gcp,
            certificate.clone(),
            "gcp has no client certificate; expected oidc",
        ),
        (
            Sender::Harbor,
            certificate,
            "harbor has no client certificate; expected secret_file",
        ),
        (
            Sender::GitHub,
            oidc(),
            "github has no token of an identity provider; expected secret_file",
        ),
    ] {
        is_refused(sender, &proof, expected);
    }
    for (sender, proof) in [
        (Sender::Gcp, oidc()),
        (Sender::Generic, oidc()),
        (Sender::Zot, WebhookProof::ClientCertificate),
        (Sender::Harbor, secret(Some("x"), None)),
        (Sender::Acr, secret(Some("x"), Some("authorization"))),
    ] {
        assert_eq!(can_be_proven_by(sender, &proof), Ok(()), "{sender}");
    }
}

#[test]
fn a_secret_is_where_its_sender_can_have_it() {
    for (sender, proof, expected) in [
        (
            Sender::GitHub,
            secret(Some("x"), None),
            "github signs what it sends with its secret; expected no username",
        ),
        (
            Sender::GitHub,
            secret(None, Some("x")),
            "github signs what it sends with its secret; expected no header",
        ),
        (
            Sender::DockerHub,
            secret(Some("x"), None),
            "dockerhub has its secret in the path; expected no username",
        ),
        (
            Sender::Quay,
            secret(None, Some("x")),
            "quay has its secret in the path; expected no header",
        ),
        (
            Sender::Harbor,
            secret(None, Some("x")),
            "harbor has its secret in the header Authorization; expected no header",
        ),
        (
            Sender::Acr,
            secret(Some("x"), Some("x-key")),
            "a username is part of the header Authorization; expected no username, or no header",
        ),
        (
            Sender::Acr,
            secret(None, Some("x key")),
            "\"x key\" is no name of a header; expected one as in X-Api-Key",
        ),
    ] {
        is_refused(sender, &proof, expected);
    }
}

#[test]
fn a_secret_that_cannot_be_part_of_a_path_is_refused_where_it_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "with/a/slash/in/it").unwrap();
    let proof = secret_in(file, None, None);
    assert!(Proof::new(Sender::Harbor, &proof, &no_keys).is_ok());
    let error = Proof::new(Sender::Quay, &proof, &no_keys).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("part of a path") && !error.contains("slash/in"),
        "{error}"
    );
}
