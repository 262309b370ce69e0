//! The options a flame can draw on one item, each with its score by stage, and the score of a worn flame.

use super::FlameItem;
use super::Worn;
use super::rules::FlameRules;
use super::rules::at_level;
use crate::job::AttackKind;
use crate::job::MainStat;
use crate::job::Profile;
use crate::job::Stat;

/// The pool of one item: options worth something to this character, and how many are worth nothing to it.
/// Equal pools have equal distributions, so it is also the memo's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pool {
    /// Score by stage, from stage 1 (on boss equipment 1 + shift), of each option with a score.
    pub(super) scores: Vec<Vec<i64>>,
    /// Options without any.
    pub(super) worthless: usize,
    /// Boss equipment draws a fixed number of options at higher stages.
    pub(super) boss: bool,
}

/// Max MP, level decrease, defence: in every pool, never worth anything.
const NEVER_VALUED: usize = 3;
/// Speed and jump, of non-weapons.
const NEVER_VALUED_ON_GEAR: usize = 2;

impl Pool {
    pub(super) fn new(
        rules: &FlameRules,
        profile: &Profile,
        item: &FlameItem<'_>,
        weapon: bool,
        boss: bool,
    ) -> Self {
        let weights = Weights::of(rules, profile);
        let values = &rules.values;
        let stages = i64::try_from(values.weapon_ordinary.len()).unwrap_or(i64::MAX);
        let shift = if boss { i64::from(rules.lines.boss_stage_shift) } else { 0 };
        let linear = |point: i64| (1..=stages).map(|stage| (stage + shift) * point).collect();
        let single = at_level(&values.single, item.level);
        let pair = at_level(&values.pair, item.level);

        let mut options: Vec<Vec<i64>> = Vec::with_capacity(19);
        for (at, one) in weights.stats.into_iter().enumerate() {
            options.push(linear(single * one));
            options
                .extend(weights.stats[at + 1..].iter().map(|other| linear(pair * (one + other))));
        }
        options.push(linear(at_level(&values.max_hp, item.level) * weights.max_hp));
        let attacks = [(weights.attack, item.base_attack), (weights.magic, item.base_magic)];
        if weapon {
            let multipliers = if boss { &values.weapon_boss } else { &values.weapon_ordinary };
            for (weight, base) in attacks {
                let bonus = |m: &i64| {
                    weight * weapon_bonus(base, item.level / values.weapon_level_divisor, *m)
                };
                options.push(multipliers.iter().map(bonus).collect());
            }
            options.push(linear(weights.damage));
            if item.level >= rules.from_level.boss_damage {
                options.push(linear(values.boss_damage * weights.damage));
            }
        } else if item.level >= rules.from_level.attack {
            options.extend(attacks.map(|(weight, _)| linear(weight)));
        }
        if item.level >= rules.from_level.all_stat {
            options.push(linear(weights.all_stat));
        }
        let never = NEVER_VALUED + if weapon { 0 } else { NEVER_VALUED_ON_GEAR };
        let all = options.len() + never;
        options.retain(|scores| scores.iter().any(|score| *score > 0));
        options.sort_unstable();
        Self { worthless: all - options.len(), scores: options, boss }
    }
}

/// ceil(base x (level div d + 1) x M / 1,000,000), in whole numbers: a float would round 250.0000001 up.
fn weapon_bonus(base: i64, level_steps: u32, multiplier: i64) -> i64 {
    let millionths = i128::from(base.max(0)) * i128::from(level_steps + 1) * i128::from(multiplier);
    i64::try_from((millionths + 999_999) / 1_000_000).unwrap_or(i64::MAX)
}

/// The score of a worn flame.
pub(super) fn worn_score(rules: &FlameRules, profile: &Profile, worn: &Worn, weapon: bool) -> i64 {
    let weights = Weights::of(rules, profile);
    let stats: i64 =
        worn.stats.iter().zip(weights.stats).map(|(value, weight)| value * weight).sum();
    let damage = if weapon { worn.boss_damage_percent + worn.damage_percent } else { 0 };
    stats
        + worn.max_hp * weights.max_hp
        + worn.all_stat_percent * weights.all_stat
        + worn.attack * weights.attack
        + worn.magic * weights.magic
        + damage * weights.damage
}

/// Score per point for one character (C18).
struct Weights {
    stats: [i64; 4],
    max_hp: i64,
    all_stat: i64,
    attack: i64,
    magic: i64,
    damage: i64,
}

impl Weights {
    fn of(rules: &FlameRules, profile: &Profile) -> Self {
        let given = &rules.weights;
        if profile.main == MainStat::MaxHp {
            let attack = given.attack_beside_hp;
            return Self {
                stats: [0; 4],
                max_hp: given.max_hp,
                all_stat: 0,
                attack,
                magic: 0,
                damage: 0,
            };
        }
        let stats = Stat::ALL.map(|stat| {
            if profile.main.contains(stat) {
                given.main
            } else if profile.subs.contains(&stat) {
                given.sub
            } else {
                0
            }
        });
        let (attack, magic) = match profile.attack {
            AttackKind::Attack => (given.attack, 0),
            AttackKind::Magic => (0, given.attack),
        };
        Self { stats, max_hp: 0, all_stat: given.all_stat, attack, magic, damage: given.damage }
    }
}

#[cfg(test)]
mod tests {
    use super::weapon_bonus;

    #[test]
    fn real_payloads_show_the_weapon_bonus() {
        // 제네시스 스태프 and 제네시스 피스톨, level 200, stage 7.
        assert_eq!(weapon_bonus(406, 200 / 40, 102_487), 250);
        assert_eq!(weapon_bonus(249, 200 / 40, 102_487), 154);
        // An exact multiple is not rounded up.
        assert_eq!(weapon_bonus(100, 0, 10_000), 1);
    }
}
