//! The chain against exact rationals: a dense linear solve that knows nothing of how the library does it.

use num_rational::BigRational;
use num_traits::ToPrimitive;
use num_traits::Zero;
use valuation::rules::Ruleset;
use valuation::starforce::Choice;
use valuation::starforce::Options;
use valuation::starforce::Stage;
use valuation::starforce::destroyed;
use valuation::starforce::expected;
use valuation::starforce::stages;

fn exact(value: f64) -> BigRational {
    BigRational::from_float(value).expect("finite")
}

/// Solves (p + d) E(s) = cost + d x + p E(s + 1) + d E(restart) by Gaussian elimination.
fn solve(stages: &[Stage]) -> f64 {
    let n = stages.len();
    let mut rows: Vec<Vec<BigRational>> = vec![vec![BigRational::zero(); n + 1]; n];
    for (s, stage) in stages.iter().enumerate() {
        let (p, d) = (exact(stage.success), exact(stage.destroy));
        rows[s][s] += &p + &d;
        if s + 1 < n {
            rows[s][s + 1] -= &p;
        }
        rows[s][stage.restart.map_or(s, usize::from)] -= &d;
        rows[s][n] = exact(stage.cost) + &d * exact(stage.destroy_cost);
    }
    for column in 0..n {
        let pivot = (column..n).find(|row| !rows[*row][column].is_zero()).expect("absorbing");
        rows.swap(column, pivot);
        let lead = rows[column][column].clone();
        let source: Vec<BigRational> = rows[column].iter().map(|value| value / &lead).collect();
        rows[column].clone_from(&source);
        for (row, target) in rows.iter_mut().enumerate() {
            if row != column && !target[column].is_zero() {
                let factor = target[column].clone();
                for (value, from) in target.iter_mut().zip(&source) {
                    *value -= &factor * from;
                }
            }
        }
    }
    rows[0][n].to_f64().expect("a number")
}

#[test]
fn all_small_chains_agree_with_the_linear_solve() {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in").starforce;
    let chances = [(1.0, 0.0), (0.5, 0.0), (0.3, 0.25), (0.0625, 0.9)];
    for length in 1..=4_u32 {
        for (restart, pattern) in
            (0..length).flat_map(|r| (0..chances.len().pow(length)).map(move |p| (r, p)))
        {
            let stage = |s: u32| {
                let (success, destroy) = chances[pattern / chances.len().pow(s) % chances.len()];
                // Only what stands at or above the restart is destroyed; every third star is restored.
                let destroy = if s >= restart { destroy } else { 0.0 };
                let restart = (s % 3 != 2).then_some(restart as u8);
                Stage { cost: f64::from(s + 1), success, destroy, destroy_cost: 7.0, restart }
            };
            let stages: Vec<Stage> = (0..length).map(stage).collect();
            let (ours, oracle) = (expected(&stages, rules.solution), solve(&stages));
            assert!((ours / oracle - 1.0).abs() < 1e-13, "{stages:?}: {ours} {oracle}");
        }
    }
}

#[test]
fn real_chains_keep_twelve_digits_up_to_thirty_stars() {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in").starforce;
    let options = Options { spare_price: 1e8, ..Options::default() };
    for (stars, choice) in [13, 22, 25, 30].into_iter().flat_map(|s| Choice::ALL.map(|c| (s, c))) {
        let chain = stages(&rules, 200, stars, &options, |_| choice);
        let (ours, oracle) = (expected(&chain, rules.solution), solve(&chain));
        assert!((ours / oracle - 1.0).abs() < 1e-12, "{stars} {choice:?}: {ours} {oracle}");
        let count = |s: &Stage| Stage { cost: 0.0, destroy_cost: 1.0, ..*s };
        let counted: Vec<Stage> = chain.iter().map(count).collect();
        let (ours, oracle) = (destroyed(&chain, rules.solution), solve(&counted));
        assert!((ours - oracle).abs() <= 1e-12 * oracle, "{stars} {choice:?}: {ours} {oracle}");
    }
}
