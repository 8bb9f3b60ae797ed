//! Something wrong at a place in a config.

use std::fmt;

/// A place in a text, line and column both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Where an item of a list of a catalog stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The number of its file, in the order in which files are read.
    pub(crate) file: u16,
    /// Its number in the list.
    pub(crate) index: u32,
    pub(crate) place: Place,
}

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong, and where: built at the innermost value, and given its steps on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    text: String,
    innermost_first: Vec<Step>,
    /// The number of its file, in the order in which files are read.
    file: u16,
    place: Option<Place>,
    /// Whether what stands there may be anything, a password too.
    is_unknown: bool,
}

impl Problem {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            innermost_first: Vec::new(),
            file: 0,
            place: None,
            is_unknown: false,
        }
    }

    /// The problem at `place`, unless it is known to be at another one, inside of this.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// The problem that something stands there that may be anything, a password too.
    pub(crate) fn of_something_unknown(mut self) -> Self {
        self.is_unknown = true;
        self
    }

    /// Whether something stands there that may be anything.
    pub(crate) fn is_of_something_unknown(&self) -> bool {
        self.is_unknown
    }

    /// The problem, without the steps to it: for a text that has none.
    pub(crate) fn without_path(mut self) -> Self {
        self.innermost_first.clear();
        self
    }

    /// The problem, in the file of this number.
    pub(crate) fn in_file(mut self, file: u16) -> Self {
        self.file = file;
        self
    }

    /// The problem, seen from the mapping that has the value as `key`.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.innermost_first.push(Step::Key(key.to_owned()));
        self
    }

    /// The problem, seen from the list that has the value at `index`.
    pub(crate) fn index(mut self, index: usize) -> Self {
        self.innermost_first.push(Step::Index(index));
        self
    }

    /// The steps from where it is seen to the value.
    pub(crate) fn path(&self) -> Vec<Step> {
        self.innermost_first.iter().rev().cloned().collect()
    }

    /// What is wrong, without where.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where it is, if that is known.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place
    }

    /// The number of the file in which it is.
    pub(crate) fn file(&self) -> u16 {
        self.file
    }

    /// Whether both say the same of the same place, as where several aliases lead to it.
    fn is_same(&self, other: &Self) -> bool {
        let said = |problem: &Self| (problem.file, problem.place);
        self.place.is_some() && said(self) == said(other) && self.text == other.text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.innermost_first.iter().rev().enumerate() {
            match step {
                Step::Key(key) if depth == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.innermost_first.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

/// All that is wrong, as far as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    told: Vec<Problem>,
    /// How many there are beyond those.
    untold: usize,
}

impl Problems {
    /// How many are told of a file.
    const MAX_TOLD: usize = 20;

    pub(crate) fn push(&mut self, problem: Problem) {
        if self.told.iter().any(|told| told.is_same(&problem)) {
            return;
        }
        if self.told.len() < Self::MAX_TOLD {
            self.told.push(problem);
        } else {
            self.untold += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// These problems, seen from elsewhere.
    pub(crate) fn map(self, seen: impl Fn(Problem) -> Problem) -> Self {
        Self {
            told: self.told.into_iter().map(seen).collect(),
            untold: self.untold,
        }
    }

    /// Those that are wanted.
    pub(crate) fn filter(self, is_wanted: impl Fn(&Problem) -> bool) -> Self {
        Self {
            told: self.told.into_iter().filter(is_wanted).collect(),
            untold: self.untold,
        }
    }

    /// With those of others too.
    pub(crate) fn append(&mut self, others: Self) {
        self.untold += others.untold;
        self.extend(others.told);
    }

    /// In the order of the files, and how many there are beyond them.
    pub(crate) fn into_parts(mut self) -> (Vec<Problem>, usize) {
        self.told
            .sort_by_key(|problem| (problem.file, problem.place));
        (self.told, self.untold)
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        let mut all = Self::default();
        all.extend(problems);
        all
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self::from_iter([problem])
    }
}

/// `text`, unless it may hold a user name and password or a signed query, which an error must not repeat.
pub(crate) fn without_secrets(text: &str) -> Result<&str, Problem> {
    let location = match text.rsplit_once('@') {
        Some((before, after)) if after.starts_with("sha256:") || after.starts_with("sha512:") => {
            before
        }
        _ => text,
    };
    if location.contains(['@', '?']) && !text.starts_with("oci:") {
        return Err(Problem::new(
            "found an '@' or '?' where none belongs, expected user names and passwords under registries or in Docker's config",
        ));
    }
    Ok(text)
}

/// Whether what is called so is a secret, or tells where one is.
pub(crate) fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "password",
        "passwd",
        "token",
        "secret",
        "username",
        "proxy",
        "auth",
        "credential",
        "_key",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}
