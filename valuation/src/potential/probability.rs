//! The chance that one reset reaches every target, exactly (game rules C3-C6).
//! One algorithm for every kind of target; no sampling, no special cases, no table knowledge.
//!
//! Options of a line that give the same in every target dimension and share a limit are one class.
//! Weights stay whole numbers, so classes, limits and normalisation are exact; only the final sum over
//! pairs of first and second lines is in floating point, compensated. See `memo` for repeated questions.

use super::dimension::LINES;
use super::dimension::Target;
use super::parse::LIMITS_MAX;
use super::tables::Limit;
use super::tables::Line;
use super::tables::LineOption;
use super::tables::Roll;
use super::tables::Tables;
use crate::sum::Sum;

/// Probability that the three lines of one reset reach all targets. 1 without targets, 0 if impossible.
///
/// # Panics
/// When the roll belongs to other tables.
#[must_use]
pub fn success_probability(tables: &Tables, roll: Roll, targets: &[Target]) -> f64 {
    let [first, second, third] = tables
        .lines_of(roll)
        .map(|line| Classes::new(line, &tables.options, tables.limits.len(), targets));
    let mut sum = Sum::default();
    for a in &first.classes {
        let full = FullLimits::after(&tables.limits, &[a.limit]);
        let share_a = a.weight as f64 / first.total as f64;
        let open_second = second.open_weight(full);
        for b in second.drawable(full) {
            let full = FullLimits::after(&tables.limits, &[a.limit, b.limit]);
            let share_b = b.weight as f64 / open_second as f64;
            let hits: u64 = third
                .drawable(full)
                .filter(|c| reached(targets, [&a.gives, &b.gives, &c.gives]))
                .map(|c| c.weight)
                .sum();
            if hits > 0 {
                sum.add(share_a * share_b * (hits as f64 / third.open_weight(full) as f64));
            }
        }
    }
    sum.value().min(1.0)
}

fn reached(targets: &[Target], gives: [&[u32]; LINES]) -> bool {
    targets.iter().enumerate().all(|(at, target)| target.reached_by(gives.map(|line| line[at])))
}

/// One line's options, as far as the targets can tell them apart.
struct Classes {
    classes: Vec<Class>,
    total: u64,
    /// Weight of each limit's options.
    limited: Vec<u64>,
}

struct Class {
    /// Contribution to each target dimension.
    gives: Vec<u32>,
    limit: Option<usize>,
    weight: u64,
}

impl Classes {
    fn new(line: &Line, options: &[LineOption], limits: usize, targets: &[Target]) -> Self {
        let mut classes: Vec<Class> = Vec::new();
        let mut limited = vec![0; limits];
        let mut gives = Vec::with_capacity(targets.len());
        for &(option, weight) in &line.weights {
            let LineOption { effect, limit, .. } = options[option];
            gives.clear();
            gives.extend(
                targets
                    .iter()
                    .map(|target| effect.map_or(0, |effect| target.dimension.contribution(effect))),
            );
            match classes.iter_mut().find(|class| class.limit == limit && class.gives == gives) {
                Some(class) => class.weight += weight,
                None => classes.push(Class { gives: gives.clone(), limit, weight }),
            }
            if let Some(limit) = limit {
                limited[limit] += weight;
            }
        }
        Self { classes, total: line.total, limited }
    }

    fn drawable(&self, full: FullLimits) -> impl Iterator<Item = &Class> {
        self.classes.iter().filter(move |class| class.limit.is_none_or(|limit| !full.has(limit)))
    }

    /// Weight that is left when the options of full limits have gone. Tables without such are refused.
    fn open_weight(&self, full: FullLimits) -> u64 {
        if full == FullLimits::default() {
            return self.total;
        }
        let gone = self.limited.iter().enumerate().filter(|(limit, _)| full.has(*limit));
        self.total - gone.map(|(_, weight)| weight).sum::<u64>()
    }
}

/// The limits an item has reached, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct FullLimits(u32);

const _: () = assert!(LIMITS_MAX <= u32::BITS as usize);

impl FullLimits {
    fn after(limits: &[Limit], drawn: &[Option<usize>]) -> Self {
        let mut full = Self::default();
        for limit in drawn.iter().flatten() {
            let held = drawn.iter().filter(|other| **other == Some(*limit)).count();
            if held >= limits[*limit].max {
                full.0 |= 1 << limit;
            }
        }
        full
    }

    fn has(self, limit: usize) -> bool {
        self.0 & (1 << limit) != 0
    }
}
