//! Rules as images of a native config.

use super::super::patterns::anywhere;
use super::super::translation::{Kind, Pairs, Translator};
use super::NOWHERE;
use super::credentials::Credentials;
use super::pattern::{self, Common};
use super::rule::{Rule, Target, Which};
use crate::document::Node;

/// How the only target is called, where all rules follow one way of naming.
const TARGET: &str = "mirror";

pub(super) fn write(rules: &[Rule], credentials: &Credentials, to: &mut Translator<'_>) {
    let common = pattern::common(rules);
    if let Some(Common { registry, naming }) = &common {
        let pairs = [("registry", registry.as_str()), ("naming", naming)];
        let pairs = pairs.map(|(key, text)| (key, Node::of_text(text)));
        to.target(TARGET, pairs.into());
    } else {
        let mut hosts = rules.iter().flat_map(|rule| &rule.targets);
        let host = hosts.find_map(|target| target.repository.host());
        // Every image says where it goes.
        to.set("cache_registry", Node::of_text(host.unwrap_or(NOWHERE)));
    }
    for rule in rules {
        if matches!(rule.which, Which::All | Which::Matching(_)) {
            to.note_artifacts(rule.place, &rule.key);
        }
        let goes_by_name = common.is_some();
        for item in items(rule, credentials) {
            if item.require_one {
                let why = "the tag at the target is for the only tag that is found at the source; further ones fail";
                to.note(Kind::Mapped, rule.place, &rule.key, why);
            }
            to.image(rule.place, item.pairs(rule, goes_by_name));
        }
    }
}

/// Images that go to the same places, and how these are reached.
struct Item<'r> {
    /// Which of the tags of the rule, where it has several.
    nth: Option<usize>,
    targets: Vec<&'r Target>,
    /// Whether the rule's images are found by listing, and there may be but one of them.
    require_one: bool,
    source_insecure: bool,
    target_insecure: bool,
}

/// As few as there can be.
fn items<'r>(rule: &'r Rule, credentials: &Credentials) -> Vec<Item<'r>> {
    let source_insecure = credentials.is_insecure_image(&rule.repository);
    let mut items: Vec<Item<'r>> = Vec::new();
    let mut add = |nth, target: &'r Target, require_one: bool| {
        let target_insecure = credentials.is_insecure_image(&target.repository);
        let same = |item: &&mut Item<'_>| {
            (item.nth, item.target_insecure) == (nth, target_insecure)
                && !(require_one || item.require_one)
        };
        match items.iter_mut().find(same) {
            Some(item) => item.targets.push(target),
            None => items.push(Item {
                nth,
                targets: vec![target],
                require_one,
                source_insecure,
                target_insecure,
            }),
        }
    };
    for target in &rule.targets {
        match &rule.which {
            Which::Tags(tags) if tags.len() > 1 && !target.tags.is_empty() => {
                (0..tags.len()).for_each(|nth| add(Some(nth), target, false));
            }
            Which::All | Which::Matching(_) => add(None, target, !target.tags.is_empty()),
            Which::Tags(_) | Which::Digest(_) => add(None, target, false),
        }
    }
    items
}

impl Item<'_> {
    fn pairs(&self, rule: &Rule, goes_by_name: bool) -> Pairs {
        let text = |text: &str| Node::of_text(text).at(rule.place);
        let list = |texts: Vec<&str>| match texts.as_slice() {
            [one] => text(one),
            several => Node::of_items(several.iter().map(|one| text(one)).collect()).at(rule.place),
        };
        let source = match &rule.which {
            Which::Digest(digest) => format!("{}@{digest}", rule.bare),
            _ => rule.bare.clone(),
        };
        let mut pairs = vec![("source", text(&source))];
        match (&rule.which, self.nth) {
            (Which::Digest(_), _) => {}
            (Which::Tags(tags), Some(nth)) => {
                pairs.extend(tags.get(nth).map(|tag| ("tag", text(tag))));
            }
            (Which::Tags(tags), None) => match tags.as_slice() {
                [tag] => pairs.push(("tag", text(tag))),
                tags => {
                    let mut once: Vec<&str> = Vec::with_capacity(tags.len());
                    for tag in tags {
                        if !once.contains(&tag.as_str()) {
                            once.push(tag);
                        }
                    }
                    let once = once.into_iter().map(text).collect();
                    pairs.push(("tags", Node::of_items(once).at(rule.place)));
                }
            },
            (Which::All, _) if !self.require_one => pairs.push(("tags", text("all"))),
            (which, _) => pairs.push(("tags", self.rules(which).at(rule.place))),
        }
        if self.require_one {
            let tag = self.targets.iter().flat_map(|target| &target.tags).next();
            pairs.extend(tag.map(|tag| ("tag_as", text(tag))));
        }
        if !goes_by_name {
            let targets: Vec<String> = self
                .targets
                .iter()
                .map(|target| self.target(target))
                .collect();
            pairs.push((
                "targets",
                list(targets.iter().map(String::as_str).collect()),
            ));
        }
        if self.source_insecure {
            pairs.push(("source_tls_verify", text("false")));
        }
        if self.target_insecure {
            pairs.push(("cache_insecure", text("true")));
        }
        pairs
    }

    fn rules(&self, which: &Which) -> Node {
        let mut rules = Vec::new();
        if let Which::Matching(regex) = which {
            rules.push(("include", Node::of_text(&anywhere(regex))));
        }
        if self.require_one {
            rules.push(("require", Node::of_text("1")));
        }
        Node::of_pairs(rules)
    }

    /// A target with the tag there, where that is said.
    fn target(&self, target: &Target) -> String {
        let tag = target.tags.get(self.nth.unwrap_or(0));
        match tag.filter(|_| !self.require_one) {
            Some(tag) => format!("{}:{tag}", target.bare),
            None => target.bare.clone(),
        }
    }
}
