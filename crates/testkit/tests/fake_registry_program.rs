//! The fake registry in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use image_sync_shared::image::digest::Digest;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// The address that the program says it listens on.
fn start(arguments: &[&str]) -> std::io::Result<(Killed, String)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-registry"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take();
    let child = Killed(child);
    let mut line = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .unwrap_or_default();
    Ok((child, address.to_owned()))
}

/// The body of what a path answers.
fn get(address: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or_default();
    Ok(answer.split_off(end + 4))
}

#[test]
fn the_same_options_make_the_same_images() {
    let options = [
        "--images",
        "3",
        "--blobs",
        "3",
        "--shared-blobs",
        "2",
        "--layer-bytes",
        "100",
    ];
    let (_first, first) = start(&options).unwrap();
    let (_second, second) = start(&options).unwrap();
    let manifests: Vec<_> = (0..3)
        .map(|i| get(&first, &format!("/v2/images/{i}/manifests/1")).unwrap())
        .collect();
    assert_eq!(
        manifests[2],
        get(&second, "/v2/images/2/manifests/1").unwrap()
    );
    assert_ne!(manifests[0], manifests[1]);
    let manifest: serde_json::Value = serde_json::from_slice(&manifests[1]).unwrap();
    let other: serde_json::Value = serde_json::from_slice(&manifests[2]).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 3);
    assert_eq!(layers[..2], other["layers"].as_array().unwrap()[..2]);
    assert_ne!(layers[2], other["layers"][2]);
    let digest = layers[2]["digest"].as_str().unwrap();
    let blob = get(&first, &format!("/v2/images/1/blobs/{digest}")).unwrap();
    assert_eq!((Digest::of(&blob).as_str(), blob.len()), (digest, 100));
}

#[test]
fn artifacts_are_listed_by_the_api_or_under_the_referrers_tag() {
    let digest = |address: &str| Digest::of(&get(address, "/v2/images/0/manifests/1").unwrap());
    let listed = |address: &str, path: &str| {
        let list = get(address, &format!("/v2/images/0/{path}")).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&list).unwrap_or_default();
        list["manifests"].as_array().map(Vec::len)
    };
    let images = ["--images", "1", "--artifacts", "3"];
    let (_without, without) = start(&images).unwrap();
    let subject = digest(&without);
    let tag = format!("manifests/sha256-{}", subject.hex());
    assert_eq!(listed(&without, &tag), Some(3));
    assert_eq!(listed(&without, &format!("referrers/{subject}")), None);
    let signature = get(&without, &format!("/v2/images/0/{tag}.sig")).unwrap();
    assert!(String::from_utf8_lossy(&signature).contains("cosign"));
    let (_with, with) =
        start(&[&images[..], &["--referrers", "1", "--page", "2"]].concat()).unwrap();
    assert_eq!(listed(&with, &format!("referrers/{subject}")), Some(2));
    assert_eq!(listed(&with, &tag), None);
}

#[test]
fn wrong_options_are_told() {
    let program = || Command::new(env!("CARGO_BIN_EXE_fake-registry"));
    for arguments in [["--imagse", "1"], ["--images", "many"]] {
        let output = program().args(arguments).output().unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            error.contains(arguments[0]) && error.contains("Usage:"),
            "{error}"
        );
    }
}
