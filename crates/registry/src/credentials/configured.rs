//! The credentials of the config itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use image_sync_shared::config::{Login, PasswordSource, RegistrySettings};
use image_sync_shared::secret::Secret;

use super::{Credential, CredentialEnv, Identity};
use crate::http::SetupError;

/// Those of the config, by host: the ones for the longest path first.
pub(super) struct AllConfigured(BTreeMap<String, Vec<Configured>>);

/// A user name and password of the config, or a token.
pub(super) struct Configured {
    /// The repositories that it is for: this one and those below it, all if it is empty.
    path: String,
    /// None with a token.
    username: Option<String>,
    secret: RwLock<Secret>,
    /// The file it is from.
    file: Option<PathBuf>,
    origin: String,
}

impl AllConfigured {
    /// Reads what the config names.
    pub(super) fn read(
        registries: &BTreeMap<String, RegistrySettings>,
        env: &CredentialEnv,
    ) -> Result<Self, SetupError> {
        let mut all = BTreeMap::new();
        for (host, settings) in registries {
            let own = Login {
                username: settings.username.clone(),
                password: settings.password.clone(),
                token: settings.token.clone(),
            };
            let of_paths = settings.paths.iter();
            let logins = of_paths.map(|(path, login)| (path.as_str(), login));
            let read = logins
                .chain([("", &own)])
                .filter_map(|(path, login)| Configured::read(host, path, login, env).transpose());
            let mut read = read.collect::<Result<Vec<_>, _>>()?;
            read.sort_by_key(|configured| std::cmp::Reverse(configured.path.len()));
            if !read.is_empty() {
                all.insert(host.clone(), read);
            }
        }
        Ok(Self(all))
    }

    /// Those for the repository `name` of `host`.
    pub(super) fn find(&self, host: &str, name: &str) -> Option<&Configured> {
        let of_host = self.0.get(host)?;
        of_host.iter().find(|configured| configured.is_for(name))
    }
}

impl Configured {
    fn read(
        host: &str,
        path: &str,
        login: &Login,
        env: &CredentialEnv,
    ) -> Result<Option<Self>, SetupError> {
        let place = match path {
            "" => format!("registries.{host}"),
            path => format!("registries.{host}/{path}"),
        };
        let (username, source) = match (&login.token, &login.username, &login.password) {
            (Some(token), None, None) => (None, token),
            (None, Some(username), Some(password)) => (Some(username.clone()), password),
            (None, None, None) => return Ok(None),
            (None, Some(_), None) => {
                return Err(SetupError::new(place, "it has a username and no password"));
            }
            (None, None, Some(_)) => {
                return Err(SetupError::new(place, "it has a password and no username"));
            }
            (Some(_), _, _) => {
                let problem = "it has a token and a username or a password";
                return Err(SetupError::new(place, problem));
            }
        };
        let what = if username.is_some() {
            "a password"
        } else {
            "a token"
        };
        let (secret, file) = match source {
            PasswordSource::Inline(secret) => (secret.clone(), None),
            PasswordSource::File(path) => (read_file(path, what)?, Some(path.clone())),
            PasswordSource::Env(name) => (read_variable(&place, name, what, env)?, None),
        };
        Ok(Some(Self {
            path: path.to_owned(),
            username,
            secret: RwLock::new(secret),
            file,
            origin: format!("credentials from {place}"),
        }))
    }

    /// A path ends where a component of the name does.
    fn is_for(&self, name: &str) -> bool {
        let below = name.strip_prefix(&self.path);
        self.path.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) fn credential(&self) -> Credential {
        let secret = self.secret.read().unwrap_or_else(PoisonError::into_inner);
        let identity = match &self.username {
            Some(username) => Identity::Password {
                username: username.clone(),
                password: secret.clone(),
            },
            None => Identity::Bearer(secret.clone()),
        };
        Credential {
            identity,
            origin: self.origin.clone(),
        }
    }

    /// Reads its file again, if it has one. Where that fails, what it held stays.
    pub(super) fn reload(&self) {
        let Some(file) = &self.file else {
            return;
        };
        match read_file(file, "a secret") {
            Ok(secret) => {
                *self.secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
            }
            Err(error) => tracing::warn!(%error, "a password or token could not be read again"),
        }
    }
}

fn read_file(path: &Path, what: &str) -> Result<Secret, SetupError> {
    let refuse = |problem: String| SetupError::new(path.display().to_string(), problem);
    let text =
        fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    match without_line_break(&text) {
        "" => Err(refuse(format!("it is empty; expected {what}"))),
        secret => Ok(Secret::new(secret)),
    }
}

fn read_variable(
    place: &str,
    name: &str,
    what: &str,
    env: &CredentialEnv,
) -> Result<Secret, SetupError> {
    let value = env.variable.as_ref().and_then(|look_up| look_up(name));
    value
        .as_deref()
        .map(without_line_break)
        .filter(|value| !value.is_empty())
        .map(Secret::new)
        .ok_or_else(|| {
            SetupError::new(
                place,
                format!("the variable {name} is not set; expected {what}"),
            )
        })
}

/// Editors end a file with a line break, and so do variables that are filled from one: it is no part of the password.
fn without_line_break(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn registries(
        username: Option<&str>,
        password: Option<PasswordSource>,
    ) -> BTreeMap<String, RegistrySettings> {
        let settings = RegistrySettings {
            username: username.map(str::to_owned),
            password,
            ..RegistrySettings::default()
        };
        BTreeMap::from([("r.example".to_owned(), settings)])
    }

    fn password(configured: &Configured) -> String {
        match configured.credential().identity {
            Identity::Password { password, .. } => password.reveal().to_owned(),
            Identity::Bearer(token) => token.reveal().to_owned(),
            Identity::Token(_) => panic!("a config has no identity tokens"),
        }
    }

    fn read(password: PasswordSource) -> Result<Configured, String> {
        let env = CredentialEnv {
            variable: Some(Arc::new(|name| {
                let set = [("SET", "from env\r\n"), ("BLANK", "\n")];
                let found = set.into_iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_owned())
            })),
            ..CredentialEnv::default()
        };
        let configured = AllConfigured::read(&registries(Some("u"), Some(password)), &env);
        let only = |mut all: AllConfigured| all.0.remove("r.example").unwrap().remove(0);
        configured.map(only).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_in_the_config_a_file_or_a_variable() {
        let inline = PasswordSource::Inline(Secret::new("inline"));
        assert_eq!(password(&read(inline).unwrap()), "inline");
        assert_eq!(
            password(&read(PasswordSource::Env("SET".to_owned())).unwrap()),
            "from env"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "first\n").unwrap();
        let configured = read(PasswordSource::File(path.clone())).unwrap();
        assert_eq!(password(&configured), "first");
        fs::write(&path, "second\r\n").unwrap();
        configured.reload();
        assert_eq!(password(&configured), "second");
        fs::remove_file(&path).unwrap();
        configured.reload();
        assert_eq!(password(&configured), "second");
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |source| read(source).err().unwrap();
        for name in ["UNSET", "BLANK"] {
            let refused = refused(PasswordSource::Env(name.to_owned()));
            let expected = format!("registries.r.example: the variable {name}");
            assert!(refused.contains(&expected), "{refused}");
        }
        assert!(
            refused(PasswordSource::File("/missing/password".into()))
                .contains("/missing/password: cannot be read")
        );
        let half = |username, password| {
            AllConfigured::read(&registries(username, password), &CredentialEnv::default())
                .err()
                .unwrap()
                .to_string()
        };
        assert!(half(Some("u"), None).contains("no password"));
        let secret = PasswordSource::Inline(Secret::new("p"));
        assert!(half(None, Some(secret)).contains("no username"));
    }

    #[test]
    fn the_credentials_of_the_longest_path_count() {
        let inline = |text: &str| Some(PasswordSource::Inline(Secret::new(text)));
        let token = |text: &str| Login {
            token: inline(text),
            ..Login::default()
        };
        let paths = [
            ("team", "of team"),
            ("team/web", "of web"),
            ("other", "of other"),
        ];
        let paths = paths.map(|(path, text)| (path.to_owned(), token(text)));
        let with_own = RegistrySettings {
            username: Some("u".to_owned()),
            password: inline("of host"),
            paths: paths.clone().into(),
            ..RegistrySettings::default()
        };
        let without = RegistrySettings {
            paths: paths.into(),
            ..RegistrySettings::default()
        };
        let registries = [("r.example", with_own), ("s.example", without)];
        let registries = registries.map(|(host, settings)| (host.to_owned(), settings));
        let all = AllConfigured::read(&registries.into(), &CredentialEnv::default()).unwrap();
        for (name, expected) in [
            ("team", "of team"),
            ("team/app", "of team"),
            ("team/web", "of web"),
            ("team/web/a/b", "of web"),
            ("team/website", "of team"),
            ("teams", "of host"),
            ("a/team", "of host"),
        ] {
            assert_eq!(
                password(all.find("r.example", name).unwrap()),
                expected,
                "{name}"
            );
        }
        assert!(all.find("s.example", "teams").is_none());
        let found = all.find("s.example", "other/app").unwrap().credential();
        assert_eq!(found.origin, "credentials from registries.s.example/other");
        assert_eq!(found.identity, Identity::Bearer(Secret::new("of other")));
    }
}
