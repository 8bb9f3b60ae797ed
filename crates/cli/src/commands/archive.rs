//! `save` and `load`: images as files, for registries that have no way to their sources.

pub(crate) mod load;
pub(crate) mod save;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use image_sync_shared::image::reference::{Location, Repository, split};

use crate::process::exit::Problem;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Folder,
    Tar,
}

/// What the archive that is to be written at `path` is.
fn form_to_write(path: &Path) -> Result<Form, Problem> {
    let (is_folder, is_file) = (path.is_dir(), path.is_file());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_compressed = [".tar.gz", ".tgz", ".tar.zst"]
        .iter()
        .any(|end| name.ends_with(end));
    if is_compressed && !is_folder {
        return Err(Problem::usage(format!(
            "{}: layers are compressed as they are, expected FOLDER or FILE.tar",
            path.display()
        )));
    }
    match path.extension() {
        _ if is_folder => Ok(Form::Folder),
        Some(end) if end == OsStr::new("tar") => Ok(Form::Tar),
        _ if is_file => Err(Problem::usage(format!(
            "{}: found a file, expected FOLDER or FILE.tar",
            path.display()
        ))),
        _ => Ok(Form::Folder),
    }
}

/// How the repositories of an archive are called: as folders in it.
fn location(path: &Path) -> Result<Location, Problem> {
    let location = Location::Folder(PathBuf::from(path));
    let inside = split(&format!("{location}/a:1")).map(|(repository, _)| repository);
    if inside == Ok(Repository::Folder(path.join("a"))) {
        return Ok(location);
    }
    Err(Problem::usage(format!(
        "{}: this cannot be told from the name of an image, expected a path of UTF-8 without @",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_with_tar_is_one_file_and_all_else_a_folder() {
        let form =
            |path: &str| form_to_write(Path::new(path)).map_err(|problem| problem.to_string());
        assert_eq!(form("nowhere/carry.tar"), Ok(Form::Tar));
        assert_eq!(form("nowhere/carry"), Ok(Form::Folder));
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a.tar");
        std::fs::create_dir(&inside).unwrap();
        assert_eq!(form(inside.to_str().unwrap()), Ok(Form::Folder));
        for (path, expected) in [
            ("carry.tar.gz", "compressed"),
            ("/proc/self/exe", "found a file"),
        ] {
            let told = form(path).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn an_archive_is_called_as_its_path_where_that_can_be_told_from_an_image() {
        for path in ["carry", "./a:b/carry:1.tar", "/srv/carry"] {
            assert!(location(Path::new(path)).is_ok(), "{path}");
        }
        let told = location(Path::new("me@here/carry.tar")).unwrap_err();
        assert!(told.to_string().contains("without @"), "{told}");
    }
}
