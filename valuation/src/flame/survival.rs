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

/// More distinct scores than any item gives: beyond it the finer digits of huge scores are dropped.
const UNITS_MAX: i64 = 1 << 17;

impl Survival {
    pub(super) fn new(rules: &FlameRules, pool: &Pool, stages: &Stages, boss: bool) -> Self {
        let first = stages.first as usize - 1;
        let chances = &stages.chances;
        let options: Vec<&[i64]> =
            pool.scores.iter().map(|scores| &scores[first..first + chances.len()]).collect();
        let (unit, size) = units(&options);
        let mut ways = vec![vec![0.0; size]; LINES_MAX + 1];
        ways[0][0] = 1.0;
        for scores in &options {
            for lines in (1..=LINES_MAX).rev() {
                let (fewer, more) = ways.split_at_mut(lines);
                for (score, chance) in scores.iter().zip(chances) {
                    let by = usize::try_from(score / unit).expect("scores are not negative");
                    for (to, from) in more[0][by.min(size)..].iter_mut().zip(&fewer[lines - 1]) {
                        *to += chance * from;
                    }
                }
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

/// The unit of the scores, and how many of it the best draw has, plus one for 0.
fn units(options: &[&[i64]]) -> (i64, usize) {
    let unit = options
        .iter()
        .flat_map(|scores| scores.iter())
        .fold(0, |unit, score| gcd(unit, *score))
        .max(1);
    let mut best: Vec<i64> =
        options.iter().map(|scores| scores.iter().copied().max().unwrap_or(0)).collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let most: i64 = best.iter().take(LINES_MAX).sum();
    let unit = unit.max(most / UNITS_MAX);
    (unit, usize::try_from(most / unit).expect("bounded by UNITS_MAX") + 1)
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
