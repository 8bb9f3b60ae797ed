//! A layout that is packed into one tar file (POSIX pax or ustar, or GNU tar's form). It is read in place: of the names in it nothing
//! becomes a path, and nothing of it is written anywhere.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use super::super::error::LayoutError;
use super::{Piece, plain};

const BLOCK: u64 = 512;
/// How many files are read: those of some hundred thousand images.
const MOST_FILES: usize = 2_000_000;
/// The longest record with a long name, in bytes.
const MOST_OF_RECORD: u64 = 64 * 1024;
const NO_TAR: &str = "it is not a tar file, or damaged";
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Where each file of a tar file begins, and how long it is.
#[derive(Debug)]
pub(crate) struct Packed {
    path: PathBuf,
    files: HashMap<String, (u64, u64)>,
}

/// What a header before another one says of that.
#[derive(Default)]
struct Ahead {
    name: Option<String>,
    size: Option<u64>,
}

impl Packed {
    /// Reads the headers of the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, LayoutError> {
        let malformed = |reason: String| LayoutError::Malformed {
            path: path.to_owned(),
            reason,
        };
        let mut file = File::open(path).map_err(LayoutError::io(path))?;
        let length = file.metadata().map_err(LayoutError::io(path))?.len();
        let (mut files, mut ahead, mut at) = (HashMap::new(), Ahead::default(), 0);
        while let Some(header) = header_at(&mut file, at, length).map_err(&malformed)? {
            let said = std::mem::take(&mut ahead);
            let own = header
                .entry_size()
                .map_err(|error| malformed(error.to_string()))?;
            let size = said.size.unwrap_or(own);
            let begin = at + BLOCK;
            let end = begin.checked_add(size).filter(|end| *end <= length);
            let end = end.ok_or_else(|| malformed("it is cut short".to_owned()))?;
            at = end.next_multiple_of(BLOCK);
            match header.entry_type() {
                EntryType::XHeader | EntryType::GNULongName => {
                    let record = record(&mut file, size).map_err(&malformed)?;
                    let is_pax = header.entry_type() == EntryType::XHeader;
                    ahead = Ahead::of(&record, is_pax).map_err(&malformed)?;
                }
                EntryType::XGlobalHeader | EntryType::Directory => {}
                EntryType::Regular | EntryType::Continuous => {
                    let name = said.name.unwrap_or_else(|| name_of(&header));
                    let name = name.trim_start_matches("./").to_owned();
                    if files.len() == MOST_FILES {
                        return Err(malformed(format!("it has more than {MOST_FILES} files")));
                    }
                    if let Some(name) = twice(&mut files, name, (begin, size)) {
                        return Err(malformed(format!("{name:?} is there twice")));
                    }
                }
                kind => {
                    let name = said.name.unwrap_or_else(|| name_of(&header));
                    return Err(malformed(format!(
                        "{name:?} is {}, expected files and folders alone",
                        named(kind)
                    )));
                }
            }
        }
        let path = path.to_owned();
        Ok(Self { path, files })
    }

    /// The file at `inside`, if there is one.
    pub(super) fn piece(&self, inside: &Path) -> Result<Option<Piece>, LayoutError> {
        let found = inside.to_str().and_then(|name| self.files.get(name));
        let Some((offset, size)) = found else {
            return Ok(None);
        };
        // Each reader has a place of its own.
        let (file, _) = plain::open_named(&self.path)?;
        Ok(Some(Piece {
            file,
            offset: *offset,
            size: *size,
        }))
    }
}

impl Ahead {
    fn of(record: &[u8], is_pax: bool) -> Result<Self, String> {
        if !is_pax {
            let end = record.iter().position(|byte| *byte == 0);
            let name = String::from_utf8_lossy(&record[..end.unwrap_or(record.len())]);
            return Ok(Self {
                name: Some(name.into_owned()),
                size: None,
            });
        }
        let mut ahead = Self::default();
        for pair in tar::PaxExtensions::new(record) {
            let pair = pair.map_err(|error| error.to_string())?;
            match (pair.key(), pair.value()) {
                (Ok("path"), Ok(name)) => ahead.name = Some(name.to_owned()),
                (Ok("size"), Ok(size)) => {
                    let parsed = size.parse();
                    let wrong = |error| format!("{size:?} is not a size: {error}");
                    ahead.size = Some(parsed.map_err(wrong)?);
                }
                _ => {}
            }
        }
        Ok(ahead)
    }
}

/// The header at `at`; none at the end.
fn header_at(file: &mut File, at: u64, length: u64) -> Result<Option<Header>, String> {
    if at >= length {
        return Ok(None);
    }
    let mut bytes = [0; 512];
    if length - at < BLOCK {
        return Err(NO_TAR.to_owned());
    }
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = Header::from_byte_slice(&bytes).clone();
    let sum = header.as_bytes().iter().enumerate().map(|(place, byte)| {
        // The sum counts its own field as blanks.
        u32::from(if (148..156).contains(&place) {
            b' '
        } else {
            *byte
        })
    });
    if header.cksum().ok() == Some(sum.sum()) {
        return Ok(Some(header));
    }
    Err(if bytes.starts_with(&GZIP) {
        "it is compressed with gzip, expected a tar file as it is: gunzip makes one".to_owned()
    } else {
        NO_TAR.to_owned()
    })
}

fn record(file: &mut File, size: u64) -> Result<Vec<u8>, String> {
    if size > MOST_OF_RECORD {
        return Err(format!(
            "a name in it has {size} bytes, expected at most {MOST_OF_RECORD}"
        ));
    }
    let mut record = Vec::new();
    let read = file.take(size).read_to_end(&mut record);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(record)
}

fn name_of(header: &Header) -> String {
    String::from_utf8_lossy(&header.path_bytes()).into_owned()
}

/// Adds a file, and tells its name if there is one of that name.
fn twice(
    files: &mut HashMap<String, (u64, u64)>,
    name: String,
    piece: (u64, u64),
) -> Option<String> {
    if files.contains_key(&name) {
        return Some(name);
    }
    files.insert(name, piece);
    None
}

fn named(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a FIFO",
        EntryType::GNUSparse => "a sparse file",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tar::Builder;
    use tempfile::NamedTempFile;

    use super::*;

    fn header(name: &str, size: u64, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_cksum();
        header
    }

    fn tar(write: impl FnOnce(&mut Builder<&File>)) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        let mut tar = Builder::new(file.as_file());
        write(&mut tar);
        tar.finish().unwrap();
        drop(tar);
        file
    }

    fn add(tar: &mut Builder<&File>, name: &str, content: &[u8]) {
        let header = header(name, content.len() as u64, EntryType::Regular);
        tar.append(&header, content).unwrap();
    }

    fn content(packed: &Packed, name: &str) -> Option<Vec<u8>> {
        let piece = packed.piece(Path::new(name)).unwrap()?;
        let mut read = Vec::new();
        piece.bytes().unwrap().read_to_end(&mut read).unwrap();
        Some(read)
    }

    fn told(file: &NamedTempFile) -> String {
        Packed::open(file.path()).unwrap_err().to_string()
    }

    #[test]
    fn each_file_is_read_in_its_place_however_its_name_is_written() {
        let by_pax = format!("blobs/sha512/{}", "ab".repeat(64));
        let by_gnu = format!("blobs/sha512/{}", "cd".repeat(64));
        let file = tar(|tar| {
            let folder = header("./blobs/", 0, EntryType::Directory);
            tar.append(&folder, &b""[..]).unwrap();
            add(tar, "./oci-layout", b"marker");
            tar.append_pax_extensions([("path", by_pax.as_bytes())])
                .unwrap();
            add(tar, "short", b"by pax");
            let mut header = Header::new_gnu();
            header.set_size(10);
            header.set_cksum();
            tar.append_data(&mut header, &by_gnu, &b"by GNU tar"[..])
                .unwrap();
            add(tar, "index.json", &[7; 600]);
        });
        let packed = Packed::open(file.path()).unwrap();
        for (name, expected) in [
            ("oci-layout", &b"marker"[..]),
            (&by_pax, b"by pax"),
            (&by_gnu, b"by GNU tar"),
            ("index.json", &[7; 600]),
        ] {
            assert_eq!(content(&packed, name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(content(&packed, "short"), None);
    }

    #[test]
    fn names_lead_nowhere_outside() {
        let file = tar(|tar| {
            let mut up = header("a", 1, EntryType::Regular);
            up.as_gnu_mut().unwrap().name[..16].copy_from_slice(b"../../index.json");
            up.set_cksum();
            tar.append(&up, &b"x"[..]).unwrap();
        });
        let packed = Packed::open(file.path()).unwrap();
        assert_eq!(content(&packed, "index.json"), None);
        assert_eq!(content(&packed, "/etc/hostname"), None);
    }

    #[test]
    fn links_and_devices_are_refused() {
        for (kind, words) in [
            (EntryType::Symlink, "a symbolic link"),
            (EntryType::Link, "a hard link"),
            (EntryType::Block, "a device"),
            (EntryType::Fifo, "a FIFO"),
            (EntryType::GNUSparse, "a sparse file"),
        ] {
            let file = tar(|tar| {
                let header = header("oci-layout", 0, kind);
                tar.append(&header, &b""[..]).unwrap();
            });
            let told = told(&file);
            let expected = format!("\"oci-layout\" is {words}, expected files and folders alone");
            assert!(told.ends_with(&expected), "{told}");
        }
    }

    #[test]
    fn a_file_that_is_there_twice_is_refused() {
        let file = tar(|tar| {
            add(tar, "index.json", b"one");
            add(tar, "./index.json", b"another");
        });
        assert!(told(&file).ends_with("\"index.json\" is there twice"));
    }

    #[test]
    fn what_is_cut_short_or_damaged_or_compressed_is_told() {
        let whole = tar(|tar| add(tar, "index.json", &[7; 5_000]));
        whole.as_file().set_len(3_000).unwrap();
        assert!(told(&whole).ends_with("it is cut short"));
        let damaged = tar(|tar| add(tar, "index.json", b"x"));
        let mut bytes = std::fs::read(damaged.path()).unwrap();
        bytes[0] ^= 1;
        std::fs::write(damaged.path(), bytes).unwrap();
        assert!(told(&damaged).ends_with("or damaged"));
        let mut compressed = NamedTempFile::new().unwrap();
        compressed.write_all(&GZIP).unwrap();
        compressed.write_all(&[1; 2_000]).unwrap();
        assert!(told(&compressed).contains("gunzip"));
    }

    #[test]
    fn a_name_of_any_length_is_not_held() {
        let file = tar(|tar| {
            let size = MOST_OF_RECORD + 1;
            let header = header("long", size, EntryType::GNULongName);
            let name = std::io::repeat(b'a').take(size);
            tar.append(&header, name).unwrap();
        });
        assert!(told(&file).contains("expected at most 65536"));
        let lies = tar(|tar| {
            let header = header("long", u64::MAX / 2, EntryType::XHeader);
            tar.append(&header, &b""[..]).unwrap();
        });
        assert!(told(&lies).ends_with("it is cut short"));
    }
}
