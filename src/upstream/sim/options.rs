//! The stat blocks of an item, as the API writes them: numbers as text, a fixed set of keys per block.

use std::ops::AddAssign;

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;

/// Every stat that occurs in any block, in the order of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stat {
    Str,
    Dex,
    Int,
    Luk,
    MaxHp,
    MaxMp,
    Attack,
    Magic,
    Armor,
    Speed,
    Jump,
    BossDamage,
    IgnoreArmor,
    AllPercent,
    Damage,
    LevelDecrease,
    MaxHpRate,
    MaxMpRate,
    BaseLevel,
    ExceptionalUpgrade,
}

/// Values of all stats; those a block does not show stay 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options([i32; 20]);

/// One of the blocks: its values and the keys it shows.
pub(super) struct Block(pub(super) Options, pub(super) &'static [Stat]);

use Stat::{
    AllPercent, Armor, Attack, BaseLevel, BossDamage, Damage, Dex, ExceptionalUpgrade, IgnoreArmor,
    Int, Jump, LevelDecrease, Luk, Magic, MaxHp, MaxHpRate, MaxMp, MaxMpRate, Speed, Str,
};

#[rustfmt::skip]
pub(super) const TOTAL: &[Stat] = &[
    Str, Dex, Int, Luk, MaxHp, MaxMp, Attack, Magic, Armor, Speed, Jump,
    BossDamage, IgnoreArmor, AllPercent, Damage, LevelDecrease, MaxHpRate, MaxMpRate,
];
#[rustfmt::skip]
pub(super) const BASE: &[Stat] = &[
    Str, Dex, Int, Luk, MaxHp, MaxMp, Attack, Magic, Armor, Speed, Jump,
    BossDamage, IgnoreArmor, AllPercent, MaxHpRate, MaxMpRate, BaseLevel,
];
#[rustfmt::skip]
pub(super) const EXCEPTIONAL: &[Stat] =
    &[Str, Dex, Int, Luk, MaxHp, MaxMp, Attack, Magic, ExceptionalUpgrade];
#[rustfmt::skip]
pub(super) const ADD: &[Stat] = &[
    Str, Dex, Int, Luk, MaxHp, MaxMp, Attack, Magic, Armor, Speed, Jump,
    BossDamage, Damage, AllPercent, LevelDecrease,
];
/// Scrolls, and stars.
#[rustfmt::skip]
pub(super) const ENHANCED: &[Stat] =
    &[Str, Dex, Int, Luk, MaxHp, MaxMp, Attack, Magic, Armor, Speed, Jump];

pub(super) const FOUR: [Stat; 4] = [Str, Dex, Int, Luk];

impl Stat {
    /// The stat of a name as potential lines write it; `HP` is max HP.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "STR" => Str,
            "DEX" => Dex,
            "INT" => Int,
            "LUK" => Luk,
            _ => MaxHp,
        }
    }

    fn key(self) -> &'static str {
        match self {
            Str => "str",
            Dex => "dex",
            Int => "int",
            Luk => "luk",
            MaxHp => "max_hp",
            MaxMp => "max_mp",
            Attack => "attack_power",
            Magic => "magic_power",
            Armor => "armor",
            Speed => "speed",
            Jump => "jump",
            BossDamage => "boss_damage",
            IgnoreArmor => "ignore_monster_armor",
            AllPercent => "all_stat",
            Damage => "damage",
            LevelDecrease => "equipment_level_decrease",
            MaxHpRate => "max_hp_rate",
            MaxMpRate => "max_mp_rate",
            BaseLevel => "base_equipment_level",
            ExceptionalUpgrade => "exceptional_upgrade",
        }
    }

    /// The API writes these as numbers, all others as text.
    fn is_number(self) -> bool {
        matches!(self, LevelDecrease | BaseLevel | ExceptionalUpgrade)
    }
}

impl Options {
    pub(super) fn get(&self, stat: Stat) -> i32 {
        self.0[stat as usize]
    }

    pub(super) fn add(&mut self, stat: Stat, value: i32) {
        self.0[stat as usize] += value;
    }
}

impl AddAssign for Options {
    fn add_assign(&mut self, other: Self) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            *mine += others;
        }
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1.len()))?;
        for stat in self.1 {
            let value = self.0.get(*stat);
            if stat.is_number() {
                map.serialize_entry(stat.key(), &value)?;
            } else {
                map.serialize_entry(stat.key(), itoa::Buffer::new().format(value))?;
            }
        }
        map.end()
    }
}
