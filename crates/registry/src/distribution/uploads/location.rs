//! Where an upload goes on (OCI distribution spec, section "Pushing blobs": the Location of an upload session).

use image_sync_shared::image::digest::Digest;
use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};

use crate::http::url::may_lead_to;

/// The URL that an answer to `asked` names as the next: absolute, or relative to `asked`. Never from HTTPS to plain HTTP. The
/// error names no path and no query, which may be signed.
pub(super) fn next(asked: &Url, headers: &HeaderMap) -> Result<Url, String> {
    let location = headers
        .get(LOCATION)
        .ok_or("the answer has no Location")?
        .to_str()
        .map_err(|error| format!("the answer's Location is not text: {error}"))?;
    let mut url = asked
        .join(location)
        .map_err(|error| format!("the answer's Location is not a URL: {error}"))?;
    if !may_lead_to(asked, &url) {
        return Err(format!(
            "the answer's Location leads from {} to {} at {}, which is not followed",
            asked.scheme(),
            url.scheme(),
            url.host_str().unwrap_or("no host")
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

/// The URL that ends the upload of a blob; a query that the registry gave stays in front.
pub(super) fn closing(location: &Url, digest: &Digest) -> Url {
    let mut url = location.clone();
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    url
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const ASKED: &str = "https://r.example:5000/v2/a/blobs/uploads/?mount=x";

    fn following(asked: &str, location: &str) -> Result<String, String> {
        let headers = [(LOCATION, HeaderValue::from_str(location).unwrap())];
        next(&asked.parse().unwrap(), &headers.into_iter().collect()).map(String::from)
    }

    #[test]
    fn a_location_may_be_absolute_or_relative_and_have_a_query() {
        for (location, expected) in [
            ("/v2/a/u1", "https://r.example:5000/v2/a/u1"),
            (
                "u1?_state=a%3D",
                "https://r.example:5000/v2/a/blobs/uploads/u1?_state=a%3D",
            ),
            ("https://s3.example/u?sig=1#f", "https://s3.example/u?sig=1"),
            ("//other.example/u", "https://other.example/u"),
        ] {
            assert_eq!(following(ASKED, location).unwrap(), expected);
        }
        let upgraded = following("http://r.example/v2/", "https://r.example/u");
        assert_eq!(upgraded.unwrap(), "https://r.example/u");
    }

    #[test]
    fn https_never_leads_to_plain_http() {
        let error = following(ASKED, "http://r.example:5000/secret?sig=1").unwrap_err();
        assert!(error.contains("from https to http at r.example"), "{error}");
        assert!(
            !error.contains("secret") && !error.contains("sig"),
            "{error}"
        );
        assert!(following(ASKED, "ftp://r.example/").is_err());
        assert!(following("http://r.example/", "file:///etc").is_err());
    }

    #[test]
    fn a_location_must_be_there_and_a_url() {
        assert!(following(ASKED, "https://[").is_err());
        let missing = next(&ASKED.parse().unwrap(), &HeaderMap::new()).unwrap_err();
        assert!(missing.contains("no Location"), "{missing}");
    }

    #[test]
    fn the_digest_is_appended_to_the_query() {
        let digest = Digest::of(b"");
        let with_state: Url = "https://r.example/u?_state=a%2Bb".parse().unwrap();
        let hex = digest.hex();
        assert_eq!(
            closing(&with_state, &digest).as_str(),
            format!("https://r.example/u?_state=a%2Bb&digest=sha256%3A{hex}")
        );
        let plain: Url = "https://r.example/u".parse().unwrap();
        assert_eq!(
            closing(&plain, &digest).query(),
            Some(format!("digest=sha256%3A{hex}").as_str())
        );
    }
}
