//! Configs in JSON.

use std::fs;

use super::meaning::images_of;
use crate::config_file::parse;
use crate::config_file::tests::load;

/// What is wrong with a file of this name.
fn error(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let told = load(&file, &|_| None).unwrap_err().to_string();
    told.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn json_is_read_as_json() {
    let note = "n".repeat(5_000);
    let text = format!(
        "\n {{\"cache_registry\": \"a.io\", \"x-{note}\": null,\r\n\"images\": [{{\"source\": \"\\u0062\", \"tag\": 1.10, \"platform\": \"all\"}}]}}"
    );
    let images = images_of(&text);
    assert_eq!(images[0].target_name(), "a.io/b:1.10");
}

#[test]
fn problems_in_json_have_their_place() {
    assert_eq!(
        error(
            "c.json",
            "{\n  \"cache_registry\": \"a.io\",\n  \"images\": [{\"source\": \"é\", \"tag\": \"a b\"}, {\"source\": \"x\", \"tag\": \"a b\"}],\n}"
        ),
        "c.json:3:75: this is not valid JSON: trailing commas are not allowed
 3 |   \"images\": [{\"source\": \"é\", \"tag\": \"a b\"}, {\"source\": \"x\", \"tag\": \"a b\"}],
   |                                                                           ^"
    );
    assert_eq!(
        error(
            "c.json",
            "{\n  \"cache_registry\": \"a.io\",\n  \"images\": [{\"source\": \"x\", \"source\": \"y\", \"tag\": \"a b\"}]\n}"
        ),
        "c.json:3:30: images[0]: the key source is given twice, expected once
 3 |   \"images\": [{\"source\": \"x\", \"source\": \"y\", \"tag\": \"a b\"}]
   |                              ^^^^^^^^"
    );
    let deep = error("c.json", &"[".repeat(100));
    assert!(deep.starts_with("c.json:1:"), "{deep}");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep = error("c.json", &deep);
    assert!(
        deep.contains("found more than 64 values in each other"),
        "{deep}"
    );
    assert_eq!(
        error("c.json", " \n"),
        "c.json: the file is empty, expected a YAML config with cache_registry and images"
    );
    assert!(error("c.json", "cache_registry: a.io").contains("this is not valid JSON"));
}

#[test]
fn what_only_looks_like_json_is_yaml() {
    let images = images_of("{cache_registry: a.io, images: [{source: b, tag: 't', }]} # flow");
    assert_eq!(images.len(), 1);
    let error = parse("{\"cache_registry\": \"a.io\", \"images\": [}", "c.yaml");
    assert!(error.unwrap_err().to_string().contains("not valid YAML"));
}
