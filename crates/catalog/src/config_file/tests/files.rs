//! Reading files.

mod including;
mod lists;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::config_file::{ConfigError, Parsed, parse};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(path: &Path) -> Result<Parsed, ConfigError> {
    crate::config_file::tests::load(path, &|_| None)
}

fn error(path: &Path) -> String {
    let text = load(path).unwrap_err().to_string();
    text.replace(&path.display().to_string(), "FILE")
}

#[test]
fn a_file_is_read_and_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let text = "cache_registry: localhost:5000\nimages: []\n";
    fs::write(&path, text).unwrap();
    assert_eq!(load(&path), parse(text, &path.display().to_string()));
    fs::write(&path, format!("\u{feff}{text}")).unwrap();
    assert_eq!(
        load(&path),
        parse(text, &path.display().to_string()),
        "a byte order mark does no harm"
    );
}

#[test]
fn a_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        error(&folder.path().join("config.yaml")),
        "FILE: there is no such file, expected a YAML config with cache_registry and images"
    );
}

#[test]
fn a_directory() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        error(folder.path()),
        "FILE: this is a directory, expected a YAML config with cache_registry and images"
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file").join("config.yaml");
    fs::write(folder.path().join("file"), "").unwrap();
    let error = error(&path);
    assert!(
        error.starts_with("FILE: this file cannot be read ("),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, b"cache_registry: a\nimages: \xff\n").unwrap();
    assert_eq!(
        error(&path),
        "FILE: line 2 is not UTF-8 text, expected a YAML config with cache_registry and images"
    );
}

#[test]
fn an_empty_file() {
    for text in ["", "  \n\n", "# nothing\n---\n# here", "\u{feff}"] {
        assert_eq!(
            parse(text, "c.yaml").unwrap_err().to_string(),
            "c.yaml: the file is empty, expected a YAML config with cache_registry and images"
        );
    }
}
