//! Debian's docker-registry (distribution 2.8).

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::access_log::LoggedRequest;
use super::http::Server;
use super::process::{Process, missing};
use super::push::push;
use crate::fake_registry::{ISSUER, SERVICE, TokenSigner};
use crate::images::Image;
use crate::tls::PrivateCa;

/// A registry with its storage in a temporary folder.
pub struct DockerRegistry {
    host: String,
    server: Server,
    process: Process,
    forgotten: AtomicUsize,
    marks: AtomicUsize,
    // Removed when dropped, after the process was killed.
    _folder: TempDir,
}

/// What a registry is to be like.
#[derive(Clone, Default)]
pub struct DockerRegistryBuilder {
    credentials: Option<(String, String)>,
    tls: Option<PrivateCa>,
    tokens: Option<(TokenSigner, String)>,
    in_memory: bool,
    notifies: Option<(String, String)>,
}

impl DockerRegistryBuilder {
    /// Wants a user name and a password (htpasswd).
    #[must_use]
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Speaks TLS, with a certificate of this authority.
    #[must_use]
    pub fn tls(mut self, ca: &PrivateCa) -> Self {
        self.tls = Some(ca.clone());
        self
    }

    /// Wants tokens of this signer, and sends clients to `realm` for them, as in `http://127.0.0.1:4711/token`.
    #[must_use]
    pub fn tokens(mut self, signer: &TokenSigner, realm: &str) -> Self {
        self.tokens = Some((signer.clone(), realm.to_owned()));
        self
    }

    /// Tells `url` of what is pushed and deleted, with this value of the header Authorization, again and again until it is taken.
    #[must_use]
    pub fn notifies(mut self, url: &str, authorization: &str) -> Self {
        self.notifies = Some((url.to_owned(), authorization.to_owned()));
        self
    }

    /// Keeps its storage in /dev/shm where there is one, so that a benchmark does not measure the disk.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Starts it, and returns when it listens.
    pub async fn start(self) -> io::Result<DockerRegistry> {
        let memory = Path::new("/dev/shm");
        let folder = if self.in_memory && memory.is_dir() {
            TempDir::new_in(memory)?
        } else {
            TempDir::new()?
        };
        let config = folder.path().join("config.yml");
        fs::write(&config, self.config(folder.path())?)?;
        let arguments = [OsStr::new("serve"), config.as_os_str()];
        let program = OsStr::new("docker-registry");
        let process = Process::start(program, "docker-registry", &arguments)?;
        let host = process.output().wait_for(listening).await?;
        let server = Server {
            address: host.clone(),
            tls: self
                .tls
                .as_ref()
                .map(PrivateCa::client_config)
                .transpose()?,
            authorization: self.credentials.as_ref().map(|(user, password)| {
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }),
        };
        Ok(DockerRegistry {
            host,
            server,
            process,
            forgotten: AtomicUsize::new(0),
            marks: AtomicUsize::new(0),
            _folder: folder,
        })
    }

    fn config(&self, folder: &Path) -> io::Result<String> {
        let storage = folder.join("storage");
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  cache: {{blobdescriptor: inmemory}}\n  \
             filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:0\n",
            storage.display()
        );
        if let Some(ca) = &self.tls {
            let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
            fs::write(&certificate, ca.certificate_pem())?;
            fs::write(&key, ca.key_pem())?;
            let (certificate, key) = (certificate.display(), key.display());
            let tls = writeln!(config, "  tls: {{certificate: {certificate}, key: {key}}}");
            tls.map_err(io::Error::other)?;
        }
        if let Some((user, password)) = &self.credentials {
            let path = folder.join("htpasswd");
            fs::write(&path, htpasswd(user, password)?)?;
            let path = path.display();
            let auth = write!(
                config,
                "auth:\n  htpasswd: {{realm: registry, path: {path}}}\n"
            );
            auth.map_err(io::Error::other)?;
        }
        if let Some((signer, realm)) = &self.tokens {
            let path = folder.join("tokens.pem");
            fs::write(&path, signer.certificate_pem())?;
            let path = path.display();
            let auth = write!(
                config,
                "auth:\n  token: {{realm: \"{realm}\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {path}}}\n"
            );
            auth.map_err(io::Error::other)?;
        }
        if let Some((url, authorization)) = &self.notifies {
            let notifications = write!(
                config,
                "notifications:\n  endpoints:\n  - name: test\n    url: {url}\n    headers: {{Authorization: [\"{authorization}\"]}}\n    \
                 timeout: 8s\n    threshold: 3\n    backoff: 100ms\n    \
                 ignore: {{mediatypes: [application/octet-stream], actions: [pull, mount]}}\n"
            );
            notifications.map_err(io::Error::other)?;
        }
        Ok(config)
    }
}

impl DockerRegistry {
    /// An open registry over plain HTTP.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// A registry that is to be something else.
    #[must_use]
    pub fn builder() -> DockerRegistryBuilder {
        DockerRegistryBuilder::default()
    }

    /// Its address, as it stands before an image's name: `127.0.0.1:4711`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name of an image in it: `127.0.0.1:4711/repository:tag`.
    #[must_use]
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.host)
    }

    /// The id of its process, as for signals.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// All that it wrote.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process.output().lines()
    }

    /// Pushes an image with all that belongs to it, byte for byte. It shows in the access log.
    pub async fn push(&self, repository: &str, tag: &str, image: &Image) -> io::Result<()> {
        push(&self.server, repository, tag, image).await
    }

    /// All requests since the start, or since [`Self::forget_requests`], in the order in which they were done.
    pub async fn requests(&self) -> io::Result<Vec<LoggedRequest>> {
        let all = self.all_requests().await?;
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        Ok(all.into_iter().skip(forgotten).collect())
    }

    /// How many requests of this method (`*`: any) had a path like `pattern`, where `*` stands for any text.
    pub async fn count(&self, method: &str, pattern: &str) -> io::Result<usize> {
        let requests = self.requests().await?;
        Ok(requests.iter().filter(|r| r.is(method, pattern)).count())
    }

    /// Leaves the requests so far out of [`Self::requests`].
    pub async fn forget_requests(&self) -> io::Result<()> {
        let count = self.all_requests().await?.len();
        self.forgotten.store(count, Ordering::SeqCst);
        Ok(())
    }

    /// A line is logged just after its answer was sent. So this makes two requests of its own, one after the other,
    /// and waits for their lines: by the second, the lines of all earlier answers are there.
    async fn all_requests(&self) -> io::Result<Vec<LoggedRequest>> {
        for _ in 0..2 {
            let mark = self.marks.fetch_add(1, Ordering::SeqCst);
            let path = format!("/{MARK}{mark}");
            self.server.request("GET", &path, "", &[]).await?;
            let is_mark = |line: &str| LoggedRequest::parse(line).filter(|r| r.path == path);
            self.process.output().wait_for(is_mark).await?;
        }
        let lines = self.log();
        let requests = lines.iter().filter_map(|line| LoggedRequest::parse(line));
        Ok(requests
            .filter(|r| !r.path[1..].starts_with(MARK))
            .collect())
    }
}

const MARK: &str = "mark-of-the-test-";

/// The address in the line `... msg="listening on 127.0.0.1:4711" ...`, where TLS adds `, tls`.
fn listening(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    let end = rest.find(['"', ','])?;
    Some(rest[..end].to_owned())
}

fn htpasswd(user: &str, password: &str) -> io::Result<Vec<u8>> {
    let program = OsStr::new("htpasswd");
    let output = Command::new(program)
        .args(["-nbB", user, password])
        .output()
        .map_err(|error| missing(program, "apache2-utils", &error))?;
    Ok(output.stdout)
}
