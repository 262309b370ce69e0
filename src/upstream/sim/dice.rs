//! Deterministic choices. The same seed gives the same character in every process, for ever:
//! changing anything here changes all simulated characters. Not for secrets.
//! Numbers: SplitMix64 (Steele, Lea, Flood 2014) and 64-bit FNV-1a.

/// A stream of choices.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for one part, so that a change in one part leaves the others alone.
    pub(super) fn of_part(seed: u64, part: &str, variant: u64) -> Self {
        Self(mix(seed ^ mix(fnv1a(part.as_bytes()) ^ mix(variant))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in `0..n`; the bias of the multiplication is below n / 2^32.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next()) * n as u128;
        (wide >> 64) as usize
    }

    /// Uniform in `low..=high`.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }

    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Index drawn by weight. The weights must not all be zero.
    pub(super) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        unreachable!("`left` starts below the sum of the weights")
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection of 64 bits that spreads every input bit.
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_do_not_change_between_builds() {
        // SplitMix64 of seed 0, as published with the algorithm; FNV-1a of "a" likewise.
        assert_eq!(Dice::new(0).next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn choices_stay_in_range_and_reach_the_ends() {
        let mut dice = Dice::new(7);
        let seen: std::collections::BTreeSet<_> = (0..200).map(|_| dice.between(-1, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-1, 0, 1, 2]);
        assert!((0..200).all(|_| dice.weighted(&[0, 1, 0]) == 1));
    }
}
