//! No secret shows: not in a failure, not in an error, not in the debug form of what holds it.

use image_sync_shared::config::PasswordSource;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_shared::secret::Secret;
use image_sync_testkit::fake_registry::{At, Auth, Fault, Rule, TokenService};

use crate::support::{RouterBuilder, guarded, put_app, resolve_app, source, tag};

const PASSWORD: &str = "hunter2-password";
/// `u:hunter2-password` in base64.
const ENCODED: &str = "dTpodW50ZXIyLXBhc3N3b3Jk";

fn assert_silent(text: &str) {
    for secret in [PASSWORD, ENCODED, "token-1", "s3cret", "31415926"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn no_failure_shows_a_secret() {
    let tokens = TokenService::new().user("u", PASSWORD);
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_app(&registry);
    let secret_place = "http://u:hunter2-password@127.0.0.1:1/blob?signature=s3cret";
    let redirect = || Fault::status(307).with_header("location", secret_place);
    let faults = [
        ("*", Fault::status(401)),
        ("*", Fault::status(403)),
        (
            "HEAD",
            Fault::status(500).with_body(format!("see {secret_place}")),
        ),
        ("HEAD", Fault::reset(At::Headers)),
        ("HEAD", redirect()),
        ("GET", Fault::status(401)),
        (
            "GET",
            Fault::status(503).with_body(format!("see {secret_place}")),
        ),
        ("GET", Fault::status(200).with_body(r#"{"token": s3cret}"#)),
        (
            "GET",
            Fault::status(200).with_body(r#"{"token": ["s3cret"]}"#),
        ),
        (
            "GET",
            Fault::status(200).with_body(r#"{"token": 31415926}"#),
        ),
        (
            "GET",
            Fault::status(200).with_body(r#"{"token": "s3cret\n"}"#),
        ),
        ("GET", redirect()),
    ];
    for (method, fault) in faults {
        registry.clear_faults();
        let rule = Rule::new(method, "*")
            .when(image_sync_testkit::fake_registry::Request::has_credentials);
        registry.stage(rule, fault.clone());
        let router = RouterBuilder::new()
            .login(registry.host(), "u", PASSWORD)
            .router();
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_silent(&failure.to_string());
        assert_silent(&format!("{failure:?}"));
        assert_silent(&serde_json::to_string(&failure).unwrap());
    }
}

#[tokio::test]
async fn a_registry_that_repeats_the_credentials_is_not_repeated() {
    let registry = guarded(Auth::basic("u", PASSWORD)).await;
    put_app(&registry);
    let rule =
        || Rule::new("GET", "*").when(image_sync_testkit::fake_registry::Request::has_credentials);
    let router = RouterBuilder::new()
        .login(registry.host(), "u", PASSWORD)
        .router();
    for status in [401, 403, 500] {
        registry.clear_faults();
        let body = format!("you sent Authorization: Basic {ENCODED}");
        registry.stage(rule(), Fault::status(status).with_body(body));
        let at = source(registry.host(), "app");
        let failure = router.pull_manifest(&at, &tag("v1")).await.unwrap_err();
        assert_silent(&failure.to_string());
    }
}

#[test]
fn no_setup_error_or_debug_form_shows_a_secret() {
    let endpoint = format!("https://u:{PASSWORD}@r.example?key=s3cret");
    let setup = RouterBuilder::new().with("r.example", |settings| {
        settings.endpoint = Some(endpoint);
        settings.username = Some("u".to_owned());
        settings.password = Some(PasswordSource::Inline(Secret::new(PASSWORD)));
        assert_silent(&format!("{:?}", settings.password));
    });
    assert_silent(&setup.try_router().err().unwrap().to_string());
    let folder = tempfile::tempdir().unwrap();
    for text in [
        format!(r#"{{"auths":{{"r.example":{{"auth":{PASSWORD}}}}}}}"#),
        format!(r#"["{PASSWORD}"]"#),
        format!(r#"{{"auths":"{PASSWORD}"}}"#),
    ] {
        let error = RouterBuilder::new()
            .docker_config(folder.path(), &text)
            .try_router()
            .err()
            .unwrap();
        assert_silent(&error.to_string());
        assert_silent(&format!("{error:?}"));
    }
}
