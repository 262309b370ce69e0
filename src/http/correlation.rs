//! The id that ties a request, its answer and its log lines together: the client's when it is harmless, else one of
//! ours. It identifies; it is no secret and no capability.

use std::cell::Cell;
use std::fmt;
use std::hash::BuildHasher as _;
use std::hash::RandomState;

/// Longest id taken from a client, characters.
pub const CORRELATION_CHARS_MAX: usize = 64;

/// An id of 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    bytes: [u8; CORRELATION_CHARS_MAX],
    len: u8,
}

impl Correlation {
    /// The id a client sent, if it may be repeated in answers and logs.
    #[must_use]
    pub fn from_client(value: &[u8]) -> Option<Self> {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let acceptable =
            !value.is_empty() && value.len() <= CORRELATION_CHARS_MAX && value.iter().all(harmless);
        acceptable.then(|| Self::of(value))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("only ASCII gets in")
    }

    fn of(value: &[u8]) -> Self {
        let mut bytes = [0; CORRELATION_CHARS_MAX];
        bytes[..value.len()].copy_from_slice(value);
        Self { bytes, len: u8::try_from(value.len()).expect("at most 64") }
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Correlation({self})")
    }
}

/// Makes ids: 128 bits as 32 hexadecimal digits. One per shard; two never share a seed but by chance.
pub struct CorrelationSource {
    high: Cell<u64>,
    low: Cell<u64>,
}

impl CorrelationSource {
    /// Seeded by the operating system, through the standard library's hasher keys.
    #[must_use]
    pub fn from_os() -> Self {
        let random = || RandomState::new().hash_one(0_u8);
        Self::from_seed(random(), random())
    }

    /// For tests: the same ids every time.
    #[must_use]
    pub fn from_seed(high: u64, low: u64) -> Self {
        Self { high: Cell::new(high), low: Cell::new(low) }
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> Correlation {
        let digits = [step(&self.high), step(&self.low)].map(u64::to_be_bytes);
        let mut bytes = [0; 32];
        for (pair, byte) in bytes.chunks_exact_mut(2).zip(digits.as_flattened()) {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        Correlation::of(&bytes)
    }
}

/// SplitMix64: a counter with a full period, mixed. Constants from its publication (Steele, Lea, Flood 2014).
fn step(state: &Cell<u64>) -> u64 {
    state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
    let mut z = state.get();
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_harmless_client_id_is_kept_and_any_other_is_not() {
        for good in ["a", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(Correlation::from_client(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "한", "a;b", &"x".repeat(65)] {
            assert_eq!(Correlation::from_client(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn generated_ids_are_32_hex_digits_and_differ() {
        let (one, other) = (CorrelationSource::from_os(), CorrelationSource::from_os());
        let ids: HashSet<_> =
            (0..1_000).flat_map(|_| [one.next().to_string(), other.next().to_string()]).collect();
        assert_eq!(ids.len(), 2_000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // First output for seed 0, from the reference implementation.
        assert_eq!(step(&Cell::new(0)), 0xe220_a839_7b1d_cdaf);
    }
}
