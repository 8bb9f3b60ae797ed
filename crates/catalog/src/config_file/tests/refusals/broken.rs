//! Files that are no configs, each with all that is said of it: `tests/broken/NAME.yaml` of the crate and `NAME.txt`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config_file::tests::load;

/// How many there are to be.
const MANY: usize = 40;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken"));
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_config = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "json"))
    };
    let mut files: Vec<PathBuf> = paths.filter(is_config).collect();
    files.sort();
    files
}

#[test]
fn each_broken_file_is_refused_with_its_message() {
    let files = files();
    assert!(files.len() >= MANY, "{}", files.len());
    for file in files {
        let folder = format!("{}/", file.parent().unwrap().display());
        let told = load(&file, &|_| None).expect_err(&folder).to_string();
        let told = told.replace(&folder, "");
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        assert_eq!(told.trim_end(), expected.trim_end(), "{}", file.display());
        assert!(!told.contains("hunter2"), "{told}");
    }
}
