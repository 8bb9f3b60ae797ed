//! What a token is to allow (the distribution project's token scopes).

use std::collections::BTreeSet;

use image_sync_shared::job::Access;

/// A set of scopes: what a token allows, and the key by which it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scopes(BTreeSet<String>);

impl Scopes {
    /// `access` to the repository `name`, and reading `also_pull` besides.
    pub(crate) fn new(name: &str, access: Access, also_pull: Option<&str>) -> Self {
        let actions = match access {
            Access::Pull => "pull",
            Access::PullPush => "pull,push",
        };
        let further = also_pull.filter(|other| *other != name);
        let own = format!("repository:{name}:{actions}");
        let further = further.map(|other| format!("repository:{other}:pull"));
        Self(further.into_iter().chain([own]).collect())
    }

    /// The scopes, in an order of their own.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The scopes as one parameter (RFC 6749, section 3.3).
    pub(crate) fn joined(&self) -> String {
        self.iter().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_needs_both_repositories() {
        let scopes = |access, also| Scopes::new("a/b", access, also).joined();
        assert_eq!(scopes(Access::Pull, None), "repository:a/b:pull");
        assert_eq!(scopes(Access::PullPush, None), "repository:a/b:pull,push");
        assert_eq!(
            scopes(Access::PullPush, Some("a/c")),
            "repository:a/b:pull,push repository:a/c:pull"
        );
        assert_eq!(
            scopes(Access::PullPush, Some("a/b")),
            "repository:a/b:pull,push"
        );
    }
}
