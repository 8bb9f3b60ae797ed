//! Who may do what (OCI distribution spec, section "Authentication"; RFC 9110, section 11).

mod basic;
pub(crate) mod scopes;
pub(crate) mod token_service;
pub(crate) mod token_signer;

use super::behaviour::Behaviour;
use super::http::response::Response;
use super::records::Request;
use basic::basic_credentials;
use scopes::Scopes;
use token_service::{TokenService, Verdict};
use token_signer::SERVICE;

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

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
