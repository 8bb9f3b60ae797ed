//! The line that starts Aliyun's image-syncer, run by a program of its name.

use std::os::unix::fs::symlink;

use image_sync_testkit::images::image;
use image_sync_tests::Program;

use crate::support::TestSync;

#[tokio::test]
async fn called_image_syncer_the_program_runs_the_files_and_options_of_aliyuns_tool() {
    let fixture = TestSync::start().await;
    for tag in ["1", "2", "alpha"] {
        fixture.source.put_image("a/b", tag, &image(tag));
    }
    let folder = tempfile::tempdir().unwrap();
    let called = folder.path().join("image-syncer");
    symlink(env!("CARGO_BIN_EXE_image-sync-under-test"), &called).unwrap();
    let (source, target) = (fixture.source.host(), fixture.target.host());
    let program = Program::new(&called.to_string_lossy())
        .env("DEFAULT_REGISTRY", target)
        .env("DEFAULT_NAMESPACE", "ns")
        .env("NAME", "named");
    let login = r#"{"username": "u", "password": "p", "insecure": true}"#;
    let auth = format!(r#"{{"{source}": {login}, "{target}": {login}}}"#);
    program.write("auth.json", &auth);
    let digest = image("2").digest().to_string();
    let rules = format!(
        r#"{{"{source}/a/b:1,2": "{target}/${{NAME}}/b:one,two", "{source}/a/b:/^al/": "", "{source}/a/b@{digest}": ["{target}/by/digest"]}}"#
    );
    program.write("images.json", &rules);
    let line = "--proc=6 --auth=./auth.json --images=./images.json --retries=3 --log log.txt --output-success-images ok.yaml";
    let ended = program.run(&line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(fixture.target.tags("named/b"), ["one", "two"]);
    assert_eq!(fixture.target.tags("ns/b"), ["alpha"]);
    assert_eq!(ended.report().head.summary.pulled, 4);
    let read = |name: &str| std::fs::read_to_string(program.home().join(name)).unwrap();
    let copied = format!(
        "{source}/a/b:1:\n- {target}/named/b:one\n{source}/a/b:2:\n- {target}/named/b:two\n"
    );
    let copied_images = read("ok.yaml");
    assert!(copied_images.starts_with(&copied), "{copied_images}");
    let by_digest = format!("{source}/a/b@{digest}:\n- {target}/by/digest@{digest}\n");
    assert!(copied_images.contains(&by_digest), "{copied_images}");
    let log = read("log.txt");
    assert!(
        log.contains("run ended") && !ended.stderr.contains("run ended"),
        "{log}"
    );
}
