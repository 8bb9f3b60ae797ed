//! The body of a fuzz target: nothing is proven by who does not have the secret.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use http::header::{AUTHORIZATION, HeaderName};
use image_sync_fuzzkit::{first_lines, text};
use image_sync_shared::config::webhooks::Sender;
use image_sync_shared::secret::Secret;
use time::OffsetDateTime;

use super::oidc::{Fixed, Oidc};
use super::secrets::Secrets;
use super::{Head, Method, Proof, Verdict, signature};
use crate::fuzzing::{headers_of, sender_of};

/// What no input has.
const SECRETS: &str = "c1f0e6be5a0a4d0f9a52\n7e2b9b6a0f7d4b6b8c1d";

static PROOFS: LazyLock<Vec<Proof>> = LazyLock::new(|| {
    let authorization = |username: Option<&str>, is_in_path_too| Method::Authorization {
        secrets: Secrets::of_text(SECRETS),
        username: username.map(str::to_owned),
        is_in_path_too,
    };
    let methods = [
        authorization(None, true),
        authorization(Some("user"), false),
        Method::Header {
            secrets: Secrets::of_text(SECRETS),
            name: HeaderName::from_static("x-api-key"),
        },
        Method::Path(Secrets::of_text(SECRETS)),
        Method::Signature(Secrets::of_text(SECRETS)),
        Method::Oidc(Oidc {
            issuer: "https://issuer.example".to_owned(),
            audience: "audience".to_owned(),
            email: "user@issuer.example".to_owned(),
            keys: Arc::new(Fixed::default()),
        }),
    ];
    methods.into_iter().map(Proof).collect()
});

/// A request: the first line's first byte chooses the sender of the body's signature, the second line is the secret in the path, the
/// third has headers, and the rest is the body.
///
/// # Panics
/// If it is proven without the secret, or not with it.
pub fn webhook_proof(input: &[u8]) {
    let ([sender, path, headers], body) = first_lines(input);
    let headers = headers_of(headers);
    let head = Head {
        headers: &headers,
        path_secret: Some(text(path)),
        client_certificate: false,
        now: OffsetDateTime::UNIX_EPOCH,
    };
    for proof in PROOFS.iter().chain([&Proof::of_nobody()]) {
        let verdict = ready(proof.before_body(&head));
        assert_ne!(verdict, Some(Verdict::Proven), "by {proof:?}");
        assert!(!proof.with_body(&head, body), "by {proof:?}");
    }
    // The same with the secret in place of what there was.
    let secret = Secret::new(SECRETS.lines().next().unwrap_or_default());
    let (name, value, proof) = if sender_of(sender) == Sender::GitHub {
        (
            signature::SIGNATURE,
            signature::with(&secret, body),
            &PROOFS[4],
        )
    } else {
        (AUTHORIZATION, secret.reveal().to_owned(), &PROOFS[0])
    };
    let Ok(value) = value.parse() else {
        return;
    };
    let mut headers = headers.clone();
    headers.insert(name, value);
    let head = Head {
        headers: &headers,
        ..head
    };
    let is_proven = match ready(proof.before_body(&head)) {
        Some(Verdict::Proven) => true,
        Some(Verdict::NeedsBody) => proof.with_body(&head, body),
        _ => false,
    };
    assert!(is_proven, "with the secret of {proof:?}");
}

/// What a future has come to that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
