//! Tokens and passwords for requests (RFC 9110, section 11; RFC 7617; the distribution project's token authentication).

pub(crate) mod challenge;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod host_info;
pub(crate) mod realm;
pub(crate) mod scopes;
pub(crate) mod token_request;
pub(crate) mod tokens;
mod withheld;
mod www_authenticate;

use std::sync::Arc;

use image_sync_shared::failure::FailureClass;
use image_sync_shared::secret::Secret;
use reqwest::header::HeaderValue;
use reqwest::{StatusCode, Url};

pub(crate) use self::challenge::Challenge;
pub(crate) use self::host_info::HostInfo;

use self::scopes::Scopes;
use self::token_request::TokenRequest;
use self::tokens::{Token, TokenCache};
use self::withheld::Withheld;
use crate::credentials::{Credential, Credentials, Identity, Lookup, Unusable};
use crate::http::RequestError;
use crate::http::authorization::basic;
use crate::http::connection::Profile;
use crate::http::transport::{NamedRegistry, Transport};
use crate::single_flight::Flight;

/// What a request to a registry is to be authorized for.
pub(crate) struct AuthRequest<'a> {
    /// The host by which credentials know the registry.
    pub(crate) host: &'a str,
    /// The repository, as credentials know it.
    pub(crate) repository: &'a str,
    /// What a token must allow.
    pub(crate) scopes: &'a Scopes,
    /// The tokens that the registry accepts.
    pub(crate) tokens: &'a TokenCache,
    /// How connections to the registry are secured.
    pub(crate) profile: &'a Profile,
    /// Whether credentials wait for proof of who the server is, as no one wrote that they need not.
    pub(crate) requires_verification: bool,
    /// The token server that gets the registry's credentials wherever it is.
    pub(crate) token_realm: Option<&'a Url>,
    /// The registry that the user has named: this one, or the one that led to it, as it may lead no further than that.
    pub(crate) named: NamedRegistry<'a>,
}

/// What a request shows of who asks.
pub(crate) enum Authorization {
    /// Nothing.
    Nothing,
    /// The credentials themselves: user name and password, or a token that the registry takes as it is.
    Own(Credential),
    /// A token.
    Bearer {
        /// The token.
        token: Token,
        /// Whether it was fetched for this request, so that another would be no better.
        fresh: bool,
        /// Why it is an anonymous one, whatever the credentials.
        withheld: Option<Withheld>,
    },
}

impl Authorization {
    /// Whether another one would be no better.
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self, Self::Bearer { fresh: true, .. })
    }

    /// Whether credentials were not shown although there may be some.
    pub(crate) fn is_withheld(&self) -> bool {
        let Self::Bearer { withheld, .. } = self else {
            return false;
        };
        withheld.is_some()
    }

    /// The Authorization header.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, RequestError> {
        match self {
            Self::Nothing => Ok(None),
            Self::Own(credential) => match &credential.identity {
                Identity::Password { username, password } => Ok(Some(basic(username, password))),
                // By this name Docker's credential helpers say that the secret is a token.
                Identity::Token(secret) => Ok(Some(basic("<token>", secret))),
                Identity::Bearer(secret) => bearer(secret).map(Some),
            },
            Self::Bearer { token, .. } => bearer(&token.value).map(Some),
        }
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, RequestError> {
    let header = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
    header.map_err(|_hidden| {
        let answer = "the token has characters that a header cannot have";
        RequestError::new(FailureClass::Invalid, answer)
    })
}

/// Meets the challenges of registries.
pub(crate) struct Authenticator {
    transport: Arc<Transport>,
    credentials: Credentials,
}

impl Authenticator {
    pub(crate) fn new(transport: Arc<Transport>, credentials: Credentials) -> Self {
        Self {
            transport,
            credentials,
        }
    }

    /// What a request is to show, given what the registry wants.
    pub(crate) async fn authorize(
        &self,
        server: &HostInfo,
        request: &AuthRequest<'_>,
    ) -> Result<Authorization, RequestError> {
        let HostInfo {
            base, challenge, ..
        } = server;
        let on_loopback = self.transport.is_on_loopback(base);
        let withheld = Withheld::from_registry(server, request.requires_verification, on_loopback);
        match challenge {
            Challenge::Nothing => Ok(Authorization::Nothing),
            Challenge::Basic => {
                let lookup = self.lookup(request).await;
                match (lookup.credential, lookup.unusable) {
                    (None, Some(Unusable { error, .. })) => Err(error),
                    // Sent as anybody all the same, so that the refusal is told in the registry's own words.
                    (None, None) => Ok(Authorization::Nothing),
                    (Some(found), _) => own(found, withheld, request.host),
                }
            }
            Challenge::Bearer { realm, service } => {
                let (host, name) = (request.host, request.repository);
                if let Some(found) = self.credentials.registry_token(host, name) {
                    return own(found, withheld, host);
                }
                realm::check(realm, base)
                    .map_err(|refusal| RequestError::new(FailureClass::Denied, refusal))?;
                let token_request = TokenRequest {
                    realm,
                    service: service.as_deref(),
                    scopes: &request.tokens.wanted(request.scopes),
                    // On another host the token server is verified, and is shown no client certificate, unless its own
                    // settings say so: what the registry is trusted with goes no further.
                    profile: &self.transport.profile_for(realm, base, request.profile),
                    registry: request.named,
                };
                let withheld = withheld.or_else(|| Withheld::from_realm(request, base, realm));
                self.token(request, &token_request, withheld).await
            }
        }
    }

    /// Puts aside what was refused, and says whether another request may do better.
    pub(crate) async fn refused(
        &self,
        request: &AuthRequest<'_>,
        authorization: &Authorization,
    ) -> bool {
        match authorization {
            Authorization::Nothing => false,
            Authorization::Own(credential) => self.renewed(request, credential).await.is_some(),
            Authorization::Bearer { token, fresh, .. } => {
                let slot = request.tokens.slot(request.scopes);
                // Only the one that was refused: another request may have put a new one there by now.
                slot.forget_if(|kept| kept.value == token.value);
                !fresh
            }
        }
    }

    /// With what a request was made that was refused in the end.
    pub(crate) async fn describe(
        &self,
        status: StatusCode,
        authorization: &Authorization,
        request: &AuthRequest<'_>,
    ) -> String {
        let host = request.host;
        let judged = if status == StatusCode::FORBIDDEN {
            "which do not allow it"
        } else {
            "which are not accepted"
        };
        let lookup = self.lookup(request).await;
        match (lookup.credential, authorization) {
            (Some(found), Authorization::Nothing) => {
                format!(
                    "without the {}, as it was not said how to show them",
                    found.origin
                )
            }
            (
                Some(found),
                Authorization::Bearer {
                    withheld: Some(withheld),
                    ..
                },
            ) => withheld.explain(&found.origin, host),
            (Some(found), _) => format!("with {}, {judged}", found.origin),
            (None, _) => match lookup.unusable {
                Some(unusable) => format!("without credentials: {}", unusable.error.answer),
                None => format!(
                    "without credentials, as none are configured for {host}: `docker login {host}` or registries in the config \
                     gives them"
                ),
            },
        }
    }

    /// Whether there are credentials for a repository of `host`.
    pub(crate) async fn knows(&self, host: &str, name: &str) -> bool {
        self.credentials.find(host, name).await.credential.is_some()
    }

    /// Why a request was made without credentials although there are some, if that is what refused it: registries say
    /// that they do not have what anonymous clients may not see. Its class decides whether another attempt may do better.
    pub(crate) async fn missed(
        &self,
        status: StatusCode,
        authorization: &Authorization,
        request: &AuthRequest<'_>,
    ) -> Option<RequestError> {
        let refused = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
        );
        if !refused || !matches!(authorization, Authorization::Bearer { .. }) {
            return None;
        }
        let unusable = self.lookup(request).await.unusable?;
        if unusable.none_there {
            return None;
        }
        let error = unusable.error;
        let answer = format_args!("{status} without credentials: {}", error.answer);
        Some(RequestError {
            status: Some(status.as_u16()),
            ..error.told_as(answer)
        })
    }

    async fn lookup(&self, request: &AuthRequest<'_>) -> Lookup {
        self.credentials
            .find(request.host, request.repository)
            .await
    }

    async fn renewed(&self, request: &AuthRequest<'_>, refused: &Credential) -> Option<Credential> {
        self.credentials
            .renewed(request.host, request.repository, refused)
            .await
    }

    async fn token(
        &self,
        request: &AuthRequest<'_>,
        token_request: &TokenRequest<'_>,
        withheld: Option<Withheld>,
    ) -> Result<Authorization, RequestError> {
        let slot = request.tokens.slot(request.scopes);
        match slot.join(Token::lasts).await {
            Flight::Known(token) => Ok(Authorization::Bearer {
                token,
                fresh: false,
                withheld,
            }),
            Flight::Failed(error) => Err(error),
            Flight::Leader(leader) => {
                let fetched = match &withheld {
                    None => self.fetch(request, token_request).await,
                    Some(withheld) => {
                        self.fetch_anonymously(request, token_request, withheld)
                            .await
                    }
                };
                match &fetched {
                    Ok(token) => leader.found(token.clone()),
                    Err(error) => leader.failed(error),
                }
                fetched.map(|token| Authorization::Bearer {
                    token,
                    fresh: true,
                    withheld,
                })
            }
        }
    }

    async fn fetch(
        &self,
        request: &AuthRequest<'_>,
        token_request: &TokenRequest<'_>,
    ) -> Result<Token, RequestError> {
        let lookup = self.lookup(request).await;
        let Some(credential) = lookup.credential else {
            // What is public needs a token too at many registries, and anybody gets one.
            let anonymous = token_request.send(&self.transport, None).await;
            return anonymous.map_err(|error| match lookup.unusable {
                Some(unusable) if is_refusal(&error) => unusable.explains(&error),
                _ => error,
            });
        };
        let refusal = match token_request.send(&self.transport, Some(&credential)).await {
            Err(error) if is_refusal(&error) => error,
            answered => return answered,
        };
        // What a helper gives out ends by design, and files of passwords are replaced while this runs: once more with
        // what they have by now, if that is another one.
        match self.renewed(request, &credential).await {
            Some(renewed) => token_request.send(&self.transport, Some(&renewed)).await,
            None => Err(RequestError::new(
                refusal.class,
                format!("{} (with {})", refusal.answer, credential.origin),
            )),
        }
    }

    /// A token that serves where anyone may read, whatever the credentials.
    async fn fetch_anonymously(
        &self,
        request: &AuthRequest<'_>,
        token_request: &TokenRequest<'_>,
        withheld: &Withheld,
    ) -> Result<Token, RequestError> {
        let refusal = match token_request.send(&self.transport, None).await {
            Err(error) if is_refusal(&error) => error,
            answered => return answered,
        };
        let lookup = self.lookup(request).await;
        match (lookup.credential, lookup.unusable) {
            (None, None) => Err(refusal),
            (None, Some(unusable)) => Err(unusable.explains(&refusal)),
            (Some(found), _) => {
                let why = withheld.explain(&found.origin, request.host);
                Err(RequestError::new(
                    refusal.class,
                    format!("{} ({why})", refusal.answer),
                ))
            }
        }
    }
}

/// The credentials themselves, unless the registry is not to see them.
fn own(
    found: Credential,
    withheld: Option<Withheld>,
    host: &str,
) -> Result<Authorization, RequestError> {
    let Some(withheld) = withheld else {
        return Ok(Authorization::Own(found));
    };
    // By credentials alone there is nothing to be had as anybody, while a token server may have an anonymous token.
    let why = withheld.explain(&found.origin, host);
    Err(RequestError::new(
        FailureClass::Unauthorized,
        format!("not asked {why}"),
    ))
}

fn is_refusal(error: &RequestError) -> bool {
    matches!(
        error.class,
        FailureClass::Unauthorized | FailureClass::Denied
    )
}
