//! Whether a token server may be sent a password: its address comes from the registry's answer.

use reqwest::Url;
use url::Host;

use crate::http::url::{authority, is_loopback};

/// Refuses a token server on plain HTTP, unless the registry itself is on plain HTTP and both are on one host or on this
/// machine. It is refused without a password too, as a token is a secret just as well.
pub(crate) fn check(realm: &Url, registry: &Url) -> Result<(), String> {
    let expected = "expected https, or plain HTTP on the registry's own host if that is spoken to over plain HTTP";
    match realm.scheme() {
        "https" => Ok(()),
        "http" => {
            let one_host = registry.host() == realm.host();
            let this_machine = is_loopback(registry) && is_loopback(realm);
            if registry.scheme() == "http" && (one_host || this_machine) {
                return Ok(());
            }
            let place = authority(realm);
            Err(format!(
                "the registry names a token server on plain HTTP at {place}, which is sent nothing; {expected}"
            ))
        }
        other => Err(format!(
            "the registry names a token server at a {other} address; {expected}"
        )),
    }
}

/// Registries whose token servers are in another domain, with theirs. `*` stands for one label.
const KNOWN: [(&str, &str); 4] = [
    ("lscr.io", "ghcr.io"),
    ("nvcr.io", "authn.nvidia.com"),
    ("registry.redhat.io", "sso.redhat.com"),
    ("rg.*.scw.cloud", "api.scaleway.com"),
];

/// Whether a token server may be sent the password for a registry: it is on the registry's own host, in its domain (public
/// suffix list), or known to be its token server.
pub(crate) fn belongs_to(realm: &Url, registry: &Url) -> bool {
    match (realm.host(), registry.host()) {
        (Some(realm), Some(registry)) if realm == registry => true,
        (Some(Host::Domain(realm)), Some(Host::Domain(registry))) => {
            let domain = |name: &str| {
                // With the dot of the root at its end it is the same name.
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                psl::domain_str(&name).map(str::to_owned)
            };
            let is_shared = domain(realm).is_some_and(|own| domain(registry) == Some(own));
            is_shared || KNOWN.iter().any(|pair| is_pair(*pair, registry, realm))
        }
        _ => false,
    }
}

fn is_pair((registry, realm): (&str, &str), found: &str, found_realm: &str) -> bool {
    let same = |(label, found): (&str, &str)| label == "*" || label == found;
    realm == found_realm
        && registry.split('.').count() == found.split('.').count()
        && registry.split('.').zip(found.split('.')).all(same)
}

#[cfg(test)]
mod tests {
    use super::{belongs_to, check};

    fn allowed(realm: &str, registry: &str) -> bool {
        check(&realm.parse().unwrap(), &registry.parse().unwrap()).is_ok()
    }

    #[test]
    fn https_is_allowed_anywhere() {
        assert!(allowed("https://auth.example/token", "https://r.example"));
        assert!(allowed("https://auth.example/token", "http://r.example"));
    }

    #[test]
    fn plain_http_is_allowed_where_the_registry_is_plain_too() {
        assert!(allowed(
            "http://r.example:5001/token",
            "http://r.example:5000"
        ));
        assert!(allowed(
            "http://127.0.0.1:5001/token",
            "http://localhost:5000"
        ));
    }

    #[test]
    fn all_else_is_refused_by_the_name_of_its_host() {
        for (realm, registry) in [
            ("http://auth.example/token?key=s3cret", "https://r.example"),
            ("http://r.example/token", "https://r.example"),
            ("http://auth.example/token", "http://r.example"),
            ("http://auth.example/token", "http://localhost:5000"),
            ("http://localhost/token", "https://r.example"),
            ("http://127.0.0.1:5001/token", "https://127.0.0.1:5000"),
            ("http://localhost/token", "http://r.example"),
            ("ftp://r.example/token", "http://r.example"),
        ] {
            assert!(!allowed(realm, registry), "{realm} for {registry}");
        }
        let realm = "http://auth.example/token?key=s3cret".parse().unwrap();
        let refusal = check(&realm, &"https://r.example".parse().unwrap()).unwrap_err();
        assert!(
            refusal.contains("auth.example") && !refusal.contains("s3cret"),
            "{refusal}"
        );
    }

    fn belongs(realm: &str, registry: &str) -> bool {
        let url = |host: &str| format!("https://{host}").parse().unwrap();
        belongs_to(&url(realm), &url(registry))
    }

    #[test]
    fn a_token_server_in_the_domain_of_its_registry_belongs_to_it() {
        for (realm, registry) in [
            ("auth.docker.io", "registry-1.docker.io"),
            ("gitlab.example.com", "registry.example.com"),
            ("gitlab.com", "registry.gitlab.com"),
            ("api.digitalocean.com", "registry.digitalocean.com"),
            ("docker-auth.elastic.co", "docker.elastic.co"),
            ("sso.redhat.com", "registry.connect.redhat.com"),
            (
                "dockerauth.cn-hangzhou.aliyuncs.com",
                "registry.cn-hangzhou.aliyuncs.com",
            ),
            ("auth.firm.co.uk", "registry.firm.co.uk"),
            ("auth.corp.internal", "registry.corp.internal"),
            ("auth.example.com", "registry.example.com.:5000"),
            ("team.azurecr.io", "team.azurecr.io"),
            ("r.example:5001", "r.example:5000"),
            ("registry:5001", "registry:5000"),
            ("127.0.0.1:5001", "127.0.0.1:5000"),
            ("[::1]:5001", "[::1]:5000"),
        ] {
            assert!(belongs(realm, registry), "{realm} {registry}");
        }
    }

    #[test]
    fn a_token_server_that_is_known_belongs_to_its_registry() {
        for (realm, registry) in [
            ("authn.nvidia.com", "nvcr.io"),
            ("sso.redhat.com", "registry.redhat.io"),
            ("api.scaleway.com", "rg.fr-par.scw.cloud"),
            ("ghcr.io", "lscr.io"),
        ] {
            assert!(belongs(realm, registry), "{realm} {registry}");
        }
    }

    #[test]
    fn a_token_server_in_another_domain_does_not_belong_to_a_registry() {
        for (realm, registry) in [
            ("evil.example", "registry-1.docker.io"),
            ("docker.io.evil.example", "registry-1.docker.io"),
            ("evildocker.io", "registry-1.docker.io"),
            // Public suffixes, under which anyone may have a name.
            ("evil.co.uk", "registry.co.uk"),
            ("evil.github.io", "registry.github.io"),
            ("evil.s3.amazonaws.com", "team.s3.amazonaws.com"),
            ("auth", "registry"),
            ("evil.local", "registry.local"),
            ("127.0.0.2", "127.0.0.1"),
            ("192.0.2.1", "198.2.2.1"),
            ("localhost", "127.0.0.1"),
            ("evil.nvidia.com", "nvcr.io"),
            ("authn.nvidia.com", "evil.nvcr.io"),
            ("api.scaleway.com", "rg.a.b.scw.cloud"),
            ("api.scaleway.com", "evil.fr-par.scw.cloud"),
        ] {
            assert!(!belongs(realm, registry), "{realm} {registry}");
        }
    }
}
