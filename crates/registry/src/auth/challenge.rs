//! What a registry wants of who asks (RFC 9110, section 11; the distribution project's token authentication).

use http_auth::{ChallengeParser, ChallengeRef};
use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a registry wants of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Nothing.
    Nothing,
    /// User name and password.
    Basic,
    /// A token from a token server.
    Bearer {
        /// Where the token server is. Not to be trusted: see [`realm`](super::realm).
        realm: Url,
        /// What the token server is to be told about the registry.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge of an answer, out of all its WWW-Authenticate headers: the first Bearer, else Basic. None where it
    /// has neither.
    pub(crate) fn offered(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE);
        let texts = values.iter().filter_map(|value| value.to_str().ok());
        let offered: Vec<Self> = texts
            .flat_map(|text| ChallengeParser::new(text).map_while(Result::ok))
            .filter_map(|challenge| Self::read(&challenge))
            .collect();
        let bearer = offered.iter().find(|challenge| **challenge != Self::Basic);
        bearer.or(offered.first()).cloned()
    }

    fn read(challenge: &ChallengeRef<'_>) -> Option<Self> {
        if challenge.scheme.eq_ignore_ascii_case("Basic") {
            return Some(Self::Basic);
        }
        if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        let parameter = |name: &str| {
            let found = challenge
                .params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let realm: Url = parameter("realm")?.parse().ok()?;
        Some(Self::Bearer {
            realm: without_scope(realm),
            service: parameter("service"),
        })
    }
}

/// Some registries put the scope of the refused request into the realm itself, but the next request has another.
fn without_scope(mut realm: Url) -> Url {
    let kept: Vec<(String, String)> = realm
        .query_pairs()
        .filter(|(key, _)| key != "scope")
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    if realm.query().is_some() {
        realm.set_query(None);
        if !kept.is_empty() {
            realm.query_pairs_mut().extend_pairs(kept);
        }
    }
    realm
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(values: &[&str]) -> Option<Challenge> {
        let values = values
            .iter()
            .map(|value| (WWW_AUTHENTICATE, value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        Challenge::offered(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.parse().unwrap(),
            service: service.map(str::to_owned),
        }
    }

    #[test]
    fn reads_every_header_and_prefers_bearer() {
        assert_eq!(
            offered(&[
                r#"Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull""#
            ]),
            Some(bearer("https://auth.example/token", Some("r")))
        );
        assert_eq!(
            offered(&[
                "Negotiate",
                r#"Basic realm="x""#,
                r#"bearer realm="https://a.example/t""#
            ]),
            Some(bearer("https://a.example/t", None))
        );
        assert_eq!(
            offered(&[r#"Newauth realm="x", Basic realm="y""#]),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        assert_eq!(offered(&[]), None);
        assert_eq!(offered(&["Negotiate"]), None);
        assert_eq!(offered(&[r#"Bearer service="no realm""#]), None);
        assert_eq!(offered(&[r#"Bearer realm="/relative""#]), None);
    }

    #[test]
    fn a_scope_in_the_realm_is_of_that_request_alone() {
        assert_eq!(
            offered(&[r#"Bearer realm="https://a.example/t?account=b&scope=repository:a:pull""#]),
            Some(bearer("https://a.example/t?account=b", None))
        );
        assert_eq!(
            offered(&[r#"Bearer realm="https://a.example/t?scope=repository:a:pull""#]),
            Some(bearer("https://a.example/t", None))
        );
    }
}
