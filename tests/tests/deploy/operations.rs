//! docs/operations.md: the configs on it are ones that a server takes.

use std::fs;
use std::process::Command;

use crate::files::text_of;
use tempfile::TempDir;

#[test]
fn the_config_of_a_cluster_of_three_is_one_that_nats_server_takes() {
    let page = text_of("docs/operations.md");
    let block = page.split("```conf\n").nth(1).unwrap();
    let cluster = block.split("```").next().unwrap();
    assert!(cluster.contains("server_name: nats-0"));
    // A config is that of `deploy/nats.conf` and this.
    let single = text_of("deploy/nats.conf");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("nats.conf");
    fs::write(&file, single + cluster).unwrap();
    let mut server = Command::new("nats-server");
    server.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin");
    let tested = server.arg("-t").arg("-c").arg(&file).output();
    let tested = tested.expect("nats-server, of Debian's package of this name");
    assert!(tested.status.success(), "{tested:#?}");
}
