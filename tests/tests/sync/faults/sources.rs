//! What a source may do wrong on the way: what the report says, how many attempts, nothing broken at the target.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use image_sync_testkit::fake_registry::{At, Fault, Gate};
use image_sync_testkit::images::{image, image_with_layers};

use time::format_description::StaticFormatDescription;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration as Span, OffsetDateTime};

use crate::support::{TestSync, all, status};

/// A date as HTTP has it (RFC 9110, section 5.6.7).
const HTTP_DATE: StaticFormatDescription = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// A whole minute, as the program counts from its own clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the program takes the machine's time"
)]
fn in_ten_minutes() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc() + Span::minutes(10);
    now.replace_second(30)
        .unwrap()
        .replace_nanosecond(0)
        .unwrap()
}

#[tokio::test]
async fn a_missing_tag_fails_at_once() {
    let fixture = TestSync::start().await;
    fixture
        .fails(1, &["source: check", "team/app:1.0", "not found"])
        .await;
    let asked = ["HEAD", "GET"].map(|method| fixture.source.count(method, "*/manifests/*"));
    assert_eq!(asked, [1, 1], "404 is final, once GET says so too");
    let listed = fixture.source.count("GET", "*/tags/list*");
    assert_eq!(listed, 1, "for the words of the failure");
}

#[tokio::test]
async fn a_missing_manifest_fails_at_once() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.stage(all("GET", "manifests"), status(404));
    fixture.fails(1, &["source: pull manifest", "404"]).await;
}

#[tokio::test]
async fn a_missing_blob_fails_at_once_and_names_it() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .source
        .remove_blob("team/app", &image.blobs[0].digest);
    fixture
        .fails(
            1,
            &["source: pull blob", image.blobs[0].digest.as_str(), "404"],
        )
        .await;
}

#[tokio::test]
async fn a_refused_check_fails_at_once() {
    let fixture = TestSync::with(&image("app")).await;
    fixture.source.stage(all("*", "manifests"), status(403));
    fixture.fails(1, &["source: check", "403"]).await;
}

#[tokio::test]
async fn a_server_error_of_every_kind_of_request_is_tried_again() {
    for (method, kind) in [
        ("HEAD", "manifests"),
        ("GET", "manifests"),
        ("GET", "blobs"),
    ] {
        for code in [500, 502, 503] {
            let image = image("app");
            let fixture = TestSync::with(&image).await;
            let staged = fixture
                .source
                .stage(all(method, kind).first(2), status(code));
            fixture.is_copied(&image, 1).await;
            assert_eq!(staged.hits(), 2, "{method} {kind} {code}");
        }
    }
}

#[tokio::test]
async fn a_server_error_that_stays_fails_when_the_attempts_are_used_up() {
    let fixture = TestSync::with(&image("app")).await;
    let staged = fixture.source.stage(all("HEAD", "manifests"), status(503));
    fixture.fails(3, &["source: check", "503"]).await;
    assert_eq!(staged.hits(), 9, "three attempts of three tries in place");
}

#[tokio::test]
async fn a_server_error_that_ends_costs_attempts_and_no_image() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .source
        .stage(all("HEAD", "manifests").first(4), status(503));
    fixture.is_copied(&image, 2).await;
}

#[tokio::test]
async fn a_source_that_refuses_connections_fails_when_the_attempts_are_used_up() {
    let fixture = TestSync::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = closed.local_addr().unwrap().to_string();
    drop(closed);
    let entry = image_sync_tests::Entry::new(&format!("{host}/a"), "1").cache_as("a");
    let ended = fixture
        .program
        .sync(&fixture.empty_catalog().image(entry), &[])
        .await;
    let result = ended.only_result();
    assert_eq!((result.attempts, ended.code), (3, Some(1)));
    let error = result.error.unwrap();
    assert!(
        error.contains("source: check") && error.contains("refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_is_cut_is_tried_again() {
    for (method, kind) in [
        ("HEAD", "manifests"),
        ("GET", "manifests"),
        ("GET", "blobs"),
    ] {
        for at in [At::Headers, At::MidHeaders] {
            let image = image("app");
            let fixture = TestSync::with(&image).await;
            let staged = fixture
                .source
                .stage(all(method, kind).first(1), Fault::reset(at));
            fixture.is_copied(&image, 1).await;
            assert_eq!(staged.hits(), 1, "{method} {kind} {at:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_always_cut_fails_when_the_attempts_are_used_up() {
    let fixture = TestSync::with(&image("app")).await;
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::reset(At::MidHeaders));
    fixture.fails(3, &["source: pull blob"]).await;
}

#[tokio::test]
async fn a_blob_that_is_cut_in_the_middle_goes_on_where_it_was() {
    let image = image_with_layers("app", 1, 300_000);
    let fixture = TestSync::with(&image).await;
    let layer = image
        .blobs
        .iter()
        .max_by_key(|blob| blob.bytes.len())
        .unwrap();
    let of_layer = image_sync_testkit::fake_registry::Rule::new(
        "GET",
        format!("/v2/*/blobs/{}", layer.digest),
    );
    fixture
        .source
        .stage(of_layer.first(1), Fault::reset(At::Body(100_000)));
    let ended = fixture.is_copied(&image, 1).await;
    let asked: Vec<_> = fixture
        .source
        .requests()
        .into_iter()
        .filter(|request| request.path.ends_with(layer.digest.as_str()))
        .collect();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].header("range").is_some(), "{asked:#?}");
    let sent: u64 = image.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
    assert_eq!(
        ended.only_result().bytes_copied,
        sent,
        "no byte reaches the target twice"
    );
}

#[tokio::test]
async fn a_manifest_that_is_cut_in_the_middle_is_asked_for_again() {
    let image = image("app");
    let fixture = TestSync::with(&image).await;
    fixture
        .source
        .stage(all("GET", "manifests").first(1), Fault::reset(At::Body(20)));
    fixture.is_copied(&image, 1).await;
}

#[tokio::test]
async fn a_blob_that_stalls_is_cut_and_goes_on() {
    let image = image_with_layers("app", 1, 300_000);
    let fixture = TestSync::with(&image).await;
    let gate = Gate::new();
    fixture.source.stage(
        all("GET", "blobs").first(1),
        Fault::stall(At::Body(100), &gate),
    );
    let catalog = fixture.catalog().setting("stall_timeout: 500ms");
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.at_target().as_ref(), Some(image.digest()));
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_blob_that_always_stalls_fails_as_the_sources_fault() {
    let fixture = TestSync::with(&image("app")).await;
    let gate = Gate::new();
    fixture
        .source
        .stage(all("GET", "blobs"), Fault::stall(At::Body(10), &gate));
    let catalog = fixture.catalog().setting("stall_timeout: 500ms");
    let ended = fixture.program.sync(&catalog, &[]).await;
    let result = ended.only_result();
    assert_eq!((ended.code, result.attempts), (Some(1), 3));
    let error = result.error.unwrap();
    assert!(
        error.contains("source: pull blob") && error.contains("500ms"),
        "{error}"
    );
    fixture.nothing_broken();
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_and_costs_no_attempt() {
    let in_a_second = "1";
    let in_the_past = "Fri, 31 Dec 1999 23:59:59 GMT";
    for retry_after in [Some(in_a_second), Some(in_the_past), None] {
        let image = image("app");
        let fixture = TestSync::with(&image).await;
        let fault = Fault::rate_limited(retry_after);
        let staged = fixture
            .source
            .stage(all("HEAD", "manifests").first(1), fault);
        fixture.is_copied(&image, 1).await;
        assert_eq!(staged.hits(), 1);
    }
}

#[tokio::test]
async fn a_rate_limit_until_a_date_is_waited_out_until_that_date() {
    let fixture = TestSync::with(&image("app")).await;
    let date = in_ten_minutes();
    let header = date.format(&HTTP_DATE).unwrap();
    fixture
        .source
        .stage(all("HEAD", "manifests"), Fault::rate_limited(Some(&header)));
    let running = fixture.program.start_sync(&fixture.catalog(), &[]);
    let line = running.line("put back").await;
    // To the second: an answer takes no time that can be known.
    let until = date.format(&Rfc3339).unwrap();
    assert!(line.contains(&until[..16]), "{until}: {line}");
    running.signal("TERM").await;
    let ended = running.ended().await;
    assert_eq!(ended.report().missing.len(), 1, "{ended:#?}");
    assert_eq!(fixture.source.count("*", "*"), 1, "nothing came before it");
}

#[tokio::test]
async fn no_rate_limit_is_waited_out_for_longer_than_max_pause() {
    for far_ahead in ["86400", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let fixture = TestSync::with(&image("app")).await;
        let fault = Fault::rate_limited(Some(far_ahead));
        fixture
            .source
            .stage(all("HEAD", "manifests").first(1), fault);
        let catalog = fixture.catalog().setting("max_pause: 1s");
        let ended = fixture.program.sync(&catalog, &[]).await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(ended.only_result().attempts, 1, "{ended:#?}");
    }
}

#[tokio::test]
async fn a_paused_host_is_warned_of_once_and_not_for_each_job() {
    let fixture = TestSync::start().await;
    let mut catalog = fixture.empty_catalog();
    for n in 0..5 {
        let name = format!("team/app{n}");
        fixture.source.put_image(&name, "1.0", &image(&name));
        catalog = catalog.image(fixture.entry(&name, "1.0"));
    }
    let gate = Gate::new();
    let asked = || all("GET", "manifests");
    fixture.source.stage(asked(), Fault::hold(&gate));
    fixture
        .source
        .stage(asked(), Fault::rate_limited(Some("3600")));
    let running = fixture.program.start_sync(&catalog, &[]);
    gate.reached_by(5).await;
    gate.release();
    running.lines("put back", 5).await;
    running.signal("TERM").await;
    let ended = running.ended().await;
    assert_eq!(ended.report().missing.len(), 5, "{ended:#?}");
    let warnings = ended.stderr.matches("host paused until").count();
    assert_eq!(warnings, 1, "{ended:#?}");
}

#[tokio::test]
async fn a_rate_limit_stops_the_other_jobs_for_that_host() {
    let fixture = TestSync::start().await;
    let mut catalog = fixture.empty_catalog().setting("concurrency: 1");
    for n in 0..5 {
        let name = format!("team/app{n}");
        fixture.source.put_image(&name, "1.0", &image(&name));
        catalog = catalog.image(fixture.entry(&name, "1.0"));
    }
    // As a registry that means it: it answers nothing else for as long as it said.
    let first = OnceLock::new();
    let too_early = move |_: &_| first.get_or_init(Instant::now).elapsed() < Duration::from_secs(1);
    let staged = fixture.source.stage(
        all("HEAD", "manifests").when(too_early),
        Fault::rate_limited(Some("1")),
    );
    let ended = fixture.program.sync(&catalog, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.report().head.summary.pulled, 5);
    assert!(
        ended
            .report()
            .results
            .iter()
            .all(|result| result.attempts == 1),
        "{ended:#?}"
    );
    assert_eq!(
        staged.hits(),
        1,
        "no other job asked while the host was paused"
    );
}
