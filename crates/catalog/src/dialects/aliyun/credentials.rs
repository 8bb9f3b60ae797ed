//! Who we are to registries and to parts of them, and whether these are trusted.

use image_sync_shared::image::reference::{Location, Repository};
use image_sync_shared::text::excerpt;

use super::super::translation::{Kind, Mapping, Pairs, Translator};
use super::expand::expanded;
use super::pairs::{self, Pair};
use crate::document::Node;
use crate::problem::{Place, Problem, without_secrets};

const KEYS: [&str; 3] = ["username", "password", "insecure"];
const EXPECTED_ALL: &str = "a mapping of HOST or HOST/NAMESPACE to username and password";
const EXPECTED: &str = "a mapping with username, password and insecure";
const EXPECTED_KEY: &str = "HOST, HOST:PORT or HOST/NAMESPACE as in quay.io/coreos";
/// The user that stands for a service account of Google.
const SERVICE_ACCOUNT: &str = "_oauth2_";
/// What Google calls it where the password is its key in base64.
const KEY_IN_BASE64: &str = "_json_key_base64";

/// All of them, each registry or part of one once.
#[derive(Default)]
pub(super) struct Credentials(Vec<Credential>);

struct Credential {
    place: Place,
    host: String,
    /// Empty for the whole registry.
    path: String,
    /// A user name and a password.
    login: Option<(String, String)>,
    is_insecure: bool,
}

impl Credentials {
    /// `path` is what messages call the mapping, if anything; `fills` says whether variables stand in it.
    pub(super) fn read(node: &Node, path: &str, fills: bool, to: &mut Translator<'_>) -> Self {
        let mut all = Self::default();
        if node.is_null() {
            return all;
        }
        let pairs = match pairs::last_of_each(node, EXPECTED_ALL, to) {
            Ok(pairs) => pairs,
            Err(problem) => {
                to.report(if path.is_empty() {
                    problem
                } else {
                    problem.key(path)
                });
                return all;
            }
        };
        for pair in &pairs {
            let read = read(pair, path, fills, to).and_then(|credential| match credential {
                Some(credential) => all.add(credential, pair.key),
                None => Ok(()),
            });
            if let Err(problem) = read {
                to.report(problem.at(pair.place));
            }
        }
        all
    }

    /// Docker Hub has several names, which the tool takes for several registries.
    fn add(&mut self, credential: Credential, key: &str) -> Result<(), Problem> {
        let is_same = |known: &&Credential| {
            (&known.host, &known.path) == (&credential.host, &credential.path)
        };
        match self.0.iter().find(is_same) {
            None => {
                self.0.push(credential);
                Ok(())
            }
            Some(known)
                if (&known.login, known.is_insecure)
                    == (&credential.login, credential.is_insecure) =>
            {
                Ok(())
            }
            Some(known) => {
                let (key, line) = (excerpt(key), known.place.line);
                Err(Problem::new(format!(
                    "{key} is another name of what line {line} has other credentials for, expected one of the two; {}/NAMESPACE may have its own",
                    known.host
                )))
            }
        }
    }

    /// Whether images of this repository say themselves that it is not trusted, as not all of its registry is.
    pub(super) fn is_insecure_image(&self, repository: &Repository) -> bool {
        let Repository::Registry { host, name } = repository else {
            return false;
        };
        if self.is_insecure_host(host) {
            return false;
        }
        let leads_there = |credential: &&Credential| {
            let rest = name.strip_prefix(&*credential.path);
            let is_below =
                |rest: &str| credential.path.is_empty() || rest.is_empty() || rest.starts_with('/');
            credential.host == *host && rest.is_some_and(is_below)
        };
        let leading = self.0.iter().filter(leads_there);
        let best = leading.max_by_key(|credential| credential.path.len());
        best.is_some_and(|credential| credential.is_insecure)
    }

    /// Whether nothing of a registry is trusted: the whole of it, and no part of it otherwise.
    fn is_insecure_host(&self, host: &str) -> bool {
        let mut of_host = self.0.iter().filter(|credential| credential.host == host);
        let has_whole = of_host.clone().any(|credential| credential.path.is_empty());
        has_whole && of_host.all(|credential| credential.is_insecure)
    }

    pub(super) fn write(&self, to: &mut Translator<'_>) {
        for credential in &self.0 {
            let Credential {
                host, path, login, ..
            } = credential;
            let login = login.iter().flat_map(|(username, password)| {
                let pairs = [("username", username), ("password", password)];
                pairs.map(|(key, text)| (key, Node::of_text(text)))
            });
            let mut pairs: Pairs = login.collect();
            if path.is_empty() {
                if self.is_insecure_host(host) {
                    pairs.push(("insecure", Node::of_text("true")));
                }
                if !pairs.is_empty() {
                    to.registry(host, pairs);
                }
            } else if !pairs.is_empty() {
                to.registry(&format!("{host}/{path}"), pairs);
            }
        }
    }
}

/// None for what no image is ever found by.
fn read(
    pair: &Pair<'_>,
    path: &str,
    fills: bool,
    to: &mut Translator<'_>,
) -> Result<Option<Credential>, Problem> {
    let key = without_secrets(pair.key)?;
    let named = match path {
        "" => excerpt(key),
        path => format!("{path}.{}", excerpt(key)),
    };
    if let Some((scheme, _)) = key.split_once("://") {
        let why = format!(
            "with {scheme}:// it is found by no image, as in the tool that it is written for; expected {EXPECTED_KEY}"
        );
        to.note(Kind::LeftOut, pair.place, named, why);
        return Ok(None);
    }
    let (host, path) = host_and_path(key)?;
    let mut credential = Credential {
        place: pair.place,
        host,
        path,
        login: None,
        is_insecure: false,
    };
    if pair.value.is_null() {
        return Ok(Some(credential));
    }
    let value = Mapping::of(pair.value, &named, EXPECTED).map_err(|problem| problem.key(&named))?;
    value.note_unknown(&KEYS, to);
    credential.is_insecure = value.flag("insecure", to).unwrap_or(false);
    credential.login = login(&value, &credential.host, fills, to)?;
    Ok(Some(credential))
}

/// A part of a registry, or the whole of it with an empty path.
fn host_and_path(key: &str) -> Result<(String, String), Problem> {
    if let Ok(Location::Registry { host, prefix }) = key.trim_end_matches('/').parse() {
        return Ok((host, prefix));
    }
    let text = format!("found {:?}, expected {EXPECTED_KEY}", excerpt(key));
    Err(Problem::new(text).of_something_unknown())
}

/// A user name and a password, if both are there.
fn login(
    value: &Mapping<'_>,
    host: &str,
    fills: bool,
    to: &mut Translator<'_>,
) -> Result<Option<(String, String)>, Problem> {
    let username = text(value, "username", fills, to)?;
    let password = text(value, "password", fills, to)?;
    let (found, missing) = match (username, password) {
        (Some(username), Some(password))
            if username == SERVICE_ACCOUNT && host.contains("gcr.io") =>
        {
            let why = format!(
                "it is called {KEY_IN_BASE64}, whose password is the key of the service account in base64"
            );
            to.note(Kind::Mapped, value.place(), value.key("username"), why);
            return Ok(Some((KEY_IN_BASE64.to_owned(), password)));
        }
        (Some(username), Some(password)) => return Ok(Some((username, password))),
        (None, None) => return Ok(None),
        (Some(_), None) => ("username", "password"),
        (None, Some(_)) => ("password", "username"),
    };
    let why =
        format!("without {missing} nobody is logged in, as in the tool that it is written for");
    to.note(Kind::LeftOut, value.place(), value.key(found), why);
    Ok(None)
}

/// The text of `key`, unless it is empty.
fn text(
    value: &Mapping<'_>,
    key: &str,
    fills: bool,
    to: &mut Translator<'_>,
) -> Result<Option<String>, Problem> {
    let Some(node) = value.node(key) else {
        return Ok(None);
    };
    let named = |problem: Problem| problem.key(&value.key(key)).at(node.place);
    let text = node.text().ok_or_else(|| named(node.mismatch("a text")))?;
    let text = if fills {
        expanded(text, key, to).map_err(named)?
    } else {
        text.to_owned()
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}
