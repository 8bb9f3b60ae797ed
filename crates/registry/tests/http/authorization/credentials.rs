//! Credentials: where they are looked for, and when again.

use image_sync_shared::config::{Login, PasswordSource};
use image_sync_shared::failure::FailureClass;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_shared::secret::Secret;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, TokenService};

use crate::support::{RouterBuilder, guarded, put_app, resolve_app, source, tag, write};

async fn registry_with(user: &str, password: &str) -> FakeRegistry {
    let registry = guarded(Auth::basic(user, password)).await;
    put_app(&registry);
    registry
}

fn entry(key: &str, user: &str, password: &str) -> String {
    format!(r#"{{"auths":{{"{key}":{{"username":"{user}","password":"{password}"}}}}}}"#)
}

#[tokio::test]
async fn dockers_config_is_used() {
    let registry = registry_with("u", "p:w").await;
    let folder = tempfile::tempdir().unwrap();
    // "u:p:w" in base64.
    let config = format!(
        r#"{{"auths":{{"https://{}/v1/":{{"auth":"dTpwOnc="}}}}}}"#,
        registry.host()
    );
    let router = RouterBuilder::new()
        .docker_config(folder.path(), &config)
        .router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn the_config_comes_before_docker_and_docker_before_podman() {
    let registry = registry_with("u", "right").await;
    let (docker, podman) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let auth_file = write(
        podman.path(),
        "auth.json",
        &entry(registry.host(), "u", "wrong"),
    );
    let with_podman =
        |setup: RouterBuilder| setup.env(|env| env.registry_auth_file = Some(auth_file.clone()));
    let with_docker = |password| {
        with_podman(RouterBuilder::new())
            .docker_config(docker.path(), &entry(registry.host(), "u", password))
    };
    let found =
        |setup: RouterBuilder| async { resolve_app(&setup.router(), registry.host()).await };
    let failure = found(with_podman(RouterBuilder::new())).await.unwrap_err();
    assert!(failure.answer.contains("auth.json"), "{failure}");
    found(with_docker("right")).await.unwrap();
    let failure = found(with_docker("wrong")).await.unwrap_err();
    assert!(failure.answer.contains("config.json"), "{failure}");
    found(with_docker("wrong").login(registry.host(), "u", "right"))
        .await
        .unwrap();
}

#[tokio::test]
async fn podmans_keys_may_be_of_a_namespace() {
    let tokens = TokenService::new()
        .no_anonymous_pulls()
        .user("team", "p")
        .user("all", "p");
    let registry = guarded(Auth::bearer(&tokens)).await;
    let app = put_app(&registry);
    registry.put_image("team/app", "v1", &app);
    let folder = tempfile::tempdir().unwrap();
    let host = registry.host();
    let text = format!(
        r#"{{"auths":{{"{host}":{{"auth":"YWxsOnA="}},"{host}/team":{{"auth":"dGVhbTpw"}}}}}}"#
    );
    let path = write(folder.path(), "auth.json", &text);
    let router = RouterBuilder::new()
        .env(|env| env.registry_auth_file = Some(path))
        .router();
    for name in ["app", "team/app"] {
        assert!(
            router
                .resolve(&source(host, name), &tag("v1"))
                .await
                .unwrap()
                .is_some()
        );
    }
    let users: Vec<_> = tokens
        .requests()
        .into_iter()
        .filter_map(|request| request.user)
        .collect();
    assert_eq!(users, ["all", "team"]);
}

#[tokio::test]
async fn a_password_file_is_read_again_when_it_was_refused() {
    let registry = registry_with("u", "first").await;
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "password", "first\n");
    let file = path.clone();
    let setup = RouterBuilder::new().login(registry.host(), "u", "");
    let router = setup
        .with(registry.host(), |settings| {
            settings.password = Some(PasswordSource::File(file));
        })
        .router();
    resolve_app(&router, registry.host()).await.unwrap();
    registry.set_auth(Auth::basic("u", "second"));
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unauthorized);
    write(folder.path(), "password", "second\n");
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    registry.reset();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_token_of_the_config_is_sent_as_it_is_and_read_again_when_it_was_refused() {
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_app(&registry);
    let host = registry.host();
    let by_password = RouterBuilder::new().login(host, "u", "p").router();
    resolve_app(&by_password, host).await.unwrap();
    let requests = registry.requests();
    let given_out = requests.iter().rev().find_map(|request| {
        let token = request.header("authorization")?.strip_prefix("Bearer ")?;
        Some(token.to_owned())
    });
    let given_out = given_out.unwrap();
    let asked = tokens.requests().len();

    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "token", "wrong\n");
    let setup = RouterBuilder::new().with(host, |settings| {
        settings.token = Some(PasswordSource::File(file));
    });
    let router = setup.router();
    let failure = resolve_app(&router, host).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unauthorized);
    assert!(!failure.answer.contains("wrong"), "{failure}");
    write(folder.path(), "token", &format!("{given_out}\n"));
    assert!(resolve_app(&router, host).await.unwrap().is_some());
    assert_eq!(tokens.requests().len(), asked, "no token server was asked");
}

#[tokio::test]
async fn the_credentials_of_a_path_are_for_the_repositories_below_it() {
    let tokens = TokenService::new()
        .no_anonymous_pulls()
        .user("team", "p")
        .user("all", "p");
    let registry = guarded(Auth::bearer(&tokens)).await;
    let app = put_app(&registry);
    registry.put_image("team/app", "v1", &app);
    let host = registry.host();
    let of_team = Login {
        username: Some("team".to_owned()),
        password: Some(PasswordSource::Inline(Secret::new("p"))),
        token: None,
    };
    let setup = RouterBuilder::new().login(host, "all", "p");
    let router = setup
        .with(host, |settings| {
            settings.paths.insert("team".to_owned(), of_team);
        })
        .router();
    for name in ["app", "team/app"] {
        let found = router.resolve(&source(host, name), &tag("v1")).await;
        assert!(found.unwrap().is_some());
    }
    let requests = tokens.requests().into_iter();
    let users: Vec<_> = requests.filter_map(|request| request.user).collect();
    assert_eq!(users, ["all", "team"]);
}

#[tokio::test]
async fn dockers_config_is_read_again_when_it_was_refused() {
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "second");
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_app(&registry);
    let folder = tempfile::tempdir().unwrap();
    let router = RouterBuilder::new()
        .docker_config(folder.path(), &entry(registry.host(), "u", "first"))
        .router();
    write(
        folder.path(),
        "config.json",
        &entry(registry.host(), "u", "second"),
    );
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let statuses: Vec<u16> = tokens
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [401, 200]);
}

#[tokio::test]
async fn a_config_that_breaks_later_does_no_harm() {
    let registry = registry_with("u", "p").await;
    let folder = tempfile::tempdir().unwrap();
    let router = RouterBuilder::new()
        .docker_config(folder.path(), &entry(registry.host(), "u", "p"))
        .router();
    write(folder.path(), "config.json", "{");
    resolve_app(&router, registry.host()).await.unwrap();
    registry.set_auth(Auth::basic("u", "other"));
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unauthorized);
    registry.set_auth(Auth::basic("u", "p"));
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_broken_entry_is_named_where_it_is_needed_and_nowhere_else() {
    let (open, closed) = (
        FakeRegistry::start().await.unwrap(),
        registry_with("u", "p").await,
    );
    put_app(&open);
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{"auths":{{"{}":{{"auth":"hunter2!"}},"{}":{{"auth":["hunter2"]}},"unused.example":{{"auth":7}}}}}}"#,
        open.host(),
        closed.host()
    );
    let setup = || RouterBuilder::new().docker_config(folder.path(), &text);
    let router = setup().router();
    assert!(resolve_app(&router, open.host()).await.unwrap().is_some());
    let failure = resolve_app(&router, closed.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Local, "{failure}");
    for word in ["config.json", closed.host(), "another type"] {
        assert!(failure.answer.contains(word), "{failure}");
    }
    assert!(!failure.answer.contains("hunter2"), "{failure}");
    // Podman's file has what Docker's lacks.
    let podman = write(folder.path(), "auth.json", &entry(closed.host(), "u", "p"));
    let router = setup()
        .env(|env| env.registry_auth_file = Some(podman))
        .router();
    assert!(resolve_app(&router, closed.host()).await.unwrap().is_some());
}

#[tokio::test]
async fn auth_files_that_are_empty_leave_access_anonymous() {
    let registry = FakeRegistry::start().await.unwrap();
    put_app(&registry);
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "",
        " \n",
        "null",
        "{}",
        r#"{"auths":{"unused.example":null}}"#,
    ] {
        let router = RouterBuilder::new()
            .docker_config(folder.path(), text)
            .env(|env| env.registry_auth_file = Some("/dev/null".into()))
            .router();
        let found = resolve_app(&router, registry.host()).await;
        assert!(found.unwrap().is_some(), "{text:?}");
    }
}

#[test]
fn an_unreadable_config_is_told_before_anything_is_contacted() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("docker");
    let setup = RouterBuilder::new().env(|env| env.docker_config = Some(missing));
    let error = setup.try_router().err().unwrap().to_string();
    assert!(
        error.contains("config.json (from DOCKER_CONFIG): cannot be read"),
        "{error}"
    );
    let setup = RouterBuilder::new().docker_config(folder.path(), "{\n  \"auths\": {,}\n}");
    let error = setup.try_router().err().unwrap().to_string();
    assert!(
        error.contains("config.json (from DOCKER_CONFIG): line 2 column 13: not valid JSON"),
        "{error}"
    );
    let usual = RouterBuilder::new().env(|env| env.home = Some(folder.path().to_owned()));
    assert!(usual.try_router().is_ok());
}
