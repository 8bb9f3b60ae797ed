//! What a registry wants of who asks (RFC 9110, section 11; the distribution project's token authentication).

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::www_authenticate::{self, Offer};

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
        let offers = offers(headers);
        let offered: Vec<Self> = offers.iter().filter_map(Self::read).collect();
        let bearer = offered.iter().find(|challenge| **challenge != Self::Basic);
        bearer.or(offered.first()).cloned()
    }

    /// The scope that an answer's first Bearer challenge says the request needs (RFC 6750, section 3).
    pub(crate) fn scope(headers: &HeaderMap) -> Option<String> {
        let offers = offers(headers);
        let is_bearer = |offer: &&Offer| matches!(Self::read(offer), Some(Self::Bearer { .. }));
        let scope = offers.iter().find(is_bearer)?.parameter("scope")?;
        Some(scope.to_owned())
    }

    fn read(offer: &Offer) -> Option<Self> {
        if offer.scheme.eq_ignore_ascii_case("Basic") {
            return Some(Self::Basic);
        }
        if !offer.scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        let realm: Url = offer.parameter("realm")?.parse().ok()?;
        Some(Self::Bearer {
            realm: without_scope(realm),
            service: offer.parameter("service").map(str::to_owned),
        })
    }
}

fn offers(headers: &HeaderMap) -> Vec<Offer> {
    let values = headers.get_all(WWW_AUTHENTICATE);
    // Every header counts: challenges stand in one or in several of them (RFC 9110, section 11.6.1).
    values
        .iter()
        .flat_map(|value| www_authenticate::parse(value.as_bytes()))
        .collect()
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
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(WWW_AUTHENTICATE, value);
        }
        headers
    }

    fn offered(values: &[&str]) -> Option<Challenge> {
        Challenge::offered(&headers(values))
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
    fn a_challenge_that_is_not_ascii_or_has_no_quotes_is_one() {
        assert_eq!(
            offered(&[
                "Basic realm=x",
                "Bearer realm=https://a.example/t,service=Regístry 1"
            ]),
            Some(bearer("https://a.example/t", Some("Regístry 1")))
        );
        assert_eq!(
            offered(&["Basic realm='x', Bearer realm='https://a.example/t'"]),
            Some(bearer("https://a.example/t", None))
        );
    }

    #[test]
    fn the_scope_is_that_of_the_challenge_that_is_met() {
        let scope = |values: &[&str]| Challenge::scope(&headers(values));
        assert_eq!(
            scope(&[
                r#"Bearer realm="/none",scope="repository:a:pull", Basic realm="x",scope="b""#,
                r#"Bearer realm="https://a.example/t",scope="repository:c:pull,push""#
            ])
            .as_deref(),
            Some("repository:c:pull,push")
        );
        assert_eq!(
            scope(&[r#"Bearer realm="https://a.example/t",scope="""#]),
            None
        );
        assert_eq!(scope(&[r#"Basic realm="x",scope="b""#]), None);
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
