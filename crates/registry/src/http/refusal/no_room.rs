//! What a registry says of its storage: distribution does so in the details of an error, mostly by a number alone.

use serde_json::Value;

/// What keeps a registry from writing: its number on Linux, and its words.
const REASONS: [(u64, &str); 3] = [
    (28, "no space left on device"),
    (122, "disk quota exceeded"),
    (30, "read-only file system"),
];

/// Why the storage takes nothing, by the details of an error: a text, or an error of Go as an object.
pub(super) fn reason_in(detail: &Value) -> Option<&'static str> {
    if let Some(said) = detail.as_str() {
        let said = said.to_ascii_lowercase();
        let reason = REASONS.iter().find(|(_, words)| said.contains(words));
        return reason.map(|(_, words)| *words);
    }
    let number = detail.get("Enclosed").unwrap_or(detail).get("Err")?;
    let reason = REASONS.iter().find(|(known, _)| number == known);
    reason.map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_full_disk_is_read_from_the_details_of_an_error() {
        let path = "/reg/docker/registry/v2/repositories/x/_uploads/1/startedat";
        let enclosed = |number: u64| {
            let enclosed = json!({ "Op": "write", "Path": path, "Err": number });
            json!({ "DriverName": "filesystem", "Enclosed": enclosed })
        };
        for (detail, expected) in [
            (enclosed(28), Some("no space left on device")),
            (enclosed(122), Some("disk quota exceeded")),
            (enclosed(30), Some("read-only file system")),
            (enclosed(2), None),
            (
                json!({ "Op": "open", "Err": 30 }),
                Some("read-only file system"),
            ),
            (
                json!(format!("write {path}: No space left on device")),
                Some("no space left on device"),
            ),
            (json!("unknown"), None),
            (json!({ "Err": "28" }), None),
            (json!([28]), None),
            (Value::Null, None),
        ] {
            assert_eq!(reason_in(&detail), expected, "{detail}");
        }
    }
}
