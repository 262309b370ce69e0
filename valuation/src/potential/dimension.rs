//! The dimensions a target can be set in, what each line is worth in them, and the targets of worn lines
//! (game rules 1, C6, C9-C11, C28, C29).
//! No dimension is ever converted into another. See `probability` for what a set of targets costs.

use super::effect::Effect;
use super::grade::System;
use crate::job::AttackKind;
use crate::job::MainStat;
use crate::job::Profile;
use crate::job::Stat;

/// Lines of one potential.
pub const LINES: usize = 3;

/// Reaching an ignore-defence threshold within this many percent counts (C28).
const IGNORE_DEFENCE_TOLERANCE: f64 = 1e-9;

/// One quantity that three lines add up to. Wire names in [`Dimension::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Percent of a main stat, all-stat percent included.
    MainPercent(MainStat),
    /// Percent of 공격력 or 마력.
    AttackPercent(AttackKind),
    /// Boss damage and damage, in percent: against a boss both add up.
    BossDamage,
    /// Ignored defence in percent, 100 (1 - prod(1 - x / 100)).
    IgnoreDefence,
    /// Critical damage in percent.
    CriticalDamage,
    /// Seconds off skill cooldowns.
    Cooldown,
    /// Item drop rate in percent.
    ItemDrop,
    /// Mesos obtained in percent.
    Meso,
    /// Points of a main stat, flat all-stat included.
    MainFlat(MainStat),
    /// Points of a main stat for nine character levels. No line gives max HP this way: such a target is impossible.
    MainPerNineLevels(MainStat),
    /// Points of 공격력 or 마력.
    AttackFlat(AttackKind),
}

/// At least this much of one dimension, summed over the three lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// What is wanted.
    pub dimension: Dimension,
    /// How much of it, in the unit of the dimension. A value no line can reach makes the target impossible.
    pub at_least: f64,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 28] = [
        Self::MainPercent(MainStat::One(Stat::Str)),
        Self::MainPercent(MainStat::One(Stat::Dex)),
        Self::MainPercent(MainStat::One(Stat::Int)),
        Self::MainPercent(MainStat::One(Stat::Luk)),
        Self::MainPercent(MainStat::StrDexLuk),
        Self::MainPercent(MainStat::MaxHp),
        Self::AttackPercent(AttackKind::Attack),
        Self::AttackPercent(AttackKind::Magic),
        Self::BossDamage,
        Self::IgnoreDefence,
        Self::CriticalDamage,
        Self::Cooldown,
        Self::ItemDrop,
        Self::Meso,
        Self::MainFlat(MainStat::One(Stat::Str)),
        Self::MainFlat(MainStat::One(Stat::Dex)),
        Self::MainFlat(MainStat::One(Stat::Int)),
        Self::MainFlat(MainStat::One(Stat::Luk)),
        Self::MainFlat(MainStat::StrDexLuk),
        Self::MainFlat(MainStat::MaxHp),
        Self::MainPerNineLevels(MainStat::One(Stat::Str)),
        Self::MainPerNineLevels(MainStat::One(Stat::Dex)),
        Self::MainPerNineLevels(MainStat::One(Stat::Int)),
        Self::MainPerNineLevels(MainStat::One(Stat::Luk)),
        Self::MainPerNineLevels(MainStat::StrDexLuk),
        Self::MainPerNineLevels(MainStat::MaxHp),
        Self::AttackFlat(AttackKind::Attack),
        Self::AttackFlat(AttackKind::Magic),
    ];

    /// Name on the wire: `stat` of a target. The unit comes last.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MainPercent(main) => match main {
                MainStat::One(Stat::Str) => "strPercent",
                MainStat::One(Stat::Dex) => "dexPercent",
                MainStat::One(Stat::Int) => "intPercent",
                MainStat::One(Stat::Luk) => "lukPercent",
                MainStat::StrDexLuk => "strDexLukPercent",
                MainStat::MaxHp => "hpPercent",
            },
            Self::AttackPercent(AttackKind::Attack) => "attackPercent",
            Self::AttackPercent(AttackKind::Magic) => "magicPercent",
            Self::BossDamage => "bossDamagePercent",
            Self::IgnoreDefence => "ignoreDefencePercent",
            Self::CriticalDamage => "criticalDamagePercent",
            Self::Cooldown => "cooldownSeconds",
            Self::ItemDrop => "itemDropPercent",
            Self::Meso => "mesoPercent",
            Self::MainFlat(main) => match main {
                MainStat::One(Stat::Str) => "strFlat",
                MainStat::One(Stat::Dex) => "dexFlat",
                MainStat::One(Stat::Int) => "intFlat",
                MainStat::One(Stat::Luk) => "lukFlat",
                MainStat::StrDexLuk => "strDexLukFlat",
                MainStat::MaxHp => "hpFlat",
            },
            Self::MainPerNineLevels(main) => match main {
                MainStat::One(Stat::Str) => "strPer9Levels",
                MainStat::One(Stat::Dex) => "dexPer9Levels",
                MainStat::One(Stat::Int) => "intPer9Levels",
                MainStat::One(Stat::Luk) => "lukPer9Levels",
                MainStat::StrDexLuk => "strDexLukPer9Levels",
                MainStat::MaxHp => "hpPer9Levels",
            },
            Self::AttackFlat(AttackKind::Attack) => "attackFlat",
            Self::AttackFlat(AttackKind::Magic) => "magicFlat",
        }
    }

    /// The dimension with this name on the wire.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name)
    }

    /// What one line gives, in the unit of the dimension.
    #[must_use]
    pub fn contribution(self, effect: Effect) -> u32 {
        let amount = match (self, effect) {
            (Self::MainPercent(main), Effect::StatPercent(stat, n))
            | (Self::MainFlat(main), Effect::StatFlat(stat, n))
            | (Self::MainPerNineLevels(main), Effect::StatPerNineLevels(stat, n)) => {
                return of_stat(main, stat, n);
            }
            (Self::MainPercent(main), Effect::AllStatPercent(n))
            | (Self::MainFlat(main), Effect::AllStatFlat(n)) => return of_all_stats(main, n),
            (Self::MainPercent(MainStat::MaxHp), Effect::HpPercent(n))
            | (Self::MainFlat(MainStat::MaxHp), Effect::HpFlat(n)) => n,
            (Self::AttackPercent(wanted), Effect::AttackPercent(kind, n))
            | (Self::AttackFlat(wanted), Effect::AttackFlat(kind, n))
                if wanted == kind =>
            {
                n
            }
            (Self::BossDamage, Effect::BossDamage(n) | Effect::Damage(n))
            | (Self::IgnoreDefence, Effect::IgnoreDefence(n))
            | (Self::CriticalDamage, Effect::CriticalDamage(n))
            | (Self::Cooldown, Effect::Cooldown(n))
            | (Self::ItemDrop, Effect::ItemDrop(n))
            | (Self::Meso, Effect::Meso(n)) => n,
            _ => 0,
        };
        u32::from(amount)
    }

    /// What three lines amount to, from the contribution of each.
    #[must_use]
    pub fn total(self, contributions: [u32; LINES]) -> f64 {
        match self {
            Self::IgnoreDefence => {
                // Whole numbers up to the one division: the order of the lines cannot matter.
                let left: u32 = contributions.iter().map(|x| 100u32.saturating_sub(*x)).product();
                100.0 - f64::from(left) / 1e4
            }
            _ => f64::from(contributions.iter().sum::<u32>()),
        }
    }

    /// The dimensions a character values in a system, in the order in which targets are listed.
    pub fn valued(profile: &Profile, system: System) -> impl Iterator<Item = Self> + use<> {
        let both = [
            Self::MainPercent(profile.main),
            Self::AttackPercent(profile.attack),
            Self::BossDamage,
            Self::IgnoreDefence,
            Self::CriticalDamage,
            Self::Cooldown,
            Self::ItemDrop,
            Self::Meso,
        ];
        let additional = [
            Self::MainFlat(profile.main),
            Self::MainPerNineLevels(profile.main),
            Self::AttackFlat(profile.attack),
        ];
        let flat = match system {
            System::Regular => 0,
            System::Additional => additional.len(),
        };
        both.into_iter().chain(additional.into_iter().take(flat))
    }
}

impl Target {
    /// Whether three lines with these contributions reach the target.
    #[must_use]
    pub fn reached_by(&self, contributions: [u32; LINES]) -> bool {
        let tolerance = match self.dimension {
            Dimension::IgnoreDefence => IGNORE_DEFENCE_TOLERANCE,
            _ => 0.0,
        };
        self.dimension.total(contributions) >= self.at_least - tolerance
    }
}

/// What the worn lines give a character, one target for each valued dimension that is not 0.
///
/// A line gives something in at most one valued dimension, so there are at most [`LINES`] targets.
/// Missing, blank and junk lines set none (C7).
#[must_use]
pub fn targets_of(profile: &Profile, system: System, lines: &[Option<&str>; LINES]) -> Vec<Target> {
    let effects = lines.map(|line| line.and_then(Effect::of));
    Dimension::valued(profile, system)
        .map(|dimension| {
            let gives = effects.map(|effect| effect.map_or(0, |e| dimension.contribution(e)));
            Target { dimension, at_least: dimension.total(gives) }
        })
        .filter(|target| target.at_least > 0.0)
        .collect()
}

fn of_stat(main: MainStat, stat: Stat, n: u16) -> u32 {
    let counts = match main {
        MainStat::One(wanted) => wanted == stat,
        MainStat::StrDexLuk => stat != Stat::Int,
        MainStat::MaxHp => false,
    };
    if counts { u32::from(n) } else { 0 }
}

fn of_all_stats(main: MainStat, n: u16) -> u32 {
    match main {
        MainStat::One(_) => u32::from(n),
        MainStat::StrDexLuk => 3 * u32::from(n),
        MainStat::MaxHp => 0,
    }
}
