//! Traces over OTLP.

use std::collections::BTreeSet;

use image_sync_testkit::fake_registry::Auth;
use image_sync_testkit::images::{image, image_with_layers};
use image_sync_testkit::{ClosedPort, Collector, FakeRegistry, SpanKind};
use image_sync_tests::{Ended, Program, named, only};

use crate::support::{REPOSITORY, TAG, TestSync, program, status};

fn traced(collector: &Collector) -> Program {
    program().env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
}

async fn with_app(program: Program) -> TestSync {
    let fixture = TestSync::start().await;
    let image = image_with_layers("app", 2, 20_000);
    fixture.source.put_image(REPOSITORY, TAG, &image);
    TestSync { program, ..fixture }
}

#[tokio::test]
async fn a_trace_goes_from_the_run_to_the_fold_and_that_of_each_job_leads_to_it() {
    let collector = Collector::start().await.unwrap();
    let fixture = with_app(traced(&collector)).await;
    let ended = fixture.sync().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");

    let spans = collector.spans();
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace).collect();
    assert_eq!(traces.len(), 2, "{spans:#?}");
    let [run, job, check, copy, fold] =
        ["run", "job", "check", "copy", "fold"].map(|name| only(&spans, name));
    assert!(run.parent.is_empty(), "{run:#?}");
    assert!(job.parent.is_empty(), "{job:#?}");
    assert_eq!(job.links, std::slice::from_ref(&run.id));
    for (child, parent) in [(fold, run), (check, job), (copy, job)] {
        assert_eq!(child.parent, parent.id, "{} in {}", child.name, parent.name);
    }
    let blobs = named(&spans, "blob");
    assert_eq!(blobs.len(), 3, "two layers and a config: {spans:#?}");
    assert!(blobs.iter().all(|blob| blob.parent == copy.id));

    let run_id = ended.report().head.run_id.to_string();
    assert_eq!(run.attributes["run_id"], run_id);
    assert_eq!(fold.attributes["run_id"], run_id);
    assert_eq!(job.attributes["run_id"], run_id);
    assert_eq!(job.attributes["job"], "0");
    let result = ended.only_result();
    for (field, expected) in [
        ("image", &result.image),
        ("tag", &result.tag),
        ("target", &result.target),
    ] {
        assert_eq!(&job.attributes[field], expected);
    }
    assert_eq!(job.attributes["attempt"], "1");
    assert!(!job.attributes["worker"].is_empty(), "{job:#?}");
    let kinds = [run, job, check, copy, blobs[0], fold].map(|span| span.kind);
    let expected = [
        SpanKind::Producer,
        SpanKind::Consumer,
        SpanKind::Client,
        SpanKind::Client,
        SpanKind::Client,
        SpanKind::Internal,
    ];
    assert_eq!(kinds, expected);
    assert!(blobs[0].attributes["blob"].starts_with("sha256:"));
    assert!(!spans.iter().any(|span| span.failed), "{spans:#?}");
}

#[tokio::test]
async fn every_attempt_at_a_job_is_a_trace_that_leads_to_its_run_and_is_marked_where_it_failed() {
    let collector = Collector::start().await.unwrap();
    let fixture = with_app(traced(&collector)).await;
    fixture
        .source
        .stage(crate::support::all("GET", "manifests"), status(503));
    let ended = fixture.sync().await;
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let spans = collector.spans();
    let run = only(&spans, "run");
    let jobs = named(&spans, "job");
    assert_eq!(jobs.len(), 3, "{spans:#?}");
    assert!(
        jobs.iter()
            .all(|job| job.links == std::slice::from_ref(&run.id))
    );
    assert!(jobs.iter().all(|job| job.failed), "{spans:#?}");
    let attempts: BTreeSet<_> = jobs.iter().map(|job| &*job.attributes["attempt"]).collect();
    assert_eq!(attempts, BTreeSet::from(["1", "2", "3"]));
}

#[tokio::test]
async fn the_environment_names_the_service_and_the_headers() {
    let collector = Collector::start().await.unwrap();
    let plain = with_app(traced(&collector)).await.sync().await;
    assert_eq!(plain.code, Some(0), "{plain:#?}");
    let service = &collector.services()[0];
    assert_eq!(service["service.name"], "image-sync");
    assert_eq!(service["service.version"], env!("CARGO_PKG_VERSION"));

    let collector = Collector::start().await.unwrap();
    let program = traced(&collector)
        .env("OTEL_SERVICE_NAME", "mirror")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ops");
    let ended = with_app(program).await.sync().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let service = &collector.services()[0];
    assert_eq!(service["service.name"], "mirror");
    assert_eq!(service["deployment.environment.name"], "test");
    assert!(collector.heads()[0].contains("x-tenant: ops"));
}

#[tokio::test]
async fn nothing_is_sent_where_it_is_turned_off() {
    let collector = Collector::start().await.unwrap();
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ] {
        let ended = with_app(traced(&collector).env(name, value))
            .await
            .sync()
            .await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
    assert_eq!(collector.spans(), []);
}

/// What a run says, without what differs from run to run.
fn story(
    ended: &Ended,
) -> (
    Option<i32>,
    Vec<image_sync_shared::run::outcome::Action>,
    u64,
) {
    let report = ended.report();
    let actions = report.results.iter().map(|result| result.action).collect();
    (ended.code, actions, report.head.bytes_copied)
}

#[tokio::test]
async fn a_collector_that_is_away_changes_nothing_but_for_one_warning() {
    let without = with_app(program()).await.sync().await;
    let away = ClosedPort::new().unwrap();
    // One batch per span, so that many of them fail.
    let program = program()
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://{}", away.host()),
        )
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1");
    let with = with_app(program).await.sync().await;
    assert_eq!(story(&with), story(&without), "{with:#?}");
    assert_eq!(
        with.stderr.matches("traces could not be sent").count(),
        1,
        "{with:#?}"
    );
    let advice = "start a collector there that takes OTLP over HTTP";
    assert!(with.stderr.contains(advice), "{with:#?}");
    assert!(with.stderr.contains(&away.host()), "{with:#?}");
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hang_the_run() {
    // The system takes connections for it, and nobody ever reads from them.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", deaf.local_addr().unwrap());
    let an_hour = "3600000";
    let program = program()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", an_hour);
    let ended = with_app(program).await.sync().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let told = ended.stderr.matches("traces could not be sent").count();
    assert_eq!(told, 1, "{ended:#?}");
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_told_and_changes_nothing() {
    let program = program().env(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://user:secret-word@no address",
    );
    let ended = with_app(program).await.sync().await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let told = ended.stderr.matches("no traces are sent").count();
    assert_eq!(told, 1, "{ended:#?}");
    assert!(!ended.stderr.contains("secret-word"), "{ended:#?}");
}

#[tokio::test]
async fn secrets_do_not_appear_in_spans() {
    let collector = Collector::start().await.unwrap();
    let guarded = FakeRegistry::builder()
        .auth(Auth::basic("mirror", "hunter2-is-secret"))
        .start()
        .await
        .unwrap();
    let fixture = TestSync {
        source: guarded,
        ..with_app(traced(&collector)).await
    };
    fixture.source.put_image(REPOSITORY, TAG, &image("app"));
    for (password, code) in [("hunter2-is-secret", 0), ("wrong-but-secret", 1)] {
        let login = format!("{{username: mirror, password: {password}}}");
        let catalog = fixture.catalog().registry(fixture.source.host(), &login);
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(code), "{ended:#?}");
    }
    let everything = collector.everything();
    assert!(everything.contains(REPOSITORY));
    for secret in ["is-secret", "but-secret", "bWlycm9y", "Basic "] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}
