//! Choosing from indexes, and converting.

use std::collections::HashSet;

use image_sync_fuzzkit::{assert_presentable, first_lines, text};
use image_sync_shared::digest::Digest;
use image_sync_shared::manifest::{Descriptor, Manifest, RawManifest};
use image_sync_shared::platform::Platforms;

use crate::convert::to_oci;
use crate::plan::{Image, Node, plan};
use crate::platforms::{Choice, choose};

/// The wanted platforms in the first line, a Content-Type in the second, then an index or a manifest: what is chosen is of the
/// index, choosing again changes nothing, and neither does converting again.
pub fn platforms_and_convert(input: &[u8]) {
    let ([wanted, stated], bytes) = first_lines(input);
    let raw = raw(text(stated), bytes);
    let node = match Node::read(raw.clone()) {
        Ok(node) => node,
        Err(failure) => return assert_presentable(&failure.to_string()),
    };
    if let (Manifest::Index { children }, Ok(wanted)) = (&node.refers, text(wanted).parse()) {
        choice_holds(&raw, children, &wanted);
    }
    let root = raw.digest.clone();
    match plan(&root, [(root.clone(), node)].into(), Vec::new()) {
        Ok(planned) => {
            assert_eq!(planned.manifests.last(), Some(&raw), "the root is the last");
            conversion_holds(&planned);
        }
        Err(failure) => assert_presentable(&failure.to_string()),
    }
}

fn raw(media_type: &str, bytes: &[u8]) -> RawManifest {
    RawManifest {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        bytes: bytes.to_vec().into(),
    }
}

fn choice_holds(index: &RawManifest, children: &[Descriptor], wanted: &Platforms) {
    let choice = choose(index, children, wanted, &HashSet::new());
    assert_eq!(choice, choose(index, children, wanted, &HashSet::new()));
    match choice {
        Ok(Choice::Whole) => {}
        Ok(Choice::Child(digest)) => {
            assert!(children.iter().any(|child| child.digest == digest));
        }
        Ok(Choice::Index(smaller)) => {
            assert_eq!(smaller.digest, Digest::of(&smaller.bytes));
            let Ok(Manifest::Index { children: kept }) = smaller.parse() else {
                unreachable!("{smaller:?} is an index no more")
            };
            assert!(kept.len() < children.len());
            let mut all = children.iter();
            let in_order = kept.iter().all(|kept| all.any(|child| child == kept));
            assert!(in_order, "{kept:?} of {children:?}");
            assert_eq!(
                choose(&smaller, &kept, wanted, &HashSet::new()),
                Ok(Choice::Whole)
            );
        }
        Err(failure) => assert_presentable(&failure.to_string()),
    }
}

fn conversion_holds(image: &Image) {
    let converted = to_oci(image);
    assert_eq!(converted, to_oci(image));
    let Some(converted) = converted else { return };
    assert_eq!(converted.image.manifests.len(), image.manifests.len());
    for (before, after) in image.manifests.iter().zip(&converted.image.manifests) {
        assert_eq!(after.digest, Digest::of(&after.bytes));
        let listed = |raw: &RawManifest| match raw.parse() {
            Ok(Manifest::Image { blobs, foreign }) => [blobs, foreign].concat(),
            Ok(Manifest::Index { children }) => children,
            Err(error) => unreachable!("{error} of {raw:?}"),
        };
        let digests = |raw| {
            listed(raw)
                .into_iter()
                .map(|listed| (listed.digest, listed.size))
        };
        assert!(digests(before).eq(digests(after)), "{before:?} {after:?}");
    }
    assert_eq!(to_oci(&converted.image), None, "{converted:?}");
}
