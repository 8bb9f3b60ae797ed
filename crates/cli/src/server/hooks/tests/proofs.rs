//! What a request has to prove, and that it learns nothing where it does not.

use axum::http::header::AUTHORIZATION;
use futures_util::stream;
use image_sync_webhook::proof::SIGNATURE;

use super::*;

/// A body that is never asked for.
fn unread() -> Body {
    let read = || -> Option<(Result<Bytes, std::io::Error>, ())> { panic!("the body was read") };
    Body::from_stream(stream::unfold((), move |()| async move { read() }))
}

/// The event with other credentials in place of those that it has.
fn wrong(event: &Asked, sender: Sender, change: impl Fn(&str) -> Option<String>) -> Asked {
    let mut wrong = event.clone();
    for name in [
        AUTHORIZATION,
        SIGNATURE,
        HeaderName::from_static("x-api-key"),
    ] {
        let Some(value) = wrong.headers.remove(&name) else {
            continue;
        };
        if let Some(changed) = change(value.to_str().unwrap()) {
            let value = HeaderValue::from_str(&changed).unwrap();
            wrong.headers.insert(name, value);
        }
    }
    let base = format!("/v1/hooks/{sender}");
    if let Some(secret) = event.path.strip_prefix(&format!("{base}/")) {
        wrong.path = change(secret).map_or(base.clone(), |secret| format!("{base}/{secret}"));
    }
    wrong
}

fn wrongs(event: &Asked, sender: Sender) -> Vec<Asked> {
    let mut all = vec![
        wrong(event, sender, |_| None),
        wrong(event, sender, |right| {
            Some(right[..right.len() / 2].to_owned())
        }),
        wrong(event, sender, |right| Some(format!("{right}x"))),
        wrong(event, sender, |right| Some(right.to_uppercase())),
        wrong(event, sender, |_| Some(secret_of(Sender::Gcp))),
        wrong(event, sender, |_| Some("Bearer-".to_owned() + API)),
        wrong(event, sender, |_| Some("a".repeat(8_000))),
    ];
    let mut twice = event.clone();
    for name in [
        AUTHORIZATION,
        SIGNATURE,
        HeaderName::from_static("x-api-key"),
    ] {
        if let Some(value) = event.headers.get(&name) {
            twice.headers.append(name, value.clone());
        }
    }
    if twice.headers == event.headers {
        // Of a path: what is no UTF-8, and what decodes to more than it.
        let paths = ["%ff", "%00", "%2e%2e", "the%2fsecret"].map(|path| Asked {
            path: format!("/v1/hooks/{sender}/{path}"),
            ..event.clone()
        });
        all.extend(paths);
    } else {
        all.push(twice);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_a_proof_the_answer_is_one_and_the_same_401() {
    let test = TestHooks::new();
    let mut answers = Vec::new();
    for sender in Sender::ALL {
        let event = test.event(sender);
        for asked in wrongs(&event, sender) {
            if sender == Sender::GitHub {
                answers.push(test.ask(asked).await);
            } else {
                answers.push(test.ask_with(asked, unread()).await);
            }
        }
    }
    let wrong_script = Asked {
        headers: HeaderMap::new(),
        ..script(Method::POST, "/v1/enqueue", "{}")
    };
    answers.push(test.ask_with(wrong_script.clone(), unread()).await);
    let came = Asked {
        method: Method::GET,
        path: "/v1/hooks".to_owned(),
        ..wrong_script
    };
    answers.push(test.ask_with(came, unread()).await);
    let first = &answers[0];
    assert_eq!(first.status, 401);
    assert_eq!(first.header("www-authenticate"), Some("Bearer"));
    for answer in &answers {
        assert_eq!(answer, first);
    }
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_signature_is_that_of_the_raw_body() {
    let test = TestHooks::new();
    let mut event = test.event(Sender::GitHub);
    event.body.push(b' ');
    assert_eq!(test.ask(event).await.status, 401);
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_of_scripts_nobody_is_one() {
    let test = TestHooks::with(false, |webhooks| webhooks.api_secret_file = None);
    for (method, path) in [(Method::POST, "/v1/enqueue"), (Method::GET, "/v1/hooks")] {
        let asked = script(method, path, r#"{"image": "a:1"}"#);
        assert_eq!(test.ask(asked).await.status, 401, "{path}");
    }
    assert!(test.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_one_sender_is_none_of_another_one_nor_of_scripts() {
    let test = TestHooks::new();
    let harbor = test.event(Sender::Harbor);
    let as_other = |path: &str| Asked {
        path: path.to_owned(),
        ..harbor.clone()
    };
    for path in ["/v1/hooks/acr", "/v1/hooks/distribution", "/v1/enqueue"] {
        assert_eq!(test.ask(as_other(path)).await.status, 401, "{path}");
    }
    let of_script = script(Method::POST, "/v1/hooks/harbor", "{}");
    assert_eq!(test.ask(of_script).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_counts_beside_the_old_one_and_then_alone() {
    let test = TestHooks::new();
    let (old, new) = (secret_of(Sender::Harbor), "another-secret-of-harbor");
    let settings = &test.webhooks.senders[&Sender::Harbor][0];
    let WebhookProof::Secret(SecretProof { file, .. }) = &settings.proof else {
        panic!("harbor has a secret");
    };
    let with = |secret: &str| {
        let mut event = test.event(Sender::Harbor);
        let value = HeaderValue::from_str(&format!("Bearer {secret}")).unwrap();
        event.headers.insert(AUTHORIZATION, value);
        test.ask(event)
    };
    let before = [with(&old).await.status, with(new).await.status];
    std::fs::write(file, format!("{new}\n{old}\n")).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let meanwhile = [with(&old).await.status, with(new).await.status];
    std::fs::write(file, format!("{new}\n")).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let after = [with(&old).await.status, with(new).await.status];
    assert_eq!(
        (before, meanwhile, after),
        ([202, 401], [202, 202], [401, 202])
    );
}

#[tokio::test(start_paused = true)]
async fn a_trusted_certificate_proves_a_sender_that_has_one_and_no_other_one() {
    let by_certificate = |webhooks: &mut Webhooks| {
        let quay = webhooks.senders.get_mut(&Sender::Quay).unwrap();
        quay[0].proof = WebhookProof::ClientCertificate;
    };
    let mut test = TestHooks::with(false, by_certificate);
    let event = test.event(Sender::Quay);
    assert_eq!(event.path, "/v1/hooks/quay");
    let without = test.ask_with(event.clone(), unread()).await;
    assert_eq!(without.status, 401);
    test.has_certificate = true;
    assert_eq!(test.ask(event).await.status, 202);
    let harbor = Asked {
        headers: HeaderMap::new(),
        ..test.event(Sender::Harbor)
    };
    assert_eq!(test.ask_with(harbor, unread()).await, without);
    assert_eq!(test.stored().len(), 1);
}
