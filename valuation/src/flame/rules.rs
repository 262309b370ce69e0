//! The numbers of flames, as a ruleset writes them.

use serde::Deserialize;

use super::FlameKind;
use crate::rules::Problem;

/// Section `[flame]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlameRules {
    /// Slot whose items are weapons.
    pub weapon_slot: String,
    /// Mesos for a black flame, which draws like an eternal one.
    pub price: f64,
    /// Stages of each kind.
    pub powerful: Stages,
    /// See `powerful`.
    pub eternal: Stages,
    /// See `powerful`.
    pub abyss: Stages,
    /// How many options are drawn.
    pub lines: Lines,
    /// What a stage is worth.
    pub values: Values,
    /// Item levels from which an option can occur.
    pub from_level: FromLevel,
    /// What a job gives for a point.
    pub weights: Weights,
    /// Which items are boss equipment.
    pub boss: Boss,
}

/// Chances of the stages, from `first` on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// Lowest stage on ordinary items.
    pub first: u32,
    /// Chances; they add up to 1.
    pub chances: Vec<f64>,
}

/// Options drawn by one flame.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// On boss equipment, always.
    pub boss: usize,
    /// How much higher the stages of boss equipment are.
    pub boss_stage_shift: u32,
    /// Elsewhere: chances of one, two, ... options.
    pub others: Vec<f64>,
}

/// One step of a table by item level: it holds from its level to the next step's.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From this level on.
    pub level: u32,
    /// Value of one stage.
    pub value: i64,
}

/// Value of one stage of an option. All-stat, damage and the attack of non-weapons are worth their stage.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// A single stat.
    pub single: Vec<Step>,
    /// Each of a pair of stats.
    pub pair: Vec<Step>,
    /// Max HP.
    pub max_hp: Vec<Step>,
    /// Boss damage percent.
    pub boss_damage: i64,
    /// Attack of weapons: ceil(base x (level div this + 1) x M / 1,000,000).
    pub weapon_level_divisor: u32,
    /// M of ordinary weapons, from stage 1.
    pub weapon_ordinary: Vec<i64>,
    /// M of boss weapons, from stage 1 + `boss_stage_shift`.
    pub weapon_boss: Vec<i64>,
}

/// Item levels from which an option can occur.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromLevel {
    /// Attack and magic of non-weapons.
    pub attack: u32,
    /// All-stat percent.
    pub all_stat: u32,
    /// Boss damage of weapons.
    pub boss_damage: u32,
}

/// Score of one point (one percent) of each option.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Main stat.
    pub main: i64,
    /// Sub stat.
    pub sub: i64,
    /// All-stat percent.
    pub all_stat: i64,
    /// Attack of the job's kind.
    pub attack: i64,
    /// Boss damage and damage percent, weapons only.
    pub damage: i64,
    /// Max HP, for jobs whose main stat it is; for them only HP and attack count.
    pub max_hp: i64,
    /// Attack, for those jobs.
    pub attack_beside_hp: i64,
}

/// Names of boss equipment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boss {
    /// Beginnings of weapon names.
    pub weapon_prefixes: Vec<String>,
    /// Jobs whose weapons never are.
    pub jobs_without: Vec<String>,
    /// Beginnings of other names.
    pub prefixes: Vec<String>,
    /// Other names, whole.
    pub names: Vec<String>,
}

impl FlameRules {
    pub(super) fn kind(&self, kind: FlameKind) -> &Stages {
        match kind {
            FlameKind::Powerful => &self.powerful,
            FlameKind::Eternal => &self.eternal,
            FlameKind::Abyss => &self.abyss,
        }
    }

    pub(super) fn is_boss_weapon(&self, name: &str, job: Option<&str>) -> bool {
        let excepted =
            job.is_some_and(|job| self.boss.jobs_without.iter().any(|without| without == job));
        !excepted && starts_with_any(name, &self.boss.weapon_prefixes)
    }

    pub(super) fn is_boss_gear(&self, name: &str) -> bool {
        starts_with_any(name, &self.boss.prefixes)
            || self.boss.names.iter().any(|boss| boss == name)
    }

    /// Refuses values that no game has.
    ///
    /// # Errors
    /// The first problem, with its key.
    pub fn check(&self) -> Result<(), Problem> {
        if !(self.price.is_finite() && self.price >= 0.0) {
            return Err(Problem::new("price", "0 or more"));
        }
        for (key, stages) in
            [("powerful", &self.powerful), ("eternal", &self.eternal), ("abyss", &self.abyss)]
        {
            check_chances(&format!("{key}.chances"), &stages.chances)?;
            let last = stages.first as usize + stages.chances.len() - 1;
            if stages.first == 0 || last > self.values.weapon_ordinary.len() {
                let message = "stages from 1 to as many as values.weapon_ordinary lists";
                return Err(Problem::new(format!("{key}.first"), message));
            }
        }
        check_chances("lines.others", &self.lines.others)?;
        if self.lines.boss == 0
            || self.lines.boss > LINES_MAX
            || self.lines.others.len() > LINES_MAX
        {
            return Err(Problem::new(
                "lines.boss",
                format!("1 to {LINES_MAX}, also for lines.others"),
            ));
        }
        if self.lines.boss_stage_shift > STAGE_SHIFT_MAX {
            return Err(Problem::new("lines.boss_stage_shift", format!("0 to {STAGE_SHIFT_MAX}")));
        }
        if self.weapon_slot.trim().is_empty() {
            return Err(Problem::new("weapon_slot", "not blank"));
        }
        self.values.check()?;
        self.weights.check()?;
        self.boss.check()
    }
}

/// Far above the game's 2.
const STAGE_SHIFT_MAX: u32 = 10;
/// Far above the game's 1,500. With the limits of the other values no score overflows.
const WEIGHT_MAX: i64 = 10_000;

impl Weights {
    fn check(&self) -> Result<(), Problem> {
        let Self { main, sub, all_stat, attack, damage, max_hp, attack_beside_hp } = *self;
        let weights = [
            ("main", main),
            ("sub", sub),
            ("all_stat", all_stat),
            ("attack", attack),
            ("damage", damage),
            ("max_hp", max_hp),
            ("attack_beside_hp", attack_beside_hp),
        ];
        match weights.into_iter().find(|(_, weight)| !(0..=WEIGHT_MAX).contains(weight)) {
            Some((key, _)) => {
                Err(Problem::new(format!("weights.{key}"), format!("from 0 to {WEIGHT_MAX}")))
            }
            None => Ok(()),
        }
    }
}

impl Boss {
    /// A blank beginning would make every item boss equipment.
    fn check(&self) -> Result<(), Problem> {
        let Self { weapon_prefixes, jobs_without, prefixes, names } = self;
        for (key, list) in [
            ("weapon_prefixes", weapon_prefixes),
            ("jobs_without", jobs_without),
            ("prefixes", prefixes),
            ("names", names),
        ] {
            if let Some(at) = list.iter().position(|name| name.trim().is_empty()) {
                return Err(Problem::new(format!("boss.{key}[{at}]"), "not blank"));
            }
        }
        Ok(())
    }
}

/// Options one flame can draw at most.
pub(super) const LINES_MAX: usize = 4;

impl Values {
    fn check(&self) -> Result<(), Problem> {
        for (key, steps) in
            [("single", &self.single), ("pair", &self.pair), ("max_hp", &self.max_hp)]
        {
            if steps.first().is_none_or(|step| step.level != 0) {
                return Err(Problem::new(
                    format!("values.{key}"),
                    "the first step starts at level 0",
                ));
            }
            if let Some(at) = steps.windows(2).position(|pair| pair[0].level >= pair[1].level) {
                return Err(Problem::new(format!("values.{key}[{}].level", at + 1), "must ascend"));
            }
            if let Some(at) = steps.iter().position(|step| !(0..=10_000).contains(&step.value)) {
                return Err(Problem::new(format!("values.{key}[{at}].value"), "from 0 to 10,000"));
            }
        }
        if self.weapon_boss.len() != self.weapon_ordinary.len() {
            let message = "as many as values.weapon_ordinary";
            return Err(Problem::new("values.weapon_boss", message));
        }
        for (key, list) in
            [("weapon_ordinary", &self.weapon_ordinary), ("weapon_boss", &self.weapon_boss)]
        {
            if let Some(at) = list.iter().position(|m| !(0..=1_000_000).contains(m)) {
                return Err(Problem::new(format!("values.{key}[{at}]"), "from 0 to 1,000,000"));
            }
        }
        if !(0..=100).contains(&self.boss_damage) {
            return Err(Problem::new("values.boss_damage", "from 0 to 100"));
        }
        if self.weapon_level_divisor == 0 {
            return Err(Problem::new("values.weapon_level_divisor", "above 0"));
        }
        Ok(())
    }
}

/// The value of the step that holds at `level`.
pub(super) fn at_level(steps: &[Step], level: u32) -> i64 {
    steps.iter().take_while(|step| step.level <= level).last().map_or(0, |step| step.value)
}

fn check_chances(key: &str, chances: &[f64]) -> Result<(), Problem> {
    if let Some(at) = chances.iter().position(|chance| !(0.0..=1.0).contains(chance)) {
        return Err(Problem::new(format!("{key}[{at}]"), "from 0 to 1"));
    }
    let sum = crate::sum::Sum::of(chances.iter().copied());
    if (sum - 1.0).abs() > 1e-9 {
        return Err(Problem::new(key, format!("must add up to 1, not {sum}")));
    }
    Ok(())
}

fn starts_with_any(name: &str, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
}
