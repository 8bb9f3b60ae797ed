//! docs/switching.md: files of other tools, with the hosts of the sandbox in them, as those files cannot say where a
//! registry is.

use crate::page::Page;
use crate::sandbox::Sandbox;

const PAGE: &str = "docs/switching.md";

/// Writes a file in which `SOURCE` and `TARGET` are the hosts of the sandbox.
fn write(sandbox: &Sandbox, name: &str, text: &str) {
    let text = text.replace("SOURCE", sandbox.source.host());
    let text = text.replace("TARGET", sandbox.target.host());
    sandbox.program.write(name, &text);
}

/// The command with the target's host.
fn at_target(sandbox: &Sandbox, command: &str) -> String {
    command.replace("registry.example.com", sandbox.target.host())
}

const REGSYNC: &str = "\
version: 1
creds: [{registry: 'SOURCE', tls: disabled}, {registry: 'TARGET', tls: disabled}]
sync: [{source: 'SOURCE/library/nginx:1.27', target: 'TARGET/regsync/nginx:1.27', type: image}]
";

#[tokio::test]
async fn a_file_is_taken_by_what_it_looks_like_or_as_the_option_says() {
    let sandbox = Sandbox::start().await;
    write(&sandbox, "external-images.yaml", REGSYNC);
    write(
        &sandbox,
        "images.yaml",
        "SOURCE/acme/app:1.0: TARGET/rules/app\n",
    );
    let page = Page::open(PAGE);
    let commands: [String; 4] = page.commands("Switching from another tool");
    for command in commands {
        sandbox.run_well(&command).await;
    }
    assert!(sandbox.has("rules/app", "1.0"));
}

#[tokio::test]
async fn the_calls_of_two_image_syncers_are_understood() {
    let sandbox = Sandbox::start().await;
    let page = Page::open(PAGE);
    // A source with a port has no name at the target in this form, and no registry here has none.
    write(
        &sandbox,
        "external-images.yaml",
        "targetRepoPrefix: TARGET/kyma/\nimages: []\n",
    );
    write(&sandbox, "key.json", "{}");
    let [kyma] = page.commands("From Kyma's image-syncer");
    sandbox.run_well(&kyma).await;

    write(
        &sandbox,
        "auth.json",
        r#"{"TARGET": {"username": "me", "password": "mine", "insecure": true}}"#,
    );
    write(
        &sandbox,
        "images.json",
        r#"{"SOURCE/acme/app:1.0": "TARGET/aliyun/app"}"#,
    );
    let [aliyun] = page.commands("From Aliyun's image-syncer");
    sandbox.run_well(&aliyun).await;
    assert!(sandbox.has("aliyun/app", "1.0"));
}

#[tokio::test]
async fn the_files_of_regsync_skopeo_and_dregsy_are_carried_out() {
    let sandbox = Sandbox::start().await;
    let page = Page::open(PAGE);
    write(&sandbox, "regsync.yaml", REGSYNC);
    let [once, check] = page.commands("From regsync");
    sandbox.run_well(&once).await;
    sandbox.run_well(&check).await;
    assert!(sandbox.has("regsync/nginx", "1.27"));

    let skopeo = "SOURCE: {tls-verify: false, images: {library/alpine: ['3.20']}}\n";
    write(&sandbox, "sync.yaml", skopeo);
    let commands: [String; 2] = page.commands("From skopeo sync");
    for command in commands {
        sandbox.run_well(&at_target(&sandbox, &command)).await;
    }
    assert!(sandbox.has("mirror/alpine", "3.20"));

    let dregsy = "relay: skopeo\ntasks: [{name: all, source: {registry: 'SOURCE', skip-tls-verify: true}, \
                  target: {registry: 'TARGET', skip-tls-verify: true}, \
                  mappings: [{from: library/alpine, to: dregsy/alpine, tags: ['3.20']}]}]\n";
    write(&sandbox, "dregsy.yaml", dregsy);
    let [command] = page.commands("From dregsy");
    sandbox.run_well(&command).await;
    assert!(sandbox.has("dregsy/alpine", "3.20"));

    write(&sandbox, "images.txt", "SOURCE/pause:3.9\n");
    let [command] = page.commands("From a plain list");
    sandbox.run_well(&at_target(&sandbox, &command)).await;
}
