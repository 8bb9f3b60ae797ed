//! The user names and passwords of the config itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use image_sync_shared::config::{PasswordSource, RegistrySettings};
use image_sync_shared::secret::Secret;

use super::{Credential, CredentialEnv, Identity};
use crate::http::SetupError;

/// A user name and password of the config.
pub(super) struct Configured {
    username: String,
    password: RwLock<Secret>,
    /// The file it is from.
    file: Option<PathBuf>,
    origin: String,
}

/// Those of all registries that have one.
pub(super) fn all(
    registries: &BTreeMap<String, RegistrySettings>,
    env: &CredentialEnv,
) -> Result<BTreeMap<String, Configured>, SetupError> {
    let each = registries.iter().map(|(host, settings)| {
        let configured = Configured::read(host, settings, env)?;
        Ok(configured.map(|configured| (host.clone(), configured)))
    });
    each.filter_map(Result::transpose).collect()
}

impl Configured {
    fn read(
        host: &str,
        settings: &RegistrySettings,
        env: &CredentialEnv,
    ) -> Result<Option<Self>, SetupError> {
        let place = format!("registries.{host}");
        let (username, source) = match (&settings.username, &settings.password) {
            (Some(username), Some(source)) => (username, source),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(SetupError::new(place, "it has a username and no password"));
            }
            (None, Some(_)) => {
                return Err(SetupError::new(place, "it has a password and no username"));
            }
        };
        let (password, file) = match source {
            PasswordSource::Inline(secret) => (secret.clone(), None),
            PasswordSource::File(path) => (read_file(path)?, Some(path.clone())),
            PasswordSource::Env(name) => (read_variable(&place, name, env)?, None),
        };
        Ok(Some(Self {
            username: username.clone(),
            password: RwLock::new(password),
            file,
            origin: format!("credentials from {place}"),
        }))
    }

    pub(super) fn credential(&self) -> Credential {
        let password = self.password.read().unwrap_or_else(PoisonError::into_inner);
        Credential {
            identity: Identity::Password {
                username: self.username.clone(),
                password: password.clone(),
            },
            origin: self.origin.clone(),
        }
    }

    /// Reads its file again, if it has one. Where that fails, the password stays.
    pub(super) fn reload(&self) {
        let Some(file) = &self.file else {
            return;
        };
        match read_file(file) {
            Ok(secret) => {
                *self
                    .password
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = secret;
            }
            Err(error) => tracing::warn!(%error, "a password could not be read again"),
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, SetupError> {
    let refuse = |problem: String| SetupError::new(path.display().to_string(), problem);
    let text =
        fs::read_to_string(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    match without_line_break(&text) {
        "" => Err(refuse("it is empty; expected a password".to_owned())),
        password => Ok(Secret::new(password)),
    }
}

fn read_variable(place: &str, name: &str, env: &CredentialEnv) -> Result<Secret, SetupError> {
    let value = env.variable.as_ref().and_then(|look_up| look_up(name));
    value
        .as_deref()
        .map(without_line_break)
        .filter(|value| !value.is_empty())
        .map(Secret::new)
        .ok_or_else(|| {
            SetupError::new(
                place,
                format!("the variable {name} is not set; expected a password"),
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
        let configured = all(&registries(Some("u"), Some(password)), &env);
        configured
            .map(|mut configured| configured.remove("r.example").unwrap())
            .map_err(|error| error.to_string())
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
            all(&registries(username, password), &CredentialEnv::default())
                .err()
                .unwrap()
                .to_string()
        };
        assert!(half(Some("u"), None).contains("no password"));
        let secret = PasswordSource::Inline(Secret::new("p"));
        assert!(half(None, Some(secret)).contains("no username"));
    }
}
