//! Machines that lack what others have.

use crate::support::{Ended, Home};

#[test]
fn a_run_without_a_folder_for_temporary_files_has_its_report() {
    const IMAGES: usize = 3_000;
    let home = Home::new();
    let images: Vec<String> = (0..IMAGES)
        .map(|n| format!("  - {{source: 'oci:./missing/app-{n}', tag: '1'}}\n"))
        .collect();
    let config = format!("cache_registry: oci:./cache\nimages:\n{}", images.concat());
    home.write("config.yaml", config);
    let mut command = home.command("sync -c config.yaml");
    command.env("TMPDIR", home.path().join("no-such-folder"));
    let ended: Ended = command.output().unwrap().into();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.report().results.len(), IMAGES);
    let warnings = ended
        .stderr
        .matches("the results of the run stay in memory");
    assert_eq!(warnings.count(), 1, "{ended:#?}");
}
