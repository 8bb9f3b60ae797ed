//! What a token is to allow (the distribution project's token scopes).

use std::collections::{BTreeMap, BTreeSet};

use image_sync_shared::run::job::Access;

/// Scopes of a challenge that are followed, at most.
const MAX_DEMANDED: usize = 8;
/// The longest one, in bytes.
const MAX_SCOPE: usize = 1024;

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
        // A mount from the repository itself needs no further scope.
        let further = also_pull.filter(|other| *other != name);
        let own = format!("repository:{name}:{actions}");
        let further = further.map(|other| format!("repository:{other}:pull"));
        Self(further.into_iter().chain([own]).collect())
    }

    /// Listing the repositories of a registry.
    pub(crate) fn catalog() -> Self {
        Self(BTreeSet::from(["registry:catalog:*".to_owned()]))
    }

    /// What a token must allow where a challenge demands `demanded` (a list with blanks between) of whoever asks with
    /// these; none where these are enough. A registry may know a repository by another name than its path has: then what it
    /// demands is asked for in place of these. Never more than to push where these are to push, or to pull.
    pub(crate) fn as_demanded(&self, demanded: &str) -> Option<Self> {
        let allowed = if self.iter().any(allows_push) {
            &["pull", "push"][..]
        } else {
            &["pull"]
        };
        let demanded: Vec<String> = demanded
            .split_whitespace()
            .filter_map(|scope| limited(scope, allowed))
            .collect();
        let is_within = |scope: &String| {
            let (resource, actions) = parts(scope);
            self.actions(resource)
                .is_some_and(|own| actions.iter().all(|action| own.contains(action)))
        };
        if demanded.iter().all(is_within) || demanded.len() > MAX_DEMANDED {
            return None;
        }
        let elsewhere = |scope: &String| self.actions(parts(scope).0).is_none();
        let kept = !demanded.iter().any(elsewhere);
        let own = self.iter().filter(|own| {
            let resource = parts(own).0;
            kept || demanded.iter().any(|scope| parts(scope).0 == resource)
        });
        let mut merged: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for scope in own.chain(demanded.iter().map(String::as_str)) {
            let (resource, actions) = parts(scope);
            merged.entry(resource).or_default().extend(actions);
        }
        let scopes = merged.into_iter().map(|(resource, actions)| {
            let actions = actions.into_iter().collect::<Vec<_>>().join(",");
            match resource {
                "" => actions,
                resource => format!("{resource}:{actions}"),
            }
        });
        Some(Self(scopes.collect()))
    }

    fn actions(&self, resource: &str) -> Option<BTreeSet<&str>> {
        let mut own = self.iter().map(parts);
        let found = own.find(|(known, _)| *known == resource)?;
        Some(found.1.into_iter().collect())
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

/// Splits `TYPE:NAME:ACTIONS` before the actions.
fn parts(scope: &str) -> (&str, Vec<&str>) {
    // From the end, as the grammar of scopes lets a host with a port stand in the name.
    let (resource, actions) = scope.rsplit_once(':').unwrap_or(("", scope));
    (resource, actions.split(',').collect())
}

fn allows_push(scope: &str) -> bool {
    parts(scope).1.contains(&"push")
}

/// A scope as far as a challenge may demand it: of repositories nothing that changes them but what is `allowed`.
fn limited(scope: &str, allowed: &[&str]) -> Option<String> {
    let (resource, actions) = parts(scope);
    if scope.len() > MAX_SCOPE || !scope.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    if !resource.starts_with("repository") {
        return Some(scope.to_owned());
    }
    let mut actions: BTreeSet<&str> = actions
        .into_iter()
        // Actions that the specification does not name are a registry's own, and are asked for as demanded.
        .filter(|action| allowed.contains(action) || !matches!(*action, "push" | "delete"))
        .collect();
    if actions.remove("*") {
        actions.extend(allowed);
    }
    let actions: Vec<&str> = actions.into_iter().collect();
    (!actions.is_empty()).then(|| format!("{resource}:{}", actions.join(",")))
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

    fn demanded(access: Access, also: Option<&str>, demanded: &str) -> Option<String> {
        let own = Scopes::new("app", access, also);
        own.as_demanded(demanded).map(|scopes| scopes.joined())
    }

    #[test]
    fn what_is_asked_for_anyway_changes_nothing() {
        for enough in [
            "repository:app:pull",
            "repository:app:pull repository:app:pull",
            "repository:app:push",
            "repository:app:pull,push,delete",
            "repository:app:*",
            "",
        ] {
            assert_eq!(demanded(Access::Pull, None, enough), None, "{enough}");
        }
        assert_eq!(
            demanded(
                Access::PullPush,
                Some("b"),
                "repository:b:pull repository:app:push,pull"
            ),
            None
        );
    }

    #[test]
    fn another_repository_than_that_of_the_path_takes_its_place() {
        for (access, given, expected) in [
            (
                Access::Pull,
                "repository:team/app:pull",
                "repository:team/app:pull",
            ),
            (
                Access::Pull,
                "repository:team/app:pull,push,delete",
                "repository:team/app:pull",
            ),
            (
                Access::Pull,
                "repository:team/app:*",
                "repository:team/app:pull",
            ),
            (
                Access::PullPush,
                "repository:team/app:*",
                "repository:team/app:pull,push",
            ),
            (Access::Pull, "registry:catalog:*", "registry:catalog:*"),
            (
                Access::Pull,
                "repository(plugin):app:pull",
                "repository(plugin):app:pull",
            ),
            (Access::Pull, "any", "any"),
        ] {
            assert_eq!(
                demanded(access, None, given).as_deref(),
                Some(expected),
                "{given}"
            );
        }
    }

    #[test]
    fn a_further_action_is_asked_for_beside() {
        let further = demanded(Access::Pull, None, "repository:app:metadata_read");
        assert_eq!(
            further.as_deref(),
            Some("repository:app:metadata_read,pull")
        );
        let mount = demanded(Access::PullPush, Some("b"), "repository:app:metadata_read");
        assert_eq!(
            mount.as_deref(),
            Some("repository:app:metadata_read,pull,push repository:b:pull")
        );
    }

    #[test]
    fn a_demand_has_its_limits() {
        let many: Vec<String> = (0..100).map(|n| format!("repository:a{n}:pull")).collect();
        assert_eq!(demanded(Access::Pull, None, &many.join(" ")), None);
        let long = format!("repository:{}:pull", "a".repeat(MAX_SCOPE));
        assert_eq!(demanded(Access::Pull, None, &long), None);
        assert_eq!(demanded(Access::Pull, None, "repository:\u{1}:pull"), None);
        assert_eq!(demanded(Access::Pull, None, "repository:b:delete"), None);
    }
}
