//! What the stars of an item cost: from 0 to the worn count, by the meso fee or by scrolls (game rules 4, C12-C17).
//! More stars than an item can have are unpriced, never clamped.
//!
//! Reading order: `rules` (the numbers), `attempt` (one attempt at one star), `chain` (expected totals),
//! `policy` (the cheapest choice at each star).

mod attempt;
mod chain;
mod policy;
mod rules;

pub use attempt::{Attempt, Choice, Mvp, Options, attempt, base_fee};
pub use chain::{Stage, destroyed, expected};
pub use rules::StarforceRules;

use std::collections::HashMap;

use crate::outcome::Outcome;
use crate::scroll;
use crate::scroll::ScrollRules;

/// An item as starforce sees it.
#[derive(Debug, Clone, Copy)]
pub struct StarItem<'a> {
    /// Equipment slot.
    pub slot: &'a str,
    /// Name.
    pub name: &'a str,
    /// Item level.
    pub level: u32,
    /// Worn stars; not positive means none.
    pub stars: i64,
    /// Made with amazing enhancement scrolls.
    pub scrolled: bool,
}

/// Expected mesos and destructions of making the stars, exact means.
#[derive(Debug, Clone, PartialEq)]
pub struct StarforceCost {
    /// Stars reached.
    pub stars: u8,
    /// By scrolls: then all three costs are the same and nothing is destroyed.
    pub scrolled: bool,
    /// Never safeguarding, restarting after each destruction.
    pub plain_cost: f64,
    /// Safeguarding wherever the game allows it.
    pub safeguard_cost: f64,
    /// With the cheapest choice at each star.
    pub cheapest_cost: f64,
    /// That choice, at each star below the target that has more than one; ascending.
    pub cheapest_policy: Vec<(u8, Choice)>,
    /// Destructions under `plain_cost`.
    pub plain_destroyed: f64,
    /// Destructions under `safeguard_cost`.
    pub safeguard_destroyed: f64,
}

/// Costs already computed. One per thread; cleared when full.
#[derive(Debug, Clone, Default)]
pub struct StarforceMemo {
    costs: HashMap<(u32, u8, bool), StarforceCost>,
}

/// Entries of a [`StarforceMemo`]: every level and star count of real items fits many times over.
pub const MEMO_ENTRIES_MAX: usize = 4_096;

/// Values the stars of one item under the ruleset's default options (C13).
pub fn value(
    rules: &StarforceRules,
    scroll_rules: &ScrollRules,
    item: &StarItem<'_>,
    memo: &mut StarforceMemo,
) -> Outcome<StarforceCost> {
    if item.stars <= 0 {
        return Outcome::Absent;
    }
    let starts =
        |prefixes: &[String]| prefixes.iter().any(|prefix| item.name.starts_with(prefix.as_str()));
    if item.slot == rules.comes_with_stars.slot && starts(&rules.comes_with_stars.names) {
        return Outcome::Free("comes with its stars".into());
    }
    if starts(&rules.superior) {
        return Outcome::Unpriced("superior item: other table".into());
    }
    let (most, refusal) = if item.scrolled {
        (scroll_rules.stars_max(), "more stars than scrolls can give")
    } else {
        (rules.cap(item.level), "more stars than the level allows")
    };
    let Some(stars) = u8::try_from(item.stars).ok().filter(|stars| *stars <= most) else {
        return Outcome::Unpriced(refusal.into());
    };
    let key = (item.level, stars, item.scrolled);
    if let Some(known) = memo.costs.get(&key) {
        return Outcome::Priced(known.clone());
    }
    let cost = if item.scrolled {
        by_scrolls(scroll_rules, item.level, stars)
    } else {
        by_fee(rules, item.level, stars, &Options::default())
    };
    if memo.costs.len() >= MEMO_ENTRIES_MAX {
        memo.costs.clear();
    }
    memo.costs.insert(key, cost.clone());
    Outcome::Priced(cost)
}

/// The cost of `stars` stars on an item of `level`, within its cap or not, by the meso fee.
#[must_use]
pub fn by_fee(rules: &StarforceRules, level: u32, stars: u8, options: &Options) -> StarforceCost {
    let chain = |choice: Choice| stages(rules, level, stars, options, |_| choice);
    let (plain, safeguarded) = (chain(Choice::Plain), chain(Choice::Safeguard));
    let cheapest = policy::cheapest(rules, level, stars, options);
    StarforceCost {
        stars,
        scrolled: false,
        plain_cost: expected(&plain, rules.solution),
        safeguard_cost: expected(&safeguarded, rules.solution),
        cheapest_cost: cheapest.cost,
        cheapest_policy: cheapest.choices,
        plain_destroyed: destroyed(&plain, rules.solution),
        safeguard_destroyed: destroyed(&safeguarded, rules.solution),
    }
}

fn by_scrolls(rules: &ScrollRules, level: u32, stars: u8) -> StarforceCost {
    let cost = scroll::expected(rules, level, stars);
    StarforceCost {
        stars,
        scrolled: true,
        plain_cost: cost,
        safeguard_cost: cost,
        cheapest_cost: cost,
        cheapest_policy: Vec::new(),
        plain_destroyed: 0.0,
        safeguard_destroyed: 0.0,
    }
}

/// The stages from 0 to `stars`, each with the choice asked for where the game offers it, else plain.
#[must_use]
pub fn stages(
    rules: &StarforceRules,
    level: u32,
    stars: u8,
    options: &Options,
    choice: impl Fn(u8) -> Choice,
) -> Vec<Stage> {
    (0..stars)
        .map(|star| {
            let wanted = attempt(rules, level, star, choice(star), options);
            let attempt = wanted
                .or_else(|| attempt(rules, level, star, Choice::Plain, options))
                .expect("plain is offered at every star of the table");
            Stage::of(&attempt, rules.restart_star)
        })
        .collect()
}
