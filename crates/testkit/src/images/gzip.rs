//! Gzip without compression, so that the bytes never depend on a compressor's version (RFC 1952, RFC 1951 section 3.2.4).

use bytes::Bytes;

use super::deterministic_bytes;

const BLOCK: usize = 0xffff;
const BLOCK_HEADER: usize = 5;
const AROUND: usize = 18;

/// `bytes` as a gzip stream of stored blocks.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    in_blocks(bytes, bytes.len().div_ceil(BLOCK).max(1))
}

/// The content that makes a gzip stream of exactly `length` bytes, and that stream; none if `length` is below 23 bytes.
pub(super) fn gzip_of_length(seed: &str, length: usize) -> Option<(Bytes, Vec<u8>)> {
    let inside = length.checked_sub(AROUND + BLOCK_HEADER)? + BLOCK_HEADER;
    let blocks = inside.div_ceil(BLOCK + BLOCK_HEADER);
    let content = deterministic_bytes(seed, inside - blocks * BLOCK_HEADER);
    let stream = in_blocks(&content, blocks);
    Some((content, stream))
}

/// The last blocks are empty if there are more than `bytes` needs.
fn in_blocks(bytes: &[u8], blocks: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let border = |i: usize| bytes.len().min(i * BLOCK);
    for i in 0..blocks {
        let block = &bytes[border(i)..border(i + 1)];
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(i + 1 == blocks));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(bytes).to_le_bytes());
    let length = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_check_value_of_crc32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn splits_long_content_into_blocks() {
        let long = gzip(&vec![7; BLOCK + 1]);
        assert_eq!(long.len(), AROUND + 2 * BLOCK_HEADER + BLOCK + 1);
        assert_eq!(gzip(b"").len(), AROUND + BLOCK_HEADER);
    }

    #[test]
    fn streams_have_the_length_asked_for() {
        let full = AROUND + BLOCK + BLOCK_HEADER;
        for length in [
            23,
            24,
            1024,
            full - 1,
            full,
            full + 1,
            full + 5,
            full + 6,
            300_000,
        ] {
            let (_, stream) = gzip_of_length("x", length).unwrap();
            assert_eq!(stream.len(), length);
        }
        assert_eq!(gzip_of_length("x", 22), None);
    }
}
