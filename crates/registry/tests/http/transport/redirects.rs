//! Redirects: where they are followed to, and what goes along.

use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_testkit::fake_registry::{Auth, Fault, Rule, TokenService};
use image_sync_testkit::{FakeRegistry, PrivateCa};

use crate::support::{RouterBuilder, guarded, put_app, resolve_app, router, source, tag, target};

fn redirect(status: u16, location: &str) -> Fault {
    Fault::status(status).with_header("location", location)
}

#[tokio::test]
async fn reads_are_followed_and_lose_their_credentials() {
    let registry = guarded(Auth::basic("u", "p")).await;
    let app = put_app(&registry);
    let elsewhere = registry.second_host().start().await.unwrap();
    let signed = format!("{}/v2/app/manifests/v1?signature=s3cret", elsewhere.url());
    let to_be_followed =
        Rule::new("*", "*").when(image_sync_testkit::fake_registry::Request::has_credentials);
    registry.stage(to_be_followed, redirect(307, &signed));
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    let resolved = resolve_app(&router, registry.host())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(resolved.digest, *app.digest());
    let manifest = router
        .pull_manifest(&source(registry.host(), "app"), &tag("v1"))
        .await
        .unwrap();
    assert_eq!(manifest.bytes, *app.bytes());
    let followed = elsewhere.requests();
    assert_eq!(
        followed
            .iter()
            .map(|r| r.method.as_str())
            .collect::<Vec<_>>(),
        ["HEAD", "GET"]
    );
    for request in followed {
        assert!(!request.has_credentials());
        assert_eq!(request.query, "signature=s3cret");
        assert!(request.header("accept").is_some());
    }
}

#[tokio::test]
async fn a_challenge_of_another_host_gets_no_credentials_of_the_first() {
    let registry = guarded(Auth::basic("u", "p")).await;
    put_app(&registry);
    let elsewhere = registry.second_host().start().await.unwrap();
    let bearer = format!(r#"Bearer realm="{}/token",service="x""#, elsewhere.url());
    for (status, challenge) in [(401, bearer.as_str()), (401, "Basic"), (403, "Basic")] {
        let refusal = Fault::status(status).with_header("www-authenticate", challenge);
        elsewhere.stage(Rule::new("*", "*"), refusal);
        for rule in [
            Rule::new("*", "*"),
            Rule::new("*", "*").when(image_sync_testkit::fake_registry::Request::has_credentials),
        ] {
            let router = RouterBuilder::new()
                .login(registry.host(), "u", "p")
                .router();
            registry.stage(rule, Fault::redirect(elsewhere.url(), ""));
            let failure = resolve_app(&router, registry.host()).await.unwrap_err();
            if (status, challenge) == (401, "Basic") {
                assert_eq!(failure.class, FailureClass::Unauthorized);
                let expected = format!("none are configured for {}", elsewhere.host());
                assert!(failure.answer.contains(&expected), "{failure}");
            }
            registry.clear_faults();
            let found = resolve_app(&router, registry.host()).await;
            assert!(found.unwrap().is_some(), "its own challenge is still known");
        }
        elsewhere.clear_faults();
    }
    let asked = elsewhere.requests();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|request| !request.has_credentials()));
}

#[tokio::test]
async fn the_challenge_of_a_registry_behind_a_redirect_is_met_as_anybody_or_by_its_own_credentials()
{
    let vanity = FakeRegistry::start().await.unwrap();
    let tokens = TokenService::new().user("theirs", "p");
    for auth in [Auth::bearer(&tokens), Auth::basic("theirs", "p")] {
        let is_basic = matches!(auth, Auth::Basic { .. });
        let builder = FakeRegistry::builder().auth(auth).tokens(&tokens);
        let registry = builder.start().await.unwrap();
        let app = put_app(&registry);
        vanity.clear_faults();
        vanity.reset();
        vanity.stage(Rule::new("*", "*"), Fault::redirect(registry.url(), ""));
        for has_login in [true, false] {
            let mut setup = RouterBuilder::new().login(vanity.host(), "ours", "q");
            if has_login {
                setup = setup.login(registry.host(), "theirs", "p");
            }
            let router = setup.router();
            let resolved = resolve_app(&router, vanity.host()).await;
            if is_basic && !has_login {
                let failure = resolved.unwrap_err();
                assert_eq!(failure.class, FailureClass::Unauthorized);
                continue;
            }
            assert_eq!(resolved.unwrap().unwrap().digest, *app.digest());
            let at = source(vanity.host(), "app");
            let pulled = router.pull_manifest(&at, &tag("v1")).await.unwrap();
            assert_eq!(pulled.bytes, *app.bytes());
        }
        assert!(
            vanity
                .requests()
                .iter()
                .all(|request| !request.has_credentials()),
            "what is for the one is not shown to the other"
        );
    }
    let as_whom = tokens.requests();
    assert!(as_whom.len() >= 2, "{as_whom:?}");
}

#[tokio::test]
async fn credentials_stay_with_a_redirect_to_the_registry_itself() {
    let registry = guarded(Auth::basic("u", "p")).await;
    registry.put_image("moved", "v1", &image_sync_testkit::images::image("app"));
    registry.stage(
        Rule::new("HEAD", "/v2/app/*"),
        redirect(301, "/v2/moved/manifests/v1"),
    );
    let router = RouterBuilder::new()
        .login(registry.host(), "u", "p")
        .router();
    // The redirect of the first request is followed before anything is known, to a 401.
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn https_is_never_left_for_plain_http() {
    let (ca, folder) = (PrivateCa::new().unwrap(), tempfile::tempdir().unwrap());
    let registry = FakeRegistry::builder().tls(&ca).start().await.unwrap();
    put_app(&registry);
    let elsewhere = registry.second_host().start().await.unwrap();
    registry.stage(Rule::new("*", "*"), Fault::redirect(elsewhere.url(), ""));
    let router = RouterBuilder::new()
        .trusting(registry.host(), &ca, folder.path())
        .router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    let expected = format!("from https to plain HTTP at {}", elsewhere.host());
    assert!(failure.answer.contains(&expected), "{failure}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn redirects_end_after_ten() {
    let registry = FakeRegistry::start().await.unwrap();
    registry.stage(Rule::new("*", "*"), redirect(302, "/again"));
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    assert!(
        failure.answer.contains("more than 10 redirects"),
        "{failure}"
    );
    assert_eq!(registry.requests().len(), 11);
}

#[tokio::test]
async fn a_redirect_of_a_write_is_not_followed() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let elsewhere = registry.second_host().start().await.unwrap();
    let manifest = registry.manifest("app", "v1").unwrap();
    registry.stage(Rule::new("PUT", "*"), Fault::redirect(elsewhere.url(), ""));
    let at = target(registry.host(), "app");
    let failure = router()
        .push_manifest(&at, &tag("v2"), &manifest)
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    assert!(failure.answer.contains("redirect of a PUT"), "{failure}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_told() {
    let registry = FakeRegistry::start().await.unwrap();
    registry.stage(Rule::new("*", "*"), Fault::status(307));
    let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Invalid);
    assert!(failure.answer.contains("without a Location"), "{failure}");
}

#[tokio::test]
async fn a_redirect_to_a_metadata_address_is_not_followed_from_anywhere() {
    let registry = FakeRegistry::start().await.unwrap();
    for address in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "0xa9fea9fe",
        "0.0.0.0",
    ] {
        registry.stage(
            Rule::new("*", "*"),
            redirect(307, &format!("http://{address}/latest?key=s3cret")),
        );
        let failure = resolve_app(&router(), registry.host()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Denied);
        let told = "at the link-local, multicast, reserved or metadata address";
        assert!(failure.answer.contains(told), "{failure}");
        assert!(!failure.answer.contains("s3cret"), "{failure}");
        registry.clear_faults();
    }
}
