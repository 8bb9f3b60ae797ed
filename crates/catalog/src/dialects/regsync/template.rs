//! Values with templates, as far as they are plain: what they stand for when the file is read.

mod names;
mod parse;

use std::fs;

pub(super) use names::{Names, no_fields};
use parse::{Operand, Piece, Pipeline};
use serde_json::json;

/// The functions that are known here.
const FUNCTIONS: &str =
    "env, file, default, join, split, index, lower, upper, trimSpace, json and time";

/// What a template may ask for.
pub(super) trait Scope {
    /// A variable of the environment.
    fn variable(&mut self, name: &str) -> Result<String, String>;
    /// The same; where it is not set, or to nothing, `default`.
    fn variable_or(&mut self, name: &str, default: &str) -> String;
    /// The value of a field, as `.Sync.Source`.
    fn field(&self, path: &[String]) -> Result<Value, String>;
    /// Whether variables are not known yet, but stand for themselves.
    fn is_converting(&self) -> bool;
    /// What a value has that is another one each time.
    fn time(&self) -> Result<Value, String>;
}

/// What a part of a template gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Number(usize),
    /// A variable of the environment, and its value if it is set.
    Variable(String, Option<String>),
}

/// `text` with what its templates stand for. Fails with what is wrong with them, or is not plain in them.
pub(super) fn fill(text: &str, scope: &mut dyn Scope) -> Result<String, String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let mut filled = String::with_capacity(text.len());
    for piece in parse::pieces(text)? {
        match piece {
            Piece::Text(text) => filled.push_str(&text),
            Piece::Action(pipeline) => {
                let text = match evaluate(&pipeline, scope)? {
                    Value::List(texts) => format!("[{}]", texts.join(" ")),
                    Value::Number(number) => number.to_string(),
                    value => text_of(value, scope)?,
                };
                filled.push_str(&text);
            }
        }
    }
    Ok(filled)
}

/// The file that a template reads, if it does nothing else.
pub(super) fn only_file(text: &str) -> Option<String> {
    let pieces = parse::pieces(text.trim()).ok()?;
    let [Piece::Action(pipeline)] = pieces.as_slice() else {
        return None;
    };
    let [command] = pipeline.as_slice() else {
        return None;
    };
    match command.as_slice() {
        [Operand::Function(name), Operand::Text(file)] if name == "file" => Some(file.clone()),
        _ => None,
    }
}

fn evaluate(pipeline: &Pipeline, scope: &mut dyn Scope) -> Result<Value, String> {
    let mut value = None;
    for command in pipeline {
        value = Some(run(command, value, scope)?);
    }
    value.ok_or_else(|| "found nothing, expected a value".to_owned())
}

/// What a command gives that gets `piped` as its last argument.
fn run(command: &[Operand], piped: Option<Value>, scope: &mut dyn Scope) -> Result<Value, String> {
    let (first, others) = command
        .split_first()
        .ok_or("found nothing, expected a value")?;
    let mut arguments = Vec::with_capacity(others.len() + 1);
    for operand in others {
        arguments.push(operand_value(operand, scope)?);
    }
    arguments.extend(piped);
    match first {
        Operand::Function(name) => call(name, arguments, scope),
        Operand::Chain(function, _) if **function == Operand::Function("time".to_owned()) => {
            scope.time()
        }
        operand if arguments.is_empty() => operand_value(operand, scope),
        _ => Err("found an argument for a value that is no function, expected none".to_owned()),
    }
}

fn operand_value(operand: &Operand, scope: &mut dyn Scope) -> Result<Value, String> {
    match operand {
        Operand::Text(text) => Ok(Value::Text(text.clone())),
        Operand::Number(number) => Ok(Value::Number(*number)),
        Operand::Function(name) => call(name, Vec::new(), scope),
        Operand::Field(path) => scope.field(path),
        Operand::Pipeline(pipeline) => evaluate(pipeline, scope),
        Operand::Chain(inner, _) if **inner == Operand::Function("time".to_owned()) => scope.time(),
        Operand::Chain(_, path) => Err(format!(
            "found .{}, of which the value before it has none",
            path.join(".")
        )),
    }
}

fn call(name: &str, arguments: Vec<Value>, scope: &mut dyn Scope) -> Result<Value, String> {
    let expected = match name {
        "env" | "file" | "lower" | "upper" | "trimSpace" => "one text",
        "default" => "a default and a value",
        "join" => "a list and a text",
        "split" => "two texts",
        "index" => "a list and a number",
        "json" => "one value",
        "time" => "none",
        _ => {
            return Err(format!(
                "found {name}, which is not known here; known are {FUNCTIONS}"
            ));
        }
    };
    let mut arguments = arguments.into_iter();
    let given = (arguments.next(), arguments.next(), arguments.next());
    match (name, given) {
        ("time", (None, ..)) => scope.time(),
        ("json", (Some(value), None, _)) => json(value, scope),
        ("default", (Some(default), Some(value), None)) => or_default(default, value, scope),
        ("join", (Some(Value::List(texts)), Some(separator), None)) => {
            Ok(Value::Text(texts.join(&text_of(separator, scope)?)))
        }
        ("split", (Some(text), Some(separator), None)) => {
            Ok(split(&text_of(text, scope)?, &text_of(separator, scope)?))
        }
        ("index", (Some(Value::List(texts)), Some(Value::Number(at)), None)) => item(texts, at),
        (_, (Some(value), None, _)) if expected == "one text" => of_text(name, value, scope),
        _ => Err(format!(
            "found {name} with other arguments, expected {expected}"
        )),
    }
}

/// What a function of one text gives.
fn of_text(name: &str, value: Value, scope: &mut dyn Scope) -> Result<Value, String> {
    if name == "upper" && scope.is_converting() && matches!(value, Value::Variable(..)) {
        return Err("found upper of a variable, which cannot be converted; expected the variable in capitals".to_owned());
    }
    let text = text_of(value, scope)?;
    Ok(match name {
        "env" => {
            let value = scope.variable(&text).ok();
            Value::Variable(text, value)
        }
        "file" => {
            let read = fs::read_to_string(&text);
            let read = read.map_err(|error| {
                format!("the file {text:?} cannot be read ({error}), expected one")
            })?;
            Value::Text(read.trim().to_owned())
        }
        "lower" => Value::Text(text.to_lowercase()),
        "upper" => Value::Text(text.to_uppercase()),
        _ => Value::Text(text.trim().to_owned()),
    })
}

fn split(text: &str, separator: &str) -> Value {
    if separator.is_empty() {
        return Value::List(text.chars().map(String::from).collect());
    }
    Value::List(text.split(separator).map(str::to_owned).collect())
}

fn item(texts: Vec<String>, at: usize) -> Result<Value, String> {
    let of = texts.len();
    let text = texts.into_iter().nth(at).map(Value::Text);
    text.ok_or_else(|| format!("found the index {at} of a list of {of}, expected less"))
}

/// Encoders of Go end a value with a line feed.
fn json(value: Value, scope: &mut dyn Scope) -> Result<Value, String> {
    let json = match value {
        Value::List(texts) => json!(texts),
        Value::Number(number) => json!(number),
        value => json!(text_of(value, scope)?),
    };
    Ok(Value::Text(format!("{json}\n")))
}

fn or_default(default: Value, value: Value, scope: &mut dyn Scope) -> Result<Value, String> {
    Ok(match value {
        Value::Variable(name, _) => {
            let default = text_of(default, scope)?;
            Value::Text(scope.variable_or(&name, &default))
        }
        Value::Text(text) if text.is_empty() => default,
        Value::Number(0) => default,
        value => value,
    })
}

fn text_of(value: Value, scope: &mut dyn Scope) -> Result<String, String> {
    match value {
        Value::Text(text) | Value::Variable(_, Some(text)) => Ok(text),
        Value::Variable(name, None) => scope.variable(&name),
        Value::Number(number) => Err(format!("found the number {number}, expected a text")),
        Value::List(_) => Err("found a list, expected a text".to_owned()),
    }
}
