//! Names to OCIDs and back, without memory: an OCID carries its name, so that it still works in
//! another process or after a restart. 16 bytes: one for the length, 15 for the name in UTF-8 or
//! UTF-16 (the game allows 12 bytes of EUC-KR, 6 syllables), scrambled so that neighbours differ.
//! Longer names get a hash; those cannot be turned back and are shown by it.

use super::dice::fnv1a;
use super::dice::mix;

/// 128 bits, printed as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ocid(u128);

/// The first byte of an unscrambled OCID: how the rest is to be read, and how much of it.
const UTF8: u8 = 0x10;
const UTF16: u8 = 0x20;
const HASHED: u8 = 0x30;
const NAME_BYTES_MAX: usize = 15;
const ROUNDS: u64 = 4;

impl Ocid {
    pub(super) fn of(name: &str) -> Self {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let (kind, bytes) = if name.len() <= NAME_BYTES_MAX {
            (UTF8, name.as_bytes())
        } else if wide.len() <= NAME_BYTES_MAX {
            (UTF16, wide.as_slice())
        } else {
            (HASHED, &fnv1a(name.as_bytes()).to_be_bytes()[..])
        };
        let mut block = [0; 16];
        block[0] = kind | bytes.len() as u8;
        block[1..=bytes.len()].copy_from_slice(bytes);
        Self(scramble(u128::from_be_bytes(block)))
    }

    /// Reads 32 hexadecimal digits that came from `of`; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 32 || !digits {
            return None;
        }
        let ocid = Self(u128::from_str_radix(text, 16).ok()?);
        let name = ocid.name()?;
        (ocid.0 == Self::of(&name).0 || ocid.is_hashed()).then_some(ocid)
    }

    /// The name it was made of; for a hashed one its digits.
    pub(super) fn name(self) -> Option<String> {
        let block = unscramble(self.0).to_be_bytes();
        let bytes = block.get(1..1 + usize::from(block[0] & 0x0f))?;
        if block[1 + bytes.len()..].iter().any(|b| *b != 0) {
            return None;
        }
        match block[0] & 0xf0 {
            UTF8 => String::from_utf8(bytes.to_vec()).ok(),
            UTF16 if bytes.len().is_multiple_of(2) => {
                let units = bytes.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]));
                String::from_utf16(&units.collect::<Vec<_>>()).ok()
            }
            HASHED if bytes.len() == 8 => {
                Some(bytes.iter().take(6).map(|b| format!("{b:02x}")).collect())
            }
            _ => None,
        }
    }

    /// The seed of everything this character is.
    pub(super) fn seed(self) -> u64 {
        mix((self.0 >> 64) as u64) ^ self.0 as u64
    }

    fn is_hashed(self) -> bool {
        unscramble(self.0).to_be_bytes()[0] & 0xf0 == HASHED
    }
}

impl std::fmt::Display for Ocid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A Feistel network over the two halves: invertible whatever the round function is.
fn scramble(block: u128) -> u128 {
    let (mut left, mut right) = ((block >> 64) as u64, block as u64);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ mix(right ^ mix(round + 1)));
    }
    u128::from(left) << 64 | u128::from(right)
}

fn unscramble(block: u128) -> u128 {
    let (mut left, mut right) = ((block >> 64) as u64, block as u64);
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ mix(left ^ mix(round + 1)), left);
    }
    u128::from(left) << 64 | u128::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ocid_carries_its_name() {
        for name in ["a", "강은호", "여섯글자이름", "Abcdefgh1234", "가나다라마바사", ""]
        {
            let text = Ocid::of(name).to_string();
            assert_eq!(text.len(), 32);
            assert_eq!(Ocid::parse(&text).and_then(Ocid::name).as_deref(), Some(name));
        }
    }

    #[test]
    fn long_names_still_get_one_ocid_each() {
        let (a, b) = (Ocid::of("가나다라마바사아자차카타"), Ocid::of("가나다라마바사아자차카파"));
        assert_ne!(a, b);
        assert_eq!(Ocid::parse(&a.to_string()), Some(a));
    }

    #[test]
    fn what_was_not_handed_out_is_refused() {
        let good = Ocid::of("강은호").to_string();
        let other = if good.ends_with('0') { '1' } else { '0' };
        let changed = format!("{}{other}", &good[..31]);
        for bad in ["", "zz", &good[1..], &good.to_uppercase(), &changed, &"0".repeat(32)] {
            assert_eq!(Ocid::parse(bad), None, "{bad}");
        }
    }
}
