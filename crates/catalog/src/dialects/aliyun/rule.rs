//! One rule: which images of a repository go where.

use image_sync_shared::image::reference::{Location, Reference, Repository, split};
use image_sync_shared::text::excerpt;

use super::super::translation::Translator;
use super::DEFAULT_REGISTRY;
use super::expand::expanded;
use super::pairs::Pair;
use crate::problem::{Place, Problem, without_secrets};
use crate::tag_rules::Pattern;

const HUB: &str = "docker.io";

/// A rule, as the tool understands it.
pub(super) struct Rule {
    pub(super) place: Place,
    /// As messages call it: what it is for, cut.
    pub(super) key: String,
    /// The source as it is written, without tags and digest.
    pub(super) bare: String,
    pub(super) repository: Repository,
    pub(super) which: Which,
    pub(super) targets: Vec<Target>,
}

/// Which images of the source it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Those whose tag has a match of a regular expression anywhere.
    Matching(String),
    Tags(Vec<String>),
    Digest(String),
}

/// One place that they go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The repository in full.
    pub(super) bare: String,
    pub(super) repository: Repository,
    /// What their tags are called there, in order; none for what they are called at the source.
    pub(super) tags: Vec<String>,
}

impl Rule {
    pub(super) fn read(pair: &Pair<'_>, to: &mut Translator<'_>) -> Result<Self, Problem> {
        let key = excerpt(pair.key);
        let named = |problem: Problem| match without_secrets(pair.key) {
            Ok(_) => problem.key(&key),
            // A regular expression may have what otherwise begins a query.
            Err(_) if pair.key.contains(":/") && !pair.key.contains('@') => problem.key(&key),
            Err(_) => problem,
        };
        let source = source(pair.key).map_err(|problem| named(problem.at(pair.place)))?;
        let (bare, repository, which) = source;
        let mut rule = Self {
            place: pair.place,
            key: key.clone(),
            bare,
            repository,
            which,
            targets: Vec::new(),
        };
        let targets = texts(pair).map_err(|(problem, place)| named(problem).at(place))?;
        for (text, place) in targets {
            let target = expanded(text, "target", to).and_then(|text| rule.target(&text, to));
            let target = target.map_err(|problem| named(problem).at(place))?;
            if !rule.targets.contains(&target) {
                rule.targets.push(target);
            }
        }
        Ok(rule)
    }

    fn target(&self, text: &str, to: &Translator<'_>) -> Result<Target, Problem> {
        let target = match text {
            "" => self.default_target(to)?,
            _ => target(text)?,
        };
        let Parsed { target, digest } = target;
        if let Some(digest) = digest {
            return match &self.which {
                Which::Digest(own) if *own == digest => Ok(target),
                Which::Digest(own) => Err(Problem::new(format!(
                    "found the target {text:?} with another digest, expected {own} or none"
                ))),
                _ => Err(Problem::new(format!(
                    "found the target {text:?} with a digest, expected tags or nothing, as the source has no digest"
                ))),
            };
        }
        let (of_target, of_source) = (
            target.tags.len(),
            match &self.which {
                Which::Tags(tags) => tags.len(),
                Which::Digest(_) => 1,
                // Which these are is known when they are listed.
                Which::All | Which::Matching(_) if target.tags.len() > 1 => {
                    return Err(Problem::new(format!(
                        "found {} tags at the target for as many as the source has, expected none, so that all keep theirs, or one",
                        target.tags.len()
                    )));
                }
                Which::All | Which::Matching(_) => return Ok(target),
            },
        );
        if of_target > 0 && of_target != of_source {
            return Err(Problem::new(format!(
                "found {of_target} at the target for {of_source} of the source, expected as many tags, or none, so that they keep theirs"
            )));
        }
        Ok(target)
    }

    /// Where it goes if it does not say so: below a namespace under its last name, else under its whole name.
    fn default_target(&self, to: &Translator<'_>) -> Result<Parsed, Problem> {
        let options = &to.options.aliyun;
        let Some(registry) = options.registry.as_deref().filter(|text| !text.is_empty()) else {
            let text = format!("found no target, expected HOST/NAME, or {DEFAULT_REGISTRY}");
            return Err(Problem::new(text));
        };
        let registry = registry.trim_end_matches('/');
        let path = self.repository.name();
        let namespace = options
            .namespace
            .as_deref()
            .map(|text| text.trim_matches('/'));
        let bare = match namespace.filter(|text| !text.is_empty()) {
            Some(namespace) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                format!("{registry}/{namespace}/{name}")
            }
            None => format!("{registry}/{path}"),
        };
        without_secrets(registry)
            .and_then(|registry| registry.parse::<Location>().map_err(Problem::new))
            .map_err(|problem| problem.key("--registry"))?;
        target(&bare)
    }
}

/// The targets as they are written, each with its place; an empty text for none.
fn texts<'n>(pair: &Pair<'n>) -> Result<Vec<(&'n str, Place)>, (Problem, Place)> {
    const EXPECTED: &str = "a target, a list of them, or \"\" for the default registry";
    let value = pair.value;
    if value.is_null() {
        return Ok(vec![("", pair.place)]);
    }
    if let Some(text) = value.text() {
        return Ok(vec![(text, value.place)]);
    }
    let Ok(items) = value.items() else {
        return Err((value.mismatch(EXPECTED), value.place));
    };
    if items.is_empty() {
        return Ok(vec![("", value.place)]);
    }
    let texts = items.iter().map(|item| {
        let text = if item.is_null() {
            Some("")
        } else {
            item.text()
        };
        let text = text.ok_or_else(|| (item.mismatch("a target"), item.place))?;
        Ok((text, item.place))
    });
    texts.collect()
}

/// The repository, as it is written and as it is known, and which of its images.
fn source(text: &str) -> Result<(String, Repository, Which), Problem> {
    if text.is_empty() {
        return Err(Problem::new("found no source, expected IMAGE: TARGET"));
    }
    no_scheme(text, "source")?;
    if let Some((bare, regex)) = text.split_once(":/") {
        return matching(bare, regex);
    }
    let (repository, which) = read(text, "source")?;
    let which = match which {
        Read::Nothing => Which::All,
        Read::Tags(tags) => Which::Tags(tags),
        Read::Digest(digest) => Which::Digest(digest),
    };
    Ok((bare(text).to_owned(), repository, which))
}

fn matching(bare: &str, regex: &str) -> Result<(String, Repository, Which), Problem> {
    let Some(regex) = regex.strip_suffix('/') else {
        let found = excerpt(format_args!(":/{regex}"));
        let text = format!("found {found:?} without a / at its end, expected SOURCE:/REGEX/");
        return Err(Problem::new(text));
    };
    Pattern::parse(regex).map_err(|reason| {
        let found = excerpt(regex);
        Problem::new(format!("{found:?} is no regular expression: {reason}"))
    })?;
    match read(bare, "source")? {
        (repository, Read::Nothing) => {
            let which = Which::Matching(regex.to_owned());
            Ok((bare.to_owned(), repository, which))
        }
        _ => Err(Problem::new(
            "found a tag or digest before a regular expression, expected SOURCE:/REGEX/",
        )),
    }
}

/// A target, and the digest that it has, if it does.
struct Parsed {
    target: Target,
    digest: Option<String>,
}

fn target(text: &str) -> Result<Parsed, Problem> {
    no_scheme(text, "target")?;
    if text.contains(":/") {
        let found = excerpt(text);
        let text = format!("found the target {found:?}, expected HOST/NAME, or HOST/NAME:TAG");
        return Err(Problem::new(text));
    }
    let (repository, read) = read(text, "target")?;
    let bare = bare(text);
    if !bare.contains('/') {
        let found = excerpt(text);
        let text = format!("found the target {found:?} without a repository, expected HOST/NAME");
        return Err(Problem::new(text));
    }
    // Short names are Docker Hub's.
    let is_short = repository.host() == Some(HUB) && bare == repository.name();
    let bare = if is_short {
        format!("{HUB}/{bare}")
    } else {
        bare.to_owned()
    };
    let (tags, digest) = match read {
        Read::Nothing => (Vec::new(), None),
        Read::Tags(tags) => (tags, None),
        Read::Digest(digest) => (Vec::new(), Some(digest)),
    };
    let target = Target {
        bare,
        repository,
        tags,
    };
    Ok(Parsed { target, digest })
}

/// What stands behind a repository.
enum Read {
    Nothing,
    Tags(Vec<String>),
    Digest(String),
}

/// A repository with a tag, several with commas between them, or a digest, which is stronger than a tag.
fn read(text: &str, what: &str) -> Result<(Repository, Read), Problem> {
    without_secrets(text)?;
    if text.contains(char::is_whitespace) {
        let (before, _) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let found = excerpt(before);
        let text = format!("found a space behind {found:?}, expected a {what} without any");
        return Err(Problem::new(text));
    }
    if text.starts_with("oci:") {
        let text = format!("found the folder {:?}, expected HOST/NAME", excerpt(text));
        return Err(Problem::new(text));
    }
    let (first, others) = match text.split_once(',') {
        Some((first, others)) => (first, Some(others)),
        None => (text, None),
    };
    let (repository, reference) = split(first).map_err(Problem::new)?;
    let mut tags = match (reference, others) {
        (None, None) => return Ok((repository, Read::Nothing)),
        (Some(Reference::Digest(digest)), None) => {
            return Ok((repository, Read::Digest(digest.as_str().to_owned())));
        }
        (Some(Reference::Tag(tag)), _) => vec![tag],
        (_, Some(_)) => {
            let found = excerpt(text);
            let text = format!("found {found:?}, expected one digest, or tags as in NAME:v1,v2");
            return Err(Problem::new(text));
        }
    };
    for tag in others.into_iter().flat_map(|others| others.split(',')) {
        let tag: Reference = tag.parse().map_err(Problem::new)?;
        let Reference::Tag(tag) = tag else {
            let text = "found a digest among tags, expected a rule of its own for it";
            return Err(Problem::new(text));
        };
        tags.push(tag);
    }
    Ok((repository, Read::Tags(tags)))
}

fn no_scheme(text: &str, what: &str) -> Result<(), Problem> {
    match text.split_once("://") {
        Some((scheme, _)) if scheme.chars().all(|letter| letter.is_ascii_alphanumeric()) => {
            let text = format!("found {scheme}:// before the {what}, expected HOST/NAME");
            Err(Problem::new(text))
        }
        _ => Ok(()),
    }
}

/// The text without tags and digest.
fn bare(text: &str) -> &str {
    let named = text.split_once('@').map_or(text, |(named, _)| named);
    let begin = named.rfind('/').map_or(0, |slash| slash + 1);
    match named[begin..].find(':') {
        Some(colon) => &named[..begin + colon],
        None => named,
    }
}
