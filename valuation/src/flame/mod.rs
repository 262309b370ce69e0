//! Rebirth flames: how many it takes to reach the worn score again (game rules 5, C18-C20).
//!
//! A flame draws some distinct options uniformly, each with a stage of its own; an option's score is its value times
//! what the job gives for it. Reading order: `rules` (the numbers), `pool` (options and their scores), `survival`
//! (the chance of at least a score).

mod pool;
mod rules;
mod survival;

pub use rules::FlameRules;

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::job::Profile;
use crate::outcome::Outcome;
use pool::Pool;
use survival::Survival;

/// What the worn flame gives, as the payload shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Worn {
    /// STR, DEX, INT, LUK.
    pub stats: [i64; 4],
    pub max_hp: i64,
    pub all_stat_percent: i64,
    pub attack: i64,
    pub magic: i64,
    pub boss_damage_percent: i64,
    pub damage_percent: i64,
}

/// An item as flames see it.
#[derive(Debug, Clone, Copy)]
pub struct FlameItem<'a> {
    /// Equipment slot.
    pub slot: &'a str,
    /// Name; tells boss equipment.
    pub name: &'a str,
    /// Job of the wearer: some jobs' weapons are never boss equipment.
    pub job: Option<&'a str>,
    /// Item level.
    pub level: u32,
    /// Attack of the clean item.
    pub base_attack: i64,
    /// Magic of the clean item.
    pub base_magic: i64,
    /// The worn flame.
    pub worn: Worn,
}

/// The kinds of flame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlameKind {
    /// 강력한 환생의 불꽃.
    Powerful,
    /// 영원한 환생의 불꽃; the black flame draws alike.
    Eternal,
    /// 심연의 환생의 불꽃.
    Abyss,
}

impl FlameKind {
    /// In wire order.
    pub const ALL: [Self; 3] = [Self::Powerful, Self::Eternal, Self::Abyss];

    fn name(self) -> &'static str {
        match self {
            Self::Powerful => "powerful",
            Self::Eternal => "eternal",
            Self::Abyss => "abyss",
        }
    }
}

/// What it takes to reach the worn score.
#[derive(Debug, Clone, PartialEq)]
pub struct FlameCost {
    /// The worn score, above 0.
    pub score: i64,
    /// Expected flames of each kind, in the order of [`FlameKind::ALL`]; None where the kind cannot reach it.
    pub trials: [Option<f64>; 3],
    /// Expected mesos with eternal (black) flames; None where they cannot reach it.
    pub cost: Option<f64>,
}

impl FlameCost {
    /// Which kinds cannot reach the score, in words; None when all can.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let kinds: Vec<&str> = FlameKind::ALL
            .into_iter()
            .zip(self.trials)
            .filter(|(_, trials)| trials.is_none())
            .map(|(kind, _)| kind.name())
            .collect();
        (!kinds.is_empty())
            .then(|| format!("this score is out of reach of: {} flame", kinds.join(", ")))
    }
}

/// Score distributions already computed. One per thread and ruleset; cleared when full.
#[derive(Debug, Default)]
pub struct FlameMemo {
    contexts: HashMap<Pool, [Survival; 3]>,
}

/// Contexts of a [`FlameMemo`]: a character has about ten. Armour takes some 0.05 MB, a weapon 0.3 MB, and none
/// more than 1.5 MB.
pub const MEMO_CONTEXTS_MAX: usize = 64;

/// A value outside these is no item's: arithmetic with it might overflow.
const VALUES: RangeInclusive<i64> = -100_000..=100_000;
const NO_ITEM: &str = "values no item has";

/// Values the flame of one item.
pub fn value(
    rules: &FlameRules,
    profile: &Profile,
    item: &FlameItem<'_>,
    memo: &mut FlameMemo,
) -> Outcome<FlameCost> {
    let worn = &item.worn;
    let shown = [
        worn.max_hp,
        worn.all_stat_percent,
        worn.attack,
        worn.magic,
        worn.boss_damage_percent,
        worn.damage_percent,
        item.base_attack,
        item.base_magic,
        i64::from(item.level),
    ];
    if shown.iter().chain(&worn.stats).any(|value| !VALUES.contains(value)) {
        return Outcome::Unpriced(NO_ITEM.into());
    }
    let weapon = item.slot == rules.weapon_slot;
    let score = pool::worn_score(rules, profile, worn, weapon);
    if score <= 0 {
        return Outcome::Absent;
    }
    let boss = if weapon {
        rules.is_boss_weapon(item.name, item.job)
    } else {
        rules.is_boss_gear(item.name)
    };
    let pool = Pool::new(rules, profile, item, weapon, boss);
    if !memo.contexts.contains_key(&pool) {
        if !survival::fits(&pool) {
            return Outcome::Unpriced(NO_ITEM.into());
        }
        if memo.contexts.len() >= MEMO_CONTEXTS_MAX {
            memo.contexts.clear();
        }
    }
    let survivals = memo.contexts.entry(pool).or_insert_with_key(|pool| {
        FlameKind::ALL.map(|kind| Survival::new(rules, pool, rules.kind(kind), boss))
    });
    let trials = survivals.each_ref().map(|survival| {
        let chance = survival.at_least(score);
        (chance > 0.0).then(|| 1.0 / chance)
    });
    let [_, eternal, _] = trials;
    Outcome::Priced(FlameCost { score, trials, cost: eternal.map(|trials| trials * rules.price) })
}
