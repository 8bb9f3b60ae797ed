//! A tar archive of one file (POSIX ustar).

const RECORD: usize = 512;

/// An archive that holds one file at `path` and nothing else: owner root, modified at the epoch.
#[must_use]
pub fn tar(path: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = header(path, content.len());
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(RECORD) + 2 * RECORD, 0);
    archive
}

fn header(path: &str, size: usize) -> Vec<u8> {
    let mut header = vec![0; RECORD];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_of_whole_records() {
        let archive = tar("hello", b"hi");
        assert_eq!(archive.len(), 4 * RECORD);
        assert_eq!(&archive[512..514], b"hi");
        assert_eq!(&archive[257..263], b"ustar\0");
    }
}
