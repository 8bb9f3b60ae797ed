//! Whether a token server may be sent a password: its address comes from the registry's answer.

use reqwest::Url;

use crate::client::tls::is_loopback;
use crate::client::transport::authority;

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

#[cfg(test)]
mod tests {
    use super::check;

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
}
