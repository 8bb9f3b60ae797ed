//! Containers without an engine: a command runs as an unprivileged user in a file system of its own, made of what it is
//! given and nothing else, with bubblewrap. It shares the network of the machine, on a loopback address of its own.

mod network;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::{Ended, Running};

pub use network::Network;

/// The user of the image.
pub const USER: u32 = 65_532;

/// Names a root file system that the image was unpacked to: containers of image-sync then run from it.
const ROOTFS: &str = "IMAGE_SYNC_ROOTFS";
/// Where the program is in the image.
const PROGRAM: &str = "/usr/local/bin/image-sync";
const MISSING: &str =
    "the program bwrap, of Debian's package bubblewrap: apt-get install bubblewrap";

/// A folder or file that a container sees.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where it is on this machine.
    pub source: PathBuf,
    /// Where the container sees it.
    pub target: String,
    /// Whether it can only be read there.
    pub read_only: bool,
}

/// What runs, and what it sees.
#[derive(Clone, Debug, Default)]
pub struct Container {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its environment, and no other.
    pub environment: BTreeMap<String, String>,
    /// What of this machine it sees, besides its programs.
    pub mounts: Vec<Mount>,
    /// Folders that are empty and can be written.
    pub tmpfs: Vec<String>,
    /// Whether all else can only be read.
    pub read_only: bool,
    /// Whether it has no network.
    pub offline: bool,
    /// The user and the group.
    pub user: u32,
}

impl Container {
    /// Starts it. `binary` is image-sync's, for commands that name that.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "without the program there is no test")]
    #[must_use = "a container that is dropped is killed"]
    pub fn start(&self, binary: &str) -> Running {
        Running::inside(self.bubblewrap(binary).spawn().expect(MISSING))
    }

    /// Runs it to its end.
    pub async fn run(&self, binary: &str) -> Ended {
        self.start(binary).ended().await
    }

    fn bubblewrap(&self, binary: &str) -> Command {
        let mut bubblewrap = Command::new("bwrap");
        let user = self.user.to_string();
        bubblewrap.args(["--die-with-parent", "--unshare-user", "--unshare-ipc"]);
        bubblewrap.args(["--uid", &user, "--gid", &user, "--clearenv"]);
        if self.offline {
            bubblewrap.arg("--unshare-net");
        }
        bubblewrap.args(self.root(binary));
        bubblewrap.args(["--proc", "/proc", "--dev", "/dev"]);
        for folder in &self.tmpfs {
            bubblewrap.args(["--tmpfs", folder]);
        }
        for mount in &self.mounts {
            let how = if mount.read_only {
                "--ro-bind"
            } else {
                "--bind"
            };
            bubblewrap.arg(how).arg(&mount.source).arg(&mount.target);
        }
        if self.read_only {
            bubblewrap.args(["--remount-ro", "/"]);
        }
        for (name, value) in &self.environment {
            bubblewrap.args(["--setenv", name, value]);
        }
        bubblewrap
            .arg("--")
            .args(&self.command)
            .env_clear()
            // Debian keeps servers in /usr/sbin, which is not on every user's PATH.
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        bubblewrap
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "which image is tried is said by who runs the tests"
    )]
    /// The image of image-sync, if there is one; else this machine's programs, and image-sync where the image has it.
    fn root(&self, binary: &str) -> Vec<OsString> {
        let is_ours = self
            .command
            .first()
            .is_some_and(|name| name == "image-sync");
        if let Some(rootfs) = std::env::var_os(ROOTFS).filter(|_| is_ours) {
            let mut root = ["--setenv", "PATH", "/usr/local/bin"]
                .map(OsString::from)
                .to_vec();
            unpacked(Path::new(&rootfs), Path::new("/"), &mut root);
            return root;
        }
        let mut root = Vec::new();
        // Of the machine's own /usr/local nothing is seen.
        for folder in ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share"] {
            root.extend(["--ro-bind", folder, folder].map(OsString::from));
        }
        for (folder, link) in LINKS.iter().filter(|(_, link)| Path::new(link).exists()) {
            root.extend(["--symlink", folder, link].map(OsString::from));
        }
        root.extend(["--ro-bind", binary, PROGRAM].map(OsString::from));
        root.extend(["--ro-bind-try", "/usr/lib64", "/usr/lib64"].map(OsString::from));
        let path = "/usr/local/bin:/usr/bin:/usr/sbin";
        root.extend(["--setenv", "PATH", path].map(OsString::from));
        root
    }
}

/// What is in a folder of an image, each file by itself: what is mounted beside them gets a place in memory, as an engine
/// makes one in a layer of the container.
#[expect(clippy::expect_used, reason = "without the image there is no test")]
fn unpacked(rootfs: &Path, at: &Path, arguments: &mut Vec<OsString>) {
    let inside = at.strip_prefix("/").expect("a path of the image");
    let entries = rootfs
        .join(inside)
        .read_dir()
        .expect("a folder of the image");
    for entry in entries {
        let entry = entry.expect("an entry of the image");
        let (source, target) = (entry.path(), at.join(entry.file_name()));
        let kind = entry.file_type().expect("its kind");
        if kind.is_dir() {
            arguments.extend(["--dir".into(), target.clone().into()]);
            unpacked(rootfs, &target, arguments);
        } else if kind.is_symlink() {
            let link = source.read_link().expect("a link of the image");
            arguments.extend(["--symlink".into(), link.into(), target.into()]);
        } else {
            arguments.extend(["--ro-bind".into(), source.into(), target.into()]);
        }
    }
}

const LINKS: [(&str, &str); 4] = [
    ("usr/bin", "/bin"),
    ("usr/sbin", "/sbin"),
    ("usr/lib", "/lib"),
    ("usr/lib64", "/lib64"),
];
