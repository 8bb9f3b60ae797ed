//! What is wrong with a command or with its server is said in one clear line: exit 2 for what was typed wrongly, 3 for what
//! could not be carried out. No secret is in it.

use image_sync_shared::run::report::RunStatus;
use image_sync_testkit::servers::NatsServer;
use image_sync_testkit::{ClosedPort, PrivateCa};
use image_sync_tests::{Catalog, Ended, Entry, Program, Watched};

/// In every password, token and seed of these tests.
const SECRET: &str = "hunter2";
/// A small installation.
const SIZES: &str = "--log-max-bytes 16MiB --letters-max-bytes 16MiB --reports-max-bytes 16MiB --bucket-max-bytes 4MiB";

/// All commands that meet at a server.
const COMMANDS: [&str; 7] = [
    "provision",
    "producer -c config.yaml",
    "worker -c config.yaml",
    "aggregator",
    "enqueue -c config.yaml 127.0.0.1:1/team/app:0",
    "runs list",
    "dead-letters list",
];

/// The program with a config of so many images, whose registry is never asked.
fn program(images: usize) -> Program {
    let program = Program::new(env!("CARGO_BIN_EXE_image-sync-under-test"));
    let catalog = (0..images).fold(Catalog::new("127.0.0.1:1"), |catalog, number| {
        catalog.image(Entry::new("127.0.0.1:1/team/app", &number.to_string()))
    });
    program.write("config.yaml", &catalog.yaml());
    program
}

async fn run(program: &Program, line: &str) -> Ended {
    let quiet = line.split_whitespace().chain(["--log-level", "error"]);
    program.run(&quiet.collect::<Vec<_>>()).await
}

/// Expects that the command ends so, with one message on stderr that has these words.
async fn ends(program: &Program, line: &str, code: i32, words: &[&str]) {
    let ended = run(program, line).await;
    assert_eq!(ended.code, Some(code), "{line}: {ended:#?}");
    assert_eq!(ended.stdout, "", "{line}: {ended:#?}");
    let stderr = &ended.stderr;
    // Below a message about a config its line is shown.
    let messages = stderr.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(messages.count(), 1, "{line}: {ended:#?}");
    assert!(stderr.starts_with("error: "), "{line}: {ended:#?}");
    for word in words {
        assert!(stderr.contains(word), "{line}: {word:?} in {stderr}");
    }
    assert!(!stderr.contains(SECRET), "{line}: {stderr}");
}

async fn provisioned(program: &Program, line: &str) {
    let ended = run(program, line).await;
    assert_eq!(ended.code, Some(0), "{line}: {ended:#?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_named() {
    let port = ClosedPort::new().unwrap();
    let url = format!("nats://me:{SECRET}@{}", port.host());
    let program = program(1).env("NATS_URL", &url);
    let words = ["no NATS server can be reached", &port.host()];
    for command in COMMANDS {
        ends(
            &program,
            &format!("{command} --connect-timeout 0s"),
            3,
            &words,
        )
        .await;
    }
}

#[tokio::test]
async fn what_is_no_url_is_told_without_showing_it() {
    let program = program(1).env("NATS_URL", &format!("http://me:{SECRET}@localhost"));
    let words = ["the URL of server 1", "nats://HOST[:PORT]"];
    for command in COMMANDS {
        ends(&program, command, 2, &words).await;
    }
}

#[tokio::test]
async fn credentials_that_the_server_does_not_know_are_refused() {
    let program = program(1);
    program.write("secret", SECRET);
    let (known, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let seed = other.seed().unwrap();
    program.write("seed", &seed);
    let begin = |what: &str| format!("-----BEGIN {what}-----");
    let end = |what: &str| format!("------END {what}------");
    let (jwt, key) = ("NATS USER JWT", "USER NKEY SEED");
    let creds = [
        &begin(jwt),
        "a.b.c",
        &end(jwt),
        "",
        &begin(key),
        &seed,
        &end(key),
    ]
    .join("\n");
    // Without a newline at its end, as secrets are often mounted.
    program.write("user.creds", &creds);
    let user = known.public_key();
    for (config, options) in [
        (
            "authorization { user: me, password: right }".to_owned(),
            vec![
                "",
                "--nats-user me --nats-password-file secret",
                "--nats-token-file secret",
            ],
        ),
        (
            "authorization { token: right }".to_owned(),
            vec!["--nats-token-file secret"],
        ),
        (
            format!("authorization {{ users: [ {{ nkey: {user} }} ] }}"),
            vec!["--nats-nkey seed", "--nats-creds user.creds"],
        ),
    ] {
        let server = NatsServer::start_configured(&config).await.unwrap();
        for option in options {
            let line = format!("aggregator --nats {} {option}", server.url());
            let words = match option {
                "" => "wants credentials, and none are given",
                _ => "does not accept these credentials",
            };
            ends(&program, &line, 3, &[words]).await;
        }
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let program = program(1).env("NATS_URL", "nats://127.0.0.1:1");
    program.write("empty", "");
    program.write("words", SECRET);
    for (options, words) in [
        ("--nats-user me", "--nats-password-file, NATS_PASSWORD or"),
        (
            "--nats-user me --nats-password-file gone",
            "gone cannot be read",
        ),
        ("--nats-token-file gone", "gone cannot be read"),
        ("--nats-nkey gone", "gone cannot be read"),
        ("--nats-nkey words", "the seed of the nkey is none"),
        ("--nats-creds gone", "gone cannot be read"),
        ("--nats-creds words", "words is no credentials file"),
        ("--nats-ca gone", "gone cannot be read"),
        ("--nats-ca words", "words holds nothing"),
        ("--nats-cert gone --nats-key words", "gone cannot be read"),
        ("--nats-cert empty --nats-key words", "empty holds nothing"),
    ] {
        for command in ["aggregator", "worker -c config.yaml"] {
            ends(&program, &format!("{command} {options}"), 2, &[words]).await;
        }
    }
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_told() {
    let (program, ca, other) = (
        program(1),
        PrivateCa::new().unwrap(),
        PrivateCa::new().unwrap(),
    );
    program.write("cert.pem", ca.certificate_pem());
    program.write("key.pem", ca.key_pem());
    program.write("other.pem", other.ca_pem());
    let home = program.home().display();
    let tls = format!("tls {{ cert_file: \"{home}/cert.pem\", key_file: \"{home}/key.pem\" }}");
    let server = NatsServer::start_configured(&tls).await.unwrap();
    let url = server.url().replace("nats://", "tls://");
    for option in ["", "--nats-ca other.pem"] {
        let line = format!("aggregator --nats {url} {option}");
        ends(&program, &line, 3, &["no TLS connection", "certificate"]).await;
    }
}

#[tokio::test]
async fn a_server_without_jetstream_is_told_so() {
    let server = NatsServer::start_without_jetstream().await.unwrap();
    let program = program(1).env("NATS_URL", &server.url());
    for command in COMMANDS {
        ends(&program, command, 3, &["has no JetStream"]).await;
    }
}

#[tokio::test]
async fn too_little_storage_is_told_once_with_what_to_do() {
    let config = "accounts { A: { jetstream: {max_file: 8MiB}, users: [{user: a, password: b}] } }";
    let server = NatsServer::start_configured(config).await.unwrap();
    let program = program(1).env("NATS_URL", &server.url().replace("//", "//a:b@"));
    let ended = program.run(&["provision"]).await;
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    let told = "the account holds 0 B and may hold 8192 KiB; reserve less by --jobs-max-bytes";
    assert!(ended.stderr.contains(told), "{ended:#?}");
    assert!(!ended.stderr.contains("cannot go on"), "{ended:#?}");
}

#[tokio::test]
async fn who_has_not_provisioned_is_told_how() {
    let server = NatsServer::start().await.unwrap();
    let program = program(1).env("NATS_URL", &server.url());
    for command in &COMMANDS[1..] {
        let words = ["stream IMGSYNC_JOBS is missing", "image-sync provision"];
        ends(&program, command, 3, &words).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_another_is_not_used() {
    let server = NatsServer::start().await.unwrap();
    let program = program(1).env("NATS_URL", &server.url());
    let client = async_nats::connect(server.url()).await.unwrap();
    let stream =
        r#"{ "name": "IMGSYNC_JOBS", "subjects": ["imgsync.job.>"], "storage": "memory" }"#;
    let created = client.request("$JS.API.STREAM.CREATE.IMGSYNC_JOBS", stream.into());
    assert!(!created.await.unwrap().payload.starts_with(b"{\"error"));
    for command in COMMANDS {
        ends(&program, command, 3, &["stream IMGSYNC_JOBS: "]).await;
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let program = program(1);
    let all = "user: me, password: right";
    let denied = "permissions: { publish: { deny: \"imgsync.job.>\" } }";
    let config = format!(
        "authorization {{ users: [ {{ {all} }}, {{ user: you, password: right, {denied} }} ] }}"
    );
    let server = NatsServer::start_configured(&config).await.unwrap();
    let as_user = |user: &str| server.url().replace("//", &format!("//{user}:right@"));
    let provision = format!(
        "provision --nats {} --jobs-max-bytes 16MiB {SIZES}",
        as_user("me")
    );
    provisioned(&program, &provision).await;
    let producer = format!("producer -c config.yaml --nats {}", as_user("you"));
    let words = ["NATS does not let this user publish to imgsync.job.bulk."];
    ends(&program, &producer, 3, &words).await;
}

#[tokio::test]
async fn a_catalog_that_is_too_large_leaves_nothing_behind() {
    let server = NatsServer::start().await.unwrap();
    let program = program(200).env("NATS_URL", &server.url());
    provisioned(
        &program,
        &format!("provision --jobs-max-bytes 64KiB {SIZES}"),
    )
    .await;
    // The second one finds all as the first one did: no run is open, and there is as much room.
    for _ in 0..2 {
        let words = ["is full", "provision a larger one"];
        ends(&program, "producer -c config.yaml", 3, &words).await;
        let jobs = messages(&server, "IMGSYNC_JOBS").await;
        assert_eq!(jobs, 0, "the jobs of a run that has no end");
    }
    let _aggregator = program.start(&["aggregator"]);
    let seen = run(&program, "runs watch latest").await;
    assert_eq!(seen.code, Some(3), "{seen:#?}");
    assert_eq!(seen.report().head.status, RunStatus::Cancelled);
    let larger = format!("provision --jobs-max-bytes 16MiB {SIZES}");
    provisioned(&program, &larger).await;
    let ended = run(&program, "producer -c config.yaml").await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(messages(&server, "IMGSYNC_JOBS").await, 200);
}

async fn messages(server: &NatsServer, stream: &str) -> u64 {
    let client = async_nats::connect(server.url()).await.unwrap();
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let info = client.request(subject, "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.payload).unwrap();
    info["state"]["messages"].as_u64().unwrap()
}

#[tokio::test]
async fn what_an_installation_cannot_be_is_refused() {
    let server = NatsServer::start().await.unwrap();
    let program = program(1).env("NATS_URL", &server.url());
    for (options, words) in [
        ("--lease-term 0s", "must be 1s or more"),
        ("--visibility 0s", "must be 1s or more"),
        ("--visibility 1h", "must be longer than the visibility time"),
        ("--jobs-max-age 1m", "longer than the dedupe window"),
    ] {
        ends(&program, &format!("provision {options}"), 2, &[words]).await;
    }
    ends(
        &program,
        "provision --replicas 3",
        3,
        &["stream IMGSYNC_JOBS", "replicas"],
    )
    .await;
}

#[tokio::test]
async fn a_worker_that_would_lose_its_jobs_does_not_start() {
    let server = NatsServer::start().await.unwrap();
    let program = program(1).env("NATS_URL", &server.url());
    let provision = format!("provision --visibility 3s --jobs-max-bytes 16MiB {SIZES}");
    provisioned(&program, &provision).await;
    for heartbeat in ["0s", "2s"] {
        let line = format!("worker -c config.yaml --heartbeat {heartbeat}");
        ends(&program, &line, 2, &["--heartbeat is", "at most 1s"]).await;
    }
}

#[tokio::test]
async fn a_config_that_nothing_is_taken_from_is_checked_too() {
    let program = program(1);
    program.write("bad.yaml", "{cache_registry: a, images: [], setings: {}}");
    for command in ["provision", "aggregator", "runs list", "dead-letters list"] {
        let line = format!("{command} -c bad.yaml");
        ends(&program, &line, 2, &["bad.yaml", "settings"]).await;
    }
}

#[tokio::test]
async fn a_worker_whose_credentials_end_says_so_once_and_goes_on_with_good_ones() {
    let program = program(1);
    let config = |password: &str| format!("authorization {{ user: me, password: {password} }}");
    let mut server = NatsServer::start_configured(&config("right"))
        .await
        .unwrap();
    let url = server.url().replace("//", "//me:right@");
    let provision = format!("provision --nats {url} --jobs-max-bytes 16MiB {SIZES}");
    provisioned(&program, &provision).await;
    let line = format!("worker -c config.yaml --nats {url} --listen 127.0.0.1:0");
    let words: Vec<&str> = line.split_whitespace().collect();
    let watched = Watched::over(program.start(&words)).await;
    watched.readiness_is(200).await;
    for password in ["another", "right"] {
        server.kill().unwrap();
        server.configure(&config(password)).unwrap();
        server.restart().await.unwrap();
        if password == "another" {
            watched.role.line("authorization violation").await;
            assert_eq!(watched.get("/readyz").await.0, 503);
            assert_eq!(watched.get("/livez").await.0, 200);
        }
    }
    watched.readiness_is(200).await;
    let ended = watched.role.stop().await;
    let told = ended.stderr.matches("authorization violation").count();
    assert_eq!(told, 1, "{ended:#?}");
}
