//! Flames and jobs refuse what no game has: ruleset values that would break a valuation, items beyond all tables.
//! Never checks costs; see `src/flame/` for what is computed.

use valuation::flame;
use valuation::flame::FlameItem;
use valuation::flame::FlameMemo;
use valuation::flame::Worn;
use valuation::outcome::Outcome;
use valuation::rules::Ruleset;

const TEXT: &str = include_str!("../rulesets/kms-2026-09.toml");

/// The key that the built-in ruleset, with one piece replaced, is refused for.
fn refused(piece: &str, by: &str) -> String {
    assert_eq!(TEXT.matches(piece).count(), 1, "{piece:?} must name one place");
    let changed = TEXT.replace(piece, by);
    let no_files = |_: &str| Err("no table files here".to_owned());
    match Ruleset::parse("changed.toml", &changed, no_files) {
        Ok(_) => panic!("{by:?} in place of {piece:?} was accepted"),
        Err(error) => error.key,
    }
}

#[test]
fn weights_out_of_range_are_refused() {
    for (key, piece) in [
        ("main", "main = 10\n"),
        ("sub", "sub = 1\n"),
        ("all_stat", "all_stat = 100\n"),
        ("attack", "attack = 40\n"),
        ("damage", "damage = 140\n"),
        ("max_hp", "max_hp = 10\n"),
        ("attack_beside_hp", "attack_beside_hp = 1500\n"),
    ] {
        for value in ["-1", "10001", "9223372036854775807"] {
            let by = format!("{key} = {value}\n");
            let before = format!("\n{piece}");
            let key_refused = refused(&before, &format!("\n{by}"));
            assert_eq!(key_refused, format!("flame.weights.{key}"), "{value}");
        }
    }
}

#[test]
fn other_values_out_of_range_are_refused() {
    for (key, piece, by) in [
        ("flame.lines.boss_stage_shift", "boss_stage_shift = 2", "boss_stage_shift = 11"),
        ("flame.values.boss_damage", "boss_damage = 2\n", "boss_damage = -1\n"),
        ("flame.values.boss_damage", "boss_damage = 2\n", "boss_damage = 101\n"),
        ("flame.weapon_slot", "weapon_slot = \"무기\"", "weapon_slot = \" \""),
        ("flame.boss.weapon_prefixes[0]", "\"자쿰의 포이즈닉\"", "\"\""),
        ("flame.boss.jobs_without[0]", "[\"제로\"]", "[\"\"]"),
        ("flame.boss.prefixes[7]", "\"이글아이\"", "\"\""),
        ("flame.boss.names[1]", "\"블랙빈 마크\"", "\" \""),
    ] {
        assert_eq!(refused(piece, by), key);
    }
}

#[test]
fn a_job_values_no_stat_twice() {
    for (key, piece, by) in [
        ("jobs.groups[4].subs[1]", "subs = [\"STR\", \"DEX\"]", "subs = [\"STR\", \"STR\"]"),
        ("jobs.groups[4].subs[0]", "subs = [\"STR\", \"DEX\"]", "subs = [\"LUK\", \"DEX\"]"),
        (
            "jobs.groups[5].subs[0]",
            "\"STR+DEX+LUK\", subs = []",
            "\"STR+DEX+LUK\", subs = [\"DEX\"]",
        ),
    ] {
        assert_eq!(refused(piece, by), key);
    }
}

/// A mage's weapon: its magic decides how large the tables get.
fn weapon(level: u32, base_magic: i64) -> Outcome<flame::FlameCost> {
    let rules = Ruleset::built_in("kms-2026-09").expect("a built-in ruleset");
    let (profile, _) = rules.jobs.profile(Some("에반"), || [0; 4]);
    let item = FlameItem {
        slot: "무기",
        name: "제네시스 스태프",
        job: Some("에반"),
        level,
        base_attack: 0,
        base_magic,
        worn: Worn { stats: [0, 0, 24, 24], ..Worn::default() },
    };
    flame::value(&rules.flame, &profile, &item, &mut FlameMemo::default())
}

#[test]
fn an_item_beyond_all_tables_is_unpriced_not_approximated() {
    let no_item = Outcome::Unpriced("values no item has".into());
    // Far above every real item (제네시스 스태프 has 406 at level 200), still exact.
    for (level, base_magic) in [(200, 2_000), (250, 1_500)] {
        assert!(weapon(level, base_magic).priced().is_some(), "{level} {base_magic}");
    }
    for (level, base_magic) in
        [(200, 5_000), (99_999, 99_999), (200_000, 406), (200, i64::MAX), (200, i64::MIN)]
    {
        assert_eq!(weapon(level, base_magic), no_item, "{level} {base_magic}");
    }
}
