//! Gzip without compression, so that the bytes never depend on a compressor's version (RFC 1952, RFC 1951 section 3.2.4).

const BLOCK: usize = 0xffff;

/// `bytes` as a gzip stream of stored blocks.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = bytes.len().div_ceil(BLOCK).max(1);
    for i in 0..blocks {
        let block = &bytes[i * BLOCK..bytes.len().min((i + 1) * BLOCK)];
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
        assert_eq!(long.len(), 10 + 5 + BLOCK + 5 + 1 + 8);
        assert_eq!(gzip(b"").len(), 10 + 5 + 8);
    }
}
