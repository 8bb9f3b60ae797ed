//! What the templates of a value may name.

use super::{Scope, Value};
use crate::dialects::translation::Translator;
use crate::problem::{Problem, names_a_secret};

/// A name that no variable has. While a config is converted, all have a value.
const NO_VARIABLE: &str = "=";

/// The value of a field, if there is such a one.
pub(in crate::dialects::regsync) type Fields<'a> = &'a dyn Fn(&[&str]) -> Option<Value>;

/// What the templates in the value of one key may name.
pub(in crate::dialects::regsync) struct Names<'a, 't> {
    pub(in crate::dialects::regsync) to: &'a mut Translator<'t>,
    /// The key, as this program calls it.
    pub(in crate::dialects::regsync) key: &'a str,
    pub(in crate::dialects::regsync) fields: Fields<'a>,
    /// Whether it is filled in anew each time.
    pub(in crate::dialects::regsync) is_for_later: bool,
}

/// A value without fields.
pub(in crate::dialects::regsync) fn no_fields(_: &[&str]) -> Option<Value> {
    None
}

impl Names<'_, '_> {
    /// `text` with what its templates stand for. A secret is not repeated in what is wrong with it.
    pub(in crate::dialects::regsync) fn fill(&mut self, text: &str) -> Result<String, Problem> {
        super::fill(text, self).map_err(|told| {
            let is_shown = !names_a_secret(self.key)
                || told.starts_with("the variable ")
                || told.starts_with("the file ");
            if is_shown {
                return Problem::new(told);
            }
            Problem::new(
                "found a template that is not plain (it is not shown, as it may hold a secret), expected {{ env \"NAME\" }} or {{ file \"NAME\" }}",
            )
        })
    }
}

impl Scope for Names<'_, '_> {
    fn variable(&mut self, name: &str) -> Result<String, String> {
        let value = self.to.variable(name, self.key);
        value.map_err(|problem| problem.text().to_owned())
    }

    fn variable_or(&mut self, name: &str, default: &str) -> String {
        if self.is_converting()
            && !default.contains(['$', '{', '}'])
            && let Ok(marker) = self.variable(&format!("{name}:-{default}"))
        {
            // As this program's own configs have it.
            return marker;
        }
        let value = self.variable(name).ok();
        value
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| default.to_owned())
    }

    fn field(&self, path: &[String]) -> Result<Value, String> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let value = (self.fields)(&path);
        value.ok_or_else(|| format!("found .{}, which is not known here", path.join(".")))
    }

    fn is_converting(&self) -> bool {
        self.to.has_variable(NO_VARIABLE)
    }

    fn time(&self) -> Result<Value, String> {
        if self.is_for_later {
            return Ok(Value::Text("time".to_owned()));
        }
        Err("found time, with which this would be another place each time that the file is read; expected it in backup alone".to_owned())
    }
}
