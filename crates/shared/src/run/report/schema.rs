//! The JSON Schema of a report, for programs that read one.

/// The schema (draft 2020-12), as `deploy/report.schema.json` has it.
pub const SCHEMA: &str = include_str!("../../../../../deploy/report.schema.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::*;
    use crate::failure::{Failure, FailureClass, Side, Step};
    use crate::run::outcome::{ArtifactCounts, ImageResult, ReportedFailure, WouldCopy};
    use crate::run::report::{
        LeftOut, MissingImage, PROGRAM_VERSION, Report, ReportHead, RunStatus, SCHEMA_VERSION,
        Summary,
    };
    use crate::run::{RunId, Trigger};
    use crate::samples;

    /// A result that has every field.
    fn result(at: OffsetDateTime) -> ImageResult {
        let mut result = samples::result(0).entry;
        let failure = Failure::new(Side::Source, Step::Check, "t", FailureClass::NotFound, "no");
        result.failure = Some(Box::new(ReportedFailure::from(
            &failure.with_status(Some(404)),
        )));
        (result.started_at, result.ended_at) = (Some(at), Some(at));
        result.would_copy = Some(WouldCopy {
            blobs: 1,
            bytes: 1,
            artifacts: 1,
        });
        result.note = Some("kept".to_owned());
        result.attestations_left_out = 1;
        result.artifacts = Some(ArtifactCounts {
            copied: 1,
            present: 1,
            unfit: 1,
            kept: 1,
            failed: 1,
        });
        result
    }

    /// A report that has every field.
    fn full() -> Value {
        let at = datetime!(2026-11-20 12:00 UTC);
        let summary = Summary {
            pulled: 1,
            already_cached: 1,
            skipped: 1,
            kept: 1,
            failed: 1,
            other: 1,
            missing: 1,
            total: 7,
        };
        let left_out = LeftOut {
            already_cached: 1,
            pulled: 1,
            skipped: 1,
            kept: 1,
            failed: 1,
            other: 1,
            missing: 1,
        };
        let head = ReportHead {
            schema_version: SCHEMA_VERSION,
            program_version: PROGRAM_VERSION.to_owned(),
            timestamp: at,
            cache_registry: "localhost:5000".to_owned(),
            run_id: RunId::new("r1"),
            trigger: Trigger::Manual,
            status: RunStatus::Complete,
            dry_run: true,
            started_at: at,
            duration_ms: 1,
            bytes_copied: 1,
            summary,
            left_out: Some(left_out),
        };
        let missing = MissingImage {
            image: "a".to_owned(),
            tag: "b".to_owned(),
            target: "c".to_owned(),
            attempts: 1,
            bytes_copied: 1,
            error: Some("no".to_owned()),
        };
        let report = Report {
            head,
            results: vec![result(at)],
            missing: vec![missing],
        };
        serde_json::to_value(report).unwrap()
    }

    /// What `schema` stands for, where it refers to another one.
    fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(reference) => root.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => schema,
        }
    }

    fn compare(root: &Value, schema: &Value, value: &Value, place: &str) {
        let schema = resolved(root, schema);
        match value {
            Value::Object(fields) => {
                let stated = schema["properties"].as_object();
                let stated = stated.unwrap_or_else(|| panic!("{place} has no properties"));
                let names: BTreeSet<_> = fields.keys().collect();
                assert_eq!(stated.keys().collect::<BTreeSet<_>>(), names, "{place}");
                for (name, value) in fields {
                    compare(root, &stated[name], value, &format!("{place}.{name}"));
                }
            }
            Value::Array(values) => {
                for value in values {
                    compare(root, &schema["items"], value, &format!("{place}[]"));
                }
            }
            _ => assert!(
                schema["description"].is_string(),
                "{place} is not described"
            ),
        }
    }

    #[test]
    fn the_schema_has_the_fields_that_are_written_and_no_others() {
        let root: Value = serde_json::from_str(SCHEMA).unwrap();
        compare(&root, &root, &full(), "report");
        let version = &root["properties"]["schema_version"]["const"];
        assert_eq!(version, &SCHEMA_VERSION);
    }
}
