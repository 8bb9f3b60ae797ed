//! Is the target equal to the source? The verdict on what both have for their tag, and on what is remembered of it.

use image_sync_shared::digest::Digest;
use image_sync_shared::media_type;
use image_sync_shared::platform::Platforms;
use image_sync_shared::ports::registries::Resolved;

/// What both ends have for their tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The source's.
    pub(crate) source: Resolved,
    /// The target's, if it has one.
    pub(crate) target: Option<Resolved>,
}

/// What is remembered of the source's digest. Nothing is ever written on its word, and nothing is up to date on it for longer
/// than its proof holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// What stands for the wanted platforms of it.
    pub(crate) chosen: Option<Digest>,
    /// What the target's registry got in its place, having refused it as it was.
    pub(crate) converted: Option<Digest>,
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: the target has this digest, and that is the right one.
    InPlace(Digest),
    /// The source may be an index, and platforms of it have to be chosen.
    NeedsManifest,
    /// The manifest of this digest has to be copied.
    Copy(Digest),
}

/// The verdict on what was found.
pub(crate) fn verdict(found: &Found, platforms: &Platforms, remembered: &Remembered) -> Verdict {
    let choice = needs_choice(&found.source, platforms);
    let expected = if choice {
        remembered.chosen.as_ref()
    } else {
        Some(&found.source.digest)
    };
    let at_target = found.target.as_ref().map(|target| &target.digest);
    if let (Some(expected), Some(at_target)) = (expected, at_target)
        && is_in_place(at_target, expected, remembered.converted.as_ref())
    {
        return Verdict::InPlace(at_target.clone());
    }
    if choice {
        Verdict::NeedsManifest
    } else {
        Verdict::Copy(found.source.digest.clone())
    }
}

/// Whether the target, having `at_target`, has what is expected, or what it was converted to.
pub(crate) fn is_in_place(
    at_target: &Digest,
    expected: &Digest,
    converted: Option<&Digest>,
) -> bool {
    at_target == expected || Some(at_target) == converted
}

/// Whether platforms have to be chosen. A type that the registry does not state may be an index.
pub(crate) fn needs_choice(source: &Resolved, platforms: &Platforms) -> bool {
    let media_type = &source.media_type;
    *platforms != Platforms::All
        && (media_type::is_index(media_type) || !media_type.contains(".manifest."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn found(media_type: &str, source: &str, target: Option<&str>) -> Found {
        let resolved = |text: &str| Resolved {
            digest: digest(text),
            media_type: media_type.to_owned(),
        };
        Found {
            source: resolved(source),
            target: target.map(resolved),
        }
    }

    fn amd64() -> Platforms {
        "linux/amd64".parse().unwrap()
    }

    fn chosen(text: &str) -> Remembered {
        Remembered {
            chosen: Some(digest(text)),
            converted: None,
        }
    }

    #[test]
    fn all_platforms_compare_the_digests_themselves() {
        let nothing = Remembered::default();
        let same = found(media_type::OCI_INDEX, "a", Some("a"));
        let in_place = Verdict::InPlace(digest("a"));
        assert_eq!(verdict(&same, &Platforms::All, &nothing), in_place);
        let copy = Verdict::Copy(digest("a"));
        for target in [None, Some("b")] {
            let other = found(media_type::OCI_INDEX, "a", target);
            assert_eq!(verdict(&other, &Platforms::All, &nothing), copy);
        }
    }

    #[test]
    fn one_platform_of_an_index_compares_the_remembered_child() {
        let at_child = found(media_type::OCI_INDEX, "index", Some("child"));
        let in_place = Verdict::InPlace(digest("child"));
        assert_eq!(verdict(&at_child, &amd64(), &chosen("child")), in_place);
        for remembered in [Remembered::default(), chosen("other child")] {
            let verdict = verdict(&at_child, &amd64(), &remembered);
            assert_eq!(verdict, Verdict::NeedsManifest, "memory alone never copies");
        }
        let at_index = found(media_type::OCI_INDEX, "index", Some("index"));
        assert_eq!(
            verdict(&at_index, &amd64(), &chosen("child")),
            Verdict::NeedsManifest,
            "the index is not the wanted platform of it"
        );
    }

    #[test]
    fn a_single_manifest_is_expected_as_it_is() {
        for media_type in [media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST] {
            let same = found(media_type, "a", Some("a"));
            let nothing = Remembered::default();
            assert_eq!(
                verdict(&same, &amd64(), &nothing),
                Verdict::InPlace(digest("a"))
            );
            let other = found(media_type, "a", None);
            assert_eq!(
                verdict(&other, &amd64(), &nothing),
                Verdict::Copy(digest("a"))
            );
        }
        let unstated = found("", "a", None);
        assert_eq!(
            verdict(&unstated, &amd64(), &Remembered::default()),
            Verdict::NeedsManifest,
            "it may be an index"
        );
    }

    #[test]
    fn what_it_was_converted_to_counts_as_in_place() {
        let converted = Remembered {
            chosen: Some(digest("child")),
            converted: Some(digest("oci")),
        };
        let all = found(media_type::DOCKER_MANIFEST, "docker", Some("oci"));
        assert_eq!(
            verdict(&all, &Platforms::All, &converted),
            Verdict::InPlace(digest("oci"))
        );
        let one = found(media_type::DOCKER_LIST, "list", Some("oci"));
        assert_eq!(
            verdict(&one, &amd64(), &converted),
            Verdict::InPlace(digest("oci"))
        );
        let elsewhere = found(media_type::DOCKER_MANIFEST, "docker", Some("stale"));
        assert_eq!(
            verdict(&elsewhere, &Platforms::All, &converted),
            Verdict::Copy(digest("docker"))
        );
    }
}
