//! The chance that one flame scores at least so much, for every score at once.
//!
//! Sums over subsets: `ways[r][s]` is the sum, over all r-subsets of the options seen so far, of the chance that
//! their scores add up to s. Worthless options only fill up a draw, so they enter by counting. Scores are kept in
//! units of their greatest common divisor.

use super::pool::Pool;
use super::rules::FlameRules;
use super::rules::LINES_MAX;
use super::rules::Stages;

/// `P(score >= s)` in units. One per pool and kind.
#[derive(Debug, Clone)]
pub(super) struct Survival {
    unit: i64,
    /// By score in units; beyond its end 0.
    at_least: Vec<f64>,
}

/// Units of the best draw at most, so that a table has at most 0.5 MB. A mage's weapon of level 250 with base
/// magic 500 has some 16,000.
const UNITS_MAX: i64 = 1 << 16;

/// Whether the pool's tables are of a size that real items have. No [`Survival`] may be made of one that does not
/// fit: coarser scores would be wrong ones.
pub(super) fn fits(pool: &Pool) -> bool {
    let options: Vec<&[i64]> = pool.scores.iter().map(Vec::as_slice).collect();
    let (_, most) = units(&options);
    most <= UNITS_MAX
}

impl Survival {
    pub(super) fn new(rules: &FlameRules, pool: &Pool, stages: &Stages, boss: bool) -> Self {
        let first = stages.first as usize - 1;
        let chances = &stages.chances;
        let options: Vec<&[i64]> =
            pool.scores.iter().map(|scores| &scores[first..first + chances.len()]).collect();
        let (unit, most) = units(&options);
        let in_units = |score: i64| usize::try_from(score / unit).expect("scores are not negative");
        let size = usize::try_from(most).expect("scores are not negative") + 1;
        let mut ways = vec![vec![0.0; size]; LINES_MAX + 1];
        ways[0][0] = 1.0;
        // Sums of so many options seen so far are below this: pools are sorted, so that it grows late.
        let mut ends = [0; LINES_MAX + 1];
        ends[0] = 1;
        for scores in &options {
            let best = in_units(scores.iter().copied().max().unwrap_or(0));
            for lines in (1..=LINES_MAX).rev() {
                let (fewer, more) = ways.split_at_mut(lines);
                let from = &fewer[lines - 1][..ends[lines - 1]];
                if from.is_empty() {
                    continue;
                }
                for (score, chance) in scores.iter().zip(chances) {
                    for (to, from) in more[0][in_units(*score)..].iter_mut().zip(from) {
                        *to += chance * from;
                    }
                }
                ends[lines] = ends[lines].max(from.len() + best);
            }
        }
        for sums in &mut ways {
            let mut above = 0.0;
            for sum in sums.iter_mut().rev() {
                above += *sum;
                *sum = above;
            }
        }
        let draws: Vec<(usize, f64)> = if boss {
            vec![(rules.lines.boss, 1.0)]
        } else {
            (1..).zip(rules.lines.others.iter().copied()).collect()
        };
        let options = options.len() + pool.worthless;
        let mut at_least = vec![0.0; size];
        for (lines, chance) in draws {
            for (valued, sums) in ways.iter().enumerate().take(lines + 1) {
                let share =
                    chance * choose(pool.worthless, lines - valued) / choose(options, lines);
                for (total, sum) in at_least.iter_mut().zip(sums) {
                    *total += share * sum;
                }
            }
        }
        Self { unit, at_least }
    }

    /// The chance of at least `score`, which is above 0.
    pub(super) fn at_least(&self, score: i64) -> f64 {
        let units = (score + self.unit - 1) / self.unit;
        usize::try_from(units)
            .ok()
            .and_then(|units| self.at_least.get(units))
            .copied()
            .unwrap_or(0.0)
    }
}

/// The unit of the scores, and how many of it the best draw has.
fn units(options: &[&[i64]]) -> (i64, i64) {
    let unit = options
        .iter()
        .flat_map(|scores| scores.iter())
        .fold(0, |unit, score| gcd(unit, *score))
        .max(1);
    let mut best: Vec<i64> =
        options.iter().map(|scores| scores.iter().copied().max().unwrap_or(0)).collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let most: i64 = best.iter().take(LINES_MAX).sum();
    (unit, most / unit)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn choose(n: usize, k: usize) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).fold(1.0, |ways, i| ways * (n - i) as f64 / (i + 1) as f64)
}
