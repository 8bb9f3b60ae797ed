//! Credential helpers: a small script stands for the real ones.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use image_sync_shared::failure::{FailureClass, Step};
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{Auth, Fault, Request, Rule, TokenService};

use crate::support::{
    RouterBuilder, assert_all_found, guarded, put_app, put_many, resolve_app, resolve_many, write,
};

/// Makes the program `docker-credential-fake` in a folder. A link to a script of the repository: a program that the test
/// has just written could still be open for writing in a child of another test.
fn make_helper(folder: &Path, commands: &str) {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/http/authorization/docker-credential-fake"
    );
    symlink(script, folder.join("docker-credential-fake")).unwrap();
    write(folder, "commands", commands);
}

fn answer_from(folder: &Path, answer: &str) -> String {
    let path = write(folder, "answer", answer);
    format!("cat {}", path.display())
}

fn asked(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Finds helpers in `folder` first, and the shell's own programs behind it.
fn with_helper(setup: RouterBuilder, folder: &Path) -> RouterBuilder {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    setup.env(|env| env.path = Some(path.into()))
}

fn config_with_helper(host: &str) -> String {
    format!(r#"{{"credHelpers":{{"{host}":"fake"}}}}"#)
}

fn secret(user: &str, secret: &str) -> String {
    format!(r#"{{"ServerURL":"ignored","Username":"{user}","Secret":"{secret}"}}"#)
}

#[tokio::test]
async fn a_helper_is_asked_once_for_all() {
    let registry = guarded(Auth::basic("u", "p")).await;
    put_many(&registry, 20);
    let folder = tempfile::tempdir().unwrap();
    make_helper(
        folder.path(),
        &answer_from(folder.path(), &secret("u", "p")),
    );
    let setup =
        RouterBuilder::new().docker_config(folder.path(), &config_with_helper(registry.host()));
    let router = with_helper(setup, folder.path()).router();
    assert_all_found(&resolve_many(&router, registry.host(), 20).await);
    assert_eq!(asked(folder.path()), [registry.host()]);
}

#[tokio::test]
async fn a_helper_is_asked_again_when_its_password_has_ended() {
    let registry = FakeRegistry::builder()
        .auth(Auth::basic("u", "first"))
        .start()
        .await
        .unwrap();
    put_many(&registry, 20);
    let folder = tempfile::tempdir().unwrap();
    make_helper(
        folder.path(),
        &answer_from(folder.path(), &secret("u", "first")),
    );
    let setup =
        RouterBuilder::new().docker_config(folder.path(), &config_with_helper(registry.host()));
    let router = with_helper(setup, folder.path()).router();
    assert_all_found(&resolve_many(&router, registry.host(), 20).await);
    registry.set_auth(Auth::basic("u", "second"));
    answer_from(folder.path(), &secret("u", "second"));
    assert_all_found(&resolve_many(&router, registry.host(), 20).await);
    assert_eq!(asked(folder.path()).len(), 2);
}

#[tokio::test]
async fn a_helper_may_keep_an_identity_token() {
    let tokens = TokenService::new()
        .no_anonymous_pulls()
        .identity_token("identity");
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_app(&registry);
    let folder = tempfile::tempdir().unwrap();
    make_helper(
        folder.path(),
        &answer_from(folder.path(), &secret("<token>", "identity")),
    );
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let router = with_helper(setup, folder.path()).router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        tokens.requests()[0].user.as_deref(),
        Some("<identity token>")
    );
}

#[tokio::test]
async fn a_helper_that_has_nothing_leaves_the_request_anonymous() {
    let tokens = TokenService::new();
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_app(&registry);
    let folder = tempfile::tempdir().unwrap();
    make_helper(
        folder.path(),
        "echo 'credentials not found in native keychain'; exit 1",
    );
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let router = with_helper(setup, folder.path()).router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(tokens.requests()[0].user, None);
}

/// What a failing helper does, the class that follows from it, and what is said of it.
fn failing() -> [(String, FailureClass, &'static str); 3] {
    let leaky = secret("u", "hunter2");
    [
        (
            "echo 'no session; log in first'; exit 1".to_owned(),
            FailureClass::Unavailable,
            "| docker-credential-fake get (named in ",
        ),
        (
            format!("echo '{leaky}'; exit 1"),
            FailureClass::Unavailable,
            "exit status: 1",
        ),
        (
            "echo 'hunter2'".to_owned(),
            FailureClass::Local,
            "no JSON with Username and Secret",
        ),
    ]
}

#[tokio::test]
async fn a_helper_that_fails_leaves_what_is_public_anonymous_and_is_asked_once() {
    let tokens = TokenService::new();
    let registry = guarded(Auth::bearer(&tokens)).await;
    put_many(&registry, 20);
    for (commands, _, _) in failing() {
        let folder = tempfile::tempdir().unwrap();
        make_helper(folder.path(), &commands);
        let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
        let router = with_helper(setup, folder.path()).router();
        assert_all_found(&resolve_many(&router, registry.host(), 20).await);
        assert_eq!(asked(folder.path()).len(), 1);
    }
    let folder = tempfile::tempdir().unwrap();
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let not_installed = with_helper(setup, folder.path()).router();
    assert_all_found(&resolve_many(&not_installed, registry.host(), 20).await);
    assert!(
        tokens
            .requests()
            .iter()
            .all(|request| request.user.is_none())
    );
}

#[tokio::test]
async fn a_helper_that_fails_is_named_where_the_image_is_not_public() {
    let tokens = TokenService::new();
    let closed = TokenService::new().no_anonymous_pulls();
    let by_token = || FakeRegistry::builder().auth(Auth::bearer(&tokens)).start();
    let (hidden, denied) = (by_token().await.unwrap(), by_token().await.unwrap());
    let known = || Rule::new("*", "*/manifests/*").when(Request::has_credentials);
    hidden.stage(known(), Fault::status(404));
    denied.stage(known(), Fault::status(403));
    let closed = FakeRegistry::builder().auth(Auth::bearer(&closed)).start();
    let basic = FakeRegistry::builder().auth(Auth::basic("u", "p")).start();
    let registries = [closed.await.unwrap(), basic.await.unwrap(), hidden, denied];
    for (registry, (commands, class, words)) in registries
        .iter()
        .flat_map(|registry| failing().map(|failing| (registry, failing)))
    {
        put_app(registry);
        let folder = tempfile::tempdir().unwrap();
        make_helper(folder.path(), &commands);
        let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
        let router = with_helper(setup, folder.path()).router();
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_eq!(failure.class, class, "{failure}");
        for word in ["docker-credential-fake", words] {
            assert!(failure.answer.contains(word), "{failure}");
        }
        for said in ["hunter2", "no session"] {
            assert!(!failure.answer.contains(said), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_helper_that_has_nothing_is_named_where_credentials_are_wanted() {
    let tokens = TokenService::new().no_anonymous_pulls();
    let by_token = FakeRegistry::builder().auth(Auth::bearer(&tokens)).start();
    let by_password = FakeRegistry::builder().auth(Auth::basic("u", "p")).start();
    for registry in [by_token.await.unwrap(), by_password.await.unwrap()] {
        put_app(&registry);
        let folder = tempfile::tempdir().unwrap();
        let commands = "echo 'credentials not found in native keychain'; exit 1";
        make_helper(folder.path(), commands);
        let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
        let router = with_helper(setup, folder.path()).router();
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unauthorized, "{failure}");
        let expected = format!("docker-credential-fake has none for {}", registry.host());
        assert!(failure.answer.contains(&expected), "{failure}");
    }
}

#[tokio::test]
async fn a_helper_that_never_stops_talking_is_cut_off_at_a_limit() {
    let auth = Auth::basic("u", "p");
    let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    make_helper(folder.path(), "exec yes hunter2");
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let router = with_helper(setup, folder.path()).router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.step),
        (FailureClass::Local, Step::Authenticate)
    );
    let words = "docker-credential-fake cannot be run: it answers with more than 1 MiB";
    assert!(failure.answer.contains(words), "{failure}");
}

#[tokio::test]
async fn a_helper_in_a_relative_entry_of_the_path_is_not_run() {
    let auth = Auth::basic("u", "p");
    let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
    let folder = tempfile::tempdir_in(".").unwrap();
    make_helper(
        folder.path(),
        &answer_from(folder.path(), &secret("u", "p")),
    );
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let path = format!("{name}:./{name}:/usr/bin:/bin");
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let router = setup.env(|env| env.path = Some(path.into())).router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    let words = "docker-credential-fake cannot be run: it is not on the PATH";
    assert!(failure.answer.contains(words), "{failure}");
    assert!(asked(folder.path()).is_empty());
}

#[test]
fn a_helper_with_a_path_in_its_name_is_told_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"../evil"}"#);
    let error = setup.try_router().err().unwrap().to_string();
    let place = folder.path().join("config.json");
    assert!(
        error.starts_with(&format!(
            "{} (from DOCKER_CONFIG): credsStore: ",
            place.display()
        )),
        "{error}"
    );
}

#[tokio::test]
async fn a_helper_that_takes_too_long_is_killed() {
    let auth = Auth::basic("u", "p");
    let registry = FakeRegistry::builder().auth(auth).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    make_helper(folder.path(), "echo $$ > \"$folder/pid\"; exec sleep 600");
    let setup = RouterBuilder::new().impatient();
    let setup = setup.docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let router = with_helper(setup, folder.path()).router();
    let pid = loop {
        let failure = resolve_app(&router, registry.host()).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.step),
            (FailureClass::Timeout, Step::Authenticate)
        );
        let words = "docker-credential-fake";
        assert!(failure.answer.contains(words), "{failure}");
        assert!(failure.answer.contains("took longer than 1 s"), "{failure}");
        // On a machine that is busy, it may not even have come to write it.
        match fs::read_to_string(folder.path().join("pid")) {
            Ok(pid) if pid.ends_with('\n') => break pid,
            _ => {}
        }
    };
    let process = Path::new("/proc").join(pid.trim());
    let gone = async {
        while process.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), gone).await;
    assert!(waited.is_ok(), "process {pid} is still there");
}

#[tokio::test]
async fn a_helper_that_is_not_installed_is_named() {
    let registry = guarded(Auth::basic("u", "p")).await;
    let folder = tempfile::tempdir().unwrap();
    let setup = RouterBuilder::new().docker_config(folder.path(), r#"{"credsStore":"fake"}"#);
    let router = with_helper(setup, folder.path()).router();
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Local);
    assert!(
        failure
            .answer
            .contains("docker-credential-fake cannot be run"),
        "{failure}"
    );
}
