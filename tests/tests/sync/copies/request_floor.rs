//! The number of requests, which DESIGN promises and docs/ARCHITECTURE.md describes.

use image_sync_testkit::Image;
use image_sync_testkit::fake_registry::TokenService;
use image_sync_testkit::images::{image_with_layers, index};
use image_sync_testkit::servers::DockerRegistry;
use image_sync_tests::{Catalog, Entry};

use crate::support::{REPOSITORY, TAG, TestSync, program};

#[tokio::test]
async fn an_image_in_place_costs_one_head_at_each_side() {
    let image = image_with_layers("app", 3, 1000);
    let fixture = TestSync::with(&image).await;
    fixture.target.put_image(REPOSITORY, TAG, &image);
    let ended = fixture.sync().await;
    assert_eq!(ended.report().head.summary.already_cached, 1, "{ended:#?}");
    for side in [&fixture.source, &fixture.target] {
        assert_eq!(
            (
                side.count("HEAD", "/v2/*/manifests/*"),
                side.count("*", "*")
            ),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn a_cold_copy_costs_no_more_than_the_floor() {
    let image = image_with_layers("app", 4, 1000);
    let blobs = image.blobs.len();
    let fixture = TestSync::with(&image).await;
    fixture.is_copied(&image, 1).await;
    let (source, target) = (&fixture.source, &fixture.target);
    assert_eq!(
        (
            source.count("HEAD", "*"),
            source.count("GET", "/v2/*/manifests/*")
        ),
        (1, 1)
    );
    assert_eq!(
        (source.count("GET", "/v2/*/blobs/*"), source.count("*", "*")),
        (blobs, blobs + 2)
    );
    assert_eq!(
        (
            target.count("HEAD", "*"),
            target.count("PUT", "/v2/*/manifests/*")
        ),
        (1, 1)
    );
    assert_eq!(
        (target.count("*", "/v2/*/blobs/*"), target.count("*", "*")),
        (2 * blobs, 2 * blobs + 2)
    );
}

#[tokio::test]
async fn one_platform_costs_two_heads_from_the_second_run_on_in_a_new_process_too() {
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let fixture = TestSync::with(&index).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry(REPOSITORY, TAG).platform("linux/arm64"));
    let first = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(first.report().head.summary.pulled, 1, "{first:#?}");
    fixture.source.reset();
    fixture.target.reset();
    let second = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(
        second.report().head.summary.already_cached,
        1,
        "{second:#?}"
    );
    for side in [&fixture.source, &fixture.target] {
        assert_eq!(
            (
                side.count("HEAD", "/v2/*/manifests/*"),
                side.count("*", "*")
            ),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn a_lost_or_broken_state_file_costs_a_request_and_nothing_else() {
    let index = index("app", &["linux/amd64", "linux/arm64"]);
    let fixture = TestSync::with(&index).await;
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry(REPOSITORY, TAG).platform("linux/arm64"));
    fixture
        .program
        .sync(&catalog, &["--state-dir", "state"])
        .await;
    let state: Vec<_> = std::fs::read_dir(fixture.program.home().join("state"))
        .unwrap()
        .collect();
    assert!(!state.is_empty(), "the state file is there");
    for file in state {
        std::fs::write(file.unwrap().path(), [0, 159, 146, 150]).unwrap();
    }
    fixture.source.reset();
    fixture.target.reset();
    let second = fixture
        .program
        .sync(&catalog, &["--state-dir", "state"])
        .await;
    assert_eq!(second.code, Some(0), "{second:#?}");
    assert_eq!(
        second.report().head.summary.already_cached,
        1,
        "{second:#?}"
    );
    assert_eq!(
        (
            fixture.source.count("*", "*"),
            fixture.target.count("*", "*")
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn a_state_file_that_somebody_changed_keeps_no_image_out_of_date() {
    let platforms = ["linux/amd64", "linux/arm64"];
    let (old, new) = (index("old", &platforms), index("new", &platforms));
    let fixture = TestSync::with(&old).await;
    let entry = fixture.entry(REPOSITORY, TAG).platform("linux/arm64");
    let catalog = fixture.empty_catalog().image(entry);
    let state = ["--state-dir", "state"];
    fixture.program.sync(&catalog, &state).await;
    let child = |index: &Image| index.child("linux/arm64").unwrap().digest().clone();
    let folder = std::fs::read_dir(fixture.program.home().join("state"));
    let file = folder.unwrap().next().unwrap().unwrap().path();
    let far = u32::MAX;
    let key = format!("chosen/{}/linux/arm64", new.digest());
    let lines = format!(
        "{key}\t{0}\n{key}\t{far}\t{0}\n{key}\t1\t{0}\n",
        child(&old)
    );
    std::fs::write(&file, lines).unwrap();
    fixture.source.put_image(REPOSITORY, TAG, &new);
    let moved = fixture.program.sync(&catalog, &state).await;
    assert_eq!(moved.report().head.summary.pulled, 1, "{moved:#?}");
    assert_eq!(fixture.target.digest(REPOSITORY, TAG), Some(child(&new)));
}

#[tokio::test]
async fn fifty_images_at_once_cost_one_token_per_scope_set() {
    let of_source = TokenService::new();
    let of_target = TokenService::new().user("bot", "hunter2");
    let fixture = TestSync::with_tokens(&of_source, &of_target).await;
    let settings = "{username: bot, password: hunter2}";
    let mut catalog = fixture
        .empty_catalog()
        .setting("concurrency: 50")
        .registry(fixture.target.host(), settings);
    for n in 0..50 {
        let (name, image) = (
            format!("team/app{n}"),
            image_with_layers(&format!("app{n}"), 1, 100),
        );
        fixture.source.put_image(&name, TAG, &image);
        fixture.target.put_image(&name, TAG, &image);
        catalog = catalog.image(fixture.entry(&name, TAG));
    }
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.already_cached, 50, "{ended:#?}");
    for (side, tokens) in [(&fixture.source, &of_source), (&fixture.target, &of_target)] {
        let by_scopes = tokens.requests_by_scopes();
        assert_eq!(by_scopes.len(), 50, "{by_scopes:#?}");
        assert!(
            by_scopes.values().all(|count| *count == 1),
            "{by_scopes:#?}"
        );
        assert_eq!(
            side.count("HEAD", "*"),
            51,
            "the one challenge, and one HEAD per image"
        );
        assert_eq!(side.count_where(|request| request.status == Some(401)), 1);
    }
}

#[tokio::test]
async fn one_repository_costs_one_token_for_check_pull_and_push() {
    let image = image_with_layers("app", 3, 1000);
    let of_source = TokenService::new();
    let of_target = TokenService::new().user("bot", "hunter2");
    let fixture = TestSync::with_tokens(&of_source, &of_target).await;
    fixture.source.put_image(REPOSITORY, TAG, &image);
    let catalog = fixture
        .catalog()
        .registry(fixture.target.host(), "{username: bot, password: hunter2}");
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.pulled, 1, "{ended:#?}");
    assert_eq!(
        (of_source.requests().len(), of_target.requests().len()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_real_registry_logs_no_more_than_the_floor() {
    let (source, target) = (
        DockerRegistry::start().await.unwrap(),
        DockerRegistry::start().await.unwrap(),
    );
    let image = image_with_layers("app", 4, 1000);
    let blobs = image.blobs.len();
    source.push(REPOSITORY, TAG, &image).await.unwrap();
    source.forget_requests().await.unwrap();
    let entry = Entry::new(&format!("{}/{REPOSITORY}", source.host()), TAG).cache_as(REPOSITORY);
    let catalog = Catalog::new(target.host()).image(entry);
    let program = program();
    let cold = program.sync(&catalog, &[]).await;
    assert_eq!(cold.report().head.summary.pulled, 1, "{cold:#?}");
    let count = async |registry: &DockerRegistry, method: &str, path: &str| {
        registry.count(method, path).await.unwrap()
    };
    assert_eq!(count(&source, "HEAD", "*").await, 1);
    assert_eq!(count(&source, "GET", "/v2/*/manifests/*").await, 1);
    assert_eq!(count(&source, "*", "*").await, blobs + 2);
    assert_eq!(count(&target, "HEAD", "*").await, 1);
    assert_eq!(count(&target, "PUT", "/v2/*/manifests/*").await, 1);
    assert_eq!(count(&target, "*", "*").await, 2 * blobs + 2);

    source.forget_requests().await.unwrap();
    target.forget_requests().await.unwrap();
    let warm = program.sync(&catalog, &[]).await;
    assert_eq!(warm.report().head.summary.already_cached, 1, "{warm:#?}");
    assert_eq!(
        (
            count(&source, "HEAD", "*").await,
            count(&source, "*", "*").await
        ),
        (1, 1)
    );
    assert_eq!(
        (
            count(&target, "HEAD", "*").await,
            count(&target, "*", "*").await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn images_that_share_layers_send_each_layer_once() {
    let fixture = TestSync::start().await;
    let mut catalog = fixture.empty_catalog();
    let shared = image_with_layers("base", 5, 20_000);
    for n in 0..10 {
        let name = format!("team/app{n}");
        fixture.source.put_image(&name, TAG, &shared);
        catalog = catalog.image(fixture.entry(&name, TAG));
    }
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.report().head.summary.pulled, 10, "{ended:#?}");
    assert_eq!(
        fixture.source.count("GET", "/v2/*/blobs/*"),
        shared.blobs.len(),
        "read once"
    );
    assert_eq!(
        fixture.target.count("PUT", "/v2/*/blobs/*"),
        shared.blobs.len(),
        "sent once, mounted nine times"
    );
    fixture.nothing_broken();
}
