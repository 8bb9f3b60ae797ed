//! A token service (distribution's token authentication specification, and its OAuth 2 variant).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::basic::basic_credentials;
use super::scopes::Scopes;
use super::token_signer::TokenSigner;
use crate::fake_registry::http::response::Response;
use crate::fake_registry::records::Request;
use crate::sync::lock::locked;

/// Gives out tokens. Clones are the same service, so that one can be served by one registry and asked of by another.
#[derive(Clone, Default)]
pub struct TokenService(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: BTreeMap<String, String>,
    identity_tokens: BTreeSet<String>,
    anonymous_pulls: bool,
    denied: BTreeSet<String>,
    expires_in: Option<u64>,
    uses: Option<usize>,
    signer: Option<TokenSigner>,
    issued: HashMap<String, Issued>,
    number: u64,
    requests: Vec<TokenRequest>,
}

struct Issued {
    scopes: Scopes,
    uses_left: Option<usize>,
}

/// One request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// GET, or POST for OAuth 2.
    pub method: String,
    /// The scopes asked for, as in `repository:app:pull,push`.
    pub scopes: Vec<String>,
    /// The service asked for.
    pub service: Option<String>,
    /// Who asked: a user's name, or `<identity token>`; none for anonymous requests.
    pub user: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Sufficient,
    Insufficient,
    Invalid,
}

impl TokenService {
    /// A service that lets everyone pull and knows no user. Its tokens do not say when they expire.
    #[must_use]
    pub fn new() -> Self {
        let service = Self::default();
        locked(&service.0).anonymous_pulls = true;
        service
    }

    /// Knows a user, who may do anything.
    #[must_use]
    pub fn user(self, name: &str, password: &str) -> Self {
        locked(&self.0)
            .users
            .insert(name.to_owned(), password.to_owned());
        self
    }

    /// Takes this identity (refresh) token.
    #[must_use]
    pub fn identity_token(self, token: &str) -> Self {
        locked(&self.0).identity_tokens.insert(token.to_owned());
        self
    }

    /// Gives anonymous clients no access at all.
    #[must_use]
    pub fn no_anonymous_pulls(self) -> Self {
        locked(&self.0).anonymous_pulls = false;
        self
    }

    /// Gives nobody access to a resource, as in `repository:private`.
    #[must_use]
    pub fn deny(self, resource: &str) -> Self {
        locked(&self.0).denied.insert(resource.to_owned());
        self
    }

    /// Says that tokens expire in so many seconds. They do so only when [`Self::expire_all`] is called.
    #[must_use]
    pub fn expires_in(self, seconds: u64) -> Self {
        locked(&self.0).expires_in = Some(seconds);
        self
    }

    /// Gives out signed tokens, which a real registry takes: see
    /// [`DockerRegistryBuilder::tokens`](crate::servers::DockerRegistryBuilder::tokens). There they live for an hour,
    /// whatever is said here.
    #[must_use]
    pub fn signer(self, signer: &TokenSigner) -> Self {
        locked(&self.0).signer = Some(signer.clone());
        self
    }

    /// Makes each token given out from now on good for so many requests.
    pub fn limit_uses(&self, uses: Option<usize>) {
        locked(&self.0).uses = uses;
    }

    /// No token given out so far is good any more.
    pub fn expire_all(&self) {
        locked(&self.0).issued.clear();
    }

    /// All requests for tokens, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<TokenRequest> {
        locked(&self.0).requests.clone()
    }

    /// How many tokens were asked for per set of scopes; the scopes of a set are sorted, with a space between them.
    #[must_use]
    pub fn requests_by_scopes(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in &locked(&self.0).requests {
            let mut scopes = request.scopes.clone();
            scopes.sort();
            *counts.entry(scopes.join(" ")).or_insert(0) += 1;
        }
        counts
    }

    /// Forgets the requests.
    pub fn reset(&self) {
        locked(&self.0).requests.clear();
    }

    /// Answers a request for a token.
    pub(crate) fn answer(&self, request: &Request, body: &[u8]) -> Response {
        let form: &[u8] = if request.method == "POST" {
            body
        } else {
            request.query.as_bytes()
        };
        let form: Vec<(String, String)> = url::form_urlencoded::parse(form).into_owned().collect();
        let values = |name: &str| -> Vec<String> {
            let named = form.iter().filter(|(key, _)| key == name);
            named.map(|(_, value)| value.clone()).collect()
        };
        let scopes: Vec<String> = values("scope")
            .iter()
            .flat_map(|scope| scope.split_whitespace())
            .map(str::to_owned)
            .collect();
        let mut state = locked(&self.0);
        let identity = match request.method.as_str() {
            "POST" => state.oauth_identity(&values),
            _ => state.basic_identity(request),
        };
        let response = match &identity {
            Ok(user) => state.issue(user.as_deref(), &scopes),
            Err(()) => Response::error(401, "UNAUTHORIZED", "wrong credentials"),
        };
        state.requests.push(TokenRequest {
            method: request.method.clone(),
            scopes,
            service: values("service").into_iter().next(),
            user: identity.unwrap_or_default(),
            status: response.status,
        });
        response
    }

    pub(crate) fn judge(&self, token: &str, needed: &Scopes) -> Verdict {
        let mut state = locked(&self.0);
        let Some(issued) = state.issued.get_mut(token) else {
            return Verdict::Invalid;
        };
        if !issued.scopes.contains_all(needed) {
            return Verdict::Insufficient;
        }
        match &mut issued.uses_left {
            Some(0) => return Verdict::Invalid,
            Some(left) => *left -= 1,
            None => {}
        }
        Verdict::Sufficient
    }
}

impl State {
    fn basic_identity(&self, request: &Request) -> Result<Option<String>, ()> {
        match request.header("authorization") {
            None => Ok(None),
            Some(value) => {
                let (user, password) = basic_credentials(value).ok_or(())?;
                self.known(user, &password)
            }
        }
    }

    fn oauth_identity(&self, values: &dyn Fn(&str) -> Vec<String>) -> Result<Option<String>, ()> {
        let first = |name| values(name).into_iter().next().unwrap_or_default();
        match first("grant_type").as_str() {
            "refresh_token" if self.identity_tokens.contains(&first("refresh_token")) => {
                Ok(Some("<identity token>".to_owned()))
            }
            "password" => self.known(first("username"), &first("password")),
            _ => Err(()),
        }
    }

    fn known(&self, user: String, password: &str) -> Result<Option<String>, ()> {
        match self.users.get(&user) {
            Some(expected) if expected == password => Ok(Some(user)),
            _ => Err(()),
        }
    }

    fn issue(&mut self, user: Option<&str>, scopes: &[String]) -> Response {
        let mut granted = Scopes::default();
        for scope in scopes {
            let mut asked = Scopes::parse(scope);
            if user.is_none() {
                asked.keep_only("pull");
            }
            if user.is_some() || self.anonymous_pulls {
                granted.add_all(asked.without(&self.denied));
            }
        }
        self.number += 1;
        let signed = self
            .signer
            .as_ref()
            .and_then(|s| s.sign(&granted, self.number));
        let token = signed.unwrap_or_else(|| format!("token-{}", self.number));
        let (scopes, uses_left) = (granted, self.uses);
        self.issued
            .insert(token.clone(), Issued { scopes, uses_left });
        let mut answer = json!({"token": token, "access_token": token});
        if let Some(seconds) = self.expires_in {
            answer["expires_in"] = seconds.into();
        }
        Response::new(200).json(&answer)
    }
}
