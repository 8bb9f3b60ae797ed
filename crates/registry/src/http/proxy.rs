//! Through which proxy a host is reached.

mod no_proxy;

use std::sync::Arc;

use hyper::Uri;
use hyper::http::uri::InvalidUri;
use image_sync_shared::config::ProxySetting;
use image_sync_shared::secret::Secret;
use reqwest::Url;
use reqwest::header::HeaderValue;
use url::form_urlencoded;

use self::no_proxy::Exceptions;
use super::SetupError;
use super::authorization::basic;
use super::url::{authority, is_loopback};

const EXPECTED: &str =
    "expected http://[USER:PASSWORD@]HOST[:PORT] or https://[USER:PASSWORD@]HOST[:PORT]";

/// What the environment says about proxies. The CLI reads it; nothing here does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyEnv {
    /// `HTTP_PROXY`: for plain HTTP.
    pub http: Option<Secret>,
    /// `HTTPS_PROXY`: for HTTPS.
    pub https: Option<Secret>,
    /// `ALL_PROXY`: for what neither of them is set for.
    pub all: Option<Secret>,
    /// `NO_PROXY`: what is reached without one.
    pub no_proxy: Option<String>,
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProxyServer {
    /// Its scheme, host and port.
    address: Url,
    /// The Authorization it gets (RFC 9110, section 11.7.2).
    login: Option<(String, Secret)>,
}

/// Where a proxy is, and what it is shown.
pub(crate) struct ProxyAddress {
    /// Its scheme, host and port.
    pub(crate) uri: Uri,
    /// Its Proxy-Authorization.
    pub(crate) login: Option<HeaderValue>,
}

/// Which proxy a registry is reached through, and the hosts that it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum ProxyChoice {
    /// The one that the environment names, if any.
    #[default]
    Environment,
    /// None.
    Nothing,
    /// This one.
    Server(Arc<ProxyServer>),
}

/// The proxies of the environment.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Arc<ProxyServer>>,
    https: Option<Arc<ProxyServer>>,
    exceptions: Exceptions,
}

impl Proxies {
    /// Understands what the environment says.
    pub(crate) fn new(env: &ProxyEnv) -> Result<Self, SetupError> {
        let read = |name: &str, value: &Option<Secret>| {
            let value = value.as_ref().filter(|value| !value.reveal().is_empty());
            let server = value.map(|value| ProxyServer::parse(value.reveal()));
            let refuse = |problem| SetupError::new(name, problem);
            server
                .transpose()
                .map(|server| server.map(Arc::new))
                .map_err(refuse)
        };
        let all = read("ALL_PROXY", &env.all).unwrap_or_else(|error| {
            // Other programs take other kinds of it.
            tracing::warn!(%error, "this proxy is not used");
            None
        });
        Ok(Self {
            http: read("HTTP_PROXY", &env.http)?.or_else(|| all.clone()),
            https: read("HTTPS_PROXY", &env.https)?.or(all),
            exceptions: Exceptions::parse(env.no_proxy.as_deref().unwrap_or_default()),
        })
    }

    /// The proxy for `url` at a host that is reached `via` this. What is on this machine is reached past the proxies of the
    /// environment: they have other loopback addresses than this machine.
    pub(crate) fn choose(&self, url: &Url, via: &ProxyChoice) -> Option<Arc<ProxyServer>> {
        match via {
            ProxyChoice::Nothing => None,
            ProxyChoice::Server(server) => Some(Arc::clone(server)),
            ProxyChoice::Environment if is_loopback(url) || self.exceptions.hold(url) => None,
            ProxyChoice::Environment if url.scheme() == "https" => self.https.clone(),
            ProxyChoice::Environment => self.http.clone(),
        }
    }
}

impl ProxyChoice {
    /// What the settings of a registry say.
    pub(crate) fn new(setting: Option<&ProxySetting>) -> Result<Self, String> {
        match setting {
            None => Ok(Self::Environment),
            Some(ProxySetting::Nothing) => Ok(Self::Nothing),
            Some(ProxySetting::Server(url)) => {
                let server = ProxyServer::parse(url.reveal())?;
                Ok(Self::Server(Arc::new(server)))
            }
        }
    }
}

impl ProxyServer {
    /// Reads `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`, user and password percent-encoded. Errors quote nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A name with a port looks like a scheme with a path.
        let url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("http://{text}"))
        };
        let mut address =
            url.map_err(|_hidden| format!("this is no address of a proxy, {EXPECTED}"))?;
        if !matches!(address.scheme(), "http" | "https") {
            let scheme = address.scheme();
            return Err(format!("found a proxy that speaks {scheme}, {EXPECTED}"));
        }
        let username = decoded(address.username());
        let password = address.password().map(decoded);
        let login = (!username.is_empty() || password.is_some())
            .then(|| (username, Secret::new(password.unwrap_or_default())));
        // These fail only for URLs without a host.
        address.set_username("").ok();
        address.set_password(None).ok();
        address.set_path("");
        address.set_query(None);
        address.set_fragment(None);
        Ok(Self { address, login })
    }

    /// Its host and port.
    pub(crate) fn authority(&self) -> String {
        authority(&self.address)
    }

    /// What connections through it are made with. An error says why that is no address.
    pub(crate) fn address(&self) -> Result<ProxyAddress, String> {
        let uri = self.address.as_str().parse();
        let login = self.login.as_ref().map(|(username, password)| {
            let mut authorization = basic(username, password);
            authorization.set_sensitive(true);
            authorization
        });
        Ok(ProxyAddress {
            uri: uri.map_err(|error: InvalidUri| error.to_string())?,
            login,
        })
    }
}

/// Percent-decodes a user name or password (RFC 3986, section 2.1).
fn decoded(text: &str) -> String {
    // A form would have blanks for '+' too.
    let text = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(decoded, _)| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(http: &str, https: &str, all: &str, no_proxy: &str) -> ProxyEnv {
        let set = |value: &str| Some(Secret::new(value));
        ProxyEnv {
            http: set(http),
            https: set(https),
            all: set(all),
            no_proxy: Some(no_proxy.to_owned()),
        }
    }

    fn chosen(env: &ProxyEnv, url: &str, via: &ProxyChoice) -> Option<String> {
        let proxies = Proxies::new(env).unwrap();
        let chosen = proxies.choose(&url.parse().unwrap(), via);
        chosen.map(|server| server.authority())
    }

    #[test]
    fn each_scheme_has_its_proxy_and_this_machine_none() {
        let env = env("http://plain:1", "secure:2", "http://all:3", "past.example");
        let of = |url| chosen(&env, url, &ProxyChoice::Environment);
        assert_eq!(of("http://r.example/v2/").as_deref(), Some("plain:1"));
        assert_eq!(of("https://r.example/v2/").as_deref(), Some("secure:2"));
        for direct in [
            "http://localhost:5000",
            "https://127.0.0.1",
            "http://[::1]:5000",
            "https://past.example",
        ] {
            assert_eq!(of(direct), None, "{direct}");
        }
        let all = ProxyEnv {
            http: None,
            https: Some(Secret::new("")),
            ..env.clone()
        };
        for url in ["http://r.example", "https://r.example"] {
            assert_eq!(
                chosen(&all, url, &ProxyChoice::Environment).as_deref(),
                Some("all:3")
            );
        }
        assert_eq!(
            chosen(
                &ProxyEnv::default(),
                "https://r.example",
                &ProxyChoice::Environment
            ),
            None
        );
    }

    #[test]
    fn what_a_registry_says_comes_before_the_environment() {
        let env = env("http://plain:1", "http://secure:2", "", "r.example");
        let own =
            ProxyChoice::new(Some(&ProxySetting::Server(Secret::new("http://own:4")))).unwrap();
        for url in ["https://r.example", "http://127.0.0.1:5000"] {
            assert_eq!(chosen(&env, url, &own).as_deref(), Some("own:4"));
        }
        let nothing = ProxyChoice::new(Some(&ProxySetting::Nothing)).unwrap();
        assert_eq!(chosen(&env, "https://other.example", &nothing), None);
    }

    #[test]
    fn a_login_is_decoded_and_is_no_part_of_the_address() {
        let server =
            ProxyServer::parse("http://do%40me:p%3Aw%2F+%25@proxy.example:3128/x?y").unwrap();
        assert_eq!(server.address.as_str(), "http://proxy.example:3128/");
        let login = Some(("do@me".to_owned(), Secret::new("p:w/+%")));
        assert_eq!(server.login, login);
        assert!(!format!("{server:?}").contains("p:w"));
        let without = ProxyServer::parse("proxy.example:3128").unwrap();
        assert_eq!(
            (without.authority(), without.login),
            ("proxy.example:3128".to_owned(), None)
        );
        let user_alone = ProxyServer::parse("me@proxy.example").unwrap();
        assert_eq!(user_alone.login, Some(("me".to_owned(), Secret::new(""))));
    }

    #[test]
    fn what_is_no_proxy_is_told_by_its_variable_and_not_quoted() {
        for bad in [
            "http://u:hunter2@",
            "socks5://u:hunter2@p:1",
            "http://u:hunter2@p:x",
            "://hunter2",
        ] {
            let error = Proxies::new(&env("", bad, "", "")).unwrap_err().to_string();
            assert!(error.starts_with("HTTPS_PROXY: "), "{error}");
            assert!(error.contains("expected http://"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        // Whoever sets ALL_PROXY may mean other programs.
        let all = env("", "", "socks5://p:1", "");
        assert_eq!(
            chosen(&all, "https://r.example", &ProxyChoice::Environment),
            None
        );
    }
}
