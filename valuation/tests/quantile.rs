//! Quantiles against closed forms, exact convolution and simulation.
//!
//! The simulation walks try by try and shares no formula with the code under test. Its generator is
//! fixed here, so a run is repeatable. The acceptance run of game rules 7 (10^7 samples, within 1 %):
//! `cargo test -p valuation --test quantile -- --ignored --nocapture`

use proptest::prelude::*;
use valuation::quantile::PartCost;
use valuation::quantile::Stage;
use valuation::quantile::quantiles;

const LEVELS: [f64; 4] = [0.5, 0.75, 0.9, 0.99];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Failures before the first success.
    fn failures(&mut self, p: f64) -> f64 {
        if p >= 1.0 { 0.0 } else { ((1.0 - self.unit()).ln() / (1.0 - p).ln()).floor() }
    }

    fn climb(&mut self, stages: &[Stage]) -> f64 {
        let (mut at, mut paid) = (0, 0.0);
        while let Some(stage) = stages.get(at) {
            paid += stage.cost;
            let draw = self.unit();
            if draw < stage.success {
                at += 1;
            } else if draw < stage.success + stage.destroy {
                paid += stage.destroy_cost;
                at = stage.restart;
            }
        }
        paid
    }

    fn part(&mut self, part: &PartCost) -> f64 {
        match part {
            PartCost::Geometric { p, cost } => (self.failures(*p) + 1.0) * cost,
            PartCost::PerFailure { p, fee, failure } => self.failures(*p) * (fee + failure) + fee,
            PartCost::Chain(stages) => self.climb(stages),
        }
    }
}

fn simulated(parts: &[PartCost], samples: usize, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    let mut totals: Vec<f64> =
        (0..samples).map(|_| parts.iter().map(|part| random.part(part)).sum()).collect();
    totals.sort_by(f64::total_cmp);
    totals
}

/// The sample's own quantiles at `level` give or take 4.5 standard errors.
fn band(totals: &[f64], level: f64) -> (f64, f64) {
    let n = totals.len() as f64;
    let error = 4.5 * (level * (1.0 - level) / n).sqrt();
    let at = |q: f64| totals[((q * n) as usize).min(totals.len() - 1)];
    (at((level - error).max(0.0)), at(level + error))
}

fn geometric(p: f64, cost: f64) -> PartCost {
    PartCost::Geometric { p, cost }
}

/// A climb of starforce form: certain to stay below 15, destroyed to 12 from there.
fn starforce(stars: usize, base: f64) -> PartCost {
    let stage = |star: usize| {
        let success = match star {
            0..3 => 0.99 - 0.05 * star as f64,
            3..15 => (0.89 - 0.05 * (star - 3) as f64).max(0.315),
            15..22 => 0.315 - 0.0105 * (star - 15) as f64,
            _ => 0.105 - 0.01 * (star - 22) as f64,
        };
        let destroy = match star {
            0..15 => 0.0,
            15..22 => 0.0147 + 0.012 * (star - 15) as f64,
            _ => 0.2,
        };
        let cost = base * (1.0 + star as f64).powf(2.7);
        Stage { cost, success, destroy, restart: 12, destroy_cost: 0.0 }
    };
    PartCost::Chain((0..stars).map(stage).collect())
}

fn item(stars: usize) -> Vec<PartCost> {
    vec![geometric(0.0021, 45_000_000.0), geometric(0.013, 31_500_000.0), starforce(stars, 8e4)]
}

/// 24 items of one character: 72 potentials of all sizes, climbs of four levels, one scroll climb.
fn character() -> Vec<PartCost> {
    let mut parts: Vec<PartCost> = Vec::new();
    for index in 0..24_u32 {
        let rarity = f64::from(index % 8) + 1.0;
        parts.push(geometric(0.0004 * rarity * rarity, 45_000_000.0));
        parts.push(geometric(0.004 * rarity, 31_500_000.0));
        parts.push(geometric(0.3 / rarity, 4_000_000.0));
        let base = [3.4e4, 8e4, 1.6e5, 3.1e5][index as usize % 4];
        parts.push(starforce([17, 18, 21, 22, 19, 12][index as usize % 6], base));
    }
    let tries = [0.6, 0.55, 0.5, 0.4, 0.3];
    parts.extend(tries.map(|p| PartCost::PerFailure { p, fee: 2e6, failure: 150_400_000.0 }));
    parts
}

/// Totals that the inversion finds hard: atoms, one rare expensive part, many equal tries.
fn hard_cases() -> Vec<(&'static str, Vec<PartCost>)> {
    vec![
        ("two likely resets", vec![geometric(0.9, 5e7), geometric(0.8, 3e7)]),
        ("likely cheap, unlikely dear", vec![geometric(0.93, 1e9), geometric(0.3, 1e4)]),
        ("rare and dear beside common", vec![geometric(0.97, 1e12), geometric(0.01, 1e5)]),
        ("equal tries", vec![geometric(0.5, 1e6); 30]),
        ("few equal tries", vec![geometric(0.7, 1e6); 5]),
        (
            "scrolls",
            [0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3]
                .map(|p| PartCost::PerFailure { p, fee: 1.2e6, failure: 150_400_000.0 })
                .to_vec(),
        ),
        ("ordinary item, 17 stars", item(17)),
        ("ordinary item, 22 stars", item(22)),
        ("25 stars alone", vec![starforce(25, 3.1e5)]),
    ]
}

fn assert_close(name: &str, parts: &[PartCost], samples: usize, tolerance: f64) {
    let totals = simulated(parts, samples, 20_260_319);
    let ours = quantiles(parts, &LEVELS);
    for (level, x) in LEVELS.iter().zip(ours) {
        let (low, high) = band(&totals, *level);
        let off = (x / totals[(level * samples as f64) as usize] - 1.0) * 100.0;
        println!("{name}: {level}: {x:.0} ({off:+.3} %)");
        assert!(
            x >= low * (1.0 - tolerance) && x <= high * (1.0 + tolerance),
            "{name}: level {level}: {x}, simulated {low}..{high}"
        );
    }
}

#[test]
fn nothing_to_make_costs_nothing() {
    assert_eq!(quantiles(&[], &LEVELS), [0.0; 4]);
    assert_eq!(quantiles(&[PartCost::Chain(vec![])], &[0.5]), [0.0]);
    assert_eq!(quantiles(&[geometric(0.1, 0.0)], &[0.99]), [0.0]);
}

#[test]
fn certain_costs_are_exact_at_every_level() {
    let parts = [geometric(1.0, 1e6), geometric(1.0, 2.5e7), starforce(0, 1.0)];
    assert_eq!(quantiles(&parts, &LEVELS), [2.6e7; 4]);
}

#[test]
fn a_single_geometric_is_exact() {
    assert_eq!(quantiles(&[geometric(0.5, 10.0)], &LEVELS), [10.0, 20.0, 40.0, 70.0]);
    let scroll = PartCost::PerFailure { p: 0.5, fee: 10.0, failure: 100.0 };
    assert_eq!(quantiles(&[scroll], &LEVELS), [10.0, 120.0, 340.0, 670.0]);
}

#[test]
fn luck_that_is_likely_enough_is_exact() {
    let parts = [geometric(0.9, 5e7), geometric(0.9, 3e7)];
    assert_eq!(quantiles(&parts, &[0.5, 0.8]), [8e7, 8e7]);
}

#[test]
fn two_geometrics_agree_with_their_convolution() {
    for (p1, p2, c1, c2) in [
        (0.5, 0.5, 1.0, 1.0),
        (0.9, 0.8, 5.0, 3.0),
        (0.2, 0.3, 45.0, 31.5),
        (0.6, 0.05, 900.0, 7.0),
    ] {
        let mut atoms = Vec::new();
        for i in 0..200_i32 {
            for j in 0..2000_i32 {
                let weight = p1 * (1.0_f64 - p1).powi(i) * p2 * (1.0_f64 - p2).powi(j);
                atoms.push((f64::from(i + 1) * c1 + f64::from(j + 1) * c2, weight));
            }
        }
        atoms.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ours = quantiles(&[geometric(p1, c1), geometric(p2, c2)], &LEVELS);
        for (level, x) in LEVELS.iter().zip(ours) {
            let mut reached = 0.0;
            let expected = atoms
                .iter()
                .find(|(_, weight)| {
                    reached += weight;
                    reached >= level - 1e-12
                })
                .expect("the atoms cover the level")
                .0;
            assert!((x / expected - 1.0).abs() < 0.005, "{p1} {p2}: {level}: {x} not {expected}");
        }
    }
}

#[test]
fn a_destroyed_item_walks_back() {
    // Up at once, or destroyed at the second stage and both again: failures are geometric.
    let stage = |cost, success, destroy, restart, destroy_cost| Stage {
        cost,
        success,
        destroy,
        restart,
        destroy_cost,
    };
    let climb =
        PartCost::Chain(vec![stage(2.0, 1.0, 0.0, 0, 0.0), stage(30.0, 0.1, 0.9, 0, 400.0)]);
    let ours = quantiles(&[climb], &LEVELS);
    let tries = [7.0, 14.0, 22.0, 44.0];
    for (x, tries) in ours.iter().zip(tries) {
        let expected = 32.0 + (tries - 1.0) * 432.0;
        assert!((x / expected - 1.0).abs() < 0.005, "{x} not {expected}");
    }
}

#[test]
fn hard_totals_agree_with_simulation() {
    for (name, parts) in hard_cases() {
        assert_close(name, &parts, 40_000, 0.005);
    }
}

#[test]
fn a_character_agrees_with_simulation() {
    assert_close("character", &character(), 4_000, 0.001);
}

#[test]
#[ignore = "10^7 samples: minutes"]
fn acceptance_at_ten_million_samples() {
    for (name, parts) in hard_cases() {
        assert_close(name, &parts, 10_000_000, 0.01);
    }
    assert_close("character", &character(), 1_000_000, 0.01);
}

#[test]
fn a_common_start_is_only_a_shortcut() {
    // The second stage differs in the last digit: no stage is shared, nearly the same total.
    let nudged = |part: PartCost| match part {
        PartCost::Chain(mut stages) => {
            stages[0].cost *= 1.0 + 1e-15;
            PartCost::Chain(stages)
        }
        other => other,
    };
    let shared = [starforce(17, 8e4), starforce(20, 8e4), starforce(20, 8e4)];
    let apart = [starforce(17, 8e4), nudged(starforce(20, 8e4)), starforce(20, 8e4)];
    for (x, y) in quantiles(&shared, &LEVELS).iter().zip(quantiles(&apart, &LEVELS)) {
        assert!((x / y - 1.0).abs() < 1e-9, "{x} {y}");
    }
}

#[test]
#[should_panic(expected = "level 1 is outside")]
fn a_level_of_one_is_refused() {
    let _ = quantiles(&[geometric(0.5, 1.0)], &[1.0]);
}

#[test]
#[should_panic(expected = "stage 0 is out of range")]
fn an_impossible_part_is_refused() {
    let _ = quantiles(&[geometric(0.0, 1.0)], &[0.5]);
}

fn any_part() -> impl Strategy<Value = PartCost> {
    prop_oneof![
        (1e-5..1.0, 1e3..1e9).prop_map(|(p, cost)| geometric(p, cost)),
        (0.05..1.0, 1e3..1e7, 0.0..2e8).prop_map(|(p, fee, failure)| PartCost::PerFailure {
            p,
            fee,
            failure
        }),
        (0_usize..24, 1e2..1e6).prop_map(|(stars, base)| starforce(stars, base)),
    ]
}

fn scaled(part: &PartCost, factor: f64) -> PartCost {
    match part {
        PartCost::Geometric { p, cost } => geometric(*p, cost * factor),
        PartCost::PerFailure { p, fee, failure } => {
            PartCost::PerFailure { p: *p, fee: fee * factor, failure: failure * factor }
        }
        PartCost::Chain(stages) => PartCost::Chain(
            stages
                .iter()
                .map(|stage| Stage {
                    cost: stage.cost * factor,
                    destroy_cost: stage.destroy_cost * factor,
                    ..*stage
                })
                .collect(),
        ),
    }
}

/// Whole totals below this are tabulated.
const LATTICE: usize = 1500;

/// Few parts of few stages, costs of a few whole units: atoms everywhere, many on the same totals.
fn small_parts() -> impl Strategy<Value = Vec<PartCost>> {
    let whole = |range: std::ops::Range<i32>| range.prop_map(f64::from);
    let stage = (whole(1..30), 0.2..1.0, 0.0..1.0, 0_usize..3, whole(0..40));
    let chain = prop::collection::vec(stage, 1..4).prop_map(|stages| {
        let stage = |(index, (cost, success, fall, restart, destroy_cost))| Stage {
            cost,
            success,
            destroy: fall * (1.0 - success),
            restart: std::cmp::min(restart, index),
            destroy_cost,
        };
        PartCost::Chain(stages.into_iter().enumerate().map(stage).collect())
    });
    let part =
        prop_oneof![
            (0.1..1.0, whole(1..30)).prop_map(|(p, cost)| geometric(p, cost)),
            (0.2..1.0, whole(0..10), whole(0..60))
                .prop_map(|(p, fee, failure)| PartCost::PerFailure { p, fee: fee + 1.0, failure }),
            chain,
        ];
    prop::collection::vec(part, 1..5)
}

/// P(total = n) for n below [`LATTICE`], by the definition of one try.
fn convolved(parts: &[PartCost]) -> Vec<f64> {
    let nothing = || {
        let mut law = vec![0.0; LATTICE];
        law[0] = 1.0;
        law
    };
    parts.iter().fold(nothing(), |total, part| {
        let stages = match part {
            PartCost::Geometric { p, cost } => vec![(*cost, *p, 0.0, 0, 0.0)],
            PartCost::PerFailure { p, fee, failure } => vec![(*fee, *p, 1.0 - p, 0, *failure)],
            PartCost::Chain(stages) => stages
                .iter()
                .map(|s| (s.cost, s.success, s.destroy, s.restart, s.destroy_cost))
                .collect(),
        };
        let mut laws: Vec<Vec<f64>> = Vec::new();
        for (index, (cost, success, destroy, restart, spare)) in stages.into_iter().enumerate() {
            let back = laws[restart..index].iter().fold(nothing(), |sum, law| sum_law(&sum, law));
            let (cost, spare) = (cost as usize, spare as usize);
            let mut law = vec![0.0; LATTICE];
            for n in cost..LATTICE {
                let certain = if n == cost { success } else { 0.0 };
                let stay = (1.0 - success - destroy) * law[n - cost];
                let left = (n + 1).saturating_sub(cost + spare);
                let fall: f64 = (0..left).map(|m| back[m] * law[left - 1 - m]).sum();
                law[n] = certain + stay + destroy * fall;
            }
            laws.push(law);
        }
        laws.iter().fold(total, |sum, law| sum_law(&sum, law))
    })
}

fn sum_law(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; LATTICE];
    for (n, weight) in a.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        for (slot, other) in sum[n..].iter_mut().zip(b) {
            *slot += weight * other;
        }
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn never_falls_with_the_level(parts in prop::collection::vec(any_part(), 0..12)) {
        let ours = quantiles(&parts, &[0.0001, 0.1, 0.5, 0.75, 0.9, 0.99, 0.9999]);
        prop_assert!(ours.is_sorted(), "{ours:?}");
    }

    #[test]
    fn scales_with_the_prices(
        parts in prop::collection::vec(any_part(), 1..6),
        exponent in -10..10_i32,
    ) {
        // A power of two changes no digit of any product, so not one of the result either.
        let factor = 2.0_f64.powi(exponent);
        let dear: Vec<PartCost> = parts.iter().map(|part| scaled(part, factor)).collect();
        for (x, y) in quantiles(&parts, &LEVELS).iter().zip(quantiles(&dear, &LEVELS)) {
            prop_assert_eq!(x * factor, y);
        }
    }

    #[test]
    fn the_order_of_parts_does_not_matter(mut parts in prop::collection::vec(any_part(), 1..8)) {
        let ahead = quantiles(&parts, &LEVELS);
        parts.reverse();
        for (x, y) in ahead.iter().zip(quantiles(&parts, &LEVELS)) {
            prop_assert!((x - y).abs() <= 1e-6 * x, "{x} {y}");
        }
    }

    #[test]
    fn small_whole_costs_agree_with_exact_convolution(parts in small_parts()) {
        let exact = convolved(&parts);
        for (level, x) in LEVELS.iter().zip(quantiles(&parts, &LEVELS)) {
            let reached = |total: f64| -> f64 { exact.iter().take(total as usize + 1).sum() };
            if reached(LATTICE as f64) < level + 1e-3 {
                continue;
            }
            prop_assert!(reached(x * 1.01) >= level - 1e-6, "{level}: {x} is too little");
            prop_assert!(reached((x * 0.99).ceil() - 1.0) < level + 1e-6, "{level}: {x} is too much");
        }
    }

    #[test]
    fn another_part_never_saves_money(
        parts in prop::collection::vec(any_part(), 1..6),
        extra in any_part(),
    ) {
        let fewer = quantiles(&parts, &LEVELS);
        let more = quantiles(&[parts, vec![extra]].concat(), &LEVELS);
        for (x, y) in fewer.iter().zip(more) {
            prop_assert!(*x <= y * 1.005, "{x} {y}");
        }
    }

    #[test]
    fn one_geometric_is_the_least_enough_tries(p in 1e-6..1.0, level in 0.01..0.99) {
        let tries = quantiles(&[geometric(p, 1.0)], &[level])[0];
        let reached = |n: f64| -(n * (-p).ln_1p()).exp_m1();
        prop_assert!(reached(tries) >= level - 1e-14);
        prop_assert!(tries == 1.0 || reached(tries - 1.0) < level);
    }
}
