//! Who may do what (OCI distribution spec, section "Authentication"; RFC 9110, section 11).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::behaviour::Behaviour;
use super::records::Request;
use super::response::Response;
use super::signer::SERVICE;
use super::tokens::{TokenService, Verdict};

/// How the registry authenticates its clients.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everyone may do everything.
    #[default]
    Open,
    /// A user name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// Tokens.
    Bearer {
        /// Who gives them out.
        tokens: TokenService,
        /// The URL to get them from; none for `/token` on this registry.
        realm: Option<String>,
    },
}

impl Auth {
    /// A user name and a password.
    #[must_use]
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    /// Tokens from `/token` on this registry.
    #[must_use]
    pub fn bearer(tokens: &TokenService) -> Self {
        Self::Bearer {
            tokens: tokens.clone(),
            realm: None,
        }
    }

    /// Tokens from another address, as in `http://127.0.0.1:4000/token`.
    #[must_use]
    pub fn bearer_at(tokens: &TokenService, realm: &str) -> Self {
        Self::Bearer {
            tokens: tokens.clone(),
            realm: Some(realm.to_owned()),
        }
    }

    pub(super) fn own_tokens(&self) -> Option<TokenService> {
        match self {
            Self::Bearer {
                tokens,
                realm: None,
            } => Some(tokens.clone()),
            _ => None,
        }
    }

    /// The refusal of a request that needs these scopes, or none if it may pass.
    pub(super) fn refusal(
        &self,
        request: &Request,
        needed: &Scopes,
        url: &str,
        behaviour: &Behaviour,
    ) -> Option<Response> {
        let authorization = request.header("authorization");
        let challenge = match self {
            Self::Open => return None,
            Self::Basic { user, password } => {
                let expected = Some((user.clone(), password.clone()));
                if authorization.and_then(basic_credentials) == expected {
                    return None;
                }
                r#"Basic realm="fake registry""#.to_owned()
            }
            Self::Bearer { tokens, realm } => {
                let token = authorization.and_then(bearer_token);
                let error = match token.map(|token| tokens.judge(token, needed)) {
                    Some(Verdict::Sufficient) => return None,
                    Some(Verdict::Insufficient) => r#",error="insufficient_scope""#,
                    Some(Verdict::Invalid) => r#",error="invalid_token""#,
                    None => "",
                };
                let own = format!("{url}/token");
                let realm = realm.as_ref().unwrap_or(&own);
                if let Some(template) = &behaviour.bearer_challenge {
                    let challenge = template
                        .replace("{realm}", realm)
                        .replace("{service}", SERVICE)
                        .replace("{scope}", &needed.to_string());
                    return Some(refused(behaviour, &challenge));
                }
                let scope = match needed.to_string() {
                    none if none.is_empty() => none,
                    scopes => format!(r#",scope="{scopes}""#),
                };
                format!(r#"Bearer realm="{realm}",service="{SERVICE}"{scope}{error}"#)
            }
        };
        Some(refused(behaviour, &challenge))
    }
}

fn refused(behaviour: &Behaviour, challenge: &str) -> Response {
    let response = Response::error(401, "UNAUTHORIZED", "authentication required");
    let extra = behaviour.extra_challenges.iter().map(String::as_str);
    extra
        .chain([challenge])
        .fold(response, |response, challenge| {
            response.one_more_header("www-authenticate", challenge)
        })
}

/// The user name and password of an Authorization header.
pub(super) fn basic_credentials(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (user.to_owned(), password.to_owned()))
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Actions per resource: `repository:app` has `pull` and `push`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    pub(super) fn parse(scope: &str) -> Self {
        let mut scopes = Self::default();
        if let Some((resource, actions)) = scope.rsplit_once(':') {
            scopes.add(resource, &actions.split(',').collect::<Vec<_>>());
        }
        scopes
    }

    pub(super) fn add(&mut self, resource: &str, actions: &[&str]) {
        let known = self.0.entry(resource.to_owned()).or_default();
        known.extend(actions.iter().map(|action| (*action).to_owned()));
    }

    pub(super) fn add_all(&mut self, other: Self) {
        for (resource, actions) in other.0 {
            self.0.entry(resource).or_default().extend(actions);
        }
    }

    pub(super) fn keep_only(&mut self, action: &str) {
        for actions in self.0.values_mut() {
            actions.retain(|granted| granted == action);
        }
    }

    pub(super) fn without(mut self, denied: &BTreeSet<String>) -> Self {
        self.0.retain(|resource, _| !denied.contains(resource));
        self
    }

    pub(super) fn contains_all(&self, needed: &Self) -> bool {
        needed.0.iter().all(|(resource, actions)| {
            let granted = self.0.get(resource);
            granted.is_some_and(|granted| granted.contains("*") || granted.is_superset(actions))
        })
    }
}

impl Scopes {
    /// Each resource with its actions.
    pub(super) fn resources(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.0.iter().map(|(resource, actions)| {
            let actions = actions.iter().map(String::as_str).collect();
            (resource.as_str(), actions)
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (resource, actions)) in self.resources().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{resource}:{}", actions.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_compared_action_by_action() {
        let granted = Scopes::parse("repository:host:5000/app:pull,push");
        assert!(granted.contains_all(&Scopes::parse("repository:host:5000/app:pull")));
        assert!(!granted.contains_all(&Scopes::parse("repository:host:5000/app:delete")));
        assert!(!granted.contains_all(&Scopes::parse("repository:other:pull")));
        assert!(granted.contains_all(&Scopes::default()));
    }

    #[test]
    fn reads_basic_credentials() {
        let credentials = basic_credentials("Basic dXNlcjpwYTpzcw==");
        assert_eq!(credentials, Some(("user".to_owned(), "pa:ss".to_owned())));
        assert_eq!(basic_credentials("Bearer dXNlcjpwYTpzcw=="), None);
    }
}
