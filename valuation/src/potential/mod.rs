//! What it costs to roll potential lines at least as good as the worn ones (game rules 1-3, C1-C11, C21, C29).
//! Never answers 0 for "impossible" or "no table": those are unpriced, with the reason.
//!
//! Reading order: `grade`, `effect` (a line's text), `dimension` (what it is worth), `tables` and `parse`
//! (official rates), `part` (which table), `probability` (the engine), `memo`, `rules` (prices).

mod dimension;
mod effect;
mod grade;
mod memo;
mod parse;
mod part;
mod probability;
mod rules;
mod tables;

pub use dimension::Dimension;
pub use dimension::LINES;
pub use dimension::Target;
pub use dimension::targets_of;
pub use effect::Effect;
pub use grade::Grade;
pub use grade::System;
pub use memo::MEMO_ENTRIES_MAX;
pub use memo::PotentialMemo;
pub use parse::HEADER;
pub use parse::TableError;
pub use part::table_part;
pub use probability::success_probability;
pub use rules::PotentialRules;
pub use rules::PriceStep;
pub use rules::SystemRules;
pub use rules::TierUp;
pub use rules::TierUpEvent;
pub use tables::Context;
pub use tables::Limit;
pub use tables::LineOption;
pub use tables::Roll;
pub use tables::Row;
pub use tables::Tables;
pub use tables::WEIGHT_ONE;

use crate::job::Profile;
use crate::outcome::Outcome;
use crate::outcome::Reason;

const UNKNOWN_GRADE: &str = "unknown grade";
const NOTHING_VALUED: &str = "no line gives a valued stat";
const NO_TABLE: &str = "no official table";
const IMPOSSIBLE: &str = "impossible with the official table";

/// One potential of one item, as the game API tells it.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Which of the item's potentials.
    pub system: System,
    /// `item_equipment_slot`.
    pub slot: &'a str,
    /// `item_equipment_part`.
    pub sub_part: Option<&'a str>,
    /// `base_equipment_level`; missing and below 0 are 0.
    pub level: i64,
    /// Grade as shown. `None`, blank and "null" mean that the item has no such potential.
    pub grade: Option<&'a str>,
    /// The worn lines.
    pub lines: [Option<&'a str>; LINES],
}

/// What can be said about a block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockValue {
    /// The worn grade, if the block has a known one.
    pub grade: Option<Grade>,
    /// What had to be reached. Empty without a known grade, and when no line gives a valued stat.
    pub targets: Vec<Target>,
    /// Expected mesos from rare to the worn grade, not part of the cost. 0 without a known grade.
    pub tier_up_cost: f64,
    /// The cost of the lines.
    pub outcome: Outcome<PotentialCost>,
}

/// Expected cost of the lines of a block, unrounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PotentialCost {
    /// Chance of one reset, in (0, 1].
    pub probability: f64,
    /// Mean of the geometric number of resets: 1 / probability (C5).
    pub expected_resets: f64,
    /// Mesos for one reset.
    pub reset_price: u64,
    /// Expected mesos.
    pub cost: f64,
}

/// Values one potential of one item for a character (C8 gives the order of the questions).
///
/// # Panics
/// On rules that [`PotentialRules::check`] refuses.
pub fn value(
    rules: &PotentialRules,
    tables: &Tables,
    profile: &Profile,
    block: &Block<'_>,
    memo: &mut PotentialMemo,
) -> BlockValue {
    let Some(grade) = block.grade.map(str::trim).filter(|text| !matches!(*text, "" | "null"))
    else {
        return without_grade(Outcome::Absent);
    };
    let Some(grade) = Grade::of_korean(grade) else {
        return without_grade(Outcome::Unpriced(Reason::Borrowed(UNKNOWN_GRADE)));
    };
    let level = item_level(block.level);
    let targets = targets_of(profile, block.system, &block.lines);
    let outcome = if targets.is_empty() {
        Outcome::Free(Reason::Borrowed(NOTHING_VALUED))
    } else {
        let part = table_part(block.slot, block.sub_part);
        match tables.roll(block.system, grade, part, level) {
            None => Outcome::Unpriced(Reason::Borrowed(NO_TABLE)),
            Some(roll) => cost_of(
                memo.success_probability(tables, roll, &targets),
                rules.reset_price(block.system, grade, level),
            ),
        }
    };
    BlockValue {
        grade: Some(grade),
        targets,
        tier_up_cost: rules.tier_up_cost(block.system, grade, level, TierUpEvent::None),
        outcome,
    }
}

/// Prices a chance of success: unpriced when there is none.
#[must_use]
pub fn cost_of(probability: f64, reset_price: u64) -> Outcome<PotentialCost> {
    if probability <= 0.0 {
        return Outcome::Unpriced(Reason::Borrowed(IMPOSSIBLE));
    }
    let expected_resets = 1.0 / probability;
    let cost = expected_resets * reset_price as f64;
    Outcome::Priced(PotentialCost { probability, expected_resets, reset_price, cost })
}

fn without_grade(outcome: Outcome<PotentialCost>) -> BlockValue {
    BlockValue { grade: None, targets: Vec::new(), tier_up_cost: 0.0, outcome }
}

/// Levels beyond any item's stay at the top band and price.
fn item_level(level: i64) -> u32 {
    u32::try_from(level.max(0)).unwrap_or(u32::MAX)
}
