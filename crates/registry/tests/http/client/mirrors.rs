//! Mirrors: asked first for reads at the source, and passed over where they do not help.

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::reference::Reference;
use image_sync_shared::ports::transfer::registries::Registries as _;
use image_sync_shared::run::job::Remote;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Auth, Fault, Gate, Rule, TokenService};
use image_sync_testkit::images::image;
use tokio::net::TcpListener;

use crate::support::{RouterBuilder, put_app, resolve_app, source, tag, target};

fn mirrored(registry: &FakeRegistry, mirrors: &[&str]) -> RouterBuilder {
    let mirrors = mirrors.iter().map(|mirror| (*mirror).to_owned()).collect();
    RouterBuilder::new().with(registry.host(), |settings: &mut RegistrySettings| {
        settings.mirrors = mirrors;
    })
}

#[tokio::test]
async fn the_first_mirror_that_has_it_answers() {
    let (registry, one, two) = three().await;
    let router = mirrored(&registry, &[one.host(), two.url()]).router();
    put_app(&two);
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let asked = [&one, &two, &registry].map(|server| server.requests().len());
    assert_eq!(asked, [1, 1, 0]);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_mirror_the_registry_is_asked() {
    let (registry, one, _) = three().await;
    put_app(&registry);
    for status in [401, 403, 404, 429, 500, 503] {
        let router = mirrored(&registry, &[one.host()]).router();
        one.clear_faults();
        one.stage(Rule::new("*", "*"), Fault::status(status));
        assert!(
            resolve_app(&router, registry.host())
                .await
                .unwrap()
                .is_some(),
            "{status}"
        );
    }
    one.clear_faults();
    one.stage(Rule::new("*", "*"), Fault::reset(At::Headers));
    let router = mirrored(&registry, &[one.host()]).router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let router = mirrored(&registry, &[&nobody]).router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_mirror_in_trouble_is_left_alone_for_a_while() {
    let faults = [
        (Fault::hold(&Gate::new()), 1),
        (Fault::reset(At::Headers), 1),
        (Fault::status(503), 1),
        (Fault::status(429), 1),
        (Fault::status(404), 3),
        (Fault::status(403), 3),
    ];
    for (fault, asked) in faults {
        let (registry, one, _) = three().await;
        put_app(&registry);
        one.stage(Rule::new("*", "*"), fault);
        let router = mirrored(&registry, &[one.url()]).impatient().router();
        for _ in 0..3 {
            let found = resolve_app(&router, registry.host()).await;
            assert!(found.unwrap().is_some());
        }
        let requests = [&one, &registry].map(|server| server.requests().len());
        assert_eq!(requests, [asked, 3]);
    }
}

#[tokio::test]
async fn a_mirror_with_a_wrong_manifest_is_left_alone() {
    let (registry, one, _) = three().await;
    let app = put_app(&registry);
    put_app(&one);
    one.stage(Rule::new("GET", "*"), Fault::status(200).with_body("{}"));
    let router = mirrored(&registry, &[one.url()]).router();
    let at = source(registry.host(), "app");
    let digest = Reference::Digest(app.digest().clone());
    let failure = router.pull_manifest(&at, &digest).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::DigestMismatch);
    let manifest = router.pull_manifest(&at, &digest).await.unwrap();
    assert_eq!(manifest.digest, *app.digest());
}

#[tokio::test]
async fn what_the_registry_says_last_counts() {
    let (registry, one, _) = three().await;
    let router = mirrored(&registry, &[one.host()]).router();
    assert_eq!(resolve_app(&router, registry.host()).await, Ok(None));
    registry.stage(Rule::new("*", "*"), Fault::status(503));
    let failure = resolve_app(&router, registry.host()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert_eq!(failure.subject, registry.image("app", "v1"));
}

#[tokio::test]
async fn a_mirror_gets_its_own_credentials_and_not_the_registrys() {
    let (registry, one, _) = three().await;
    put_app(&registry);
    put_app(&one);
    one.set_auth(Auth::basic("mirror", "m"));
    let setup = mirrored(&registry, &[one.host()]).login(registry.host(), "u", "p");
    assert!(
        resolve_app(&setup.router(), registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        one.requests()
            .iter()
            .all(|request| !request.has_credentials())
    );
    assert_eq!(registry.requests().len(), 1);
    let setup = mirrored(&registry, &[one.host()]).login(one.host(), "mirror", "m");
    assert!(
        resolve_app(&setup.router(), registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_target_is_never_read_from_its_mirror() {
    let (registry, one, _) = three().await;
    put_app(&one);
    let router = mirrored(&registry, &[one.host()]).router();
    let at = target(registry.host(), "app");
    assert_eq!(router.resolve(&at, &tag("v1")).await, Ok(None));
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_mirror_may_keep_a_registry_under_a_path() {
    let (registry, one, _) = three().await;
    let app = image("app");
    one.put_image("hub/app", "v1", &app);
    let router = mirrored(&registry, &[&format!("{}/hub/", one.url())]).router();
    assert!(
        resolve_app(&router, registry.host())
            .await
            .unwrap()
            .is_some()
    );
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn a_mirror_under_a_path_has_scopes_and_credentials_of_its_own_names() {
    let registry = FakeRegistry::start().await.unwrap();
    let tokens = TokenService::new().no_anonymous_pulls().user("hub", "p");
    let one = FakeRegistry::builder().auth(Auth::bearer(&tokens)).start();
    let one = one.await.unwrap();
    one.put_image("hub/app", "v1", &image("app"));
    let host = one.host();
    // "hub:p" and "all:p" in base64.
    let config = format!(
        r#"{{"auths":{{"{host}":{{"auth":"YWxsOnA="}},"{host}/hub":{{"auth":"aHViOnA="}}}}}}"#
    );
    let folder = tempfile::tempdir().unwrap();
    let setup = mirrored(&registry, &[&format!("{host}/hub")]);
    let router = setup.docker_config(folder.path(), &config).router();
    let found = resolve_app(&router, registry.host()).await;
    assert!(found.unwrap().is_some());
    assert_eq!(tokens.requests()[0].user.as_deref(), Some("hub"));
    assert_eq!(tokens.requests_by_scopes()["repository:hub/app:pull"], 1);
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn an_endpoint_may_keep_all_repositories_under_a_path() {
    let tokens = TokenService::new().no_anonymous_pulls().user("u", "p");
    let harbor = FakeRegistry::builder().auth(Auth::bearer(&tokens)).start();
    let harbor = harbor.await.unwrap();
    let app = image("app");
    harbor.put_image("proxy/hub/library/app", "v1", &app);
    let endpoint = format!("{}/proxy/hub", harbor.url());
    let setup = RouterBuilder::new()
        .with("docker.io", |settings| settings.endpoint = Some(endpoint))
        .login("docker.io", "u", "p");
    let router = setup.router();
    let at = Remote {
        repository: "registry.hub.docker.com/app".parse().unwrap(),
        ..source("docker.io", "library/app")
    };
    let found = router.resolve(&at, &tag("v1")).await;
    assert_eq!(found.unwrap().unwrap().digest, *app.digest());
    let tags = router.tags(&at).await.unwrap();
    assert_eq!(tags, ["v1"]);
    let scopes = tokens.requests_by_scopes();
    assert_eq!(scopes["repository:proxy/hub/library/app:pull"], 1);
}

#[tokio::test]
async fn the_pages_of_one_list_come_from_one_server() {
    let (registry, one, _) = three().await;
    let app = image("app");
    one.behave(|b| b.page_size = 2);
    one.set_auth(Auth::basic("mirror", "m"));
    for tag in ["a", "b", "c"] {
        one.put_image("app", tag, &app);
    }
    let setup = mirrored(&registry, &[one.host()]).login(one.host(), "mirror", "m");
    let tags = setup
        .router()
        .tags(&source(registry.host(), "app"))
        .await
        .unwrap();
    assert_eq!(tags, ["a", "b", "c"]);
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn the_registrys_own_pages_are_not_asked_for_through_a_mirror() {
    let (registry, one, _) = three().await;
    let app = image("app");
    registry.behave(|b| b.page_size = 2);
    registry.set_auth(Auth::basic("u", "p"));
    for tag in ["a", "b", "c"] {
        registry.put_image("app", tag, &app);
    }
    let setup = mirrored(&registry, &[one.host()]).login(registry.host(), "u", "p");
    let tags = setup
        .router()
        .tags(&source(registry.host(), "app"))
        .await
        .unwrap();
    assert_eq!(tags, ["a", "b", "c"]);
    let refused = registry.count_where(|request| request.status == Some(401));
    assert_eq!((refused, registry.requests().len()), (1, 3));
}

async fn three() -> (FakeRegistry, FakeRegistry, FakeRegistry) {
    let start = || async { FakeRegistry::start().await.unwrap() };
    (start().await, start().await, start().await)
}
