//! Who we are to a registry: the config's own user names, passwords and tokens, then Docker's and podman's.

mod auth_file;
mod configured;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod helper;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::panics::lock;
use image_sync_shared::secret::Secret;
use tokio::time::Instant;

use self::auth_file::{Found, HelperCall};
use self::configured::AllConfigured;
use self::files::{Candidate, Loaded};
use self::helper::Helpers;
use crate::http::{RequestError, SetupError};
use crate::single_flight::{Flight, SingleFlight};

/// What credentials take from the environment. The CLI reads it; nothing here does.
#[derive(Clone, Default)]
pub struct CredentialEnv {
    /// `DOCKER_CONFIG`: the folder of Docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: podman's `auth.json`.
    pub registry_auth_file: Option<PathBuf>,
    /// `PATH`, in which credential helpers are looked for; none for that of this process.
    pub path: Option<OsString>,
    /// Looks up the variables that `password_env` and `token_env` name.
    pub variable: Option<LookUp>,
}

/// Looks up a variable of the environment.
pub type LookUp = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl fmt::Debug for CredentialEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialEnv")
            .field("docker_config", &self.docker_config)
            .field("home", &self.home)
            .field("xdg_runtime_dir", &self.xdg_runtime_dir)
            .field("registry_auth_file", &self.registry_auth_file)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A user name and a password.
    Password { username: String, password: Secret },
    /// An identity token, which a token server takes in exchange for others.
    Token(Secret),
    /// A token that the registry takes as it is.
    Bearer(Secret),
}

/// Who we are, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) identity: Identity,
    /// Where it comes from, as in "credentials from /root/.docker/config.json".
    pub(crate) origin: String,
}

/// What is known of who we are to a registry.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// Who we are; none if there are credentials nowhere, or none that can be used.
    pub(crate) credential: Option<Credential>,
    /// Without credentials: why those that there should be cannot be used.
    pub(crate) unusable: Option<Unusable>,
}

/// Credentials that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// Why, as a failure that names the file or the helper.
    pub(crate) error: RequestError,
    /// Whether it is unlikely that there are any.
    pub(crate) none_there: bool,
}

/// How long a helper that failed is not asked again: it may take long to fail, and every image of its registry asks.
const HELPER_COOLDOWN: Duration = Duration::from_secs(10);

/// Finds the credentials for a repository.
pub(crate) struct Credentials {
    configured: AllConfigured,
    candidates: Vec<Candidate>,
    files: RwLock<Arc<Vec<Loaded>>>,
    helpers: Helpers,
    asked: Mutex<HashMap<HelperCall, Answered>>,
    failed: Mutex<HashMap<HelperCall, (Instant, RequestError)>>,
}

/// What a helper answered, kept until it is refused.
type Answered = Arc<SingleFlight<Option<Identity>>>;

impl Credentials {
    /// Reads the files once, so that what is wrong with them shows before anything is contacted.
    pub(crate) fn new(
        registries: &BTreeMap<String, RegistrySettings>,
        env: &CredentialEnv,
        helper_timeout: Duration,
    ) -> Result<Self, SetupError> {
        let candidates = files::permitted(files::candidates(env));
        let files = files::load(&candidates)?;
        for file in &files {
            for why in file.content.broken() {
                let file = file.path.display();
                tracing::warn!(%file, why, "credentials that cannot be read are not used");
            }
        }
        Ok(Self {
            configured: AllConfigured::read(registries, env)?,
            candidates,
            files: RwLock::new(Arc::new(files)),
            helpers: Helpers {
                path: env.path.clone(),
                timeout: helper_timeout,
            },
            asked: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// The credentials for the repository `name` of `host`. Where a file or a helper fails, the next file is looked at.
    pub(crate) async fn find(&self, host: &str, name: &str) -> Lookup {
        if let Some(configured) = self.configured.find(host, name) {
            return Lookup::found(configured.credential());
        }
        let mut unusable = None;
        for file in self.files().iter() {
            let path = file.path.display();
            let found = match file.content.find(host, name) {
                None => continue,
                Some(Found::Here(identity)) => Ok((identity, path.to_string())),
                Some(Found::Broken(why)) => Err(Unusable::broken(
                    FailureClass::Local,
                    format!("{path}: {why}"),
                )),
                Some(Found::Helper { call, promised }) => {
                    let origin = format!("docker-credential-{}", call.helper);
                    let identity = self.of_helper(&call, promised, &file.path).await;
                    identity.map(|identity| (identity, origin))
                }
            };
            match found {
                Ok((identity, origin)) => {
                    let origin = format!("credentials from {origin}");
                    return Lookup::found(Credential { identity, origin });
                }
                // The first reason is the one to be told: that file goes before the others.
                Err(why) => unusable = unusable.or(Some(why)),
            }
        }
        Lookup {
            credential: None,
            unusable,
        }
    }

    /// The token that the registry takes as it is, if these are the credentials for the repository `name` of `host`.
    pub(crate) fn registry_token(&self, host: &str, name: &str) -> Option<Credential> {
        let credential = self.configured.find(host, name)?.credential();
        matches!(credential.identity, Identity::Bearer(_)).then_some(credential)
    }

    /// What a helper has. One that failed a moment ago is not asked.
    async fn of_helper(
        &self,
        call: &HelperCall,
        promised: bool,
        file: &Path,
    ) -> Result<Identity, Unusable> {
        let failed = || lock(&self.failed);
        let broken = |error: RequestError| {
            let answer = format!("{} (named in {})", error.answer, file.display());
            Unusable::broken(error.class, answer)
        };
        let lately = failed().get(call).cloned();
        if let Some((at, error)) = lately
            && at.elapsed() < HELPER_COOLDOWN
        {
            return Err(broken(error));
        }
        match self.ask(call, |_| true).await {
            Ok(Some(identity)) => Ok(identity),
            Ok(None) => {
                let HelperCall { helper, server } = call;
                let answer = format!("docker-credential-{helper} has none for {server}");
                if promised {
                    tracing::warn!(answer, "asking without credentials");
                }
                Err(Unusable {
                    error: RequestError::new(FailureClass::Unauthorized, answer),
                    none_there: !promised,
                })
            }
            Err(error) => {
                // Told once for as long as it fails in the same way.
                let told = failed().insert(call.clone(), (Instant::now(), error.clone()));
                if told.is_none_or(|(_, told)| told != error) {
                    tracing::warn!(answer = error.answer, "asking without credentials");
                }
                Err(broken(error))
            }
        }
    }

    /// Other credentials than those that were refused, if where they came from has some by now: files change, and what
    /// helpers give out ends.
    pub(crate) async fn renewed(
        &self,
        host: &str,
        name: &str,
        refused: &Credential,
    ) -> Option<Credential> {
        if let Some(configured) = self.configured.find(host, name) {
            configured.reload();
        } else {
            self.reload();
            let helpers = self
                .files()
                .iter()
                .filter_map(|file| match file.content.find(host, name)? {
                    Found::Helper { call, .. } => Some(call),
                    Found::Here(_) | Found::Broken(_) => None,
                })
                .collect::<Vec<_>>();
            for call in helpers {
                // What the helper gave is kept until it is refused; of those who are refused at the same time, one asks
                // anew.
                let usable = |known: &Option<Identity>| known.as_ref() != Some(&refused.identity);
                // A helper that fails now is found out by who asks it next.
                self.ask(&call, usable).await.ok();
            }
        }
        let found = self.find(host, name).await.credential;
        found.filter(|found| found.identity != refused.identity)
    }

    /// What a helper says, asked once for all who need it and as long as its answer is `usable`.
    async fn ask(
        &self,
        call: &HelperCall,
        usable: impl Fn(&Option<Identity>) -> bool,
    ) -> Result<Option<Identity>, RequestError> {
        let flight = self.flight(call);
        match flight.join(&usable).await {
            Flight::Known(identity) => Ok(identity),
            Flight::Failed(error) => Err(error),
            Flight::Leader(leader) => {
                let answer = self.helpers.ask(call).await;
                match &answer {
                    Ok(identity) if usable(identity) => leader.found(identity.clone()),
                    // Whoever waits for another answer was refused with this one too.
                    Ok(_) => leader.failed(&same_again(call)),
                    Err(error) => leader.failed(error),
                }
                answer
            }
        }
    }

    fn flight(&self, call: &HelperCall) -> Answered {
        let mut asked = lock(&self.asked);
        Arc::clone(asked.entry(call.clone()).or_default())
    }

    fn files(&self) -> Arc<Vec<Loaded>> {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again. Where that fails, what they held stays.
    fn reload(&self) {
        match files::load(&self.candidates) {
            Ok(files) => {
                *self.files.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(files);
            }
            Err(error) => tracing::warn!(%error, "credentials could not be read again"),
        }
    }
}

impl Lookup {
    fn found(credential: Credential) -> Self {
        Self {
            credential: Some(credential),
            unusable: None,
        }
    }
}

impl Unusable {
    /// The refusal of a request that was made without them.
    pub(crate) fn explains(self, refusal: &RequestError) -> RequestError {
        let (said, why) = (&refusal.answer, &self.error.answer);
        RequestError {
            status: refusal.status,
            ..self
                .error
                .told_as(format_args!("{said} (without credentials: {why})"))
        }
    }

    fn broken(class: FailureClass, answer: String) -> Self {
        Self {
            error: RequestError::new(class, answer),
            none_there: false,
        }
    }
}

fn same_again(call: &HelperCall) -> RequestError {
    let answer = format!(
        "docker-credential-{} gave again what was refused",
        call.helper
    );
    RequestError::new(FailureClass::Unauthorized, answer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use futures_util::future::join_all;

    use super::*;

    const HELPER: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/http/authorization/docker-credential-fake"
    );

    #[tokio::test]
    async fn a_helper_that_has_nothing_better_is_asked_once_by_all_who_were_refused() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("config.json", r#"{"credsStore":"fake"}"#);
        put("commands", r#"echo '{"Username":"u","Secret":"old"}'"#);
        symlink(HELPER, folder.path().join("docker-credential-fake")).unwrap();
        let env = CredentialEnv {
            docker_config: Some(folder.path().to_owned()),
            path: Some(format!("{}:/usr/bin:/bin", folder.path().display()).into()),
            ..CredentialEnv::default()
        };
        let credentials =
            Credentials::new(&BTreeMap::new(), &env, Duration::from_secs(60)).unwrap();
        let found = credentials
            .find("r.example", "app")
            .await
            .credential
            .unwrap();
        let refused = || credentials.renewed("r.example", "app", &found);
        let renewed = join_all((0..20).map(|_| refused())).await;
        assert!(renewed.iter().all(Option::is_none));
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked, "r.example\nr.example\n");
    }
}
