//! Tokens of an identity provider (`OpenID` Connect Core 1.0, section 2), as Pub/Sub sends them with what it pushes: JSON Web Tokens
//! (RFC 7519) that are signed with RS256 (RFC 7518, section 3.3), and with no other algorithm whatever they say.

mod keys;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use time::OffsetDateTime;

use super::authorization;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use keys::Fixed;
pub use keys::{JwkSet, KeysFile};

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;
/// Longer tokens are refused, in bytes. Those of Google have some 1,000.
const LONGEST: usize = 8192;

/// The public keys of an identity provider.
#[async_trait]
pub trait IdentityKeys: Send + Sync {
    /// The keys as they are at `now`. `again`: they lack one that is needed, so that they may have changed. An error is told in
    /// the log, and the token that they were needed for is refused.
    async fn keys(&self, again: bool, now: OffsetDateTime) -> Result<Arc<JwkSet>, String>;
}

/// Whose tokens are accepted.
pub(super) struct Oidc {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) email: String,
    pub(super) keys: Arc<dyn IdentityKeys>,
}

/// A token in its parts, of which none is proven.
struct Token<'a> {
    key_id: String,
    /// What is signed.
    message: &'a [u8],
    claims: Vec<u8>,
    signature: Vec<u8>,
}

/// Its header (RFC 7515, section 4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    email: String,
    email_verified: bool,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Listed([String; 1]),
}

impl Oidc {
    /// Whether the token of a request is a good one.
    pub(super) async fn proves(&self, headers: &HeaderMap, now: OffsetDateTime) -> bool {
        let token = authorization::bearer(headers).and_then(Token::parse);
        match token {
            Some(token) => self.is_signed(&token, now).await && self.accepts(&token.claims, now),
            None => false,
        }
    }

    async fn is_signed(&self, token: &Token<'_>, now: OffsetDateTime) -> bool {
        for again in [false, true] {
            let keys = match self.keys.keys(again, now).await {
                Ok(keys) => keys,
                Err(why) => {
                    tracing::warn!("no key to check a token with: {why}");
                    return false;
                }
            };
            if let Some(is_good) = keys.verify(&token.key_id, token.message, &token.signature) {
                return is_good;
            }
        }
        false
    }

    fn accepts(&self, claims: &[u8], now: OffsetDateTime) -> bool {
        let Ok(claims) = serde_json::from_slice::<Claims>(claims) else {
            return false;
        };
        let audience = match &claims.aud {
            Audience::One(audience) | Audience::Listed([audience]) => audience,
        };
        let now = now.unix_timestamp();
        let has_begun = |from: i64| from <= now.saturating_add(LEEWAY);
        claims.iss == self.issuer
            && *audience == self.audience
            && claims.email == self.email
            && claims.email_verified
            && now < claims.exp.saturating_add(LEEWAY)
            && claims.nbf.is_none_or(has_begun)
            && claims.iat.is_none_or(has_begun)
    }
}

impl<'a> Token<'a> {
    /// A token in its compact form (RFC 7515, section 7.1), where it states RS256 and a key.
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        // What a token says must be understood (`crit`) is understood nowhere here.
        if header.alg != "RS256" || header.crit.is_some() {
            return None;
        }
        Some(Self {
            key_id: header.kid,
            message: message.as_bytes(),
            claims: decode(claims)?,
            signature: decode(signature)?,
        })
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Oidc");
        shown.field("issuer", &self.issuer);
        shown.field("audience", &self.audience);
        shown.field("email", &self.email).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
