//! The file of `skopeo sync --src yaml`: registries with the repositories that are copied from them. Where to, and under
//! which names, is on its command line.

mod names;

use image_sync_shared::image::digest::Digest;
use image_sync_shared::image::reference::{DOCKER_HUB, Location, Reference, split};

use self::names::{Clash, Names, Wanted};
use super::patterns::anywhere;
use super::translation::{self, Kind, Mapping, Pairs, Translation, Translator};
use crate::document::{Key, Node, all_pairs};
use crate::problem::{Problem, Problems, without_secrets};
use crate::tag_rules::Pattern;

const IMAGES: &str = "images";
const BY_REGEX: &str = "images-by-tag-regex";
const BY_SEMVER: &str = "images-by-semver";
pub(super) const KEYS: [&str; 6] = [
    IMAGES,
    BY_REGEX,
    BY_SEMVER,
    "credentials",
    "tls-verify",
    "cert-dir",
];
/// How the place that images go to is called.
const TARGET: &str = "target";

/// One registry of the file.
struct Registry<'n> {
    name: &'n str,
    node: Mapping<'n>,
    /// Whether its images say themselves that certificates are not verified.
    tells_images: bool,
}

pub(super) fn translate(document: &Node, mut to: Translator<'_>) -> Translation {
    target(document, &mut to);
    let mut names = Names::default();
    let expected = "a mapping of registries, each with images";
    for (key, node) in pairs(document, expected, &[], &mut to) {
        registry(key, node, &mut names, &mut to);
    }
    to.finish()
}

/// Where images go, and which of their platforms.
fn target(document: &Node, to: &mut Translator<'_>) {
    let options = to.options;
    match &options.target {
        Some(target) => {
            let naming = if options.scoped { "host_path" } else { "name" };
            let pairs = [
                ("registry", target.trim_end_matches('/')),
                ("naming", naming),
            ];
            let pairs = pairs.map(|(key, value)| (key, Node::of_text(value)));
            to.target(TARGET, pairs.into());
        }
        None => to.without_target("--target"),
    }
    let platform = if options.all_platforms {
        "all".to_owned()
    } else {
        let platform = translation::own_platform();
        let why = format!(
            "of images for several platforms, that for {platform} is copied, as this machine is one: as skopeo sync does without --all; --all-platforms copies all"
        );
        to.note(Kind::Mapped, document.place, "platform", why);
        platform
    };
    let platform = vec![("platform", Node::of_text(&platform))];
    to.set("defaults", Node::of_pairs(platform));
}

fn registry<'n>(key: &'n Key, node: &'n Node, names: &mut Names, to: &mut Translator<'_>) {
    let name = &*key.text;
    let Some(known_by) = to.ok(key.place, known_by(name)) else {
        return;
    };
    if node.is_null() {
        let why = "it has no images, so that nothing is copied from it";
        to.note(Kind::LeftOut, key.place, name, why);
        return;
    }
    let mapping =
        Mapping::of(node, name, "a mapping with images").map_err(|problem| problem.key(name));
    let Some(mapping) = to.ok(key.place, mapping) else {
        return;
    };
    mapping.note_unknown(&KEYS, to);
    if ![IMAGES, BY_REGEX, BY_SEMVER]
        .into_iter()
        .any(|key| mapping.node(key).is_some())
    {
        let why = "it has no images, so that nothing is copied from it";
        to.note(Kind::LeftOut, key.place, name, why);
    }
    let mut settings = credentials(&mapping, to);
    let skips_verification = mapping.flag("tls-verify", to) == Some(false);
    let has_path = known_by.contains('/');
    if skips_verification && !has_path {
        let place = mapping
            .node("tls-verify")
            .map_or(key.place, |node| node.place);
        settings.push(("insecure", text("true", place)));
    }
    if let Some(folder) = mapping.text("cert-dir", to) {
        let place = mapping
            .node("cert-dir")
            .map_or(key.place, |node| node.place);
        if has_path {
            let why = "it is the folder of a whole registry, expected below its host alone";
            to.note(Kind::Missing, place, mapping.key("cert-dir"), why);
        } else {
            settings.push(("cert_dir", text(folder, place)));
        }
    }
    if !settings.is_empty() {
        to.registry(&known_by, settings);
    }
    let registry = Registry {
        name,
        node: mapping,
        tells_images: skips_verification && has_path,
    };
    for list in [IMAGES, BY_REGEX, BY_SEMVER] {
        repositories(&registry, list, names, to);
    }
}

/// The name of a registry among `registries`: one without a host is a namespace of Docker Hub.
fn known_by(name: &str) -> Result<String, Problem> {
    let told = |problem: Problem| problem.key(name);
    let text = without_secrets(name)?;
    if text.contains("://") {
        let scheme = "found a scheme, expected the registry alone, as in quay.io; tls-verify: false allows plain HTTP";
        return Err(told(Problem::new(scheme)));
    }
    let first = text.split('/').next().unwrap_or_default();
    let is_host = first == "localhost" || first.contains(['.', ':']);
    let whole = if is_host {
        text.to_owned()
    } else {
        format!("{DOCKER_HUB}/{text}")
    };
    match whole.parse().map_err(Problem::new).map_err(told)? {
        Location::Registry { .. } => Ok(whole),
        Location::Folder(_) => Err(told(Problem::new(
            "found a folder, expected a registry as in quay.io",
        ))),
    }
}

/// Who we are at the registry.
fn credentials(registry: &Mapping<'_>, to: &mut Translator<'_>) -> Pairs {
    let Some(node) = registry.node("credentials") else {
        return Pairs::new();
    };
    let key = registry.key("credentials");
    let mapping = Mapping::of(node, &key, "a mapping with username and password")
        .map_err(|problem| problem.key(&key));
    let Some(mapping) = to.ok(node.place, mapping) else {
        return Pairs::new();
    };
    mapping.note_unknown(&["username", "password", "identitytoken"], to);
    let token = mapping.node("identitytoken");
    let has_token = token.is_some();
    if let Some(token) = token {
        let why = "identity tokens belong into Docker's config, as docker login leaves them there";
        to.note(
            Kind::Missing,
            token.place,
            mapping.key("identitytoken"),
            why,
        );
    }
    let mut pairs = Pairs::new();
    for name in ["username", "password"] {
        let value = mapping.text(name, to);
        match (value, mapping.node(name)) {
            (Some(value), Some(node)) => pairs.push((name, text(value, node.place))),
            (None, None) if !has_token => {
                let missing = Problem::new("missing, expected username and password");
                to.report(missing.key(&mapping.key(name)).at(node.place));
            }
            _ => {}
        }
    }
    // Half of a login is told above.
    if pairs.len() < 2 {
        pairs.clear();
    }
    pairs
}

/// All repositories of one of the three mappings of a registry.
fn repositories(registry: &Registry<'_>, list: &str, names: &mut Names, to: &mut Translator<'_>) {
    let Some(node) = registry.node.node(list) else {
        return;
    };
    let expected = match list {
        IMAGES => "a mapping of repositories to lists of tags, as in redis: [\"7.2\"]",
        BY_REGEX => "a mapping of repositories to regular expressions, as in redis: ^7",
        _ => "a mapping of repositories to ranges, as in redis: '>=7'",
    };
    for (key, node) in pairs(node, expected, &[registry.name, list], to) {
        let told = |problem: Problem| problem.key(&key.text).key(list).key(registry.name);
        let read = source(registry.name, &key.text).and_then(|source| {
            let wanted = match list {
                IMAGES => tags(node),
                BY_REGEX => by_regex(node),
                _ => by_semver(node),
            };
            Ok((source, wanted?))
        });
        let Some((source, wanted)) = to.ok(key.place, read.map_err(told)) else {
            continue;
        };
        let name = format!("{}.{list}.{}", registry.name, key.text);
        if list != IMAGES && node.items().is_ok() {
            let why = "one of these has to hold; skopeo sync itself takes one text and no list";
            to.note(Kind::Mapped, node.place, &*name, why);
        }
        if wanted.has_artifacts() {
            to.note_artifacts(key.place, &*name);
        }
        let mut pairs = vec![
            ("source", text(&source, key.place)),
            ("tags", wanted.node()),
        ];
        if registry.tells_images {
            pairs.push(("source_tls_verify", Node::of_text("false")));
        }
        if !to.options.scoped {
            let clash = names.take(&source, wanted, key.place);
            let clash = to.ok(key.place, clash.map_err(told)).flatten();
            if let Some(Clash {
                told: text,
                is_sure,
            }) = clash
            {
                let expected = format!("{text}; --scoped keeps hosts and paths");
                if is_sure {
                    to.report(told(Problem::new(expected)).at(key.place));
                    continue;
                }
                to.note(Kind::Mapped, key.place, name, expected);
            }
        }
        to.image(key.place, pairs);
    }
}

/// The repository `name` of `registry`.
fn source(registry: &str, name: &str) -> Result<String, Problem> {
    let source = format!("{}/{name}", registry.trim_end_matches('/'));
    let (_, reference) = split(without_secrets(&source)?).map_err(Problem::new)?;
    match reference {
        None => Ok(source),
        Some(_) => Err(Problem::new(format!(
            "found {name:?}, expected the repository alone, and its tags or digests in a list behind it"
        ))),
    }
}

/// The tags and digests of a list; all tags where it is empty.
fn tags(node: &Node) -> Result<Wanted, Problem> {
    if node.is_null() {
        return Ok(Wanted::all(node.place));
    }
    let expected = "a list of tags and digests, as in [\"7.2\"], or [] for all tags";
    let Ok(items) = node.items() else {
        return Err(node.mismatch(expected));
    };
    let read = items.iter().enumerate().map(|(index, item)| {
        let told = |problem: Problem| problem.index(index).at(item.place);
        let tag = item.text().filter(|_| !item.is_null());
        let tag = tag.ok_or_else(|| told(item.mismatch("a tag or a digest")))?;
        let checked = if tag.contains(':') {
            tag.parse::<Digest>().map(drop).map_err(Problem::new)
        } else {
            tag.parse::<Reference>().map(drop).map_err(Problem::new)
        };
        checked.map_err(told)?;
        Ok((tag.to_owned(), item.place))
    });
    let tags: Vec<_> = read.collect::<Result<_, Problem>>()?;
    Ok(if tags.is_empty() {
        Wanted::all(node.place)
    } else {
        Wanted::named(tags, node.place)
    })
}

fn by_regex(node: &Node) -> Result<Wanted, Problem> {
    let regexes = any_of(
        node,
        "a regular expression that tags match somewhere, as in ^7",
    )?;
    let unusable = |regex: &str, why: String| {
        Problem::new(format!("{regex:?} cannot be used: {why}")).at(node.place)
    };
    for regex in &regexes {
        // By itself first: its error is told as the author wrote it.
        Pattern::parse(regex).map_err(|why| unusable(regex, why))?;
    }
    let regex = match regexes.as_slice() {
        [regex] => (*regex).to_owned(),
        several => {
            let groups: Vec<String> = several.iter().map(|regex| format!("(?:{regex})")).collect();
            groups.join("|")
        }
    };
    Wanted::matching(&anywhere(&regex), node.place).map_err(|why| unusable(&regex, why))
}

fn by_semver(node: &Node) -> Result<Wanted, Problem> {
    let range = any_of(node, "a range of versions, as in '>=7, <8'")?.join(" || ");
    let unusable = |why| Problem::new(format!("{range:?} is no range: {why}")).at(node.place);
    Wanted::versions(&range, node.place).map_err(unusable)
}

/// A text, or the texts of a list, of which one has to hold.
fn any_of<'n>(node: &'n Node, expected: &str) -> Result<Vec<&'n str>, Problem> {
    let is_text = |item: &&Node| !item.is_null();
    let text = |item: &'n Node| {
        let text = Some(item).filter(is_text).and_then(Node::text);
        text.ok_or_else(|| item.mismatch(expected))
    };
    match node.items() {
        Ok([]) | Err(_) => Ok(vec![text(node)?]),
        Ok(items) => items.iter().map(text).collect(),
    }
}

/// The keys of a mapping with their values. What is wrong with it is one of `to`, seen from the keys `path`.
fn pairs<'n>(
    node: &'n Node,
    expected: &'static str,
    path: &[&str],
    to: &mut Translator<'_>,
) -> Vec<(&'n Key, &'n Node)> {
    let seen = |problem: Problem| {
        path.iter()
            .rev()
            .fold(problem, |problem, key| problem.key(key))
    };
    let mut problems = Problems::default();
    let pairs = all_pairs(node, expected, &mut problems);
    let pairs = to.ok(node.place, pairs.map_err(seen));
    let (told, _) = problems.into_parts();
    for problem in told {
        to.report(problem);
    }
    pairs.unwrap_or_default()
}

fn text(text: &str, place: crate::problem::Place) -> Node {
    Node::of_text(text).at(place)
}

#[cfg(test)]
mod tests;
