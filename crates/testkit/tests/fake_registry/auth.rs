//! Authentication.

use image_sync_testkit::fake_registry::{Auth, TokenService};
use image_sync_testkit::{FakeRegistry, images};

use crate::client::{Answer, ask};

const BASIC: &str = "Basic dXNlcjpzZWNyZXQ="; // user:secret
const MANIFEST: &str = "/v2/app/manifests/1";

async fn with(
    registry: &FakeRegistry,
    method: &str,
    target: &str,
    authorization: &str,
) -> std::io::Result<Answer> {
    ask(
        registry,
        method,
        target,
        &[("authorization", authorization)],
        &[],
    )
    .await
}

/// A token for these scopes, as the value of an Authorization header.
async fn token(
    registry: &FakeRegistry,
    credentials: &str,
    scopes: &[&str],
) -> std::io::Result<String> {
    let scopes: Vec<String> = scopes
        .iter()
        .map(|scope| format!("&scope={scope}"))
        .collect();
    let target = format!("/token?service=fake-registry{}", scopes.concat());
    let headers = [("authorization", credentials)];
    let headers = if credentials.is_empty() {
        &[][..]
    } else {
        &headers
    };
    let answer = ask(registry, "GET", &target, headers, &[]).await?;
    let token = answer.json()["token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok(format!("Bearer {token}"))
}

async fn bearer_registry(tokens: &TokenService) -> std::io::Result<FakeRegistry> {
    let registry = FakeRegistry::builder()
        .auth(Auth::bearer(tokens))
        .start()
        .await?;
    registry.put_image("app", "1", &images::image("app"));
    Ok(registry)
}

#[tokio::test]
async fn basic_wants_the_right_password() {
    let builder = FakeRegistry::builder().auth(Auth::basic("user", "secret"));
    let registry = builder.start().await.unwrap();
    let refused = ask(&registry, "GET", "/v2/", &[], &[]).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .starts_with("Basic realm=")
    );
    let wrong = with(&registry, "GET", "/v2/", "Basic dXNlcjp4")
        .await
        .unwrap();
    assert_eq!(wrong.status, 401);
    assert_eq!(
        with(&registry, "GET", "/v2/", BASIC).await.unwrap().status,
        200
    );
    registry.set_auth(Auth::Open);
    assert_eq!(
        with(&registry, "GET", "/v2/", "").await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn tokens_are_good_for_their_scopes() {
    let tokens = TokenService::new().user("user", "secret").expires_in(300);
    let registry = bearer_registry(&tokens).await.unwrap();
    let refused = ask(&registry, "HEAD", MANIFEST, &[], &[]).await.unwrap();
    let realm = format!(
        r#"Bearer realm="{}/token",service="fake-registry",scope="repository:app:pull""#,
        registry.url()
    );
    assert_eq!(refused.header("www-authenticate"), realm);
    let anonymous = token(&registry, "", &["repository:app:pull,push"])
        .await
        .unwrap();
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &anonymous)
            .await
            .unwrap()
            .status,
        200
    );
    let upload = "/v2/app/blobs/uploads/";
    let refused = with(&registry, "POST", upload, &anonymous).await.unwrap();
    assert!(
        refused
            .header("www-authenticate")
            .ends_with(r#"scope="repository:app:pull,push",error="insufficient_scope""#)
    );
    let known = token(&registry, BASIC, &["repository:app:pull,push"])
        .await
        .unwrap();
    assert_eq!(
        with(&registry, "POST", upload, &known)
            .await
            .unwrap()
            .status,
        202
    );
    let mount = format!("{upload}?mount=sha256:x&from=other");
    let refused = with(&registry, "POST", &mount, &known).await.unwrap();
    assert!(
        refused
            .header("www-authenticate")
            .contains("repository:app:pull,push repository:other:pull")
    );
    let both = ["repository:app:pull,push", "repository:other:pull"];
    let known = token(&registry, BASIC, &both).await.unwrap();
    assert_eq!(
        with(&registry, "POST", &mount, &known)
            .await
            .unwrap()
            .status,
        202
    );
    assert_eq!(tokens.requests_by_scopes()["repository:app:pull,push"], 2);
    assert_eq!(tokens.requests().len(), 3);
}

#[tokio::test]
async fn tokens_end_when_the_test_says_so() {
    let tokens = TokenService::new();
    let registry = bearer_registry(&tokens).await.unwrap();
    let scope = ["repository:app:pull"];
    let first = token(&registry, "", &scope).await.unwrap();
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &first)
            .await
            .unwrap()
            .status,
        200
    );
    tokens.expire_all();
    let refused = with(&registry, "HEAD", MANIFEST, &first).await.unwrap();
    assert!(
        refused
            .header("www-authenticate")
            .ends_with(r#"error="invalid_token""#)
    );
    tokens.limit_uses(Some(1));
    let second = token(&registry, "", &scope).await.unwrap();
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &second)
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &second)
            .await
            .unwrap()
            .status,
        401
    );
}

#[tokio::test]
async fn identity_tokens_come_by_post() {
    let tokens = TokenService::new()
        .identity_token("refresh me")
        .no_anonymous_pulls();
    let registry = bearer_registry(&tokens).await.unwrap();
    let none = token(&registry, "", &["repository:app:pull"])
        .await
        .unwrap();
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &none)
            .await
            .unwrap()
            .status,
        401
    );
    let form = "grant_type=refresh_token&refresh_token=refresh+me&service=fake-registry&scope=repository%3Aapp%3Apull";
    let answer = ask(&registry, "POST", "/token", &[], form.as_bytes())
        .await
        .unwrap();
    let token = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &token)
            .await
            .unwrap()
            .status,
        200
    );
    let wrong = ask(
        &registry,
        "POST",
        "/token",
        &[],
        b"grant_type=refresh_token&refresh_token=x",
    )
    .await;
    assert_eq!(wrong.unwrap().status, 401);
    let request = &tokens.requests()[1];
    assert_eq!(request.user.as_deref(), Some("<identity token>"));
    assert_eq!(request.service.as_deref(), Some("fake-registry"));
}

#[tokio::test]
async fn tokens_come_from_another_server() {
    let tokens = TokenService::new().deny("repository:private");
    let service = FakeRegistry::builder()
        .tokens(&tokens)
        .start()
        .await
        .unwrap();
    let realm = format!("{}/token", service.url());
    let builder = FakeRegistry::builder().auth(Auth::bearer_at(&tokens, &realm));
    let registry = builder.start().await.unwrap();
    registry.put_image("app", "1", &images::image("app"));
    let refused = ask(&registry, "HEAD", MANIFEST, &[], &[]).await.unwrap();
    assert!(refused.header("www-authenticate").contains(&realm));
    assert_eq!(
        ask(&registry, "GET", "/token", &[], &[])
            .await
            .unwrap()
            .status,
        401
    );
    let given = token(
        &service,
        "",
        &["repository:app:pull", "repository:private:pull"],
    )
    .await
    .unwrap();
    assert_eq!(
        with(&registry, "HEAD", MANIFEST, &given)
            .await
            .unwrap()
            .status,
        200
    );
    let private = with(&registry, "HEAD", "/v2/private/manifests/1", &given)
        .await
        .unwrap();
    assert_eq!(private.status, 401);
}

#[tokio::test]
async fn challenges_come_in_the_order_told_and_the_ping_may_be_open() {
    let registry = bearer_registry(&TokenService::new()).await.unwrap();
    registry.behave(|b| {
        b.open_ping = true;
        b.extra_challenges = vec!["Negotiate".to_owned()];
    });
    assert_eq!(
        ask(&registry, "GET", "/v2/", &[], &[])
            .await
            .unwrap()
            .status,
        200
    );
    let refused = ask(&registry, "HEAD", MANIFEST, &[], &[]).await.unwrap();
    let challenges = refused.headers("www-authenticate");
    assert_eq!((challenges.len(), challenges[0]), (2, "Negotiate"));
}
