//! Quantiles of a total: the budget that is enough with a given probability (game rules 7, C26).
//!
//! Intuition: the mean says little about luck. Every part of a total (resets until a success, scroll
//! tries, a starforce climb) is a walk of tries with a simple Laplace transform, and the transform of
//! a sum of independent parts is the product. `law` holds that product, `inversion` turns it back
//! into a distribution. Never samples: equal input gives equal quantiles.

mod complex;
mod inversion;
mod law;

use crate::quantile::inversion::Grid;
use crate::quantile::inversion::Reading;
use crate::quantile::law::Law;

/// One try in a climb, at one stage of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Mesos per try, paid whatever the result.
    pub cost: f64,
    /// Probability to reach the next stage, in (0, 1].
    pub success: f64,
    /// Probability to fall to `restart`; what is left of 1 stays at this stage.
    pub destroy: f64,
    /// Index of the stage a destroyed item restarts from, at most this stage's own. Not looked at where
    /// `destroy` is 0.
    pub restart: usize,
    /// Mesos paid on top when destroyed (a spare).
    pub destroy_cost: f64,
}

/// The cost of one enhancement as a random quantity. Parts of one total are independent.
#[derive(Debug, Clone, PartialEq)]
pub enum PartCost {
    /// Resets until the first success.
    Geometric {
        /// Probability that one reset succeeds, in (0, 1].
        p: f64,
        /// Mesos per reset.
        cost: f64,
    },
    /// Scroll tries until the first success: a fee each, and a price for each failure (C26).
    PerFailure {
        /// Probability that one try succeeds, in (0, 1].
        p: f64,
        /// Mesos per try.
        fee: f64,
        /// Mesos on top per failed try.
        failure: f64,
    },
    /// A climb from the first stage past the last one.
    Chain(Vec<Stage>),
}

impl PartCost {
    /// Every part is a climb; a geometric one has a single stage.
    fn stages(&self) -> Vec<Stage> {
        let single = |cost, success, destroy, destroy_cost| {
            vec![Stage { cost, success, destroy, restart: 0, destroy_cost }]
        };
        match self {
            Self::Geometric { p, cost } => single(*cost, *p, 0.0, 0.0),
            Self::PerFailure { p, fee, failure } => single(*fee, *p, 1.0 - p, *failure),
            Self::Chain(stages) => stages.clone(),
        }
    }
}

/// Lowest level that can be asked for.
pub const LEVEL_MIN: f64 = 0.0001;

/// Highest level that can be asked for. Beyond either limit the inversion's error (1e-6) is no longer
/// small beside the probability that is left.
pub const LEVEL_MAX: f64 = 0.9999;

/// Cells of the first grids: enough for a smooth law.
const CELLS_COARSE: usize = 2048;

/// Cells once a coarse grid aimed at the quantile is not enough: the law has atoms.
const CELLS_FINE: usize = 8192;

/// A quantile stands when its reading is known within this share. The estimate is first order: on
/// small totals full of atoms the true error was seen to be up to 3.3 times that.
const ERROR_SHARE_MAX: f64 = 0.0025;

/// A grid is aimed this far past the quantile it has to show.
const MARGIN: f64 = 1.25;

/// A quantile above this share of the range gains nothing from a shorter one.
const AIMED_SHARE: f64 = 0.6;

/// A range grows by 4 or shrinks by 64 at most from one pass to the next, so this covers any ratio
/// between the mean and a quantile that doubles of meso size can have.
const PASSES_MAX: usize = 24;

/// For each level, the smallest total x in mesos with P(total <= x) >= level, in the order given.
///
/// Exact where no inversion is needed: nothing can fail, only one stage can (a single geometric),
/// or success at the first try everywhere is likelier than the level. Otherwise within 1 %, the
/// largest errors being those on atoms, where a total jumps by a share of itself. A total whose
/// probability is within 1e-7 of the level counts as enough.
///
/// # Panics
/// On a level outside [`LEVEL_MIN`] ..= [`LEVEL_MAX`] and on a stage whose numbers are out of the ranges given
/// at [`Stage`]: both are mistakes of the caller, not of its data.
#[must_use]
pub fn quantiles(parts: &[PartCost], levels: &[f64]) -> Vec<f64> {
    for level in levels {
        let allowed = LEVEL_MIN..=LEVEL_MAX;
        assert!(allowed.contains(level), "level {level} is outside {LEVEL_MIN}..={LEVEL_MAX}");
    }
    let law = Law::new(parts.iter().map(PartCost::stages));
    let mut found: Vec<Option<f64>> = levels.iter().map(|level| law.exact_excess(*level)).collect();
    search(&law, levels, &mut found);
    let mut totals: Vec<f64> = found
        .into_iter()
        .map(|excess| law.least() + excess.expect("the search settles every level"))
        .collect();
    never_fall(levels, &mut totals);
    totals
}

/// Levels read from different grids may differ by the readings' errors: on one atom the higher level
/// could come out lower. The higher reading stands.
fn never_fall(levels: &[f64], totals: &mut [f64]) {
    let mut order: Vec<usize> = (0..levels.len()).collect();
    order.sort_by(|a, b| levels[*a].total_cmp(&levels[*b]));
    let mut highest = 0.0_f64;
    for index in order {
        highest = highest.max(totals[index]);
        totals[index] = highest;
    }
}

/// Settles the levels not found yet, on one grid after the other.
fn search(law: &Law, levels: &[f64], found: &mut [Option<f64>]) {
    let mut range = law.excess_mean() + 4.0 * law.excess_deviation();
    let mut cells = CELLS_COARSE;
    for pass in 1..=PASSES_MAX {
        if found.iter().all(Option::is_some) {
            return;
        }
        let grid = Grid::invert(law, range, cells);
        let (mut next_range, mut next_cells) = (range / 64.0, cells);
        for (level, slot) in levels.iter().zip(found.iter_mut()).filter(|(_, s)| s.is_none()) {
            let Some(Reading { excess, error }) = grid.quantile(*level) else {
                next_range = next_range.max(4.0 * range);
                *slot = (pass == PASSES_MAX).then_some(range);
                continue;
            };
            let aimed = excess >= AIMED_SHARE * range;
            let known = error <= ERROR_SHARE_MAX * (law.least() + excess);
            if known || (aimed && cells == CELLS_FINE) || pass == PASSES_MAX {
                *slot = Some(excess.max(0.0));
                continue;
            }
            next_range = next_range.max(MARGIN * excess);
            if aimed {
                next_cells = CELLS_FINE;
            }
        }
        (range, cells) = (next_range, next_cells);
    }
}
