//! Writes a layout as one tar file: in one order, and without times and owners, so that equal content is equal bytes.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::STATE;

/// What comes first, so that who looks for it need not read all.
const FIRST: [&str; 3] = ["oci-layout", "index.json", STATE];
/// The longest name that a header holds, in bytes.
const MOST_OF_NAME: usize = 100;

/// Writes the layout in the folder `root`. Each blob is removed once it is written, so that not all of them take their room twice.
pub(super) fn pack(root: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut tar = Builder::new(out);
    for name in FIRST {
        add(&mut tar, root, Path::new(name))?;
    }
    for algorithm in names_in(&root.join("blobs"))? {
        let folder = Path::new("blobs").join(algorithm);
        for name in names_in(&root.join(&folder))? {
            let inside = folder.join(name);
            add(&mut tar, root, &inside)?;
            fs::remove_file(root.join(inside))?;
        }
    }
    tar.into_inner()?.flush()
}

fn names_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let names = entries.map(|entry| Ok(PathBuf::from(entry?.file_name())));
    let mut names: Vec<PathBuf> = names.collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

fn add(tar: &mut Builder<&mut dyn Write>, root: &Path, inside: &Path) -> io::Result<()> {
    let file = File::open(root.join(inside))?;
    let size = file.metadata()?.len();
    let name = inside.to_string_lossy();
    let mut header = header(size, EntryType::Regular);
    if name.len() > MOST_OF_NAME {
        let path = [("path", name.as_bytes())];
        tar.append_pax_extensions(path)?;
        header.set_path("blob")?;
    } else {
        header.set_path(inside)?;
    }
    header.set_cksum();
    tar.append(&header, file.take(size))
}

fn header(size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}
