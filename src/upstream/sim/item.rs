//! One item with its enhancements: flame, scrolls, stars, potentials, in the API's own fields.
//! Totals are the exact sum of their parts. Flame values follow the game's rules; what stars and
//! scrolls add is close to the game, and the same as in real payloads where the tests below say so.

use serde::Serialize;

use super::catalogue::Piece;
use super::dice::Dice;
use super::dice::fnv1a;
use super::options::ADD;
use super::options::BASE;
use super::options::Block;
use super::options::ENHANCED;
use super::options::EXCEPTIONAL;
use super::options::FOUR;
use super::options::Options;
use super::options::Stat;
use super::options::TOTAL;
use super::potential;
use super::potential::Context;
use super::potential::Grade;
use super::potential::System;
use super::potential::Wish;
use super::world::Rank;

/// An element of `item_equipment`: fields and their order as the API has them.
#[derive(Serialize)]
pub(super) struct Item {
    item_equipment_part: String,
    item_equipment_slot: String,
    item_name: String,
    item_icon: String,
    item_description: Option<&'static str>,
    item_shape_name: String,
    item_shape_icon: String,
    item_gender: Option<&'static str>,
    item_total_option: Block,
    item_base_option: Block,
    potential_option_grade: Option<&'static str>,
    additional_potential_option_grade: Option<&'static str>,
    potential_option_flag: &'static str,
    potential_option_1: Option<String>,
    potential_option_2: Option<String>,
    potential_option_3: Option<String>,
    additional_potential_option_flag: &'static str,
    additional_potential_option_1: Option<String>,
    additional_potential_option_2: Option<String>,
    additional_potential_option_3: Option<String>,
    equipment_level_increase: i32,
    item_exceptional_option: Block,
    item_add_option: Block,
    growth_exp: i32,
    growth_level: i32,
    scroll_upgrade: String,
    cuttable_count: &'static str,
    golden_hammer_flag: &'static str,
    scroll_resilience_count: &'static str,
    scroll_upgradeable_count: &'static str,
    soul_name: Option<&'static str>,
    soul_option: Option<String>,
    item_etc_option: Block,
    starforce: String,
    starforce_scroll_flag: &'static str,
    item_starforce_option: Block,
    special_ring_level: i32,
    date_expire: Option<&'static str>,
    freestyle_flag: &'static str,
}

/// Who the item was made for.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pub(super) rank: Rank,
    pub(super) wish: Wish,
    /// No weak spot anywhere: legendary, 22 stars.
    pub(super) showcase: bool,
}

type Lines = Option<(Grade, [String; 3])>;

impl Item {
    /// Enhances a piece the way a character of this rank would have.
    pub(super) fn make(dice: &mut Dice, piece: Piece, maker: Maker) -> Self {
        let base = base_options(&piece, maker.wish);
        let flame = if piece.traits.flame { flame(dice, &piece, maker, &base) } else { none() };
        let (stars, scrolled) = stars(dice, &piece, maker);
        let star_options = star_options(&piece, stars, maker.wish);
        let scrolls = if piece.traits.starforce { dice.between(2, 12) } else { 0 };
        let scroll_options = scroll_options(&piece, scrolls, maker.wish);
        let mut total = base;
        for part in [flame, star_options, scroll_options] {
            total += part;
        }
        let regular = potential_lines(dice, &piece, maker, System::Regular);
        let additional = potential_lines(dice, &piece, maker, System::Additional);
        let soul = (piece.is_weapon() && maker.rank >= Rank::Geared)
            .then_some("위대한 매그너스의 소울 적용");
        let icon = icon(&piece.name);
        let [potential_option_1, potential_option_2, potential_option_3] = split(&regular);
        let [
            additional_potential_option_1,
            additional_potential_option_2,
            additional_potential_option_3,
        ] = split(&additional);
        Self {
            item_equipment_part: piece.part.to_owned(),
            item_equipment_slot: piece.slot.to_owned(),
            item_description: description(&piece),
            item_shape_name: piece.name.clone(),
            item_shape_icon: icon.clone(),
            item_icon: icon,
            item_gender: None,
            item_total_option: Block(total, TOTAL),
            item_base_option: Block(base, BASE),
            potential_option_grade: regular.map(|(grade, _)| grade.text()),
            additional_potential_option_grade: additional.map(|(grade, _)| grade.text()),
            potential_option_flag: "false",
            potential_option_1,
            potential_option_2,
            potential_option_3,
            additional_potential_option_flag: "false",
            additional_potential_option_1,
            additional_potential_option_2,
            additional_potential_option_3,
            equipment_level_increase: 0,
            item_exceptional_option: Block(none(), EXCEPTIONAL),
            item_add_option: Block(flame, ADD),
            growth_exp: 0,
            growth_level: 0,
            scroll_upgrade: scrolls.to_string(),
            cuttable_count: if piece.traits.starforce { "8" } else { "255" },
            golden_hammer_flag: "미적용",
            scroll_resilience_count: "0",
            scroll_upgradeable_count: "0",
            soul_name: soul,
            soul_option: soul.map(|_| format!("{} +3%", maker.wish.attack)),
            item_etc_option: Block(scroll_options, ENHANCED),
            starforce: stars.to_string(),
            starforce_scroll_flag: if scrolled { "사용" } else { "미사용" },
            item_starforce_option: Block(star_options, ENHANCED),
            special_ring_level: piece.special_ring_level,
            date_expire: None,
            freestyle_flag: "0",
            item_name: piece.name,
        }
    }
}

/// The path part the API uses for icons: eight capital letters, the first fixed.
pub(super) fn icon(name: &str) -> String {
    let mut dice = Dice::new(fnv1a(name.as_bytes()));
    let letters: String = (0..7).map(|_| char::from(b'A' + dice.below(16) as u8)).collect();
    format!("https://open.api.nexon.com/static/maplestory/item/icon/K{letters}")
}

fn none() -> Options {
    Options::default()
}

fn split(lines: &Lines) -> [Option<String>; 3] {
    lines.as_ref().map_or([None, None, None], |(_, lines)| lines.clone().map(Some))
}

fn description(piece: &Piece) -> Option<&'static str> {
    match piece.slot {
        "훈장" => Some("먼 길을 걸어온 모험가에게 주어지는 훈장이다."),
        "뱃지" => Some("옷깃에 달 수 있는 작은 뱃지다."),
        "포켓 아이템" => Some("주머니에 넣어 두는 아이템이다."),
        _ if piece.special_ring_level > 0 => Some("전투 중에 특별한 스킬을 쓸 수 있는 반지다."),
        _ => None,
    }
}

fn base_options(piece: &Piece, wish: Wish) -> Options {
    let mut base = none();
    base.add(Stat::BaseLevel, piece.level);
    let size = piece.level / 10;
    if piece.is_weapon() {
        // 제네시스 스태프: 406 magic, 251 attack; the other sets in proportion to their level.
        let (strong, weak) = (piece.level * 203 / 100, piece.level * 125 / 100);
        let magic = wish.attack == "마력";
        base.add(Stat::Magic, if magic { strong } else { 0 });
        base.add(Stat::Attack, if magic { weak } else { strong });
        base.add(Stat::named(wish.main), size * 15 / 2);
        base.add(Stat::BossDamage, 30);
        base.add(Stat::IgnoreArmor, 20);
        return base;
    }
    for stat in FOUR {
        base.add(stat, if stat == Stat::named(wish.main) { size * 2 } else { size });
    }
    base.add(Stat::Armor, if piece.traits.starforce { size * 20 } else { 0 });
    base
}

/// Lines and stages by the rules: boss gear always four lines, stages shifted by two.
fn flame(dice: &mut Dice, piece: &Piece, maker: Maker, base: &Options) -> Options {
    let count = if piece.boss { 4 } else { 1 + dice.weighted(&[40, 40, 16, 4]) };
    let mut pool = flame_pool(piece);
    let mut flame = none();
    for line in 0..count {
        // Players roll until the line they need is there; the rest is luck.
        let keep = line == 0 && maker.rank >= Rank::Geared;
        let main = Stat::named(maker.wish.main);
        let index = pool.iter().position(|option| keep && *option == [main, main]);
        let [first, second] = pool.remove(index.unwrap_or_else(|| dice.below(pool.len())));
        let stage = 1 + dice.weighted(&[20, 30, 36, 14]) as i32 + if piece.boss { 2 } else { 0 };
        let value = flame_value(piece, base, first, second, stage);
        flame.add(first, value);
        if first != second {
            flame.add(second, value);
        }
    }
    flame
}

/// Options of the pool as pairs; a single stat is the pair with itself.
fn flame_pool(piece: &Piece) -> Vec<[Stat; 2]> {
    let mut pool: Vec<[Stat; 2]> = Vec::new();
    for (index, first) in FOUR.into_iter().enumerate() {
        pool.extend(FOUR[index..].iter().map(|second| [first, *second]));
    }
    let both = [Stat::MaxHp, Stat::MaxMp, Stat::Armor, Stat::Attack, Stat::Magic, Stat::AllPercent];
    let own: &[Stat] = if piece.is_weapon() {
        &[Stat::BossDamage, Stat::Damage]
    } else {
        &[Stat::Speed, Stat::Jump]
    };
    pool.extend(both.iter().chain(own).chain(&[Stat::LevelDecrease]).map(|stat| [*stat, *stat]));
    pool
}

fn flame_value(piece: &Piece, base: &Options, first: Stat, second: Stat, stage: i32) -> i32 {
    let level = piece.level;
    let pair = match level {
        250.. => 7,
        200..=249 => 6,
        _ => level / 40 + 1,
    };
    let single = match level {
        230.. => 12,
        200..=229 => 11,
        _ => level / 20 + 1,
    };
    match first {
        _ if first != second => stage * pair,
        Stat::Str | Stat::Dex | Stat::Int | Stat::Luk | Stat::Armor => stage * single,
        Stat::MaxHp | Stat::MaxMp => {
            stage * if level >= 250 { 700 } else { level.min(200) / 10 * 30 }
        }
        Stat::Attack | Stat::Magic if piece.is_weapon() => {
            weapon_flame(base.get(first), level, stage, piece.boss)
        }
        Stat::BossDamage => 2 * stage,
        Stat::LevelDecrease => 5 * stage,
        _ => stage,
    }
}

/// ceil(base x (level div 40 + 1) x m / 100); m in units of 1/10000, by stage.
fn weapon_flame(base: i32, level: i32, stage: i32, boss: bool) -> i32 {
    const ORDINARY: [i64; 5] = [10_000, 22_000, 36_300, 53_240, 73_205];
    const BOSS: [i64; 5] = [30_000, 44_000, 60_500, 79_860, 102_487];
    let m = if boss { BOSS[stage as usize - 3] } else { ORDINARY[stage as usize - 1] };
    let product = i64::from(base) * i64::from(level / 40 + 1) * m;
    product.div_euclid(1_000_000) as i32 + i32::from(product % 1_000_000 != 0)
}

/// The star count, and whether scrolls gave it.
fn stars(dice: &mut Dice, piece: &Piece, maker: Maker) -> (i32, bool) {
    if let Some(stars) = piece.fixed_stars {
        return (stars, false);
    }
    if !piece.traits.starforce {
        return (0, false);
    }
    let cap = match piece.level {
        ..=94 => 5,
        95..=107 => 8,
        108..=117 => 10,
        118..=127 => 15,
        128..=137 => 20,
        _ if piece.is_superior() => 15,
        _ => 30,
    };
    if maker.rank == Rank::Casual && !piece.is_superior() && dice.percent(15) {
        return (dice.between(9, 15), true);
    }
    let stars = match maker.rank {
        _ if maker.showcase => 22,
        Rank::Novice => dice.between(0, 10),
        Rank::Casual => dice.between(8, 17),
        Rank::Geared => dice.between(17, 22),
        Rank::Endgame => 21 + dice.weighted(&[15, 70, 13, 2]) as i32,
    };
    (stars.min(cap), false)
}

/// What each star adds; the last number of the game's own table that was checked is star 22.
fn star_options(piece: &Piece, stars: i32, wish: Wish) -> Options {
    // Stats of stars 16 and up, and attack of star 16, by level.
    let (high, attack_from) = match piece.level {
        250.. => (17, 14),
        200..=249 => (15, 12),
        160..=199 => (13, 10),
        150..=159 => (11, 9),
        140..=149 => (9, 8),
        _ => (7, 7),
    };
    let mut options = none();
    for star in 1..=stars {
        let (wanted, others, attack) = match star {
            1..=5 => (2, 0, 0),
            6..=15 => (3, 0, 0),
            _ => (high, high, attack_from + star - 16 + i32::from(star >= 22)),
        };
        for stat in FOUR {
            let value = if stat == Stat::named(wish.main) { wanted } else { others };
            options.add(stat, value);
        }
        options.add(Stat::Attack, attack);
        options.add(Stat::Magic, attack);
        if piece.is_weapon() && star <= 15 {
            options.add(if wish.attack == "마력" { Stat::Magic } else { Stat::Attack }, 4);
        } else if piece.family != potential::ACCESSORY {
            options.add(Stat::MaxHp, if star <= 15 { 17 } else { 0 });
            options.add(Stat::Armor, piece.level / 4);
        }
    }
    options
}

fn scroll_options(piece: &Piece, scrolls: i32, wish: Wish) -> Options {
    let mut options = none();
    let attack = if wish.attack == "마력" { Stat::Magic } else { Stat::Attack };
    if piece.is_weapon() {
        options.add(attack, 9 * scrolls);
        options.add(Stat::named(wish.main), 4 * scrolls);
    } else if piece.family == potential::GLOVES {
        options.add(attack, 4 * scrolls);
    } else {
        let per_scroll = if wish.main == "HP" { 470 } else { 9 };
        options.add(Stat::named(wish.main), per_scroll * scrolls);
    }
    options
}

fn potential_lines(dice: &mut Dice, piece: &Piece, maker: Maker, system: System) -> Lines {
    if !piece.traits.potential || piece.level < potential::LEVEL_MIN {
        return None;
    }
    // Weights: none, then the four grades.
    let weights = match (system, maker.rank) {
        (System::Regular, _) if maker.showcase => [0, 0, 0, 0, 1],
        (System::Additional, _) if maker.showcase => [0, 0, 0, 1, 4],
        (System::Regular, Rank::Novice) => [55, 30, 12, 3, 0],
        (System::Additional, Rank::Novice) => [90, 8, 2, 0, 0],
        (System::Regular, Rank::Casual) => [4, 8, 28, 45, 15],
        (System::Additional, Rank::Casual) => [22, 38, 32, 7, 1],
        (System::Regular, Rank::Geared) => [0, 1, 4, 25, 70],
        (System::Additional, Rank::Geared) => [2, 12, 50, 26, 10],
        (System::Regular, Rank::Endgame) => [0, 0, 0, 4, 96],
        (System::Additional, Rank::Endgame) => [0, 1, 11, 38, 50],
    };
    let grade = Grade::ALL[dice.weighted(&weights).checked_sub(1)?];
    let aim = match maker.rank {
        _ if maker.showcase => 96,
        Rank::Novice => 10,
        Rank::Casual => 55,
        Rank::Geared => 75,
        Rank::Endgame => 88,
    };
    let context = Context { system, family: piece.family, level: piece.level };
    Some((grade, potential::lines(dice, context, grade, maker.wish, aim)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::sim::jobs::Job;

    #[test]
    fn weapon_flames_are_those_of_real_payloads() {
        // 제네시스 스태프, stage 7.
        assert_eq!(weapon_flame(406, 200, 7, true), 250);
        // An exact product is not rounded up.
        assert_eq!(weapon_flame(100, 160, 1, false), 5);
    }

    #[test]
    fn stars_add_what_real_payloads_show_at_22() {
        let wish = Job::named("에반").unwrap().wish(0);
        // 루즈 컨트롤 머신 마크 and 에테르넬 메이지햇 of one payload: INT, DEX, magic.
        for (level, expected) in [(160, [131, 91, 92]), (250, [159, 119, 120])] {
            let piece = Piece::bare("모자", "a", level, potential::HAT);
            let options = star_options(&piece, 22, wish);
            let got = [Stat::Int, Stat::Dex, Stat::Magic].map(|stat| options.get(stat));
            assert_eq!(got, expected, "level {level}");
        }
    }

    #[test]
    fn flame_values_follow_the_rules() {
        let piece = |slot, level| Piece::bare(slot, "a", level, potential::HAT);
        let value =
            |piece: &Piece, first, second, stage| flame_value(piece, &none(), first, second, stage);
        let (hat, cape) = (piece("모자", 250), piece("망토", 160));
        assert_eq!(value(&hat, Stat::Int, Stat::Int, 7), 84);
        assert_eq!(value(&hat, Stat::Dex, Stat::Luk, 6), 42);
        assert_eq!(value(&hat, Stat::MaxHp, Stat::MaxHp, 3), 2100);
        assert_eq!(value(&cape, Stat::Str, Stat::Str, 5), 45);
        assert_eq!(value(&cape, Stat::Str, Stat::Dex, 5), 25);
        assert_eq!(value(&cape, Stat::MaxHp, Stat::MaxHp, 3), 1440);
        assert_eq!(value(&cape, Stat::AllPercent, Stat::AllPercent, 7), 7);
        assert_eq!((flame_pool(&piece("무기", 200)).len(), flame_pool(&cape).len()), (19, 19));
    }
}
