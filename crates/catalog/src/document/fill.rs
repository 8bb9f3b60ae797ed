//! Variables of the environment in values: `${NAME}`, with defaults and messages as POSIX shells have them (2.6.2).

use super::node::{Content, is_the_users};
use crate::problem::{Place, Problem, names_a_secret};

/// Looks a variable up.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// How deep a default may stand in that of another variable.
const MAX_DEPTH: usize = 8;
const FORMS: &str = "expected ${NAME}, ${NAME:-DEFAULT} or ${NAME:?MESSAGE}; a $ that stands for itself is written $$";

/// A variable that stood in a value.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether it may be a password or the like.
    pub(crate) is_secret: bool,
}

impl Filled {
    /// Adds a variable to those that stood in values: once, and as a secret if it may be one in any of them.
    pub(crate) fn remember(all: &mut Vec<Self>, name: &str, value: &str, is_secret: bool) {
        match all.iter_mut().find(|known| known.name == name) {
            Some(known) => known.is_secret |= is_secret,
            None => all.push(Self {
                name: name.to_owned(),
                value: value.to_owned(),
                is_secret,
            }),
        }
    }
}

/// Fills variables in, and remembers which.
pub(super) struct Filler<'v> {
    /// None where nothing is filled in.
    variables: Option<Variables<'v>>,
    pub(super) filled: Vec<Filled>,
    /// What could not be filled in.
    pub(super) problems: Vec<Problem>,
    /// What looks like a variable and is none.
    pub(super) warnings: Vec<Problem>,
    /// How many of the keys around are the user's own, and how many may have a secret as their value.
    own: usize,
    secret: usize,
    /// How many of the values around have a name by which others may refer to them.
    pub(super) anchored: usize,
}

impl<'v> Filler<'v> {
    pub(super) fn new(variables: Option<Variables<'v>>) -> Self {
        Self {
            variables,
            filled: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            own: 0,
            secret: 0,
            anchored: 0,
        }
    }

    /// The values to come are below `key`, until that is left.
    pub(super) fn enter(&mut self, key: &str) {
        self.own += usize::from(is_the_users(key));
        self.secret += usize::from(names_a_secret(key));
    }

    pub(super) fn leave(&mut self, key: &str) {
        self.own -= usize::from(is_the_users(key));
        self.secret -= usize::from(names_a_secret(key));
    }

    /// The scalar with its variables. `unfilled` is what it is where nothing has to be filled in.
    pub(super) fn scalar(
        &mut self,
        text: &str,
        unfilled: fn(Box<str>) -> Content,
        place: Place,
    ) -> Content {
        if !text.contains('$') || self.variables.is_none() {
            return unfilled(text.into());
        }
        if is_like_a_variable(text) && self.own == 0 {
            let text = "found a $ and a name, which is taken as it is; ${NAME} would be a variable, and $$NAME says that none is meant";
            self.warnings.push(Problem::new(text).at(place));
        }
        let known = self.filled.len();
        match self.fill(text, 0) {
            Ok(filled) if self.filled.len() == known && filled.is_plain => {
                unfilled(filled.text.into())
            }
            Ok(filled) => Content::Filled(filled.text.into()),
            // What nobody asks for may say what it likes.
            Err(_) if self.own > 0 && self.anchored == 0 => unfilled(text.into()),
            Err(problem) => {
                self.problems.push(Problem::new(problem).at(place));
                Content::Filled("".into())
            }
        }
    }

    fn fill(&mut self, text: &str, depth: usize) -> Result<Text, String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "found more than {MAX_DEPTH} variables in each other, expected less"
            ));
        }
        let mut filled = Text {
            text: String::with_capacity(text.len()),
            is_plain: true,
        };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.text.push_str(before);
            rest = if let Some(after) = after.strip_prefix('$') {
                filled.text.push('$');
                after
            } else if let Some(after) = after.strip_prefix('{') {
                let (variable, after) = Variable::parse(after)
                    .ok_or_else(|| format!("found ${{ that begins no variable, {FORMS}"))?;
                filled.text.push_str(&self.value(&variable, depth)?);
                filled.is_plain = false;
                after
            } else {
                filled.text.push('$');
                after
            };
        }
        filled.text.push_str(rest);
        Ok(filled)
    }

    fn value(&mut self, variable: &Variable<'_>, depth: usize) -> Result<String, String> {
        let Variable {
            name, unless_empty, ..
        } = *variable;
        let found = self.variables.and_then(|variables| variables(name));
        let is_empty = found.as_ref().is_some_and(String::is_empty);
        match (found, &variable.otherwise) {
            (Some(value), _) if !(is_empty && unless_empty) => {
                self.remember(name, &value);
                Ok(value)
            }
            (_, Otherwise::Default(default)) => Ok(self.fill(default, depth + 1)?.text),
            (_, otherwise) => Err(self.missing(name, is_empty, otherwise)),
        }
    }

    /// What is said of a variable without a value. In a password, what looks like one may be a part of it.
    fn missing(&self, name: &str, is_empty: bool, otherwise: &Otherwise<'_>) -> String {
        let is_usual =
            |byte: u8| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit();
        if self.secret > 0 && !name.bytes().all(is_usual) {
            return "a variable in this value is not set; a $ that stands for itself is written $$"
                .to_owned();
        }
        let what = if is_empty { "is empty" } else { "is not set" };
        match otherwise {
            Otherwise::Fail("") => format!("${{{name}}} {what}, expected a value"),
            Otherwise::Fail(message) => format!("${{{name}}} {what}: {message}"),
            _ => format!("${{{name}}} {what}; ${{{name}:-DEFAULT}} would give a default"),
        }
    }

    fn remember(&mut self, name: &str, value: &str) {
        let is_secret = self.secret > 0 || names_a_secret(name);
        Filled::remember(&mut self.filled, name, value, is_secret);
    }
}

/// Whether it is one in shells, alone and in capitals: nothing else that is meant as it is looks so.
fn is_like_a_variable(text: &str) -> bool {
    let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    text.strip_prefix('$').is_some_and(|name| {
        name.bytes().next().is_some_and(is_capital)
            && name
                .bytes()
                .all(|byte| is_capital(byte) || byte.is_ascii_digit())
    })
}

struct Text {
    text: String,
    /// Whether no variable stood in it.
    is_plain: bool,
}

/// What stands between `${` and its `}`.
struct Variable<'a> {
    name: &'a str,
    /// Whether one that is set to nothing counts as not set.
    unless_empty: bool,
    otherwise: Otherwise<'a>,
}

/// What is to be done without a value.
enum Otherwise<'a> {
    Nothing,
    Default(&'a str),
    Fail(&'a str),
}

impl<'a> Variable<'a> {
    /// The variable at the beginning of `text`, and what follows.
    fn parse(text: &'a str) -> Option<(Self, &'a str)> {
        let end = end(text)?;
        let (inside, after) = (&text[..end], &text[end + 1..]);
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let length = inside.find(|letter| !is_word(letter)).unwrap_or(end);
        let (name, operator) = inside.split_at(length);
        if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            return None;
        }
        let after_colon = operator.strip_prefix(':');
        let operand = after_colon.unwrap_or(operator);
        let otherwise = match operand.split_at_checked(1) {
            Some(("-", default)) => Otherwise::Default(default),
            Some(("?", message)) => Otherwise::Fail(message),
            None if after_colon.is_none() => Otherwise::Nothing,
            _ => return None,
        };
        let variable = Self {
            name,
            unless_empty: after_colon.is_some(),
            otherwise,
        };
        Some((variable, after))
    }
}

/// Where the brace is that closes one before `text`.
fn end(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut previous = ' ';
    for (at, letter) in text.char_indices() {
        match (previous, letter) {
            ('$', '{') => open += 1,
            (_, '}') => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        // Two of them are one that stands for itself.
        previous = if (previous, letter) == ('$', '$') {
            ' '
        } else {
            letter
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { line: 1, column: 1 };

    fn look_up(name: &str) -> Option<String> {
        let set = [
            ("A", "a"),
            ("EMPTY", ""),
            ("N", "16"),
            ("YAML", "{a: b} # c"),
        ];
        let found = set.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    }

    fn filled(text: &str) -> Result<String, String> {
        let mut filler = Filler::new(Some(&look_up));
        let content = filler.scalar(text, Content::Text, PLACE);
        match (filler.problems.pop(), content) {
            (Some(problem), _) => Err(problem.to_string()),
            (None, Content::Filled(text) | Content::Text(text)) => Ok(text.into()),
            (None, other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn variables_are_filled_in_as_shells_do() {
        for (text, expected) in [
            ("${A}", "a"),
            ("x-${A}.${A}-y", "x-a.a-y"),
            ("${EMPTY}", ""),
            ("${EMPTY-d}", ""),
            ("${EMPTY:-d}", "d"),
            ("${UNSET-d}", "d"),
            ("${UNSET:-d}", "d"),
            ("${UNSET:-}", ""),
            ("${UNSET:-${A}/${UNSET:-e}}", "a/e"),
            ("${A:-${UNSET}}", "a"),
            ("${A:?no}", "a"),
            ("${EMPTY?no}", ""),
            ("${UNSET:-$${A}}", "${A}"),
            ("${YAML}", "{a: b} # c"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_dollar_sign_before_anything_else_is_itself() {
        for (text, expected) in [
            ("v1.*$", "v1.*$"),
            ("^(a|b)$|c$", "^(a|b)$|c$"),
            ("robot$name", "robot$name"),
            ("$A", "$A"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$$$${A}", "$${A}"),
            ("$$${A}", "$a"),
            ("$", "$"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_told() {
        for (text, expected) in [
            (
                "${UNSET}",
                "${UNSET} is not set; ${UNSET:-DEFAULT} would give a default",
            ),
            (
                "${UNSET:?set it to the registry}",
                "${UNSET} is not set: set it to the registry",
            ),
            ("${UNSET?}", "${UNSET} is not set, expected a value"),
            ("${EMPTY:?}", "${EMPTY} is empty, expected a value"),
            (
                "${UNSET:-${OTHER}}",
                "${OTHER} is not set; ${OTHER:-DEFAULT} would give a default",
            ),
        ] {
            assert_eq!(filled(text), Err(expected.to_owned()), "{text}");
        }
        for text in [
            "${A",
            "${}",
            "${1A}",
            "${A:x}",
            "${A+x}",
            "${A:}",
            "${A b}",
            "${A:-${B}",
            "a${",
        ] {
            let expected = format!("found ${{ that begins no variable, {FORMS}");
            assert_eq!(filled(text), Err(expected), "{text}");
        }
        let deep = format!("{}{}", "${U:-".repeat(20), "}".repeat(20));
        let expected = "found more than 8 variables in each other, expected less";
        assert_eq!(filled(&deep), Err(expected.to_owned()));
    }
}
