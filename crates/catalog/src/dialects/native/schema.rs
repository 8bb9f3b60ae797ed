//! The JSON Schema of a config, for editors.

/// The schema (draft 2020-12), as `deploy/config.schema.json` has it.
pub const SCHEMA: &str = include_str!("../../../../../deploy/config.schema.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::dialects::native::{
        self, defaults, image, lists, registries, repositories, settings, tag_rules, targets,
        webhooks,
    };

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read_and_no_others() {
        let schema = schema();
        for (place, keys) in [
            ("", &native::KEYS[..]),
            ("/$defs/image", &image::KEYS),
            ("/$defs/namespace", &repositories::KEYS),
            ("/$defs/listOfImages", &lists::KEYS),
            ("/$defs/tagRules", &tag_rules::KEYS),
            ("/$defs/defaults", &defaults::KEYS),
            ("/$defs/referrers/anyOf/2", &image::referrers::KEYS),
            ("/$defs/target", &targets::KEYS),
            ("/$defs/settings", &settings::KEYS),
            ("/$defs/retry", &settings::RETRY_KEYS),
            ("/$defs/registry", &registries::KEYS),
            ("/$defs/webhooks", &webhooks::KEYS),
            ("/$defs/sender", &webhooks::SENDER_KEYS),
            ("/$defs/webhookApi", &webhooks::API_KEYS),
            ("/$defs/oidc", &webhooks::OIDC_KEYS),
        ] {
            let properties = schema.pointer(&format!("{place}/properties")).unwrap();
            let stated: BTreeSet<&str> = properties
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let read: BTreeSet<&str> = keys.iter().copied().collect();
            assert_eq!(stated, read, "{place}");
            let others = schema.pointer(&format!("{place}/additionalProperties"));
            assert_eq!(others, Some(&Value::Bool(false)), "{place}");
        }
    }

    /// What `schema` stands for, where it refers to another one.
    fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
        let Some(reference) = schema["$ref"].as_str() else {
            return schema;
        };
        let pointer = reference.strip_prefix('#').unwrap();
        let named = root.pointer(pointer);
        resolved(
            root,
            named.unwrap_or_else(|| panic!("{reference} leads nowhere")),
        )
    }

    /// The kinds of values that a schema names.
    fn has_kind(schema: &Value, value: &Value) -> bool {
        let kind = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Null => "null",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
        };
        let is_named = |named: &Value| named == kind || named == "number" && kind == "integer";
        // The only pattern is that of values with variables.
        if schema["pattern"].is_string() && !value.as_str().is_some_and(|text| text.contains("${"))
        {
            return false;
        }
        match (&schema["type"], &schema["enum"], &schema["const"]) {
            (Value::Array(kinds), ..) => kinds.iter().any(is_named),
            (named @ Value::String(_), ..) => is_named(named),
            (_, Value::Array(words), _) => words.contains(value),
            (_, _, Value::Null) => true,
            (.., constant) => constant == value,
        }
    }

    /// Checks kinds, words and keys of `value`, as far as this schema uses JSON Schema.
    fn check(root: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let schema = resolved(root, schema);
        if let Some(choices) = schema["anyOf"].as_array() {
            let tried: Vec<_> = choices
                .iter()
                .map(|choice| check(root, choice, value, place))
                .collect();
            let last = tried.iter().rev().find_map(|tried| tried.clone().err());
            let is_one = tried.iter().any(Result::is_ok);
            return if is_one { Ok(()) } else { Err(last.unwrap()) };
        }
        if !has_kind(schema, value) {
            return Err(format!("{place}: {value} is not of the schema"));
        }
        for (at, item) in value.as_array().into_iter().flatten().enumerate() {
            check(root, &schema["items"], item, &format!("{place}[{at}]"))?;
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            let place = format!("{place}.{key}");
            let of_key = match &schema["properties"][key] {
                Value::Null if key.starts_with("x-") => continue,
                Value::Null => &schema["additionalProperties"],
                of_key => of_key,
            };
            if of_key.is_boolean() || of_key.is_null() {
                return Err(format!("{place} is no key of the schema"));
            }
            check(root, of_key, value, &place)?;
        }
        Ok(())
    }

    fn told(yaml: &str) -> Result<(), String> {
        let mut value: serde_yaml_ng::Value = serde_yaml_ng::from_str(yaml).unwrap();
        value.apply_merge().unwrap();
        let value = serde_json::to_value(value).unwrap();
        let root = schema();
        check(&root, &root, &value, "")
    }

    #[test]
    fn a_config_of_other_keys_or_kinds_is_none_of_the_schema() {
        told("{cache_registry: a, images: [{source: a, tags: {semver: 1.x}}], x-mine: 1}").unwrap();
        // Each is of the schema but for what is wrong.
        for (broken, mended) in [
            ("{cache: a}", "{cache_registry: a}"),
            (
                "{images: [{source: a, tgas: [a]}]}",
                "{images: [{source: a, tags: [a]}]}",
            ),
            (
                "{images: [{source: a, tags: {semvr: 1.x}}]}",
                "{images: [{source: a, tags: {semver: 1.x}}]}",
            ),
            (
                "{images: [{source: a, overwrite: nevr}]}",
                "{images: [{source: a, overwrite: never}]}",
            ),
            (
                "{images: [{source: a, referrers: {typs: [a/b]}}]}",
                "{images: [{source: a, referrers: {types: [a/b]}}]}",
            ),
            (
                "{defaults: {referrers: all}}",
                "{defaults: {referrers: true}}",
            ),
            ("{images: {source: a}}", "{images: [{source: a}]}"),
            (
                "{settings: {concurrency: many}}",
                "{settings: {concurrency: 8}}",
            ),
            (
                "{registries: {docker.io: {user: me}}}",
                "{registries: {docker.io: {username: me}}}",
            ),
            (
                "{targets: {eu: eu.example}}",
                "{targets: {eu: {registry: eu.example}}}",
            ),
        ] {
            told(broken).unwrap_err();
            told(mended).unwrap();
        }
    }

    #[test]
    fn the_examples_and_the_configs_in_the_docs_are_of_the_schema() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
        for file in ["docs/config.md", "README.md"] {
            let text = read(file);
            for block in text.split("\n```yaml\n").skip(1) {
                let block = block.split("\n```").next().unwrap();
                told(block).unwrap_or_else(|error| panic!("{file}: {error} in\n{block}"));
            }
        }
        let example = read("examples/quickstart.yaml");
        told(&example).unwrap();
        let first = example.lines().next().unwrap();
        let named = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap();
        let schema = fs::read_to_string(root.join("examples").join(named)).unwrap();
        assert_eq!(schema, SCHEMA, "editors find it from the example");
    }
}
