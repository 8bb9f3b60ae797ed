//! What a server made of what it was asked for. Old servers leave out what they do not know, and say nothing of it.

use std::fmt;

use serde_json::Value;

/// A field that is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, as the server calls it.
    pub field: String,
    /// What was asked for.
    pub asked: String,
    /// What there is.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            asked,
            found,
        } = self;
        write!(f, "{field} should be {asked}, but is {found}")
    }
}

/// The first field of `asked`, by its name, that `found` has otherwise. What `asked` does not name may be anything.
pub(super) fn first_difference(asked: &Value, found: &Value) -> Option<Difference> {
    let fields = asked.as_object()?;
    let (field, asked) = fields
        .iter()
        .filter(|(field, asked)| !is_equal(asked, found.get(field.as_str())))
        .min_by_key(|(field, _)| field.as_str())?;
    Some(Difference {
        field: field.clone(),
        asked: asked.to_string(),
        found: found
            .get(field.as_str())
            .map_or_else(|| "missing".to_owned(), Value::to_string),
    })
}

/// The first field of `fields` that `asked` and `found` do not have in common.
pub(super) fn first_difference_in(
    fields: &[&str],
    asked: &Value,
    found: &Value,
) -> Option<Difference> {
    let chosen = fields.iter().map(|field| {
        (
            (*field).to_owned(),
            asked.get(field).cloned().unwrap_or(Value::Null),
        )
    });
    first_difference(&Value::Object(chosen.collect()), found)
}

/// A server may leave out what is nothing.
fn is_equal(asked: &Value, found: Option<&Value>) -> bool {
    match found {
        Some(found) => asked == found || (is_nothing(asked) && is_nothing(found)),
        None => is_nothing(asked),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_asked_for_and_left_out_is_found() {
        let asked = json!({ "name": "S", "filter_subjects": ["a", "b"], "max_age": 5 });
        assert_eq!(first_difference(&asked, &asked), None);
        let difference = first_difference(&asked, &json!({ "name": "S", "max_age": 5 })).unwrap();
        assert_eq!(
            difference.to_string(),
            r#"filter_subjects should be ["a","b"], but is missing"#
        );
        let found = json!({ "name": "S", "filter_subjects": ["a", "b"], "max_age": 6 });
        let difference = first_difference(&asked, &found).unwrap();
        assert_eq!(difference.to_string(), "max_age should be 5, but is 6");
    }

    #[test]
    fn what_is_nothing_may_be_left_out_and_more_may_be_there() {
        let asked = json!({ "a": null, "b": false, "c": 0, "d": "", "e": [], "f": {} });
        assert_eq!(first_difference(&asked, &json!({ "more": 1 })), None);
        assert_eq!(
            first_difference(&json!({ "a": null }), &json!({ "a": false })),
            None
        );
        assert!(first_difference(&json!({ "a": 0 }), &json!({ "a": -1 })).is_some());
    }

    #[test]
    fn only_the_fields_that_are_named_are_compared() {
        let (asked, found) = (json!({ "a": 1, "b": 2 }), json!({ "a": 1, "b": 3 }));
        assert_eq!(first_difference_in(&["a", "c"], &asked, &found), None);
        assert!(first_difference_in(&["b"], &asked, &found).is_some());
    }
}
