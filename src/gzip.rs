//! gzip in one place: the level, and a bound on what comes out. Level 6 for everything: above it the gain is under
//! 6 %, below it a 350 KB document doubles (docs/adr/0003-dependencies.md).

use std::io;
use std::io::Read as _;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

const LEVEL: u32 = 6;

/// Compresses a whole document.
#[must_use]
pub fn compress(plain: &[u8]) -> Bytes {
    let mut encoder =
        GzEncoder::new(Vec::with_capacity(plain.len() / 6 + 64), Compression::new(LEVEL));
    let done = encoder.write_all(plain).and_then(|()| encoder.finish());
    // Copied, so that a cached answer does not keep the room it did not need: the allocator shrinks a block in place,
    // to nothing, unless half of it becomes free.
    Bytes::copy_from_slice(&done.expect("writing to memory does not fail"))
}

/// Decompresses a whole document of at most `bytes_max` plain bytes.
///
/// # Errors
/// Not gzip, cut short, a wrong checksum, or longer than the bound.
pub fn decompress(gzip: &[u8], bytes_max: usize) -> io::Result<Bytes> {
    let mut plain = Vec::with_capacity(bytes_max.min(gzip.len().saturating_mul(24)));
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(gzip).take(bound).read_to_end(&mut plain)?;
    if plain.len() > bytes_max {
        return Err(io::Error::other(format!("more than {bytes_max} bytes")));
    }
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let plain = b"maple".repeat(10_000);
        let gzip = compress(&plain);
        assert_eq!(&gzip[..2], [0x1f, 0x8b]);
        assert!(gzip.len() < plain.len() / 50);
        assert_eq!(decompress(&gzip, plain.len()).expect("gzip"), plain);
    }

    #[test]
    fn bombs_garbage_and_stumps_are_errors() {
        let gzip = compress(&vec![0; 1 << 20]);
        assert!(decompress(&gzip, (1 << 20) - 1).is_err(), "over the bound");
        assert!(decompress(&gzip[..gzip.len() - 4], 1 << 21).is_err(), "cut short");
        assert!(decompress(b"not gzip at all", 100).is_err());
    }
}
