//! Which request is the first one for a blob.

use image_sync_shared::image::reference::Repository;
use image_sync_shared::ports::transfer::known_blobs::KnownBlob;

/// The first request for a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FirstRequest {
    /// None: it is there.
    Nothing,
    /// Mount it from another repository, which begins an upload if that fails.
    Mount(Repository),
    /// "Mount" it from the target's own repository: finds it, or begins the upload. Where blobs are likely missing this
    /// saves the HEAD.
    MountFromItself,
    /// HEAD.
    Head,
}

/// Decides on the first request.
pub(crate) fn first_request(known: &KnownBlob) -> FirstRequest {
    match known {
        KnownBlob { here: true, .. } => FirstRequest::Nothing,
        KnownBlob {
            refuses_mounts: true,
            ..
        } => FirstRequest::Head,
        KnownBlob {
            elsewhere: Some(from),
            ..
        } => FirstRequest::Mount(from.clone()),
        KnownBlob {
            new_repository: true,
            ..
        } => FirstRequest::MountFromItself,
        _ => FirstRequest::Head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_follows_from_what_is_known() {
        let other: Repository = "cache.test/other".parse().unwrap();
        let elsewhere = Some(other.clone());
        let known = |here, elsewhere, new_repository, refuses_mounts| KnownBlob {
            here,
            elsewhere,
            new_repository,
            refuses_mounts,
        };
        let cases = [
            (
                known(true, elsewhere.clone(), true, true),
                FirstRequest::Nothing,
            ),
            (
                known(false, elsewhere.clone(), true, false),
                FirstRequest::Mount(other.clone()),
            ),
            (
                known(false, elsewhere.clone(), false, false),
                FirstRequest::Mount(other),
            ),
            (
                known(false, None, true, false),
                FirstRequest::MountFromItself,
            ),
            (known(false, None, false, false), FirstRequest::Head),
            (known(false, elsewhere, true, true), FirstRequest::Head),
            (known(false, None, true, true), FirstRequest::Head),
        ];
        for (known, expected) in cases {
            assert_eq!(first_request(&known), expected, "{known:?}");
        }
    }
}
