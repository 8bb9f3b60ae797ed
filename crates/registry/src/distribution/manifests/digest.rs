//! What an answer about a manifest says, checked.

use bytes::Bytes;
use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::digest::{Algorithm, Digest, Hasher};
use image_sync_shared::image::manifest::{RawManifest, own_media_type, told_media_type};
use image_sync_shared::image::media_type;
use image_sync_shared::image::reference::Reference;
use reqwest::header::HeaderMap;
use serde::de::IgnoredAny;

use super::content_type;
use crate::http::RequestError;
use crate::http::body::encoding;

const DOCKER_CONTENT_DIGEST: &str = "docker-content-digest";

/// The digest that an answer states; what is no digest states none. Where a digest was asked for, it must be that one; a
/// registry that goes by another algorithm states another one, which proves nothing.
pub(super) fn stated_digest(
    headers: &HeaderMap,
    asked: &Reference,
) -> Result<Option<Digest>, RequestError> {
    let value = headers.get(DOCKER_CONTENT_DIGEST);
    let text = value.and_then(|value| value.to_str().ok());
    let Some(stated) = text.and_then(|text| text.parse::<Digest>().ok()) else {
        return Ok(None);
    };
    match asked {
        Reference::Tag(_) => Ok(Some(stated)),
        Reference::Digest(asked) if stated.algorithm() != asked.algorithm() => {
            Ok(Some(asked.clone()))
        }
        Reference::Digest(asked) if stated == *asked => Ok(Some(stated)),
        Reference::Digest(asked) => Err(mismatch(&format!("the registry states {stated}"), asked)),
    }
}

/// The manifest, if its bytes have the digest that was asked for, or else the one that is stated.
pub(super) fn verified(
    headers: &HeaderMap,
    bytes: Bytes,
    asked: &Reference,
) -> Result<RawManifest, RequestError> {
    let expected = match asked {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(_) => stated_digest(headers, asked)?,
    };
    let algorithm = expected
        .as_ref()
        .map_or(Algorithm::Sha256, Digest::algorithm);
    let mut hasher = Hasher::new(algorithm);
    hasher.update(&bytes);
    let digest = hasher.finish();
    match expected {
        Some(expected) if expected != digest => {
            let found = format!("the bytes received have {digest}; expected {expected}");
            let (class, answer) = encoding::mismatch(headers, &found);
            Err(RequestError::new(class, answer))
        }
        // With no digest to go by, a label counts where the bytes cannot be a manifest.
        None if encoding::label(headers).is_some() && !is_json(&bytes) => {
            let (class, answer) = encoding::mismatch(headers, "what came is no manifest");
            Err(RequestError::new(class, answer))
        }
        _ => Ok(RawManifest {
            media_type: media_type(content_type(headers), &bytes),
            digest,
            bytes,
        }),
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn mismatch(found: &str, expected: &Digest) -> RequestError {
    let answer = format!("{found}; expected {expected}");
    RequestError::new(FailureClass::DigestMismatch, answer)
}

/// The media type that is stated, unless the manifest itself has another one of the same kind, or of a kind where the stated
/// one is of none: registries that convert, and storages behind them, say what they like. Where neither has any, it is told
/// by the members.
fn media_type(stated: &str, bytes: &[u8]) -> String {
    let generic = matches!(
        stated,
        "" | "application/json" | "application/octet-stream" | "text/plain"
    );
    if generic {
        let told = told_media_type(bytes).ok().flatten();
        return told.unwrap_or_else(|| stated.to_owned());
    }
    if media_type::is_schema1(stated) {
        return stated.to_owned();
    }
    let own = own_media_type(bytes);
    let own = own.filter(
        |own| match (media_type::kind(stated), media_type::kind(own)) {
            (Some(stated), Some(own)) => stated == own,
            (None, own) => own.is_some(),
            (Some(_), None) => false,
        },
    );
    own.unwrap_or_else(|| stated.to_owned())
}

#[cfg(test)]
mod tests {
    use image_sync_shared::image::media_type::{
        DOCKER_MANIFEST, DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST,
    };
    use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};

    use super::*;

    const OTHER: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        pairs.iter().map(header).collect()
    }

    fn tag() -> Reference {
        "latest".parse().unwrap()
    }

    #[test]
    fn a_stated_digest_is_the_one_asked_for_and_what_is_no_digest_states_none() {
        let stating = |value| headers(&[(DOCKER_CONTENT_DIGEST, value)]);
        assert_eq!(stated_digest(&HeaderMap::new(), &tag()), Ok(None));
        let other: Digest = OTHER.parse().unwrap();
        assert_eq!(
            stated_digest(&stating(OTHER), &tag()),
            Ok(Some(other.clone()))
        );
        let sha384 = format!("sha384:{}", "0".repeat(96));
        let quoted = format!("{OTHER:?}");
        for none in ["", "unknown", "sha256:12", &quoted, &sha384] {
            let headers = stating(none);
            assert_eq!(stated_digest(&headers, &tag()), Ok(None), "{none}");
        }
        let asked = Reference::Digest(Digest::of(b"{}"));
        let wrong = stated_digest(&stating(OTHER), &asked).unwrap_err();
        assert_eq!(wrong.class, FailureClass::DigestMismatch);
        let sha512 = format!("sha512:{}", "0".repeat(128));
        let asked = Reference::Digest(sha512.parse().unwrap());
        let agreed = stated_digest(&stating(OTHER), &asked).unwrap().unwrap();
        assert_eq!(agreed.as_str(), sha512);
    }

    #[test]
    fn bytes_are_hashed_whatever_the_registry_says() {
        let bytes = Bytes::from_static(b"{}");
        let digest = Digest::of(&bytes);
        let good = verified(&HeaderMap::new(), bytes.clone(), &tag()).unwrap();
        assert_eq!(good.digest, digest);
        let stated = headers(&[(DOCKER_CONTENT_DIGEST, OTHER)]);
        let wrong = verified(&stated, bytes.clone(), &tag()).unwrap_err();
        assert_eq!(wrong.class, FailureClass::DigestMismatch);
        let asked = Reference::Digest(OTHER.parse().unwrap());
        let wrong = verified(&HeaderMap::new(), bytes.clone(), &asked).unwrap_err();
        assert_eq!(wrong.class, FailureClass::DigestMismatch);
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(&bytes);
        let sha512 = hasher.finish();
        let asked = Reference::Digest(sha512.clone());
        assert_eq!(
            verified(&HeaderMap::new(), bytes, &asked).unwrap().digest,
            sha512
        );
    }

    #[test]
    fn the_media_type_is_told_by_the_manifest_where_the_header_says_nothing() {
        let told = |stated: &str, text: &'static str| {
            let headers = headers(&[(CONTENT_TYPE.as_str().to_owned().leak(), stated)]);
            verified(&headers, Bytes::from_static(text.as_bytes()), &tag())
                .unwrap()
                .media_type
        };
        let docker = format!("{DOCKER_MANIFEST}; charset=utf-8");
        assert_eq!(told(&docker, "{}"), DOCKER_MANIFEST);
        assert_eq!(told("application/json", r#"{"mediaType":"m/t"}"#), "m/t");
        assert_eq!(
            told("text/plain; charset=utf-8", r#"{"manifests":[]}"#),
            OCI_INDEX
        );
        assert_eq!(
            told("application/octet-stream", r#"{"config":{}}"#),
            OCI_MANIFEST
        );
        assert_eq!(told("text/plain", "no JSON"), "text/plain");
    }

    #[test]
    fn the_manifests_own_media_type_goes_before_another_stated_one_of_the_same_kind() {
        let of = |stated: &str, own: &str| {
            let body = format!(r#"{{"mediaType":"{own}","config":{{}}}}"#);
            media_type(stated, body.as_bytes())
        };
        assert_eq!(of(OCI_MANIFEST, DOCKER_MANIFEST), DOCKER_MANIFEST);
        assert_eq!(of(DOCKER_MANIFEST, OCI_MANIFEST), OCI_MANIFEST);
        assert_eq!(of("binary/octet-stream", OCI_MANIFEST), OCI_MANIFEST);
        assert_eq!(of(OCI_INDEX, OCI_MANIFEST), OCI_INDEX, "of another kind");
        assert_eq!(of(DOCKER_MANIFEST, ""), DOCKER_MANIFEST);
        assert_eq!(of(DOCKER_MANIFEST, "acme/x"), DOCKER_MANIFEST);
        assert_eq!(of(DOCKER_SCHEMA1, DOCKER_MANIFEST), DOCKER_SCHEMA1);
    }

    #[test]
    fn a_content_encoding_is_a_mere_label_where_the_digest_is_right() {
        let bytes = Bytes::from_static(b"{}");
        let asked = Reference::Digest(Digest::of(&bytes));
        for label in ["gzip", "x-gzip", "", "identity"] {
            let labelled = headers(&[("content-encoding", label)]);
            assert!(verified(&labelled, bytes.clone(), &asked).is_ok());
            assert!(verified(&labelled, bytes.clone(), &tag()).is_ok());
        }
    }

    #[test]
    fn an_encoded_manifest_is_refused() {
        let encoded = Bytes::from_static(b"\x1f\x8b");
        let labelled = headers(&[("content-encoding", "gzip")]);
        let asked = Reference::Digest(Digest::of(b"{}"));
        for asked in [asked, tag()] {
            let refused = verified(&labelled, encoded.clone(), &asked).unwrap_err();
            assert_eq!(refused.class, FailureClass::Invalid);
            let answer = refused.answer;
            assert!(answer.contains("Content-Encoding gzip"), "{answer}");
        }
    }
}
