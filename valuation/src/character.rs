//! A whole item, for a character of some job: every enhancement valued, with the reasons collected.

use std::borrow::Cow;
use std::sync::Arc;

use crate::flame;
use crate::flame::FlameCost;
use crate::flame::FlameItem;
use crate::flame::FlameMemo;
use crate::flame::Worn;
use crate::job::Profile;
use crate::outcome::Outcome;
use crate::outcome::Part;
use crate::outcome::Reason;
use crate::potential;
use crate::potential::Block;
use crate::potential::PotentialMemo;
use crate::potential::System;
use crate::quantile;
use crate::quantile::PartCost;
use crate::rules::Ruleset;
use crate::scroll;
use crate::starforce;
use crate::starforce::StarItem;
use crate::starforce::StarforceCost;
use crate::starforce::StarforceMemo;

pub use crate::potential::BlockValue;

/// What valuation reads of one worn item.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Equipment slot; decides the probability table.
    pub slot: &'a str,
    /// Sub part; tells force shields and shields from other secondary weapons.
    pub sub_part: Option<&'a str>,
    /// Name; tells boss items, superior items, weapons that come with stars.
    pub name: &'a str,
    /// Item level; 0 when unknown.
    pub level: u32,
    /// Attack of the clean item, for flames of weapons.
    pub base_attack: i64,
    /// Magic of the clean item, for flames of weapons.
    pub base_magic: i64,
    /// Grade text of the potential.
    pub potential_grade: Option<&'a str>,
    /// Its lines.
    pub potential_lines: [Option<&'a str>; 3],
    /// Grade text of the additional potential.
    pub additional_grade: Option<&'a str>,
    /// Its lines.
    pub additional_lines: [Option<&'a str>; 3],
    /// Stars.
    pub stars: i64,
    /// Made with amazing enhancement scrolls.
    pub scrolled: bool,
    /// What the flame gives.
    pub flame: Worn,
}

/// Who wears the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Character {
    profile: Profile,
    job: Option<String>,
}

/// One item, valued. Exact means in mesos; nothing is rounded here.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemValue {
    /// Regular potential.
    pub potential: BlockValue,
    /// Additional potential.
    pub additional: BlockValue,
    /// Stars.
    pub starforce: Outcome<StarforceCost>,
    /// Flame.
    pub flame: Outcome<FlameCost>,
}

/// Values items under one ruleset and remembers what it has computed. One per thread; every memo is bounded.
#[derive(Debug)]
pub struct Valuer {
    rules: Arc<Ruleset>,
    potential: PotentialMemo,
    starforce: StarforceMemo,
    flame: FlameMemo,
}

impl Valuer {
    /// With empty memos.
    #[must_use]
    pub fn new(rules: Arc<Ruleset>) -> Self {
        Self {
            rules,
            potential: PotentialMemo::default(),
            starforce: StarforceMemo::default(),
            flame: FlameMemo::default(),
        }
    }

    /// The ruleset.
    #[must_use]
    pub fn rules(&self) -> Arc<Ruleset> {
        Arc::clone(&self.rules)
    }

    /// What a character of `job` values, and a remark when the job is unknown: then the largest of `total_stats`
    /// (STR, DEX, INT, LUK) decides (C22).
    #[must_use]
    pub fn character(
        &self,
        job: Option<&str>,
        total_stats: impl FnOnce() -> [i64; 4],
    ) -> (Character, Option<String>) {
        let (profile, note) = self.rules.jobs.profile(job, total_stats);
        (Character { profile, job: job.map(str::to_owned) }, note)
    }

    /// Values one item.
    pub fn item(&mut self, character: &Character, item: &Item<'_>) -> ItemValue {
        let rules = &self.rules;
        let block = |system, grade, lines| Block {
            system,
            slot: item.slot,
            sub_part: item.sub_part,
            level: i64::from(item.level),
            grade,
            lines,
        };
        let memo = &mut self.potential;
        let mut potential = |block: &Block<'_>| {
            potential::value(&rules.potential, &rules.tables, &character.profile, block, memo)
        };
        let stars = StarItem {
            slot: item.slot,
            name: item.name,
            level: item.level,
            stars: item.stars,
            scrolled: item.scrolled,
        };
        let flame = FlameItem {
            slot: item.slot,
            name: item.name,
            job: character.job.as_deref(),
            level: item.level,
            base_attack: item.base_attack,
            base_magic: item.base_magic,
            worn: item.flame,
        };
        ItemValue {
            potential: potential(&block(
                System::Regular,
                item.potential_grade,
                item.potential_lines,
            )),
            additional: potential(&block(
                System::Additional,
                item.additional_grade,
                item.additional_lines,
            )),
            starforce: starforce::value(
                &rules.starforce,
                &rules.scroll,
                &stars,
                &mut self.starforce,
            ),
            flame: flame::value(&rules.flame, &character.profile, &flame, &mut self.flame),
        }
    }
}

/// What the quantiles of a total are made of (C26): the priced parts of one item, starforce under the plain policy,
/// tier-up and flame left out. Put the parts of several items together for a character's.
#[must_use]
pub fn cost_parts(rules: &Ruleset, item: &Item<'_>, value: &ItemValue) -> Vec<PartCost> {
    let blocks = [&value.potential, &value.additional];
    let mut parts: Vec<PartCost> = blocks
        .into_iter()
        .filter_map(|block| block.outcome.priced())
        .map(|cost| PartCost::Geometric { p: cost.probability, cost: cost.reset_price as f64 })
        .collect();
    match value.starforce.priced() {
        Some(cost) if cost.scrolled => {
            let stars = scroll::stages(&rules.scroll, item.level, cost.stars);
            parts.extend(stars.map(|star| PartCost::PerFailure {
                p: star.success,
                fee: star.fee,
                failure: star.failure_price,
            }));
        }
        Some(cost) => {
            let options = starforce::Options::default();
            let plain = |_| starforce::Choice::Plain;
            let stages =
                starforce::stages(&rules.starforce, item.level, cost.stars, &options, plain);
            let stages = stages.into_iter().enumerate().map(|(at, stage)| quantile::Stage {
                cost: stage.cost,
                success: stage.success,
                destroy: stage.destroy,
                restart: stage.restart.map_or(at, usize::from),
                destroy_cost: stage.destroy_cost,
            });
            parts.push(PartCost::Chain(stages.collect()));
        }
        None => {}
    }
    parts
}

impl ItemValue {
    /// Makes a part unpriced: what it was computed from turned out unreadable.
    pub fn spoil(&mut self, part: Part, reason: impl Into<Reason>) {
        let reason = reason.into();
        match part {
            Part::Potential => self.potential.outcome = Outcome::Unpriced(reason),
            Part::AdditionalPotential => self.additional.outcome = Outcome::Unpriced(reason),
            Part::Starforce => self.starforce = Outcome::Unpriced(reason),
            Part::Flame => self.flame = Outcome::Unpriced(reason),
        }
    }

    /// Expected mesos for the lines of a potential; 0 for the other parts.
    #[must_use]
    pub fn line_cost(&self, part: Part) -> f64 {
        let outcome = match part {
            Part::Potential => &self.potential.outcome,
            Part::AdditionalPotential => &self.additional.outcome,
            Part::Starforce | Part::Flame => return 0.0,
        };
        outcome.priced().map_or(0.0, |cost| cost.cost)
    }

    /// Expected mesos for the stars, plain policy.
    #[must_use]
    pub fn starforce_cost(&self) -> f64 {
        self.starforce.priced().map_or(0.0, |cost| cost.plain_cost)
    }

    /// Expected mesos from rare to the worn grades, both potentials. Not in the total.
    #[must_use]
    pub fn tier_up_cost(&self) -> f64 {
        self.potential.tier_up_cost + self.additional.tier_up_cost
    }

    /// Expected mesos for the flame, with eternal flames. Not in the total.
    #[must_use]
    pub fn flame_cost(&self) -> f64 {
        self.flame.priced().and_then(|cost| cost.cost).unwrap_or(0.0)
    }

    /// What the V4 total adds up (C25): both line costs and the stars.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.line_cost(Part::Potential)
            + self.line_cost(Part::AdditionalPotential)
            + self.starforce_cost()
    }

    /// Whether some part is unpriced.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.unpriced().next().is_some()
    }

    /// Parts nobody can price, with the reason.
    pub fn unpriced(&self) -> impl Iterator<Item = (Part, Cow<'_, str>)> {
        let flame = match &self.flame {
            // Flames are priced by the eternal kind: when that one cannot reach the score there is no price.
            Outcome::Priced(cost) if cost.cost.is_none() => cost.reason().map(Cow::Owned),
            other => unpriced(other),
        };
        [
            (Part::Potential, unpriced(&self.potential.outcome)),
            (Part::AdditionalPotential, unpriced(&self.additional.outcome)),
            (Part::Starforce, unpriced(&self.starforce)),
            (Part::Flame, flame),
        ]
        .into_iter()
        .filter_map(|(part, reason)| Some((part, reason?)))
    }

    /// Parts priced at 0 for a reason worth showing.
    pub fn notes(&self) -> impl Iterator<Item = (Part, Cow<'_, str>)> {
        [
            (Part::Potential, free(&self.potential.outcome)),
            (Part::AdditionalPotential, free(&self.additional.outcome)),
            (Part::Starforce, free(&self.starforce)),
            (Part::Flame, free(&self.flame)),
        ]
        .into_iter()
        .filter_map(|(part, reason)| Some((part, reason?)))
    }
}

fn unpriced<T>(outcome: &Outcome<T>) -> Option<Cow<'_, str>> {
    match outcome {
        Outcome::Unpriced(reason) => Some(Cow::Borrowed(reason)),
        _ => None,
    }
}

fn free<T>(outcome: &Outcome<T>) -> Option<Cow<'_, str>> {
    match outcome {
        Outcome::Free(reason) => Some(Cow::Borrowed(reason)),
        _ => None,
    }
}
