//! How a role reaches its queue: the NATS server that arguments name, else the environment. Nothing else but `provision` knows
//! which queue it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, value_parser};
use image_sync_queue::Ports;
use image_sync_queue::jetstream::{
    Auth, ConnectError, ConnectSettings, Connection, JetStream, Prefix, ProvisionError, Role,
    Subscription, TlsFiles,
};
use image_sync_shared::ports::QueueError;
use image_sync_shared::ports::clock::Clock;
use image_sync_shared::ports::queue::job_queue::DEFAULT_MAX_DELIVER;
use image_sync_shared::secret::Secret;
use tokio::time::sleep;
use tracing::warn;

use crate::options::Output;
use crate::process::clock::SystemClock;
use crate::process::environment::{Environment, NatsEnvironment};
use crate::process::exit::{Exit, Problem};
use crate::server::Serving;

/// The help of `--max-deliver`.
const MAX_DELIVER: &str = "Give a job up that was delivered so often without a result, as it kills its \
workers; the same for all workers and aggregators";

/// The wait before a stream is looked for again that a server lost.
const UNTIL_FOUND: Duration = Duration::from_secs(5);
const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

// Help that names variables is no doc comment, as those would have to be set in backticks.
const URL: &str = "NATS servers, as nats://HOST[:PORT] or tls://HOST[:PORT], several with commas \
[env: NATS_URL] [default: nats://127.0.0.1:4222]";
const CA: &str = "PEM file with the authorities to trust, instead of the system's [env: NATS_CA]";
const CERT: &str = "PEM file with the certificate of this client [env: NATS_CERT]";
const KEY: &str = "PEM file with its key [env: NATS_KEY]";
const USER: &str = "User of the NATS server; its password is in --nats-password-file or NATS_PASSWORD [env: NATS_USER]";
const PASSWORD_FILE: &str = "File with the password of the user [env: NATS_PASSWORD_FILE]";
const TOKEN: &str =
    "File with a token; else the token itself is in NATS_TOKEN [env: NATS_TOKEN_FILE]";
const NKEY: &str = "File with the seed of an nkey [env: NATS_NKEY]";
const CREDS: &str = "Credentials file: a JWT and the seed of its nkey [env: NATS_CREDS]";
const INBOX_PREFIX: &str = "Where answers are received, for users who may not subscribe to _INBOX \
[env: NATS_INBOX_PREFIX]";
const PREFIX: &str =
    "Sets the installations on one server apart [env: IMAGE_SYNC_PREFIX] [default: imgsync]";

/// Options of commands that list what is at a NATS server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// The list on stdout; auto is a table on a terminal and JSON otherwise
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// An option of roles that take jobs.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct MaxDeliver {
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), default_value_t = DEFAULT_MAX_DELIVER, help = MAX_DELIVER)]
    max_deliver: u64,
}

/// A queue that is open. Its ports work for as long as it lives.
pub(crate) struct OpenQueue(JetStream);

impl OpenQueue {
    /// Its ports.
    pub(crate) fn ports(&self) -> &Ports {
        self.0.ports()
    }

    /// Subscribes to a subject of other programs, as one of this group.
    pub(crate) async fn subscribe(
        &self,
        subject: &str,
        group: &str,
    ) -> Result<Subscription, QueueError> {
        self.0.connection().subscribe(subject, group).await
    }

    /// Ends what is under way there. To be called when no more jobs are pulled.
    pub(crate) async fn close(&self) -> Result<(), QueueError> {
        self.0.close().await
    }

    /// How a command ended, once the queue knows what it had open there. What it cannot be told it forgets in time.
    pub(crate) async fn ended(&self, ended: Result<Exit, Problem>) -> Result<Exit, Problem> {
        if let Err(error) = self.close().await {
            tracing::debug!(%error, "NATS could not be told that this is the end");
        }
        ended
    }
}

/// Options of every role that meets others at a NATS server.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "NATS server")]
pub(crate) struct ConnectionArgs {
    #[arg(long = "nats", value_name = "URL", value_delimiter = ',', help = URL)]
    servers: Vec<String>,
    #[arg(long = "nats-ca", value_name = "FILE", help = CA)]
    ca: Option<PathBuf>,
    #[arg(long = "nats-cert", value_name = "FILE", requires = "key", help = CERT)]
    cert: Option<PathBuf>,
    #[arg(long = "nats-key", value_name = "FILE", requires = "cert", help = KEY)]
    key: Option<PathBuf>,
    #[arg(long = "nats-user", value_name = "USER", group = "nats_auth", help = USER)]
    user: Option<String>,
    #[arg(long = "nats-password-file", value_name = "FILE", help = PASSWORD_FILE)]
    password_file: Option<PathBuf>,
    #[arg(long = "nats-token-file", value_name = "FILE", group = "nats_auth", help = TOKEN)]
    token_file: Option<PathBuf>,
    #[arg(long = "nats-nkey", value_name = "FILE", group = "nats_auth", help = NKEY)]
    nkey: Option<PathBuf>,
    #[arg(long = "nats-creds", value_name = "FILE", group = "nats_auth", help = CREDS)]
    creds: Option<PathBuf>,
    #[arg(long = "nats-inbox-prefix", value_name = "SUBJECT", value_parser = inbox_prefix, help = INBOX_PREFIX)]
    inbox_prefix: Option<String>,
    /// How long to wait for a server that is away at first, as while it restarts; 0s for not at all
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30s")]
    connect_timeout: Duration,
    #[arg(long, value_name = "NAME", help = PREFIX)]
    prefix: Option<Prefix>,
}

impl ConnectionArgs {
    /// Connects as a client called `name`.
    pub(crate) async fn connect(
        &self,
        environment: &Environment,
        name: &str,
    ) -> Result<Connection, Problem> {
        let settings = self.settings(&environment.nats, name)?;
        Connection::open(settings).await.map_err(refused)
    }

    /// Connects, and opens the queue for a command that looks at it and settles what is in it.
    pub(crate) async fn operator(&self, environment: &Environment) -> Result<OpenQueue, Problem> {
        let (deliver, unwatched) = (DEFAULT_MAX_DELIVER, Serving::nothing());
        self.open(environment, Role::Operator, deliver, &unwatched)
            .await
    }

    /// The same for a role that publishes jobs.
    pub(crate) async fn producer(&self, environment: &Environment) -> Result<OpenQueue, Problem> {
        let (deliver, unwatched) = (DEFAULT_MAX_DELIVER, Serving::nothing());
        self.open(environment, Role::Producer, deliver, &unwatched)
            .await
    }

    /// The same for a role that publishes what events lead to. What it waits for, `serving` says.
    pub(crate) async fn webhook(
        &self,
        environment: &Environment,
        serving: &Serving,
    ) -> Result<OpenQueue, Problem> {
        self.open(environment, Role::Webhook, DEFAULT_MAX_DELIVER, serving)
            .await
    }

    /// The same for a role that works jobs. What it waits for, `serving` says.
    pub(crate) async fn worker(
        &self,
        environment: &Environment,
        MaxDeliver { max_deliver }: MaxDeliver,
        serving: &Serving,
    ) -> Result<OpenQueue, Problem> {
        self.open(environment, Role::Worker, max_deliver, serving)
            .await
    }

    /// The same for a role that makes reports.
    pub(crate) async fn aggregator(
        &self,
        environment: &Environment,
        MaxDeliver { max_deliver }: MaxDeliver,
        serving: &Serving,
    ) -> Result<OpenQueue, Problem> {
        self.open(environment, Role::Aggregator, max_deliver, serving)
            .await
    }

    async fn open(
        &self,
        environment: &Environment,
        role: Role,
        max_deliver: u64,
        serving: &Serving,
    ) -> Result<OpenQueue, Problem> {
        let name = format!("image-sync {role:?}").to_lowercase();
        let connection = self.connect(environment, &name).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut waits_for = None;
        loop {
            let (connection, clock) = (connection.clone(), Arc::clone(&clock));
            match JetStream::open(connection, role, clock, max_deliver).await {
                // What was lost with a restart of the server may be back with the next one.
                Err(error @ ProvisionError::Lost { .. }) if role.lasts() => {
                    let error = error.to_string();
                    serving.waits_for(error.clone());
                    if waits_for.as_ref() != Some(&error) {
                        warn!(error, "waiting until it is there");
                        waits_for = Some(error);
                    }
                    sleep(UNTIL_FOUND).await;
                }
                opened => return opened.map(OpenQueue).map_err(unfit),
            }
        }
    }

    fn settings(
        &self,
        environment: &NatsEnvironment,
        name: &str,
    ) -> Result<ConnectSettings, Problem> {
        let servers = match (self.servers.as_slice(), &environment.url) {
            ([], Some(urls)) => urls.split(',').map(str::to_owned).collect(),
            ([], None) => vec![DEFAULT_URL.to_owned()],
            (named, _) => named.to_vec(),
        };
        Ok(ConnectSettings {
            servers,
            tls: TlsFiles {
                ca_file: either(self.ca.as_ref(), environment.ca.as_ref()),
                cert_file: either(self.cert.as_ref(), environment.cert.as_ref()),
                key_file: either(self.key.as_ref(), environment.key.as_ref()),
            },
            auth: self.auth(environment)?,
            prefix: self.prefix(environment)?,
            name: name.to_owned(),
            inbox_prefix: self.inbox_prefix(environment)?,
            connect_timeout: self.connect_timeout,
            ..ConnectSettings::new("")
        })
    }

    /// What the command line says goes before what the environment says.
    fn auth(&self, environment: &NatsEnvironment) -> Result<Auth, Problem> {
        if let Some(file) = &self.creds {
            return Ok(Auth::CredsFile(file.clone()));
        }
        if let Some(file) = &self.nkey {
            return Ok(Auth::NkeySeed(secret_in(file)?));
        }
        if let Some(file) = &self.token_file {
            return Ok(Auth::Token(secret_in(file)?));
        }
        match (&self.user, &environment.creds, &environment.nkey) {
            (None, Some(file), _) => Ok(Auth::CredsFile(file.clone())),
            (None, None, Some(file)) => Ok(Auth::NkeySeed(secret_in(file)?)),
            _ => self.auth_of_user(environment),
        }
    }

    fn auth_of_user(&self, environment: &NatsEnvironment) -> Result<Auth, Problem> {
        if let Some(user) = either(self.user.as_ref(), environment.user.as_ref()) {
            let password = self.password(environment)?;
            return Ok(Auth::Password { user, password });
        }
        match (&environment.token, &environment.token_file) {
            (Some(token), _) => Ok(Auth::Token(token.clone())),
            (None, Some(file)) => Ok(Auth::Token(secret_in(file)?)),
            (None, None) => Ok(Auth::None),
        }
    }

    fn prefix(&self, environment: &NatsEnvironment) -> Result<Prefix, Problem> {
        match (&self.prefix, &environment.prefix) {
            (Some(prefix), _) => Ok(prefix.clone()),
            (None, Some(text)) => text
                .parse()
                .map_err(|error| Problem::usage(format!("IMAGE_SYNC_PREFIX={text}: {error}"))),
            (None, None) => Ok(Prefix::default()),
        }
    }

    fn inbox_prefix(&self, environment: &NatsEnvironment) -> Result<Option<String>, Problem> {
        match (&self.inbox_prefix, &environment.inbox_prefix) {
            (None, Some(text)) => inbox_prefix(text)
                .map(Some)
                .map_err(|error| Problem::usage(format!("NATS_INBOX_PREFIX={text}: {error}"))),
            (named, _) => Ok(named.clone()),
        }
    }

    fn password(&self, environment: &NatsEnvironment) -> Result<Secret, Problem> {
        match (
            &self.password_file,
            &environment.password,
            &environment.password_file,
        ) {
            (Some(file), _, _) | (None, None, Some(file)) => secret_in(file),
            (None, Some(password), _) => Ok(password.clone()),
            (None, None, None) => Err(Problem::usage(
                "the NATS user has no password, expected one in --nats-password-file, NATS_PASSWORD or \
                 NATS_PASSWORD_FILE",
            )),
        }
    }
}

/// What the command line says, else what the environment says.
fn either<T: Clone>(named: Option<&T>, environment: Option<&T>) -> Option<T> {
    named.or(environment).cloned()
}

/// Understands the first tokens of a subject.
fn inbox_prefix(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_token = |token: &str| !token.is_empty() && token.chars().all(is_plain);
    let valid = text.split('.').all(is_token);
    let expected = || "expected a subject without wildcards, as in _INBOX_worker".to_owned();
    valid.then(|| text.to_owned()).ok_or_else(expected)
}

/// The secret in a file, without the line's end.
pub(crate) fn secret_in(file: &Path) -> Result<Secret, Problem> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(error) => Err(Problem::usage(format!(
            "{} cannot be read: {error}",
            file.display()
        ))),
    }
}

fn refused(error: ConnectError) -> Problem {
    match error {
        ConnectError::Settings(what) => Problem::usage(what),
        error => Problem::not_carried_out(error),
    }
}

/// What is there is not what a role needs, or what was asked for cannot be.
pub(crate) fn unfit(error: ProvisionError) -> Problem {
    match error {
        ProvisionError::Settings(what) => Problem::usage(what),
        error => Problem::not_carried_out(error),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        connection: ConnectionArgs,
    }

    fn parsed(line: &str) -> Result<ConnectionArgs, clap::Error> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Only::try_parse_from(words).map(|only| only.connection)
    }

    fn environment() -> NatsEnvironment {
        NatsEnvironment {
            url: Some("nats://a,nats://b".to_owned()),
            user: Some("me".to_owned()),
            password: Some(Secret::new("p")),
            token: Some(Secret::new("t")),
            ..NatsEnvironment::default()
        }
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_that_before_the_default() {
        let servers = |line: &str, environment: &NatsEnvironment| {
            parsed(line)
                .unwrap()
                .settings(environment, "n")
                .unwrap()
                .servers
        };
        let empty = NatsEnvironment::default();
        assert_eq!(servers("", &empty), [DEFAULT_URL]);
        assert_eq!(servers("", &environment()), ["nats://a", "nats://b"]);
        assert_eq!(servers("--nats tls://c", &environment()), ["tls://c"]);
    }

    #[test]
    fn who_the_client_is_comes_from_files_or_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "s3cret\n").unwrap();
        let auth = |line: &str, environment: &NatsEnvironment| {
            let line = line.replace("FILE", file.to_str().unwrap());
            parsed(&line).unwrap().auth(environment)
        };
        let secret = || Secret::new("s3cret");
        let user = |user: &str, password: Secret| Auth::Password {
            user: user.to_owned(),
            password,
        };
        let (empty, full) = (NatsEnvironment::default(), environment());
        assert_eq!(auth("", &empty).unwrap(), Auth::None);
        assert_eq!(auth("", &full).unwrap(), user("me", Secret::new("p")));
        let named = auth("--nats-user you --nats-password-file FILE", &full);
        assert_eq!(named.unwrap(), user("you", secret()));
        let token = auth("--nats-token-file FILE", &full).unwrap();
        assert_eq!(token, Auth::Token(secret()));
        let nkey = auth("--nats-nkey FILE", &full).unwrap();
        assert_eq!(nkey, Auth::NkeySeed(secret()));
        let creds = auth("--nats-creds FILE", &full).unwrap();
        assert_eq!(creds, Auth::CredsFile(file.clone()));
        for line in ["--nats-user you", "--nats-token-file FILE.gone"] {
            let problem = auth(line, &empty).unwrap_err();
            assert_eq!(problem.exit, Exit::Usage, "{problem}");
        }
    }

    #[test]
    fn every_file_and_name_may_come_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "s3cret\n").unwrap();
        let some = |text: &str| Some(text.to_owned());
        let path = |text: &str| Some(PathBuf::from(text));
        let user = NatsEnvironment {
            user: some("worker"),
            password_file: Some(file.clone()),
            ca: path("ca"),
            cert: path("cert"),
            key: path("key"),
            inbox_prefix: some("_INBOX_worker"),
            prefix: some("team"),
            ..NatsEnvironment::default()
        };
        let found = parsed("").unwrap().settings(&user, "n").unwrap();
        let password = Secret::new("s3cret");
        let user_named = |name: &str| Auth::Password {
            user: name.to_owned(),
            password: password.clone(),
        };
        assert_eq!(found.auth, user_named("worker"));
        assert_eq!(found.prefix.as_str(), "team");
        assert_eq!(found.inbox_prefix, some("_INBOX_worker"));
        let TlsFiles {
            ca_file,
            cert_file,
            key_file,
        } = found.tls;
        assert_eq!(
            [ca_file, cert_file, key_file],
            [path("ca"), path("cert"), path("key")]
        );

        let token = NatsEnvironment {
            token_file: Some(file.clone()),
            ..NatsEnvironment::default()
        };
        let found = parsed("").unwrap().auth(&token).unwrap();
        assert_eq!(found, Auth::Token(password.clone()));

        let with_nkey = NatsEnvironment {
            nkey: Some(file.clone()),
            ..user.clone()
        };
        let with_creds = NatsEnvironment {
            creds: Some(file.clone()),
            ..with_nkey.clone()
        };
        let auth =
            |line: &str, environment: &NatsEnvironment| parsed(line).unwrap().auth(environment);
        assert_eq!(
            auth("", &with_nkey).unwrap(),
            Auth::NkeySeed(password.clone())
        );
        assert_eq!(auth("", &with_creds).unwrap(), Auth::CredsFile(file));
        assert_eq!(
            auth("--nats-user you", &with_creds).unwrap(),
            user_named("you")
        );
    }

    #[test]
    fn names_of_the_environment_that_are_none_are_refused_with_the_variable() {
        let environment = NatsEnvironment {
            prefix: Some("Team.A".to_owned()),
            inbox_prefix: Some("_INBOX.>".to_owned()),
            ..NatsEnvironment::default()
        };
        let none = parsed("").unwrap();
        let problems = [
            none.prefix(&environment).unwrap_err().to_string(),
            none.inbox_prefix(&environment).unwrap_err().to_string(),
        ];
        assert!(
            problems[0].starts_with("IMAGE_SYNC_PREFIX=Team.A: "),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("NATS_INBOX_PREFIX=_INBOX.>: "),
            "{problems:?}"
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for line in [
            "--nats-creds a --nats-nkey b",
            "--nats-user a --nats-token-file b",
            "--nats-cert a",
            "--prefix Team.A",
            "--nats-inbox-prefix _INBOX.>",
            "--nats-inbox-prefix .a",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
