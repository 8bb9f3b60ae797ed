//! `--listen`: probes and metrics.

use image_sync_testkit::fake_registry::{Auth, Fault, Gate, Rule};
use image_sync_testkit::images::image;
use image_sync_testkit::{FakeRegistry, Image};
use image_sync_tests::{Catalog, Watched};
use tokio::io::AsyncWriteExt as _;

use crate::support::{TAG, TestSync, all};

async fn start(fixture: &TestSync, catalog: &Catalog) -> Watched {
    let listening = ["--listen", "127.0.0.1:0"];
    Watched::over(fixture.program.start_sync(catalog, &listening)).await
}

fn value(metrics: &str, series: &str) -> String {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {metrics}"))
        .to_owned()
}

/// A [`TestSync`] with images of which each goes to the cache under its own name.
async fn with_images(images: &[(&str, &Image)]) -> (TestSync, Catalog) {
    let fixture = TestSync::start().await;
    let mut catalog = fixture.empty_catalog().setting("concurrency: 1");
    for (name, image) in images {
        fixture.source.put_image(name, TAG, image);
        catalog = catalog.image(fixture.entry(name, TAG));
    }
    (fixture, catalog)
}

#[tokio::test]
async fn metrics_tell_what_was_done_while_a_run_is_under_way() {
    let (app, flaky) = (image("app"), image("flaky"));
    let (fixture, catalog) = with_images(&[("app", &app), ("flaky", &flaky)]).await;
    let catalog = catalog.image(fixture.entry("gone", TAG));
    let (source, gate) = (&fixture.source, Gate::new());
    // As often as one attempt asks, so that another follows; that one is held.
    let heads = Rule::new("HEAD", "/v2/flaky/manifests/*").first(3);
    source.stage(heads, Fault::status(503));
    source.stage(Rule::new("GET", "/v2/flaky/blobs/*"), Fault::hold(&gate));
    source.stage(
        Rule::new("HEAD", "/v2/gone/manifests/*"),
        Fault::status(404),
    );
    let watched = start(&fixture, &catalog).await;
    gate.reached_by(3).await;

    assert_eq!(watched.get("/livez").await.0, 200);
    assert_eq!(watched.get("/readyz").await, (200, "ok\n".to_owned()));
    let text = watched.get("/metrics").await.1;
    let is = |series: &str, wanted: &str| assert_eq!(value(&text, series), wanted, "{series}");
    is(r#"image_sync_jobs_total{outcome="pulled"}"#, "1");
    is(r#"image_sync_job_retries_total{class="unavailable"}"#, "1");
    is(r#"image_sync_blobs_total{arrival="copied"}"#, "3");
    is("image_sync_slots_in_use", "1");
    is(r#"image_sync_queue_jobs{lane="retry"}"#, "1");
    is(r#"image_sync_queue_lag_seconds_count{lane="retry"}"#, "1");
    let refused = format!(
        r#"image_sync_registry_request_duration_seconds_count{{host="{}",method="HEAD",status="503"}}"#,
        source.host()
    );
    is(&refused, "3");
    let bytes = value(&text, "image_sync_copied_bytes_total");

    gate.release();
    let ended = watched.role.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let results = ended.report().results;
    assert_eq!(bytes, results[0].bytes_copied.to_string());
}

#[tokio::test]
async fn a_run_that_is_told_to_end_is_alive_and_no_longer_ready() {
    let (fixture, catalog) = with_images(&[("app", &image("app"))]).await;
    let gate = Gate::new();
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::hold(&gate));
    let watched = start(&fixture, &catalog).await;
    gate.reached().await;
    watched.role.signal("TERM").await;
    assert_eq!(watched.readiness_is(503).await, "shutting down\n");
    assert_eq!(watched.get("/livez").await.0, 200);
    gate.release();
    let ended = watched.role.ended().await;
    assert!(ended.report().results.len() <= 1, "{ended:#?}");
}

#[tokio::test]
async fn a_host_that_is_left_alone_is_shown() {
    let (fixture, catalog) = with_images(&[("app", &image("app"))]).await;
    let busy = Fault::rate_limited(Some("3600"));
    fixture.source.stage(all("HEAD", "manifests"), busy);
    let watched = start(&fixture, &catalog).await;
    let host = fixture.source.host();
    let series = format!(r#"image_sync_host_paused_until_timestamp_seconds{{host="{host}"}}"#);
    let retried = r#"image_sync_job_retries_total{class="rate_limited"} 1"#;
    let text = watched.metrics_with(&[&series, retried]).await;
    let until: f64 = value(&text, &series).parse().unwrap();
    assert!(until > 1_700_000_000.0, "a time: {until}");
}

#[tokio::test]
async fn secrets_do_not_appear_in_metrics() {
    let (fixture, _) = with_images(&[]).await;
    let auth = Auth::basic("mirror", "hunter2-is-secret");
    let guarded = FakeRegistry::builder().auth(auth).start().await.unwrap();
    let fixture = TestSync {
        source: guarded,
        ..fixture
    };
    fixture.source.put_image("app", TAG, &image("app"));
    let login = "{username: mirror, password: hunter2-is-secret}";
    let catalog = fixture
        .empty_catalog()
        .image(fixture.entry("app", TAG))
        .registry(fixture.source.host(), login);
    let gate = Gate::new();
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::hold(&gate));
    let watched = start(&fixture, &catalog).await;
    gate.reached().await;
    let text = watched.get("/metrics").await.1;
    assert!(text.contains(fixture.source.host()), "{text}");
    for secret in ["hunter2", "mirror", "bWlycm9y"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    gate.release();
    let ended = watched.role.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_ends_the_run_before_anything_is_contacted() {
    let (fixture, catalog) = with_images(&[("app", &image("app"))]).await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for (address, code, words) in [("nonsense", 2, "HOST:PORT"), (&taken, 3, &taken)] {
        let ended = fixture.program.sync(&catalog, &["--listen", address]).await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
    assert_eq!(fixture.source.requests().len(), 0);
}

#[tokio::test]
async fn idle_connections_in_any_number_do_not_keep_others_from_the_probes() {
    let (fixture, catalog) = with_images(&[("app", &image("app"))]).await;
    let gate = Gate::new();
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::hold(&gate));
    let watched = start(&fixture, &catalog).await;
    gate.reached().await;
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = watched.connect().await;
        if number % 2 == 0 {
            stream.write_all(b"GET /livez HT").await.unwrap();
        }
        idle.push(stream);
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(watched.get(path).await.0, 200, "{path}");
    }
    gate.release();
    assert_eq!(watched.role.ended().await.code, Some(0));
    drop(idle);
}

#[tokio::test]
async fn hosts_that_only_a_registry_names_share_a_metric_label() {
    let (fixture, catalog) = with_images(&[("app", &image("app"))]).await;
    let elsewhere = fixture.source.second_host().start().await.unwrap();
    let gate = Gate::new();
    let away = Fault::redirect(elsewhere.url(), "");
    fixture.source.stage(all("GET", "blobs"), away);
    fixture
        .target
        .stage(all("PUT", "manifests"), Fault::hold(&gate));
    let watched = start(&fixture, &catalog).await;
    gate.reached().await;
    let count = "image_sync_registry_request_duration_seconds_count";
    let text = watched
        .metrics_with(&[&format!(r#"{count}{{host="other",method="GET""#)])
        .await;
    assert!(text.contains(fixture.source.host()), "{text}");
    assert!(!text.contains(elsewhere.host()), "{text}");
    gate.release();
    watched.role.ended().await;
}
