//! The rules of Aliyun's image-syncer: a mapping of images to where they go, with credentials beside it or in a file of their
//! own.

mod credentials;
mod cycles;
mod entries;
mod expand;
mod missing_colon;
mod pairs;
mod pattern;
mod platforms;
mod rule;

use crate::document::Node;
use crate::problem::Problem;

use super::translation::{Kind, Mapping, Translation, Translator};
use credentials::Credentials;
pub(super) use missing_colon::missing_colon;
use pairs::Pair;
use rule::Rule;

const KEYS: [&str; 2] = ["auth", "images"];
const EXPECTED: &str = "a mapping of source: target, or one with auth and images";
const EXPECTED_RULES: &str = "a mapping of source: target";
/// Where rules send images that name no target.
const DEFAULT_REGISTRY: &str = "--registry HOST or DEFAULT_REGISTRY=HOST";

/// Where images go if no rule says it.
const NOWHERE: &str = "localhost";

/// What a file of rules says.
struct File<'n> {
    auth: Option<&'n Node>,
    rules: Option<&'n Node>,
    /// Whether it is nothing but rules.
    is_bare: bool,
}

/// Whether a document has rules and credentials together, by what it looks like.
pub(super) fn is_joint(document: &Node) -> bool {
    let pairs = document.pairs().unwrap_or_default();
    let value = |key: &str| pairs.iter().rev().find(|(known, _)| &*known.text == key);
    value("images").is_some_and(|(_, images)| images.pairs().is_some())
}

/// Whether a document is nothing but rules, by what it looks like.
pub(super) fn has_rules_alone(document: &Node) -> bool {
    let pairs = document.pairs().unwrap_or_default();
    let is_image = |text: &str| text.contains(['/', ':']);
    let is_target = |node: &Node| match node.items() {
        Ok(items) => items.iter().any(|item| item.text().is_some_and(is_image)),
        Err(_) => node.text().is_some_and(is_image),
    };
    let are_rules = |(_, value): &(_, Node)| is_target(value);
    !pairs.is_empty() && pairs.iter().all(are_rules)
}

pub(super) fn translate(
    document: &Node,
    auth: Option<(u16, &Node)>,
    mut to: Translator<'_>,
) -> Translation {
    let file = match file(document, &mut to) {
        Ok(file) => file,
        Err(problem) => {
            // A rule alone without its colon is a text.
            let rule = document.text().and_then(|text| missing_colon(text, 1));
            to.report(rule.unwrap_or(problem));
            to.set("cache_registry", Node::of_text(NOWHERE));
            return to.finish();
        }
    };
    let credentials = credentials(&file, auth, &mut to);
    let key = (!file.is_bare).then_some("images");
    let rules = file.rules.map(|rules| read_rules(rules, key, &mut to));
    let rules = rules.unwrap_or_default();
    cycles::check(&rules, &mut to);
    options(&rules, &mut to);
    entries::write(&rules, &credentials, &mut to);
    credentials.write(&mut to);
    to.finish()
}

fn file<'n>(document: &'n Node, to: &mut Translator<'_>) -> Result<File<'n>, Problem> {
    let root = Mapping::of(document, "", EXPECTED)?;
    let is_text = |node: &Node| node.text().is_some() || node.items().is_ok();
    let is_other = |key| root.node(key).is_some_and(|node| !is_text(node));
    if !(is_other("auth") || is_other("images")) {
        return Ok(File {
            auth: None,
            rules: Some(document),
            is_bare: true,
        });
    }
    root.note_unknown(&KEYS, to);
    let rules = root.node("images");
    if rules.is_none() {
        let text = format!("missing, expected {EXPECTED_RULES}");
        to.report(Problem::new(text).key("images").at(root.place()));
    }
    Ok(File {
        auth: root.node("auth"),
        rules,
        is_bare: false,
    })
}

/// Those of the file of their own, if there is one: only there are variables filled in.
fn credentials(
    file: &File<'_>,
    auth: Option<(u16, &Node)>,
    to: &mut Translator<'_>,
) -> Credentials {
    match (auth, file.auth) {
        (Some((number, node)), joint) => {
            if let Some(joint) = joint {
                let why = "another file has the credentials";
                to.note(Kind::LeftOut, joint.place, "auth", why);
            }
            to.file = number;
            let credentials = Credentials::read(node, "", true, to);
            to.file = 0;
            credentials
        }
        (None, Some(node)) => Credentials::read(node, "auth", false, to),
        (None, None) => Credentials::default(),
    }
}

fn read_rules(node: &Node, key: Option<&str>, to: &mut Translator<'_>) -> Vec<Rule> {
    let pairs = match pairs::last_of_each(node, EXPECTED_RULES, to) {
        Ok(pairs) => pairs,
        Err(problem) => {
            to.report(match key {
                Some(key) => problem.key(key),
                None => problem,
            });
            return Vec::new();
        }
    };
    let rules = pairs.iter().filter_map(|pair| read_rule(pair, to));
    rules.collect()
}

fn read_rule(pair: &Pair<'_>, to: &mut Translator<'_>) -> Option<Rule> {
    match Rule::read(pair, to) {
        Ok(rule) => Some(rule),
        Err(problem) => {
            to.report(problem.at(pair.place));
            None
        }
    }
}

/// What holds for all rules.
fn options(rules: &[Rule], to: &mut Translator<'_>) {
    let options = &to.options.aliyun;
    let (os, arch) = (&options.os, &options.arch);
    let platforms = platforms::platforms(os, arch).unwrap_or_else(|problem| {
        to.report(problem);
        vec!["all".to_owned()]
    });
    let is_filtered = platforms != ["all"];
    let mut texts = platforms.iter().map(|text| Node::of_text(text));
    let value = match (texts.next(), texts.len()) {
        (Some(one), 0) => one,
        (first, _) => Node::of_items(first.into_iter().chain(texts).collect()),
    };
    let mut defaults = vec![("platform", value)];
    if is_filtered {
        defaults.push(("platform_missing", Node::of_text("skip")));
    }
    to.set("defaults", Node::of_pairs(defaults));
    let Some(first) = rules.first().map(|rule| rule.place) else {
        return;
    };
    if is_filtered {
        let why = "what is no index is copied whatever its platform is, as is what is named by its digest at the target";
        to.note(Kind::Mapped, first, "--os and --arch", why);
    }
    if options.force {
        let why = "what is equal at its target is not written again, as nothing would change";
        to.note(Kind::LeftOut, first, "--force", why);
    }
}

#[cfg(test)]
mod tests;
