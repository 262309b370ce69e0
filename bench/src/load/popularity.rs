//! Which URL a request asks for: zipf within a list, lists by weight. The same seed gives the same choices.

/// How often each URL is asked for.
#[derive(Debug)]
pub(crate) struct Popularity {
    /// For each URL the share of all requests that goes to it or to one before it; the last is 1.
    cumulative: Vec<f64>,
}

impl Popularity {
    /// Over the URLs of all lists, one after another. Each list is its weight and how many URLs it has; in a list
    /// the n-th is asked for in proportion to n^-`exponent`.
    pub(crate) fn new(lists: &[(f64, usize)], exponent: f64) -> Self {
        let weights: f64 = lists.iter().map(|(weight, _)| weight).sum();
        let mut cumulative = Vec::with_capacity(lists.iter().map(|(_, urls)| urls).sum());
        let mut sum = 0.0;
        for &(weight, urls) in lists {
            let share = |n: usize| (n as f64).powf(-exponent);
            let whole: f64 = (1..=urls).map(share).sum();
            for n in 1..=urls {
                sum += weight / weights * share(n) / whole;
                cumulative.push(sum);
            }
        }
        if let Some(last) = cumulative.last_mut() {
            // Rounding must not leave a gap that no URL covers.
            *last = 1.0;
        }
        Self { cumulative }
    }

    /// The number of the next URL.
    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let point = random.unit();
        self.cumulative.partition_point(|&share| share <= point)
    }
}

/// Splitmix64 (Steele, Lea, Flood 2014): enough for choosing URLs, and the same on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for each thread of a seed.
    pub(crate) fn new(seed: u64, thread: u32) -> Self {
        let mut seeder = Self(seed);
        for _ in 0..=thread {
            seeder.0 = seeder.next();
        }
        seeder
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(lists: &[(f64, usize)], exponent: f64, picks: u32) -> Vec<f64> {
        let popularity = Popularity::new(lists, exponent);
        let mut random = Random::new(7, 0);
        let mut counts = vec![0.0; lists.iter().map(|(_, urls)| urls).sum()];
        for _ in 0..picks {
            counts[popularity.pick(&mut random)] += 1.0 / f64::from(picks);
        }
        counts
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            // Five standard deviations of a share counted in 200,000 picks are at most 0.0056.
            assert!((found - expected).abs() < 0.006, "{found} instead of {expected}");
        }
    }

    #[test]
    fn zipf_follows_its_law() {
        let harmonic = 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0;
        let expected = [1.0, 2.0, 3.0, 4.0].map(|n| 1.0 / n / harmonic);
        assert_close(&counts(&[(1.0, 4)], 1.0, 200_000), &expected);
        assert_close(&counts(&[(1.0, 5)], 0.0, 200_000), &[0.2; 5]);
    }

    #[test]
    fn lists_get_their_weight_whatever_their_length() {
        let expected = [0.75 / 3.0, 0.75 / 3.0, 0.75 / 3.0, 0.25];
        assert_close(&counts(&[(3.0, 3), (1.0, 1)], 0.0, 200_000), &expected);
    }

    #[test]
    fn a_seed_and_a_thread_have_one_sequence() {
        let sequence = |seed, thread| {
            let mut random = Random::new(seed, thread);
            (0..4).map(|_| random.next()).collect::<Vec<_>>()
        };
        assert_eq!(sequence(1, 0), sequence(1, 0));
        assert_ne!(sequence(1, 0), sequence(1, 1));
        assert_ne!(sequence(1, 0), sequence(2, 0));
        // The first outputs of the published algorithm for the seed 0.
        let mut random = Random(0);
        assert_eq!(random.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next(), 0x6e78_9e6a_a1b9_65f4);
    }
}
