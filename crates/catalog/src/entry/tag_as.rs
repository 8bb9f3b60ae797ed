//! The tag that an image gets at its targets.

use image_sync_shared::image::reference::Reference;

use super::naming::fill;
use super::source::Named;
use crate::problem::Problem;

/// How much of a digest stands for it.
const DIGITS: usize = 8;

/// What stands for a digest that is not known yet.
const UNKNOWN: &str = "*";
/// What is as good as any.
const ANY_DIGITS: &str = "00000000";

/// Whether `template` has the digest of an image in it.
pub(super) fn has_digest(template: &str) -> bool {
    template.contains("{digest8}")
}

/// What `template` makes of the image `named`, of whose tag rules see `version`: no tag, but with `*` in place of the digest,
/// where that is wanted and not known.
pub(super) fn tag(
    template: &str,
    named: &Named,
    version: Option<&str>,
) -> Result<Reference, Problem> {
    let tag = match &named.target_reference {
        Reference::Tag(tag) => Some(tag.as_str()),
        Reference::Digest(_) => None,
    };
    let digest = match &named.reference {
        Reference::Digest(digest) => digest.hex().get(..DIGITS),
        Reference::Tag(_) => None,
    };
    let filled = |digits: &str| {
        let filled = fill(template, |part| match part {
            "tag" => tag.map(str::to_owned),
            "version" => version.or(tag).map(|version| bare(version).to_owned()),
            "digest8" => Some(digits.to_owned()),
            _ => None,
        });
        filled.map_err(|problem| problem.key("tag_as"))
    };
    let made = filled(digest.unwrap_or(ANY_DIGITS))?;
    match made
        .parse()
        .map_err(|wrong| Problem::new(wrong).key("tag_as"))?
    {
        Reference::Tag(tag) if digest.is_some() || !has_digest(template) => Ok(Reference::Tag(tag)),
        Reference::Tag(_) => Ok(Reference::Tag(filled(UNKNOWN)?)),
        Reference::Digest(_) => Err(Problem::new("found a digest, expected a tag").key("tag_as")),
    }
}

/// A version without the `v` that many write before it.
fn bare(version: &str) -> &str {
    match version.strip_prefix('v') {
        Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => rest,
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::source;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn made(template: &str, source: &str, version: Option<&str>) -> Result<String, String> {
        let named = source::parse(source).unwrap().with_tag(None).unwrap();
        let tag = tag(template, &named, version);
        tag.map(|tag| tag.to_string())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_tag_is_made_of_the_tag_its_version_and_the_digest() {
        let of = |template, source: &str, version| made(template, source, version).unwrap();
        assert_eq!(of("{tag}-k8s", "a:v1.2", None), "v1.2-k8s");
        assert_eq!(of("{version}", "a:v1.2", Some("1.2")), "1.2");
        assert_eq!(of("{version}-x", "a:v1.2", None), "1.2-x");
        assert_eq!(of("{version}", "a:vim", None), "vim");
        assert_eq!(of("fixed", "a:v1.2", None), "fixed");
        let pinned = format!("a:v1@{DIGEST}");
        assert_eq!(of("{tag}-{digest8}", &pinned, None), "v1-e3b0c442");
        assert_eq!(
            of("by-{digest8}", &format!("a@{DIGEST}"), None),
            "by-e3b0c442"
        );
    }

    #[test]
    fn a_digest_that_is_not_known_is_a_star() {
        let of = |template, source: &str| made(template, source, None).unwrap();
        assert_eq!(of("{digest8}", "a:v1"), "*");
        assert_eq!(of("{tag}-{digest8}", "a:v1"), "v1-*");
    }

    #[test]
    fn what_makes_no_tag_is_told() {
        let told = |template, source: &str| made(template, source, None).unwrap_err();
        let long = format!("{{tag}}-{{digest8}}-{}", "x".repeat(120));
        assert!(told(&long, "a:v1").contains("is not a valid"));
        assert!(told("{digest8}/x", "a:v1").contains("is not a valid"));
        assert!(told("*{digest8}", "a:v1").contains("is not a valid"));
        assert!(told("{tga}", "a:v1").contains("{tga} in \"{tga}\", which is not known here"));
        assert!(told("{tag}", &format!("a@{DIGEST}")).contains("{tag}"));
        assert!(told("{tag}/x", "a:v1").contains("is not a valid"));
    }
}
