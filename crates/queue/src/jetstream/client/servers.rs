//! The URLs of servers.

use async_nats::ServerAddr;
use image_sync_shared::secret::Secret;
use url::Url;

use super::connect_error::ConnectError;
use super::settings::Auth;

/// The servers of these URLs, and who the first URL that names a user says the client is.
pub(crate) fn parse(urls: &[String]) -> Result<(Vec<ServerAddr>, Auth), ConnectError> {
    if urls.is_empty() {
        return Err(ConnectError::Settings("no server is named".to_owned()));
    }
    let (mut servers, mut auth) = (Vec::new(), Auth::None);
    for (number, text) in (1..).zip(urls) {
        let mut url = parse_one(text).map_err(|why| {
            // Not the text itself: it may hold a password.
            ConnectError::Settings(format!(
                "the URL of server {number} is not valid: {why}; expected nats://HOST[:PORT] or tls://HOST[:PORT]"
            ))
        })?;
        if auth == Auth::None {
            auth = auth_of(&url);
        }
        // What follows names no one: only the settings say who the client is.
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        let address = stripped.ok().and_then(|()| ServerAddr::from_url(url).ok());
        servers.extend(address);
    }
    Ok((servers, auth))
}

fn parse_one(text: &str) -> Result<Url, String> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("nats://{text}")
    };
    let url = Url::parse(&with_scheme).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "nats" | "tls") {
        return Err(format!("{} is not a scheme of NATS", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it has no host".to_owned());
    }
    Ok(url)
}

/// A user without a password is a token, as in other clients of NATS.
fn auth_of(url: &Url) -> Auth {
    let plain = |text: &str| {
        let as_form_key = text.replace('+', "%2B").replace('&', "%26");
        let mut decoded = url::form_urlencoded::parse(as_form_key.as_bytes());
        decoded
            .next()
            .map_or_else(String::new, |(key, _)| key.into_owned())
    };
    match (url.username(), url.password()) {
        ("", _) => Auth::None,
        (token, None) => Auth::Token(Secret::new(plain(token))),
        (user, Some(password)) => Auth::Password {
            user: plain(user),
            password: Secret::new(plain(password)),
        },
    }
}

/// The servers in words: `HOST:PORT, HOST:PORT`.
pub(super) fn places(servers: &[ServerAddr]) -> String {
    let places: Vec<String> = servers
        .iter()
        .map(|server| format!("{}:{}", server.host(), server.port()))
        .collect();
    places.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Auth) {
        let (servers, auth) = parse(&[text.to_owned()]).unwrap();
        (places(&servers), auth)
    }

    #[test]
    fn a_url_names_a_server_and_perhaps_a_user() {
        assert_eq!(parsed("nats://h:1"), ("h:1".to_owned(), Auth::None));
        assert_eq!(parsed("h"), ("h:4222".to_owned(), Auth::None));
        assert_eq!(parsed("tls://[::1]:5"), ("::1:5".to_owned(), Auth::None));
        let token = Auth::Token(Secret::new("t+k=&en"));
        assert_eq!(parsed("nats://t+k%3D&en@h"), ("h:4222".to_owned(), token));
        let password = Auth::Password {
            user: "me".to_owned(),
            password: Secret::new("p@ss w"),
        };
        assert_eq!(
            parsed("nats://me:p%40ss%20w@h"),
            ("h:4222".to_owned(), password)
        );
    }

    #[test]
    fn a_user_does_not_stay_in_the_address() {
        let (servers, _) = parse(&["nats://me:secret@h".to_owned()]).unwrap();
        assert!(!servers[0].as_url_str().contains("secret"));
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        for text in [
            "http://me:secret@h",
            "nats://me:secret@",
            "nats://me:secret@h:port",
            "://secret",
        ] {
            let error = parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(
                error.contains("server 1") && !error.contains("secret"),
                "{error}"
            );
        }
        assert!(parse(&[]).is_err());
    }
}
