//! Images that a command line names: one source for any number of targets, as an entry of a config would say it.

use std::fmt;

use image_sync_shared::config::ImageDefaults;
use image_sync_shared::image::reference::{Reference, split};
use thiserror::Error;

use super::SourceRules;
use crate::config_file::Images;
use crate::dialects::native;
use crate::document::Node;
use crate::entry::{Entry, Targets};
use crate::images::{Entries, FileOfEntries};
use crate::problem::{Origin, Problem, Problems, Step, without_secrets};

/// What a command line says of tags, each with the text of its option. What is not said is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTexts {
    /// Regular expressions of which one has to match.
    pub include: Vec<String>,
    /// Regular expressions of which none may match.
    pub exclude: Vec<String>,
    /// Keys with one value, as a config has them below `tags`.
    pub others: Vec<(&'static str, String)>,
}

/// What a command line says of an image.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The image; with rules its repository.
    pub source: &'a str,
    /// Where it goes: repositories named in full, with a tag where that is another one.
    pub targets: &'a [String],
    /// Which tags, if they are chosen.
    pub rules: Option<&'a RuleTexts>,
    /// Keys with one value, as an image of a config has them.
    pub keys: Vec<(&'static str, String)>,
}

/// What is wrong with a command line: one sentence for each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct OrderError(Vec<String>);

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Order<'_> {
    /// The images, which have what `defaults` say where the order says nothing.
    pub fn images(&self, defaults: &ImageDefaults) -> Result<Images, OrderError> {
        let told = |problems| self.told(problems);
        let has_rules = self.rules.is_some();
        whole_or_not(self.source, has_rules).map_err(|problem| told(problem.into()))?;
        let entries = entries(&self.node()).map_err(told)?;
        let entries = Entries {
            all: entries,
            targets: Targets::default(),
            targets_of_lines: Vec::new(),
            files: vec![FileOfEntries {
                name: "the command line".into(),
                is_foreign: false,
                defaults: defaults.clone(),
            }],
        };
        let wrong: Problems = entries.problems().collect();
        if !wrong.is_empty() {
            return Err(told(wrong));
        }
        // A target that is named twice needs no warning.
        let (images, _) = Images::settled(entries).map_err(told)?;
        Ok(images)
    }

    fn node(&self) -> Node {
        let text = |text: &str| Node::of_text(text);
        let targets = self.targets.iter().map(|target| text(target)).collect();
        let mut pairs = vec![
            ("source", text(self.source)),
            ("targets", Node::of_items(targets)),
        ];
        pairs.extend(self.rules.map(|rules| ("tags", rules.node())));
        let keys = self.keys.iter();
        pairs.extend(keys.map(|(key, value)| (*key, text(value))));
        Node::of_pairs(pairs)
    }

    fn told(&self, problems: Problems) -> OrderError {
        told(problems, self.targets)
    }
}

impl RuleTexts {
    /// The rules for the tags of `source`.
    pub fn rules(&self, source: &str, defaults: &ImageDefaults) -> Result<SourceRules, OrderError> {
        let somewhere = Order {
            source,
            targets: &["localhost/a".to_owned()],
            rules: Some(self),
            keys: Vec::new(),
        };
        let images = somewhere.images(defaults)?;
        let none = || OrderError(vec!["no rules for tags".to_owned()]);
        let (repository, _) = split(source).ok().ok_or_else(none)?;
        let mut rules = images.rules_for(&repository).next().ok_or_else(none)?;
        "the options".clone_into(&mut rules.place);
        Ok(rules)
    }

    fn node(&self) -> Node {
        let list = |texts: &[String]| {
            let items = texts.iter().map(|text| Node::of_text(text));
            Node::of_items(items.collect())
        };
        let lists = [("include", &self.include), ("exclude", &self.exclude)];
        let said = lists.into_iter().filter(|(_, texts)| !texts.is_empty());
        let mut pairs: Vec<(&str, Node)> = said.map(|(key, texts)| (key, list(texts))).collect();
        let others = self.others.iter();
        pairs.extend(others.map(|(key, value)| (*key, Node::of_text(value))));
        if pairs.is_empty() {
            return Node::of_text("all");
        }
        Node::of_pairs(pairs)
    }
}

fn entries(node: &Node) -> Result<Vec<Entry>, Problems> {
    let place = node.place;
    let origin = Origin {
        file: 0,
        index: 0,
        place,
    };
    native::entries_of(node, origin)
}

/// A source has a tag or a digest, or rules for its tags.
fn whole_or_not(source: &str, has_rules: bool) -> Result<(), Problem> {
    let (_, reference) = split(without_secrets(source)?).map_err(Problem::new)?;
    let text = match (reference, has_rules) {
        (Some(Reference::Tag(tag)), true) => {
            format!("{source:?} has the tag {tag} beside rules for tags, expected it without")
        }
        (Some(Reference::Digest(_)), true) => {
            format!("{source:?} has a digest beside rules for tags, expected it without")
        }
        (None, false) => format!(
            "{source:?} has no tag, expected one as in {source}:latest, or --all-tags or rules such as --semver"
        ),
        _ => return Ok(()),
    };
    Err(Problem::new(text))
}

fn told(problems: Problems, targets: &[String]) -> OrderError {
    let (problems, untold) = problems.into_parts();
    let mut sentences: Vec<String> = Vec::with_capacity(problems.len());
    for problem in &problems {
        let sentence = match option(&problem.path(), targets) {
            Some(option) => format!("{option}: {}", problem.text()),
            None => problem.text().to_owned(),
        };
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    if untold > 0 {
        sentences.push(format!("and {untold} more problems"));
    }
    OrderError(sentences)
}

/// What the user wrote that is at the end of `path`.
fn option(path: &[Step], targets: &[String]) -> Option<String> {
    let mut keys = path.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    match (keys.next_back()?, path.last()) {
        ("source" | "tag", _) => None,
        ("targets", Some(Step::Index(nth))) => targets.get(*nth).cloned(),
        ("targets", _) => Some("TARGET".to_owned()),
        (key, _) => Some(format!("--{}", key.replace('_', "-"))),
    }
}

#[cfg(test)]
mod tests {
    use image_sync_shared::config::ImageSpec;

    use super::*;
    use crate::config_file;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn defaults() -> ImageDefaults {
        config_file::usual().unwrap().defaults
    }

    fn ordered(
        source: &str,
        targets: &[&str],
        rules: Option<&RuleTexts>,
        keys: &[(&'static str, &str)],
    ) -> Result<Images, String> {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        let keys = keys.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let order = Order {
            source,
            targets: &targets,
            rules,
            keys: keys.collect(),
        };
        order.images(&defaults()).map_err(|error| error.to_string())
    }

    fn rule(key: &'static str, value: &str) -> RuleTexts {
        RuleTexts {
            others: vec![(key, value.to_owned())],
            ..RuleTexts::default()
        }
    }

    #[test]
    fn one_image_goes_to_each_target_once() {
        let targets = [
            "localhost:5000/web/nginx",
            "registry.example/nginx:stable",
            "oci:./cache/nginx",
            "docker.io/me/nginx",
            "localhost:5000/web/nginx",
        ];
        let keys = [("platform", "linux/arm64"), ("overwrite", "never")];
        let images = ordered("nginx:1.27", &targets, None, &keys).unwrap();
        let names: Vec<String> = images.iter().map(|image| image.target_name()).collect();
        let expected = [
            "localhost:5000/web/nginx:1.27",
            "registry.example/nginx:stable",
            "oci:./cache/nginx:1.27",
            "docker.io/me/nginx:1.27",
        ];
        assert_eq!(names, expected);
        let image: ImageSpec = images.iter().next().unwrap();
        assert_eq!(image.source.to_string(), "docker.io/library/nginx");
        assert_eq!(image.platforms.to_string(), "linux/arm64");
        assert_eq!(
            (image.image.as_str(), image.tag.as_str()),
            ("nginx", "1.27")
        );
    }

    #[test]
    fn a_digest_gets_a_tag_where_the_target_says_one() {
        let source = format!("nginx@{DIGEST}");
        let images = ordered(&source, &["localhost/a:1", "localhost/b"], None, &[]).unwrap();
        let names: Vec<String> = images.iter().map(|image| image.target_name()).collect();
        assert_eq!(
            names,
            ["localhost/a:1".to_owned(), format!("localhost/b@{DIGEST}")]
        );
    }

    #[test]
    fn rules_choose_among_the_tags_of_the_source() {
        let images = ordered(
            "quay.io/a/b",
            &["localhost/b"],
            Some(&rule("semver", "1.x")),
            &[],
        );
        let images = images.unwrap();
        assert_eq!((images.len(), images.has_rules()), (0, true));
        let all = ordered(
            "quay.io/a/b",
            &["localhost/b"],
            Some(&RuleTexts::default()),
            &[],
        );
        assert!(all.unwrap().has_rules());
        // A `$` is one: nothing is filled in, as the shell has done that.
        let pattern = RuleTexts {
            include: vec!["v1.*$".to_owned(), "1.10".to_owned()],
            ..RuleTexts::default()
        };
        ordered("a/b", &["localhost/b"], Some(&pattern), &[]).unwrap();
    }

    /// What is said of an order that is refused.
    fn told(source: &str, target: &str, rules: Option<&RuleTexts>) -> String {
        let error = ordered(source, &["localhost/good", target], rules, &[]).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        error
    }

    #[test]
    fn a_source_and_targets_that_do_not_fit_are_told_as_they_are_written() {
        let (good, all) = ("localhost:5000/a", &RuleTexts::default());
        for (error, start) in [
            (
                told("nginx", good, None),
                "\"nginx\" has no tag, expected one as in nginx:latest, or --all-tags",
            ),
            (
                told("a:1", good, Some(all)),
                "\"a:1\" has the tag 1 beside rules for tags",
            ),
            (
                told(&format!("a@{DIGEST}"), good, Some(all)),
                "\"a@sha256:e3b0",
            ),
            (
                told("me:hunter2@quay.io/a:1", good, None),
                "found an '@' or '?' where none belongs",
            ),
            (told("NGINX:1", good, None), "\"NGINX:1\" is not a valid"),
            (
                told("a:1", "localhost:5000", None),
                "localhost:5000: found \"localhost:5000\", expected one of HOST/NAME, oci:FOLDER",
            ),
            (
                told("a:1", "web/a", None),
                "web/a: found \"web/a\" without a host",
            ),
            (
                told("a", "localhost/a:1", Some(all)),
                "localhost/a:1: found the tag of \"localhost/a:1\" for all tags",
            ),
        ] {
            assert!(error.starts_with(start), "{start}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_the_option_that_says_it() {
        for (key, value, start) in [
            ("semver", "1,,y", "--semver: \"1,,y\" cannot be used: "),
            (
                "sort",
                "size",
                "--sort: \"size\" cannot be used: expected semver",
            ),
            ("latest", "3", "--latest: found no order beside it"),
            (
                "latest",
                "many",
                "--latest: found \"many\", expected a whole number",
            ),
        ] {
            let error = told("a", "localhost:5000/a", Some(&rule(key, value)));
            assert!(error.starts_with(start), "{start}: {error}");
        }
        for (key, value, start) in [
            (
                "overwrite",
                "nevr",
                "--overwrite: found \"nevr\" (did you mean never?), expected always, never, error",
            ),
            (
                "platform_missing",
                "x",
                "--platform-missing: found \"x\", expected fail, skip",
            ),
            ("platform", "linux", "--platform: "),
        ] {
            let error = ordered("a:1", &["localhost/a"], None, &[(key, value)]).unwrap_err();
            assert!(error.starts_with(start), "{start}: {error}");
        }
    }
}
