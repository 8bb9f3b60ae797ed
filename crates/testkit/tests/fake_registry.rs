//! The fake registry as other programs see it.

use std::process::Command;

use image_sync_testkit::{FakeRegistry, images};

async fn skopeo(arguments: Vec<String>) -> String {
    let run = move || Command::new("skopeo").args(arguments).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn skopeo_copies_from_one_fake_to_another() {
    let source = FakeRegistry::start().await.unwrap();
    let target = FakeRegistry::start().await.unwrap();
    let index = images::index("app", &["linux/amd64", "linux/arm64"]);
    source.put_image("app", "1", &index);
    source.assert_every_tag_is_complete();
    let copy = [
        "--insecure-policy",
        "copy",
        "--all",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    let mut arguments: Vec<String> = copy.iter().map(|s| (*s).to_owned()).collect();
    arguments.push(format!("docker://{}", source.image("app", "1")));
    arguments.push(format!("docker://{}", target.image("mirror/app", "2")));
    skopeo(arguments).await;
    assert_eq!(
        target.digest("mirror/app", "2").as_ref(),
        Some(index.digest())
    );
    target.assert_every_tag_is_complete();
    assert_eq!(target.open_uploads(), Vec::<String>::new());
    assert_eq!(target.count("PUT", "/v2/*/manifests/2"), 1);
}
