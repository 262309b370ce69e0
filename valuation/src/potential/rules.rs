//! The `[potential]` section of a ruleset: reset prices and tier-up chances (game rules 3, C21).
//! Line probabilities are not here: see `tables`.

use super::grade::Grade;
use super::grade::System;
use crate::rules::Problem;
use serde::Deserialize;

/// Prices and chances of both systems.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PotentialRules {
    /// Miracle time multiplies tier-up chances by this, at least 1.
    pub miracle_factor: f64,
    /// Regular potential.
    pub regular: SystemRules,
    /// Additional potential.
    pub additional: SystemRules,
}

/// Prices and chances of one system.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemRules {
    /// Reset prices by item level: ascending, the first from level 0.
    pub prices: Vec<PriceStep>,
    /// From rare.
    pub rare_to_epic: TierUp,
    /// From epic.
    pub epic_to_unique: TierUp,
    /// From unique.
    pub unique_to_legendary: TierUp,
}

/// Mesos for one reset of an item from a level on, by the item's present grade.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct PriceStep {
    /// Lowest item level with these prices.
    pub level_from: u32,
    pub rare: u64,
    pub epic: u64,
    pub unique: u64,
    pub legendary: u64,
}

/// One step up in grade.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierUp {
    /// Chance of each reset, in (0, 1].
    pub chance: f64,
    /// The reset that succeeds if none before it did, at least 1.
    pub guarantee: u32,
}

/// What is going on in the game while an item is raised to its grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TierUpEvent {
    /// Nothing.
    #[default]
    None,
    /// Chances are multiplied by the ruleset's factor, the guarantee stays.
    MiracleTime,
}

impl PotentialRules {
    /// Refuses numbers out of range, naming the first offending key.
    ///
    /// # Errors
    /// The key inside the section and what is allowed there.
    pub fn check(&self) -> Result<(), Problem> {
        if !(self.miracle_factor >= 1.0 && self.miracle_factor.is_finite()) {
            return Err(Problem::new("miracle_factor", "a factor must be a number from 1"));
        }
        System::ALL.into_iter().try_for_each(|system| self.system(system).check(system.name()))
    }

    /// Mesos for one reset of an item of this level and grade.
    ///
    /// # Panics
    /// On rules that [`PotentialRules::check`] refuses because no price holds from level 0.
    #[must_use]
    pub fn reset_price(&self, system: System, grade: Grade, level: u32) -> u64 {
        let prices = &self.system(system).prices;
        let steps = prices.partition_point(|step| step.level_from <= level);
        prices[..steps].last().expect("checked rules have a price from level 0").of(grade)
    }

    /// Expected mesos to raise an item from rare to `grade`, each reset paid at the lower grade's price.
    #[must_use]
    pub fn tier_up_cost(
        &self,
        system: System,
        grade: Grade,
        level: u32,
        event: TierUpEvent,
    ) -> f64 {
        let factor = match event {
            TierUpEvent::None => 1.0,
            TierUpEvent::MiracleTime => self.miracle_factor,
        };
        let rules = self.system(system);
        Grade::ALL
            .into_iter()
            .filter(|from| *from < grade)
            .zip([&rules.rare_to_epic, &rules.epic_to_unique, &rules.unique_to_legendary])
            .map(|(from, step)| {
                step.expected_resets(factor) * self.reset_price(system, from, level) as f64
            })
            .sum()
    }

    fn system(&self, system: System) -> &SystemRules {
        match system {
            System::Regular => &self.regular,
            System::Additional => &self.additional,
        }
    }
}

impl SystemRules {
    fn check(&self, key: &str) -> Result<(), Problem> {
        if self.prices.first().is_none_or(|step| step.level_from != 0) {
            return Err(Problem::new(
                format!("{key}.prices"),
                "the first price must hold from level 0",
            ));
        }
        for (at, pair) in self.prices.windows(2).enumerate() {
            if pair[1].level_from <= pair[0].level_from {
                return Err(Problem::new(
                    format!("{key}.prices[{}].level_from", at + 1),
                    "levels must ascend",
                ));
            }
        }
        for (at, step) in self.prices.iter().enumerate() {
            if let Some(grade) = Grade::ALL.into_iter().find(|grade| step.of(*grade) == 0) {
                return Err(Problem::new(
                    format!("{key}.prices[{at}].{}", grade.name()),
                    "a reset must cost at least 1 meso",
                ));
            }
        }
        self.rare_to_epic.check(&format!("{key}.rare_to_epic"))?;
        self.epic_to_unique.check(&format!("{key}.epic_to_unique"))?;
        self.unique_to_legendary.check(&format!("{key}.unique_to_legendary"))
    }
}

impl PriceStep {
    fn of(&self, grade: Grade) -> u64 {
        match grade {
            Grade::Rare => self.rare,
            Grade::Epic => self.epic,
            Grade::Unique => self.unique,
            Grade::Legendary => self.legendary,
        }
    }
}

impl TierUp {
    fn check(&self, key: &str) -> Result<(), Problem> {
        if !(self.chance > 0.0 && self.chance <= 1.0) {
            return Err(Problem::new(
                format!("{key}.chance"),
                "a chance must be above 0 and at most 1",
            ));
        }
        if self.guarantee == 0 || i32::try_from(self.guarantee).is_err() {
            return Err(Problem::new(
                format!("{key}.guarantee"),
                "a guarantee must be from 1 to 2147483647",
            ));
        }
        Ok(())
    }

    /// Mean of a geometric count cut at the guarantee: (1 - (1 - p)^N) / p.
    fn expected_resets(&self, factor: f64) -> f64 {
        let chance = (self.chance * factor).min(1.0);
        (1.0 - (1.0 - chance).powi(self.guarantee.cast_signed())) / chance
    }
}
