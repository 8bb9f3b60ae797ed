//! From JSON to its nodes.

use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::fill::Filler;
use super::node::{Content, Key, Node};
use super::parse::{MAX_DEPTH, too_deep};
use crate::problem::{Place, Problem};

/// JSON and nothing besides.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Whether `text` begins as JSON does.
pub(super) fn looks_so(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// The value that `text` is; none where there is nothing.
pub(super) fn parse(text: &str, filler: &mut Filler<'_>) -> Result<Option<Node>, Problem> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let place = Places::of(text).at(error.range().start);
        match error.kind() {
            ParseErrorKind::NestingDepthExceeded => too_deep(place),
            kind => {
                let found = kind.to_string().to_lowercase();
                Problem::new(format!("this is not valid JSON: {found}")).at(place)
            }
        }
    })?;
    let mut reader = Reader {
        places: Places::of(text),
        filler,
    };
    let root = parsed.value.map(|value| reader.node(&value, 0));
    root.transpose()
}

struct Reader<'a, 'f, 'v> {
    places: Places<'a>,
    filler: &'f mut Filler<'v>,
}

impl Reader<'_, '_, '_> {
    fn node(&mut self, value: &Value<'_>, depth: usize) -> Result<Node, Problem> {
        let place = self.places.at(value.range().start);
        if depth > MAX_DEPTH {
            return Err(too_deep(place));
        }
        let content = match value {
            Value::StringLit(text) => self.filler.scalar(&text.value, Content::Text, place),
            Value::NumberLit(number) => Content::Plain(number.value.into()),
            Value::BooleanLit(boolean) => Content::Plain(boolean.value.to_string().into()),
            Value::NullKeyword(_) => Content::Plain("".into()),
            Value::Array(array) => {
                let items = array.elements.iter();
                let items = items.map(|item| self.node(item, depth + 1));
                Content::Sequence(items.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let mut entries = Vec::with_capacity(object.properties.len());
                for property in &object.properties {
                    let place = self.places.at(property.range.start);
                    let text = match &property.name {
                        ObjectPropName::String(text) => text.value.as_ref(),
                        ObjectPropName::Word(word) => word.value,
                    };
                    self.filler.enter(text);
                    let value = self.node(&property.value, depth + 1)?;
                    self.filler.leave(text);
                    let text = text.into();
                    entries.push((Key { place, text }, value));
                }
                Content::Mapping(entries)
            }
        };
        Ok(Node { place, content })
    }
}

/// Where bytes stand. They are asked for from the first to the last.
struct Places<'a> {
    text: &'a str,
    byte: usize,
    place: Place,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            byte: 0,
            place: Place { line: 1, column: 1 },
        }
    }

    fn at(&mut self, byte: usize) -> Place {
        for letter in self.text.get(self.byte..byte).unwrap_or_default().chars() {
            if letter == '\n' {
                self.place.line = self.place.line.saturating_add(1);
                self.place.column = 1;
            } else {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.byte = self.byte.max(byte);
        self.place
    }
}
