//! Credentials: that they work, that they are renewed, and that they go nowhere else.

use image_sync_testkit::fake_registry::{Auth, Fault, TokenService};
use image_sync_testkit::images::{image, image_with_layers};
use image_sync_testkit::{FakeRegistry, Image, PrivateCa};

use crate::support::{REPOSITORY, TAG, TestSync, all, program, status};

const PASSWORD: &str = "hunter2-is-secret";

async fn with_tokens(image: &Image) -> (TestSync, TokenService) {
    let tokens = TokenService::new();
    (asking_for_tokens(image, &tokens).await, tokens)
}

/// A [`TestSync`] whose source wants tokens.
async fn asking_for_tokens(image: &Image, tokens: &TokenService) -> TestSync {
    let source = FakeRegistry::builder().auth(Auth::bearer(tokens));
    let fixture = TestSync {
        source: source.start().await.unwrap(),
        target: FakeRegistry::start().await.unwrap(),
        program: program(),
    };
    fixture.source.put_image(REPOSITORY, TAG, image);
    fixture
}

#[tokio::test]
async fn a_401_in_the_middle_gets_a_new_token_once() {
    let image = image("app");
    let (fixture, tokens) = with_tokens(&image).await;
    fixture
        .source
        .stage(all("GET", "blobs").first(1), status(401));
    fixture.is_copied(&image, 1).await;
    assert_eq!(tokens.requests().len(), 2, "{:#?}", tokens.requests());
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed() {
    let image = image_with_layers("app", 4, 1000);
    let (fixture, tokens) = with_tokens(&image).await;
    tokens.limit_uses(Some(5));
    fixture.is_copied(&image, 1).await;
    assert!(tokens.requests().len() >= 2);
}

#[tokio::test]
async fn wrong_credentials_fail_at_once() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.set_auth(Auth::basic("bot", PASSWORD));
    let catalog = fixture.catalog().registry(
        fixture.source.host(),
        "{username: bot, password: wrong-secret}",
    );
    let ended = fixture.program.sync(&catalog, &[]).await;
    let result = ended.only_result();
    assert_eq!((ended.code, result.attempts), (Some(1), 1), "{ended:#?}");
    assert!(result.error.unwrap().contains("source: "), "{ended:#?}");
    assert!(!format!("{ended:?}").contains("wrong-secret"), "{ended:#?}");
}

/// What a source says that repeats what it was shown: an answer, and the requests that get it.
fn echoes() -> Vec<(&'static str, &'static str, Fault)> {
    const SENT: &str = "Basic Ym90Omh1bnRlcjItaXMtc2VjcmV0";
    let answer = |body: String| Fault::Answer {
        status: 403,
        headers: Vec::new(),
        body,
    };
    let said = |message: &str| {
        answer(format!(
            r#"{{"errors":[{{"code":"DENIED","message":"{message}"}}]}}"#
        ))
    };
    let escaped = PASSWORD.replace('h', "\\u0068").replace('-', "\\u002d");
    let digest = ("Docker-Content-Digest".to_owned(), SENT.to_owned());
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"x","size":1,"digest":"{SENT}"}},"layers":[]}}"#
    );
    vec![
        ("GET", "manifests", said(&escaped)),
        ("GET", "manifests", said(&PASSWORD.replace('h', "%68"))),
        ("GET", "manifests", said(SENT)),
        (
            "GET",
            "manifests",
            answer(format!("{}{PASSWORD}", "x ".repeat(145))),
        ),
        ("HEAD", "manifests", Fault::SetHeader(digest.0, digest.1)),
        (
            "GET",
            "manifests",
            Fault::Answer {
                status: 200,
                headers: vec![("Content-Encoding".to_owned(), SENT.to_owned())],
                body: manifest,
            },
        ),
    ]
}

#[tokio::test]
async fn a_secret_that_a_registry_repeats_is_hidden_however_it_is_encoded() {
    for (method, path, echo) in echoes() {
        let fixture = TestSync::with(&image("app")).await;
        fixture.source.set_auth(Auth::basic("bot", PASSWORD));
        fixture.source.stage(
            all(method, path).when(|request| request.header("authorization").is_some()),
            echo.clone(),
        );
        let credentials = format!("{{username: bot, password: {PASSWORD}}}");
        let catalog = fixture
            .catalog()
            .registry(fixture.source.host(), &credentials);
        let ended = fixture
            .program
            .sync(&catalog, &["--log-level", "trace"])
            .await;
        // A digest that is none is ignored, all else fails the image.
        let is_ignored = matches!(echo, Fault::SetHeader(..));
        let code = i32::from(!is_ignored);
        assert_eq!(ended.code, Some(code), "{echo:?}: {ended:#?}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        for part in ["unter2", "ecret", "Ym90Omh1bnRlcjI"] {
            let shown = told.replace("[secret]", "");
            assert!(!shown.contains(part), "{echo:?}: {ended:#?}");
        }
    }
}

#[tokio::test]
async fn a_refused_token_fails_as_the_registrys_fault() {
    let (fixture, _tokens) = with_tokens(&image("app")).await;
    fixture.source.stage(
        image_sync_testkit::fake_registry::Rule::new("GET", "/token"),
        status(403),
    );
    fixture.fails(1, &["source: authenticate", "403"]).await;
}

#[tokio::test]
async fn a_token_service_in_trouble_is_tried_again() {
    let image = image("app");
    let (fixture, _tokens) = with_tokens(&image).await;
    fixture.source.stage(
        image_sync_testkit::fake_registry::Rule::new("GET", "/token").first(1),
        status(503),
    );
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn a_password_is_not_sent_to_a_token_realm_on_plain_http() {
    let ca = PrivateCa::new().unwrap();
    let tokens = TokenService::new().user("bot", PASSWORD);
    let realm = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let source = FakeRegistry::builder()
        .tls(&ca)
        .auth(Auth::bearer_at(&tokens, &format!("{}/token", realm.url())))
        .start()
        .await
        .unwrap();
    let fixture = TestSync {
        source,
        target: FakeRegistry::start().await.unwrap(),
        program: program(),
    };
    fixture.source.put_image(REPOSITORY, TAG, &image("app"));
    fixture.program.write("ca.pem", ca.ca_pem());
    let settings = format!("{{username: bot, password: {PASSWORD}, ca_file: ca.pem}}");
    let catalog = fixture.catalog().registry(fixture.source.host(), &settings);
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.only_error().contains("source: authenticate"),
        "{ended:#?}"
    );
    assert_eq!(realm.count("*", "*"), 0, "nothing is sent there");
    assert!(!format!("{ended:?}").contains(PASSWORD));
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture.source.set_auth(Auth::basic("bot", PASSWORD));
    let storage = FakeRegistry::start().await.unwrap();
    storage.put_image(REPOSITORY, TAG, &image);
    let redirect = Fault::Redirect {
        base: storage.url().to_owned(),
        query: "signature=secret-of-url".to_owned(),
    };
    fixture.source.stage(all("GET", "blobs"), redirect);
    let catalog = fixture.catalog().registry(
        fixture.source.host(),
        &format!("{{username: bot, password: {PASSWORD}}}"),
    );
    let ended = fixture
        .program
        .sync(&catalog, &["--log-level", "trace"])
        .await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let requests = storage.requests();
    assert_eq!(requests.len(), image.blobs.len());
    assert!(
        requests.iter().all(|request| !request.has_credentials()),
        "{requests:#?}"
    );
    for secret in [PASSWORD, "secret-of-url"] {
        assert!(
            !format!("{ended:?}").contains(secret),
            "{secret} shows in {ended:#?}"
        );
    }
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_redirect_from_https_to_plain_http_is_refused() {
    let ca = PrivateCa::new().unwrap();
    let image = image("app");
    let source = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    let storage = FakeRegistry::start().await.unwrap();
    storage.put_image(REPOSITORY, TAG, &image);
    let fixture = TestSync {
        source,
        target: FakeRegistry::start().await.unwrap(),
        program: program(),
    };
    fixture.source.put_image(REPOSITORY, TAG, &image);
    let redirect = Fault::Redirect {
        base: storage.url().to_owned(),
        query: String::new(),
    };
    fixture.source.stage(all("GET", "blobs"), redirect);
    fixture.program.write("ca.pem", ca.ca_pem());
    let catalog = fixture
        .catalog()
        .registry(fixture.source.host(), "{ca_file: ca.pem}");
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(
        ended.only_error().contains("source: pull blob"),
        "{ended:#?}"
    );
    assert_eq!(storage.count("*", "*"), 0, "it is not followed");
    fixture.nothing_broken();
}

#[tokio::test]
async fn docker_login_is_enough() {
    let image = image("app");
    let mut fixture = TestSync::with(&image).await;
    fixture.source.set_auth(Auth::basic("bot", PASSWORD));
    let auth = "Ym90Omh1bnRlcjItaXMtc2VjcmV0";
    let json = format!(
        "{{\"auths\": {{\"{}\": {{\"auth\": \"{auth}\"}}}}}}",
        fixture.source.host()
    );
    fixture.program.write("docker/config.json", &json);
    fixture.program = fixture.program.env("DOCKER_CONFIG", "docker");
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn an_identity_token_is_traded_for_a_token() {
    let image = image("app");
    let tokens = TokenService::new()
        .identity_token("identity-1")
        .no_anonymous_pulls();
    let mut fixture = asking_for_tokens(&image, &tokens).await;
    let json = format!(
        "{{\"auths\": {{\"{}\": {{\"identitytoken\": \"identity-1\"}}}}}}",
        fixture.source.host()
    );
    fixture.program.write("docker/config.json", &json);
    fixture.program = fixture.program.env("DOCKER_CONFIG", "docker");
    fixture.is_copied(&image, 1).await;
    assert!(
        tokens
            .requests()
            .iter()
            .all(|request| request.method == "POST"),
        "{:#?}",
        tokens.requests()
    );
}
