use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use time::macros::datetime;

use super::*;

mod settings;

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const ONE: &str = "the-first-of-them";
const OTHER: &str = "another-that-follows";
const BODY: &[u8] = b"{\"action\": \"published\"}";

/// Those whose secret is in `Authorization`.
const BY_AUTHORIZATION: [Sender; 6] = [
    Sender::Distribution,
    Sender::Harbor,
    Sender::Acr,
    Sender::Zot,
    Sender::Ecr,
    Sender::Generic,
];

fn secret(username: Option<&str>, header: Option<&str>) -> WebhookProof {
    secret_in(PathBuf::from("secret"), username, header)
}

fn secret_in(file: PathBuf, username: Option<&str>, header: Option<&str>) -> WebhookProof {
    WebhookProof::Secret(SecretProof {
        file,
        username: username.map(str::to_owned),
        header: header.map(str::to_owned),
    })
}

/// A proof by the secrets in a file.
struct Filed {
    proof: Proof,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for Filed {
    type Target = Proof;

    fn deref(&self) -> &Proof {
        &self.proof
    }
}

fn no_keys(_: &str) -> Arc<dyn IdentityKeys> {
    panic!("no keys are asked for")
}

fn proof(sender: Sender, username: Option<&str>, header: Option<&str>) -> Filed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{ONE}\n{OTHER}\n")).unwrap();
    let settings = secret_in(file, username, header);
    Filed {
        proof: Proof::new(sender, &settings, &no_keys).unwrap(),
        folder,
    }
}

fn headers(all: &[(&'static str, &[u8])]) -> HeaderMap {
    let header = |(name, value): &(&'static str, &[u8])| {
        let value = HeaderValue::from_bytes(value).unwrap();
        (HeaderName::from_static(name), value)
    };
    all.iter().map(header).collect()
}

fn verdict(proof: &Proof, all: &[(&'static str, &[u8])], path: Option<&str>) -> Verdict {
    let headers = headers(all);
    let head = Head {
        headers: &headers,
        path_secret: path,
        client_certificate: false,
        now: NOW,
    };
    block_on(proof.before_body(&head))
}

/// A future that waits for nothing.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// What nobody is proven by, in whatever header it is.
fn wrong_values() -> Vec<Vec<u8>> {
    let texts = [
        String::new(),
        "x".to_owned(),
        ONE.to_uppercase(),
        format!("{ONE}{OTHER}"),
        format!("{ONE},{OTHER}"),
        format!("{ONE}x"),
        ONE[1..].to_owned(),
        format!("Bearer{ONE}"),
        format!("Bearer Bearer {ONE}"),
        format!("Token {ONE}"),
        "Bearer ".to_owned(),
        "Basic ".to_owned(),
        "Basic %%%".to_owned(),
        format!("Basic {}", STANDARD.encode(ONE)),
        basic(ONE, ""),
        basic("user", &format!("{ONE}:{ONE}")),
        "Bearer x".repeat(1_000),
    ];
    let bytes = [&b"\xff\xfe"[..], b"Bearer \xff", b"Basic \xff"];
    let texts = texts.into_iter().map(String::into_bytes);
    texts.chain(bytes.map(<[u8]>::to_vec)).collect()
}

#[test]
fn a_secret_in_authorization_is_itself_a_bearers_token_or_a_password() {
    for sender in BY_AUTHORIZATION {
        let proof = proof(sender, None, None);
        for secret in [ONE, OTHER] {
            for value in [
                secret.to_owned(),
                format!("Bearer {secret}"),
                format!("bearer   {secret}"),
                basic("anybody", secret),
                basic("", secret),
                basic("anybody", secret).trim_end_matches('=').to_owned(),
            ] {
                let sent = [("authorization", value.as_bytes())];
                assert_eq!(
                    verdict(&proof, &sent, None),
                    Verdict::Proven,
                    "{sender}: {value}"
                );
            }
        }
        for value in wrong_values() {
            let sent = [("authorization", &value[..])];
            assert_eq!(
                verdict(&proof, &sent, None),
                Verdict::Refused,
                "{sender}: {value:?}"
            );
        }
        assert_eq!(verdict(&proof, &[], None), Verdict::Refused);
        let elsewhere = [("x-api-key", ONE.as_bytes())];
        assert_eq!(verdict(&proof, &elsewhere, None), Verdict::Refused);
    }
}

#[test]
fn of_several_authorizations_none_counts() {
    let proof = proof(Sender::Distribution, None, None);
    for others in [ONE, "x"] {
        let sent = [
            ("authorization", ONE.as_bytes()),
            ("authorization", others.as_bytes()),
        ];
        assert_eq!(verdict(&proof, &sent, None), Verdict::Refused);
    }
}

#[test]
fn a_username_is_that_of_basic_credentials_and_nothing_else_counts() {
    let proof = proof(Sender::Zot, Some("zot"), None);
    let of = |value: &str| verdict(&proof, &[("authorization", value.as_bytes())], None);
    assert_eq!(of(&basic("zot", ONE)), Verdict::Proven);
    for wrong in [
        basic("other", ONE),
        basic("zot", "x"),
        ONE.to_owned(),
        format!("Bearer {ONE}"),
    ] {
        assert_eq!(of(&wrong), Verdict::Refused, "{wrong}");
    }
}

#[test]
fn a_configured_header_has_the_secret_as_it_is() {
    for sender in [Sender::Ecr, Sender::Distribution, Sender::Generic] {
        let proof = proof(sender, None, Some("X-Api-Key"));
        for secret in [ONE, OTHER] {
            let sent = [("x-api-key", secret.as_bytes())];
            assert_eq!(verdict(&proof, &sent, None), Verdict::Proven);
        }
        for value in wrong_values() {
            let sent = [("x-api-key", &value[..])];
            assert_eq!(verdict(&proof, &sent, None), Verdict::Refused, "{value:?}");
        }
        let twice = [("x-api-key", ONE.as_bytes()), ("x-api-key", b"x")];
        assert_eq!(verdict(&proof, &twice, None), Verdict::Refused);
        let elsewhere = [("authorization", ONE.as_bytes())];
        assert_eq!(verdict(&proof, &elsewhere, Some(ONE)), Verdict::Refused);
    }
    let named = proof(Sender::Ecr, None, Some("AUTHORIZATION"));
    let bearer = format!("Bearer {ONE}");
    let sent = [("authorization", bearer.as_bytes())];
    assert_eq!(verdict(&named, &sent, None), Verdict::Proven);
}

#[test]
fn a_secret_in_the_path_counts_for_those_that_can_send_no_header() {
    for sender in [Sender::DockerHub, Sender::Quay, Sender::Generic] {
        let proof = proof(sender, None, None);
        for secret in [ONE, OTHER] {
            assert_eq!(
                verdict(&proof, &[], Some(secret)),
                Verdict::Proven,
                "{sender}"
            );
        }
        for value in wrong_values() {
            let path = String::from_utf8_lossy(&value);
            assert_eq!(
                verdict(&proof, &[], Some(&path)),
                Verdict::Refused,
                "{value:?}"
            );
        }
        assert_eq!(verdict(&proof, &[], None), Verdict::Refused);
    }
    let header = [("authorization", ONE.as_bytes())];
    let hub = proof(Sender::DockerHub, None, None);
    assert_eq!(verdict(&hub, &header, None), Verdict::Refused);
    let harbor = proof(Sender::Harbor, None, None);
    assert_eq!(verdict(&harbor, &[], Some(ONE)), Verdict::Refused);
}

#[test]
fn github_signs_the_body() {
    let proof = proof(Sender::GitHub, None, None);
    let signed = |all: &[(&'static str, &[u8])], body: &[u8]| {
        let headers = headers(all);
        let head = Head {
            headers: &headers,
            path_secret: Some(ONE),
            client_certificate: true,
            now: NOW,
        };
        let before = block_on(proof.before_body(&head));
        (before, proof.with_body(&head, body))
    };
    for secret in [ONE, OTHER] {
        let value = signature::with(&Secret::new(secret), BODY);
        let sent = [("x-hub-signature-256", value.as_bytes())];
        assert_eq!(signed(&sent, BODY), (Verdict::NeedsBody, true));
        assert_eq!(signed(&sent, b"{}"), (Verdict::NeedsBody, false));
        assert_eq!(signed(&sent, b""), (Verdict::NeedsBody, false));
    }
    let of_another = signature::with(&Secret::new("a secret of others"), BODY);
    let sent = [("x-hub-signature-256", of_another.as_bytes())];
    assert_eq!(signed(&sent, BODY), (Verdict::NeedsBody, false));
    let good = signature::with(&Secret::new(ONE), BODY);
    for no_signature in [
        "",
        "sha256=",
        &good[7..],
        &good[..good.len() - 2],
        &format!("{good}00"),
        &good.replace("sha256", "sha1"),
        &format!("sha256={}", "zz".repeat(32)),
        ONE,
    ] {
        let sent = [("x-hub-signature-256", no_signature.as_bytes())];
        assert_eq!(
            signed(&sent, BODY),
            (Verdict::Refused, false),
            "{no_signature}"
        );
    }
    let twice = [
        ("x-hub-signature-256", good.as_bytes()),
        ("x-hub-signature-256", good.as_bytes()),
    ];
    assert_eq!(signed(&twice, BODY), (Verdict::Refused, false));
    let older = [("x-hub-signature", good.as_bytes())];
    assert_eq!(signed(&older, BODY), (Verdict::Refused, false));
    let authorized = [("authorization", ONE.as_bytes())];
    assert_eq!(signed(&authorized, BODY), (Verdict::Refused, false));
}

#[test]
fn a_signature_is_hmac_sha_256_as_others_make_it() {
    // printf 'Hello, World!' | openssl dgst -sha256 -hmac "It's a Secret to Everybody"
    let secret = Secret::new("It's a Secret to Everybody");
    assert_eq!(
        signature::with(&secret, b"Hello, World!"),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
}

#[test]
fn a_client_certificate_is_a_proof_by_itself() {
    let proof = Proof::new(Sender::Quay, &WebhookProof::ClientCertificate, &no_keys).unwrap();
    for (client_certificate, expected) in [(true, Verdict::Proven), (false, Verdict::Refused)] {
        let head = Head {
            headers: &HeaderMap::new(),
            path_secret: Some(ONE),
            client_certificate,
            now: NOW,
        };
        assert_eq!(block_on(proof.before_body(&head)), expected);
        assert!(!proof.with_body(&head, BODY));
    }
}

#[test]
fn nobody_is_refused_whatever_comes() {
    let proof = Proof::of_nobody();
    let values = wrong_values();
    let values = values.iter().map(Vec::as_slice);
    for value in values.chain([ONE.as_bytes(), b"nobody"]) {
        let sent = [("authorization", value)];
        assert_eq!(verdict(&proof, &sent, Some("")), Verdict::Refused);
    }
    assert_eq!(verdict(&proof, &[], None), Verdict::Refused);
}

#[test]
fn credentials_are_what_proves_a_request() {
    let ways = [
        (Sender::Harbor, None, None),
        (Sender::Zot, Some("zot"), None),
        (Sender::Ecr, None, Some("x-api-key")),
        (Sender::DockerHub, None, None),
        (Sender::Generic, None, None),
        (Sender::GitHub, None, None),
    ];
    for (sender, username, header) in ways {
        let proof = proof(sender, username, header);
        let credentials = proof.credentials(BODY, NOW).unwrap();
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = &credentials.header {
            headers.insert(name, value.reveal().parse().unwrap());
        }
        let path = credentials.path_secret.as_ref().map(Secret::reveal);
        let head = Head {
            headers: &headers,
            path_secret: path,
            client_certificate: false,
            now: NOW,
        };
        match block_on(proof.before_body(&head)) {
            Verdict::Proven => {}
            Verdict::NeedsBody => assert!(proof.with_body(&head, BODY), "{sender}"),
            Verdict::Refused => panic!("{sender}"),
        }
        let shown = format!("{:?} {credentials:?}", proof.proof);
        assert!(!shown.contains(ONE) && !shown.contains("Basic"), "{shown}");
    }
    let certificate = Proof::new(Sender::Quay, &WebhookProof::ClientCertificate, &no_keys);
    assert_eq!(certificate.unwrap().credentials(BODY, NOW), None);
}

#[test]
fn scripts_prove_themselves_by_authorization_alone() {
    let filed = proof(Sender::Harbor, None, None);
    let file = filed.folder.path().join("secret");
    let proof = Proof::by_authorization(&file).unwrap();
    let bearer = format!("Bearer {ONE}");
    let sent = [("authorization", bearer.as_bytes())];
    assert_eq!(verdict(&proof, &sent, None), Verdict::Proven);
    assert_eq!(verdict(&proof, &[], Some(ONE)), Verdict::Refused);
}
