//! Where a redirect leads, if it may be followed (RFC 9110, section 15.4).

use image_sync_shared::failure::FailureClass;
use image_sync_shared::text::excerpt;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};

use crate::http::RequestError;
use crate::http::url::{authority, may_lead_to};

/// Redirects followed for one request, at most.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// The next URL where `status` is a redirect that is to be followed; none where the answer is the last one.
pub(crate) fn next(
    method: &Method,
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, RequestError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refuse = |why: String| {
        let place = authority(from);
        RequestError::new(
            FailureClass::Invalid,
            format!("{place} answered {status}: {why}"),
        )
    };
    // What is to be written elsewhere a registry says by the Location of an upload. A body that was streamed cannot be
    // sent twice.
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(refuse(format!("a redirect of a {method} is not followed")));
    }
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location else {
        return Err(refuse("a redirect without a Location".to_owned()));
    };
    let to = from
        .join(location)
        .map_err(|error| refuse(format!("its Location is no URL: {error}")))?;
    if may_lead_to(from, &to) {
        return Ok(Some(to));
    }
    Err(refuse(match to.scheme() {
        "http" => format!(
            "a redirect from https to plain HTTP at {} is not followed",
            authority(&to)
        ),
        other => format!("a redirect to {}: is not followed", excerpt(other)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(
        method: &Method,
        from: &str,
        status: u16,
        location: &str,
    ) -> Result<Option<String>, RequestError> {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        let status = StatusCode::from_u16(status).unwrap();
        next(method, &from.parse().unwrap(), status, &headers).map(|url| url.map(String::from))
    }

    #[test]
    fn reads_are_followed_to_any_https_place() {
        let from = "https://r.example/v2/a/blobs/b";
        let to = |location| follow(&Method::GET, from, 307, location).unwrap().unwrap();
        assert_eq!(to("/elsewhere?s=1"), "https://r.example/elsewhere?s=1");
        assert_eq!(to("https://cdn.example/x"), "https://cdn.example/x");
        assert_eq!(follow(&Method::HEAD, from, 200, "/x"), Ok(None));
        assert_eq!(follow(&Method::HEAD, from, 304, "/x"), Ok(None));
    }

    #[test]
    fn what_is_not_followed_says_why_and_shows_no_query() {
        let from = "https://r.example/v2/";
        let refused = |method, location| {
            let error = follow(method, from, 302, location).unwrap_err();
            assert_eq!(error.class, FailureClass::Invalid);
            error.answer
        };
        let downgrade = refused(&Method::GET, "http://cdn.example/x?signature=s3cret");
        assert!(
            downgrade.contains("https to plain HTTP at cdn.example"),
            "{downgrade}"
        );
        assert!(!downgrade.contains("s3cret"), "{downgrade}");
        assert!(refused(&Method::PUT, "https://cdn.example").contains("redirect of a PUT"));
        assert!(refused(&Method::GET, "ftp://cdn.example").contains("ftp"));
        assert!(refused(&Method::GET, "https://").contains("no URL"));
        assert_eq!(
            follow(&Method::GET, "http://r.example", 302, "http://cdn.example/")
                .unwrap()
                .unwrap(),
            "http://cdn.example/"
        );
    }
}
