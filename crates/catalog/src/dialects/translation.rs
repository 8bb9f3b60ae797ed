//! A document of this program's own, made of that of another tool.

mod mapping;
pub(super) mod patterns;

use std::collections::BTreeMap;

use image_sync_shared::config::{Login, PasswordSource};

use crate::document::{self, Filled, Node, Variables};
use crate::problem::{Place, Problem, Problems, names_a_secret};

use super::DialectOptions;

pub(super) use mapping::{Mapping, text_or_texts};

/// What became of a document.
#[derive(Debug)]
pub(crate) struct Translation {
    /// The same in this program's own form.
    pub(crate) document: Node,
    pub(crate) notes: Vec<Note>,
    /// What cannot be taken over, and must not be passed over.
    pub(crate) problems: Problems,
    /// The variables of the environment that stood in it.
    pub(crate) filled: Vec<Filled>,
}

/// What is to be known of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The number of its file.
    pub(crate) file: u16,
    pub(crate) place: Place,
    /// Which value, as `key` or `list[3].key`.
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) why: String,
}

impl Note {
    /// What is said of it when images are copied.
    pub(crate) fn warning(&self) -> Problem {
        let Self { key, why, .. } = self;
        let text = match self.kind {
            Kind::Mapped => format!("{key}: {why}"),
            Kind::LeftOut | Kind::Missing => format!("{key} is left out: {why}"),
        };
        Problem::new(text).at(self.place).in_file(self.file)
    }
}

/// What became of a value that has no plain equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is said in another way.
    Mapped,
    /// It is left out, and the same is copied without it.
    LeftOut,
    /// It is left out, and what is copied may be something else.
    Missing,
}

impl Translation {
    /// A document that needs no translation.
    pub(super) fn of(document: Node) -> Self {
        Self {
            document,
            notes: Vec::new(),
            problems: Problems::default(),
            filled: Vec::new(),
        }
    }
}

/// Pairs of a mapping of this program's own.
pub(super) type Pairs = Vec<(&'static str, Node)>;

/// Gathers what a dialect makes of a document.
pub(super) struct Translator<'a> {
    pub(super) options: &'a DialectOptions,
    /// The number of the file that is read.
    pub(super) file: u16,
    variables: Variables<'a>,
    top: Pairs,
    images: Vec<Node>,
    repositories: Vec<Node>,
    targets: Vec<(String, Node)>,
    registries: BTreeMap<String, Pairs>,
    settings: Pairs,
    notes: Vec<Note>,
    problems: Problems,
    filled: Vec<Filled>,
    has_told_artifacts: bool,
}

impl<'a> Translator<'a> {
    pub(super) fn new(options: &'a DialectOptions, variables: Variables<'a>) -> Self {
        Self {
            options,
            file: 0,
            variables,
            top: Vec::new(),
            images: Vec::new(),
            repositories: Vec::new(),
            targets: Vec::new(),
            registries: BTreeMap::new(),
            settings: Vec::new(),
            notes: Vec::new(),
            problems: Problems::default(),
            filled: Vec::new(),
            has_told_artifacts: false,
        }
    }

    /// A value of the whole config.
    pub(super) fn set(&mut self, key: &'static str, value: Node) {
        self.top.push((key, value));
    }

    /// One item of `images`.
    pub(super) fn image(&mut self, place: Place, pairs: Pairs) {
        self.images.push(Node::of_pairs(pairs).at(place));
    }

    /// One item of `repositories`.
    pub(super) fn repository(&mut self, place: Place, pairs: Pairs) {
        self.repositories.push(Node::of_pairs(pairs).at(place));
    }

    /// A place that images go to.
    pub(super) fn target(&mut self, name: &str, pairs: Pairs) {
        self.targets.push((name.to_owned(), Node::of_pairs(pairs)));
    }

    /// One of `settings`.
    pub(super) fn setting(&mut self, key: &'static str, value: Node) {
        self.settings.push((key, value));
    }

    /// A registry's own settings; what is said first of a key holds.
    pub(super) fn registry(&mut self, name: &str, pairs: Pairs) {
        let known = self.registries.entry(name.to_owned()).or_default();
        for (key, value) in pairs {
            if !known.iter().any(|(known, _)| *known == key) {
                known.push((key, value));
            }
        }
    }

    /// What is to be known of the value of `key` at `place`.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        place: Place,
        key: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.notes.push(Note {
            file: self.file,
            place,
            key: key.into(),
            kind,
            why: why.into(),
        });
    }

    /// The tags of signatures would be among those that `key` chooses. It is told of the first such key.
    pub(super) fn note_artifacts(&mut self, place: Place, key: impl Into<String>) {
        if !self.has_told_artifacts {
            let why = "tags of signatures, attestations and SBOMs (sha256-...) are not among all tags of a repository, as they are there";
            self.note(Kind::Mapped, place, key, why);
        }
        self.has_told_artifacts = true;
    }

    /// It is said nowhere where images go; `option` would say it.
    pub(super) fn without_target(&mut self, option: &str) {
        self.report(Problem::new(format!(
            "where images go is said nowhere, expected {option} HOST/PREFIX on the command line"
        )));
    }

    /// What is wrong.
    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem.in_file(self.file));
    }

    /// What it is unless there is a problem at `place`, which is kept.
    pub(super) fn ok<T>(&mut self, place: Place, result: Result<T, Problem>) -> Option<T> {
        result
            .map_err(|problem| self.report(problem.at(place)))
            .ok()
    }

    /// The value of a variable of the environment; `key` is what it stands in.
    pub(super) fn variable(&mut self, name: &str, key: &str) -> Result<String, Problem> {
        let value = (self.variables)(name).ok_or_else(|| {
            Problem::new(format!("the variable {name} is not set, expected a value"))
        })?;
        self.remember(name, &value, key);
        Ok(value)
    }

    /// Whether a variable of the environment is set. It counts as not asked for.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        (self.variables)(name).is_some()
    }

    /// A text of a tool whose variables are written as this program's own: `${NAME}`, with defaults and messages.
    pub(super) fn filled(&mut self, text: &str, key: &str) -> Result<String, Problem> {
        let mut written = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, after) = after.split_once('}').unwrap_or((after, ""));
            written.push_str(before);
            // Who only wants to know where variables are has an answer for what stands behind their names too.
            if let Some(whole) = (self.variables)(inside) {
                written.push_str(&whole);
                self.remember(inside, &whole, key);
            } else {
                let (value, _) = document::filled(&format!("${{{inside}}}"), self.variables)?;
                let name = inside.split(['-', ':', '?']).next().unwrap_or_default();
                written.push_str(&value);
                self.remember(name, &value, key);
            }
            rest = after;
        }
        written.push_str(rest);
        Ok(written)
    }

    fn remember(&mut self, name: &str, value: &str, key: &str) {
        let is_secret = names_a_secret(key) || names_a_secret(name);
        Filled::remember(&mut self.filled, name, value, is_secret);
    }

    /// Whether there is a target of this name.
    pub(super) fn has_target(&self, name: &str) -> bool {
        self.targets.iter().any(|(known, _)| known == name)
    }

    /// The document.
    pub(super) fn finish(self) -> Translation {
        let mut pairs = self.top;
        let mapping = |pairs: Vec<(String, Node)>| {
            let pairs = pairs.iter().map(|(key, node)| (&**key, node.clone()));
            Node::of_pairs(pairs.collect())
        };
        let has_place = pairs.iter().any(|(key, _)| *key == "cache_registry");
        if !has_place && self.targets.is_empty() && !self.problems.is_empty() {
            // All else is checked although it is not known where images go.
            pairs.push(("cache_registry", Node::of_text("localhost")));
        }
        if !self.targets.is_empty() {
            pairs.push(("targets", mapping(self.targets)));
        }
        if !self.registries.is_empty() {
            let registries = self.registries.into_iter();
            let registries = registries.map(|(name, pairs)| (name, Node::of_pairs(pairs)));
            pairs.push(("registries", mapping(registries.collect())));
        }
        // The other tools verify TLS at targets too, where they are not told otherwise.
        let mut settings = self.settings;
        settings.push(("cache_insecure", Node::of_text("false")));
        pairs.push(("settings", Node::of_pairs(settings)));
        let has_list = pairs.iter().any(|(key, _)| *key == "lists");
        if !self.images.is_empty() || !has_list && self.repositories.is_empty() {
            pairs.push(("images", Node::of_items(self.images)));
        }
        if !self.repositories.is_empty() {
            pairs.push(("repositories", Node::of_items(self.repositories)));
        }
        Translation {
            document: Node::of_pairs(pairs),
            notes: self.notes,
            problems: self.problems,
            filled: self.filled,
        }
    }
}

/// The platform of Linux on this machine, in the words of Go.
pub(super) fn own_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    format!("linux/{architecture}")
}

/// Who we are, as `registries` has it.
pub(super) fn login(login: &Login) -> Pairs {
    let source = |keys: [&'static str; 3], source: &PasswordSource| match source {
        PasswordSource::Inline(secret) => (keys[0], Node::of_text(secret.reveal())),
        PasswordSource::File(file) => (keys[1], Node::of_text(&file.to_string_lossy())),
        PasswordSource::Env(name) => (keys[2], Node::of_text(name)),
    };
    let username = login.username.as_deref();
    let username = username.map(|name| ("username", Node::of_text(name)));
    let password = login.password.as_ref();
    let password = password.map(|from| source(["password", "password_file", "password_env"], from));
    let token = login.token.as_ref();
    let token = token.map(|from| source(["token", "token_file", "token_env"], from));
    [username, password, token].into_iter().flatten().collect()
}
