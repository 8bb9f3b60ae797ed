//! Where the requests for a registry go.

use image_sync_shared::config::RegistrySettings;
use image_sync_shared::image::reference::{DOCKER_HUB, DOCKER_HUB_API, Location, canonical_host};
use image_sync_shared::run::job::Trust;
use reqwest::Url;

use super::cooldown::Cooldown;
use crate::auth::scopes::Scopes;
use crate::auth::tokens::TokenCache;
use crate::auth::{AuthRequest, Challenge, HostInfo};
use crate::http::SetupError;
use crate::http::connection::Profile;
use crate::http::transport::NamedRegistry;
use crate::http::url::{is_loopback, same_origin};
use crate::single_flight::SingleFlight;

/// One server that requests for a registry go to: the registry itself or a mirror.
pub(crate) struct Endpoint {
    /// The host by which settings and credentials know it.
    pub(crate) host: String,
    /// Its scheme, host and port.
    address: Url,
    /// The same on plain HTTP, where that is allowed if it speaks no TLS.
    pub(crate) plain: Option<Url>,
    /// Leading components of every repository here: a mirror of several registries keeps each under a path.
    pub(crate) prefix: String,
    /// Whether credentials know its repositories with `prefix`: those of a mirror are the mirror's own, those of an
    /// endpoint are the registry's that it stands for.
    pub(crate) is_mirror: bool,
    /// How connections to it are secured.
    profile: Profile,
    /// The same without verification, where that is allowed if verification fails.
    unverified: Option<Profile>,
    /// Whether credentials wait for proof of who the server is, as no one wrote that they need not.
    pub(crate) requires_verification: bool,
    /// The token server that gets its credentials wherever it is.
    pub(crate) token_realm: Option<Url>,
    /// Whether it may lead to private and loopback addresses from anywhere.
    pub(crate) allow_private: bool,
    /// What its first answer told.
    pub(crate) info: SingleFlight<HostInfo>,
    /// Set once it was asked for its challenge and has answered, having given an answer that may be for anonymous clients
    /// alone.
    pub(crate) asked_for_challenge: SingleFlight<()>,
    /// The tokens it accepts.
    pub(crate) tokens: TokenCache,
    /// Where it need not be asked: until when it is left alone.
    pub(crate) cooldown: Cooldown,
}

impl Endpoint {
    /// The registry `host` itself.
    pub(crate) fn registry(
        host: &str,
        settings: &RegistrySettings,
        trust: Trust,
    ) -> Result<Self, SetupError> {
        let invalid = |problem: String| SetupError::new(format!("registries.{host}"), problem);
        let profile = Profile::new(settings, trust).map_err(invalid)?;
        // `insecure` in the settings is somebody's word, and goes before what holds where nobody said anything.
        let by_default = trust == Trust::InsecureByDefault && !profile.unverified;
        let may_be_plain = profile.unverified || by_default;
        let ((address, plain), prefix) = if let Some(text) = &settings.endpoint {
            let (address, prefix) = parse_place(text).map_err(invalid)?;
            ((address, None), prefix)
        } else {
            let found = addresses(host, settings.plain_http, may_be_plain);
            (found.map_err(invalid)?, String::new())
        };
        let realm = settings.token_realm.as_deref().map(str::parse);
        let token_realm = realm
            .transpose()
            .map_err(|error| invalid(format!("token_realm is no URL: {error}")))?;
        Ok(Self {
            host: host.to_owned(),
            // Whoever wrote an address on plain HTTP wrote that it is not proven who is there.
            requires_verification: by_default && address.scheme() == "https",
            unverified: by_default.then(|| profile.without_verification()),
            address,
            plain,
            prefix,
            is_mirror: false,
            profile,
            token_realm,
            allow_private: settings.allow_private,
            info: SingleFlight::default(),
            asked_for_challenge: SingleFlight::default(),
            tokens: TokenCache::default(),
            cooldown: Cooldown::default(),
        })
    }

    /// A mirror: `HOST[:PORT][/PREFIX]`, with or without a scheme. Without one, the settings of its host hold.
    pub(crate) fn mirror(
        text: &str,
        settings_of: impl Fn(&str) -> RegistrySettings,
    ) -> Result<Self, SetupError> {
        let (scheme, rest) = text
            .split_once("://")
            .map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
        let host = canonical_host(rest.split('/').next().unwrap_or(rest));
        let invalid = |problem| SetupError::new(format!("mirror {text}"), problem);
        let with_scheme = format!("{}://{rest}", scheme.unwrap_or("https"));
        let (address, prefix) = parse_place(&with_scheme).map_err(invalid)?;
        let mut settings = settings_of(host);
        // A registry that is a mirror of another is asked under its own name, or where its own endpoint is.
        if scheme.is_some() {
            settings.endpoint = None;
        }
        // How far the registry or the cache is trusted says nothing of its mirrors: that is for their own settings to
        // say.
        let mut endpoint = Self::registry(host, &settings, Trust::Verified)?;
        if scheme.is_some() {
            endpoint.address = address;
            endpoint.plain = None;
        }
        endpoint.is_mirror = true;
        endpoint.prefix = [endpoint.prefix, prefix]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        Ok(endpoint)
    }

    /// The `<name>` of a repository here.
    pub(crate) fn name(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// What is known of it, before it was asked too.
    pub(crate) fn known(&self) -> HostInfo {
        self.info.peek().unwrap_or_else(|| HostInfo {
            base: self.address.clone(),
            unverified: false,
            challenge: Challenge::Nothing,
        })
    }

    /// The repository `name` as credentials know it.
    pub(crate) fn name_for_credentials(&self, name: &str) -> String {
        if self.is_mirror {
            self.name(name)
        } else {
            name.to_owned()
        }
    }

    /// Where it is, as far as is known.
    pub(crate) fn base(&self) -> Url {
        self.known().base
    }

    /// How connections to it are secured.
    pub(crate) fn profile(&self, server: &HostInfo) -> &Profile {
        match &self.unverified {
            Some(unverified) if server.unverified => unverified,
            _ => &self.profile,
        }
    }

    /// The registry, as requests know it, where it is at `base`.
    pub(crate) fn named<'a>(&'a self, base: &'a Url) -> NamedRegistry<'a> {
        NamedRegistry {
            host: &self.host,
            base,
            token_realm: self.token_realm.as_ref(),
            allow_private: self.allow_private,
        }
    }

    /// A request for leave to do what `scopes` say with a repository here, which is known to credentials by that name.
    pub(crate) fn auth_request<'a>(
        &'a self,
        repository: &'a str,
        scopes: &'a Scopes,
        profile: &'a Profile,
        named: NamedRegistry<'a>,
    ) -> AuthRequest<'a> {
        AuthRequest {
            host: &self.host,
            repository,
            scopes,
            tokens: &self.tokens,
            profile,
            requires_verification: self.requires_verification,
            token_realm: self.token_realm.as_ref(),
            named,
        }
    }

    /// Whether its certificate need not be verified where it cannot be.
    pub(crate) fn may_be_unverified(&self) -> bool {
        self.unverified.is_some()
    }

    /// Whether `url` is where this server is, or where it may turn out to be.
    pub(crate) fn may_be_at(&self, url: &Url) -> bool {
        self.serves(url)
            || same_origin(&self.address, url)
            || self
                .plain
                .as_ref()
                .is_some_and(|plain| same_origin(plain, url))
    }

    /// Whether `url` is at this server, as far as is known where it is.
    pub(crate) fn serves(&self, url: &Url) -> bool {
        same_origin(&self.base(), url)
    }
}

/// `BASE/v2/PATH`, where `path` may have a query.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("v2/{path}"));
    url.set_query(query);
    url
}

/// The address of a host, and the other one where it may also be found.
fn addresses(host: &str, plain_http: bool, insecure: bool) -> Result<(Url, Option<Url>), String> {
    let host = if host == DOCKER_HUB {
        DOCKER_HUB_API
    } else {
        host
    };
    let secure = parse_base(&format!("https://{host}"))?;
    let plain = parse_base(&format!("http://{host}"))?;
    Ok(if plain_http {
        (plain, None)
    } else if insecure || is_loopback(&secure) {
        // As Docker has it, a registry on this machine may speak plain HTTP without a word in the config.
        (secure, Some(plain))
    } else {
        (secure, None)
    })
}

/// The address of `SCHEME://HOST[:PORT][/PATH]`, and the path, which stands before all repositories.
fn parse_place(text: &str) -> Result<(Url, String), String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.trim_end_matches('/');
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme.is_empty() {
        return parse_base(text).map(|base| (base, String::new()));
    }
    let base = parse_base(&format!("{scheme}://{host}"))?;
    if prefix.is_empty() {
        return Ok((base, String::new()));
    }
    let is_name = format!("localhost/{prefix}").parse::<Location>().is_ok();
    // Whoever writes the `/v2/` of the API into the path would ask for `/v2/v2/...`.
    if is_name && prefix.split('/').next() != Some("v2") {
        Ok((base, prefix.to_owned()))
    } else {
        Err(format!(
            "its path does not begin the names of repositories; {EXPECTED_BASE}"
        ))
    }
}

const EXPECTED_BASE: &str = "expected https://HOST[:PORT][/PATH] or http://HOST[:PORT][/PATH], the path being what stands before \
     repositories and after /v2/";

fn parse_base(text: &str) -> Result<Url, String> {
    let expected = EXPECTED_BASE;
    let url: Url = text
        .parse()
        .map_err(|error| format!("{text:?} is no URL ({error}); {expected}"))?;
    let bare = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if bare {
        Ok(url)
    } else {
        Err(format!(
            "{} has more than that or another scheme; {expected}",
            without_secrets(url)
        ))
    }
}

fn without_secrets(mut url: Url) -> Url {
    // These fail only for URLs without a host, which have no user either.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url
}
