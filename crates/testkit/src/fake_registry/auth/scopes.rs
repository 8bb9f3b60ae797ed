//! What a token is asked for and good for (distribution's token authentication specification).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Actions per resource: `repository:app` has `pull` and `push`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    pub(crate) fn parse(scope: &str) -> Self {
        let mut scopes = Self::default();
        if let Some((resource, actions)) = scope.rsplit_once(':') {
            scopes.add(resource, &actions.split(',').collect::<Vec<_>>());
        }
        scopes
    }

    pub(crate) fn add(&mut self, resource: &str, actions: &[&str]) {
        let known = self.0.entry(resource.to_owned()).or_default();
        known.extend(actions.iter().map(|action| (*action).to_owned()));
    }

    pub(crate) fn add_all(&mut self, other: Self) {
        for (resource, actions) in other.0 {
            self.0.entry(resource).or_default().extend(actions);
        }
    }

    pub(crate) fn keep_only(&mut self, action: &str) {
        for actions in self.0.values_mut() {
            actions.retain(|granted| granted == action);
        }
    }

    pub(crate) fn without(mut self, denied: &BTreeSet<String>) -> Self {
        self.0.retain(|resource, _| !denied.contains(resource));
        self
    }

    pub(crate) fn contains_all(&self, needed: &Self) -> bool {
        needed.0.iter().all(|(resource, actions)| {
            let granted = self.0.get(resource);
            granted.is_some_and(|granted| granted.contains("*") || granted.is_superset(actions))
        })
    }
}

impl Scopes {
    /// Each resource with its actions.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.0.iter().map(|(resource, actions)| {
            let actions = actions.iter().map(String::as_str).collect();
            (resource.as_str(), actions)
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (resource, actions)) in self.resources().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{resource}:{}", actions.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_compared_action_by_action() {
        let granted = Scopes::parse("repository:host:5000/app:pull,push");
        assert!(granted.contains_all(&Scopes::parse("repository:host:5000/app:pull")));
        assert!(!granted.contains_all(&Scopes::parse("repository:host:5000/app:delete")));
        assert!(!granted.contains_all(&Scopes::parse("repository:other:pull")));
        assert!(granted.contains_all(&Scopes::default()));
    }
}
