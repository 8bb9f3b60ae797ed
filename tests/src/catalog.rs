//! Config files for the tests.

use std::fmt::Write as _;

/// A config file in the making. Its retries are quick, so that a test sees the end of them.
#[derive(Clone, Debug)]
pub struct Catalog {
    cache: String,
    images: Vec<Entry>,
    repositories: Vec<String>,
    lists: Vec<String>,
    settings: Vec<String>,
    registries: String,
    targets: String,
}

/// One image of it.
#[derive(Clone, Debug)]
pub struct Entry {
    lines: Vec<String>,
}

impl Entry {
    /// The image `tag` of `source`, all platforms of it.
    #[must_use]
    pub fn new(source: &str, tag: &str) -> Self {
        Self {
            lines: vec![
                format!("source: {source:?}"),
                format!("tag: {tag:?}"),
                "platform: all".to_owned(),
            ],
        }
    }

    /// The tags of `source` that rules choose, in YAML's flow form as in `{semver: 1.x}`.
    #[must_use]
    pub fn of_tags(source: &str, rules: &str) -> Self {
        let mut entry = Self::new(source, "");
        entry.lines[1] = format!("tags: {rules}");
        entry
    }

    /// The platforms in place of all.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        self.lines.retain(|line| !line.starts_with("platform:"));
        self.with(&format!("platform: {platform:?}"))
    }

    /// Another repository in the cache.
    #[must_use]
    pub fn cache_as(self, repository: &str) -> Self {
        self.with(&format!("cache_as: {repository:?}"))
    }

    /// One more line.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

impl Catalog {
    /// An empty catalog for this cache.
    #[must_use]
    pub fn new(cache: &str) -> Self {
        let retry = "retry: {attempts: 3, initial_delay: 10ms, max_delay: 20ms}".to_owned();
        Self {
            cache: cache.to_owned(),
            images: Vec::new(),
            repositories: Vec::new(),
            lists: Vec::new(),
            settings: vec![retry],
            registries: String::new(),
            targets: String::new(),
        }
    }

    /// One more image.
    #[must_use]
    pub fn image(mut self, entry: Entry) -> Self {
        self.images.push(entry);
        self
    }

    /// One more item of `repositories`, in YAML's flow form as in `{source: quay.io/a, tags: all}`.
    #[must_use]
    pub fn repositories(mut self, item: &str) -> Self {
        self.repositories.push(item.to_owned());
        self
    }

    /// One more item of `lists`, in YAML's flow form as in `{file: images.txt}`.
    #[must_use]
    pub fn list(mut self, item: &str) -> Self {
        self.lists.push(item.to_owned());
        self
    }

    /// One more line below `settings`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// Settings of one registry, in YAML's flow form as in `{username: a}`.
    #[must_use]
    pub fn registry(mut self, host: &str, settings: &str) -> Self {
        let _infallible = writeln!(self.registries, "  {host:?}: {settings}");
        self
    }

    /// One more target, with its naming if one is said.
    #[must_use]
    pub fn target(mut self, name: &str, registry: &str) -> Self {
        let _infallible = writeln!(self.targets, "  {name}: {{registry: {registry:?}}}");
        self
    }

    /// The file's text.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut text = format!("cache_registry: {:?}\nimages:\n", self.cache);
        if self.images.is_empty() {
            text = text.replace("images:\n", "images: []\n");
        }
        for entry in &self.images {
            for (at, line) in entry.lines.iter().enumerate() {
                let lead = if at == 0 { "  - " } else { "    " };
                let _infallible = writeln!(text, "{lead}{line}");
            }
        }
        if !self.repositories.is_empty() {
            let items = self.repositories.join(", ");
            let _infallible = writeln!(text, "repositories: [{items}]");
        }
        if !self.lists.is_empty() {
            let _infallible = writeln!(text, "lists: [{}]", self.lists.join(", "));
        }
        text.push_str("settings:\n");
        for line in &self.settings {
            let _infallible = writeln!(text, "  {line}");
        }
        if !self.registries.is_empty() {
            let _infallible = write!(text, "registries:\n{}", self.registries);
        }
        if !self.targets.is_empty() {
            let _infallible = write!(text, "targets:\n{}", self.targets);
        }
        text
    }
}
