//! Templates as Go's package `text/template` has them, as far as they are plain: texts and pipelines, no programs.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Action(Pipeline),
}

/// Commands, each of which gets what the one before it gives as its last argument.
pub(super) type Pipeline = Vec<Vec<Operand>>;

/// A part of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Text(String),
    Number(usize),
    Function(String),
    /// `.Sync.Source`; nothing but a dot is empty.
    Field(Vec<String>),
    /// The fields of what an operand gives, as in `time.Now`.
    Chain(Box<Operand>, Vec<String>),
    Pipeline(Pipeline),
}

/// The words with which programs begin.
const PROGRAMS: [&str; 11] = [
    "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "nil",
];
const PLAIN: &str = "expected a plain value as in {{ env \"NAME\" }} or {{ .Sync.Source }}";

/// The pieces of `text`. Fails with what is wrong, or what is more than a plain value.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trims = false;
    while let Some((before, after)) = rest.split_once("{{") {
        let (after, trims_before) = match after.strip_prefix('-') {
            Some(trimmed) if trimmed.starts_with(char::is_whitespace) => (trimmed, true),
            _ => (after, false),
        };
        push_text(&mut pieces, before, trims, trims_before);
        let mut action = Action::new(after);
        let is_comment = after.trim_start().starts_with("/*");
        if is_comment {
            action.skip_comment()?;
        } else {
            pieces.push(Piece::Action(action.pipeline()?));
        }
        (rest, trims) = action.end()?;
    }
    push_text(&mut pieces, rest, trims, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trims_begin: bool, trims_end: bool) {
    let text = if trims_begin { text.trim_start() } else { text };
    let text = if trims_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// What stands between `{{` and `}}`.
struct Action<'t> {
    rest: &'t str,
}

impl<'t> Action<'t> {
    fn new(rest: &'t str) -> Self {
        Self { rest }
    }

    fn skip_comment(&mut self) -> Result<(), String> {
        let end = self.rest.split_once("*/");
        self.rest = end
            .ok_or("found a comment without an end, expected */}}")?
            .1;
        Ok(())
    }

    /// What follows behind the end, and whether blanks there do not count.
    fn end(&mut self) -> Result<(&'t str, bool), String> {
        let rest = self.rest.trim_start();
        let is_trimmed = rest.len() < self.rest.len();
        let trimming = rest.strip_prefix("-}}").filter(|_| is_trimmed);
        if let Some(after) = trimming {
            return Ok((after, true));
        }
        let after = rest.strip_prefix("}}");
        after.map(|after| (after, false)).ok_or_else(unclosed)
    }

    fn is_at_end(&self) -> bool {
        let rest = self.rest.trim_start();
        rest.is_empty()
            || rest.starts_with("}}")
            || rest.starts_with("-}}")
            || rest.starts_with(')')
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let mut commands = vec![self.command()?];
        loop {
            let rest = self.rest.trim_start();
            let Some(after) = rest.strip_prefix('|') else {
                return Ok(commands);
            };
            self.rest = after;
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Result<Vec<Operand>, String> {
        let mut operands = Vec::new();
        while !self.is_at_end() && !self.rest.trim_start().starts_with('|') {
            operands.push(self.operand()?);
        }
        if self.rest.trim_start().is_empty() {
            return Err(unclosed());
        }
        if operands.is_empty() {
            return Err(format!("found nothing where a value belongs, {PLAIN}"));
        }
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next().unwrap_or_default();
        let operand = match first {
            '"' => Operand::Text(self.quoted()?),
            '`' => {
                let closed = self.rest[1..].split_once('`');
                let (text, after) = closed.ok_or("found a ` without a second one")?;
                self.rest = after;
                Operand::Text(text.to_owned())
            }
            '.' => return Ok(Operand::Field(self.fields())),
            '(' => {
                self.rest = &self.rest[1..];
                let inner = self.pipeline()?;
                let after = self.rest.trim_start().strip_prefix(')');
                self.rest = after.ok_or("found ( without ), expected both")?;
                Operand::Pipeline(inner)
            }
            _ if first.is_ascii_digit() => {
                let digits = self.word();
                let number = digits
                    .parse()
                    .ok()
                    .ok_or_else(|| format!("found {digits:?}, expected a whole number"))?;
                Operand::Number(number)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let word = self.word();
                if PROGRAMS.contains(&word) {
                    return Err(format!("found {word:?}, which is a program, {PLAIN}"));
                }
                Operand::Function(word.to_owned())
            }
            '$' => {
                return Err(format!(
                    "found a variable of a template, which is a program, {PLAIN}"
                ));
            }
            _ => return Err(format!("found {first:?}, {PLAIN}")),
        };
        if self.rest.starts_with('.') {
            return Ok(Operand::Chain(Box::new(operand), self.fields()));
        }
        Ok(operand)
    }

    /// The names behind dots, without blanks between them.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(after) = self.rest.strip_prefix('.') {
            self.rest = after;
            let word = self.word();
            if !word.is_empty() {
                fields.push(word.to_owned());
            }
        }
        fields
    }

    fn word(&mut self) -> &'t str {
        let is_other = |letter: char| !letter.is_alphanumeric() && letter != '_';
        let end = self.rest.find(is_other).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(end);
        self.rest = after;
        word
    }

    /// A text in quotes, with the usual escapes of Go.
    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.push(match letters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, 'r')) => '\r',
                    Some((_, letter @ ('"' | '\\' | '\''))) => letter,
                    _ => return Err("found an escape in quotes that is not known here, expected \\n, \\t, \\\" or \\\\".to_owned()),
                }),
                letter => text.push(letter),
            }
        }
        Err("found a \" without a second one, expected both".to_owned())
    }
}

fn unclosed() -> String {
    "found {{ without }}, expected both".to_owned()
}
