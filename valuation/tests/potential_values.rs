//! Worked examples: whole blocks through the public entry, with numbers worked out beside them.

use valuation::job::AttackKind;
use valuation::job::MainStat;
use valuation::job::Profile;
use valuation::job::Stat;
use valuation::outcome::Outcome;
use valuation::outcome::Reason;
use valuation::potential::Block;
use valuation::potential::BlockValue;
use valuation::potential::Dimension;
use valuation::potential::Grade;
use valuation::potential::MEMO_ENTRIES_MAX;
use valuation::potential::PotentialCost;
use valuation::potential::PotentialMemo;
use valuation::potential::PotentialRules;
use valuation::potential::System;
use valuation::potential::Tables;
use valuation::potential::Target;
use valuation::potential::TierUpEvent;
use valuation::potential::cost_of;
use valuation::potential::success_probability;
use valuation::potential::targets_of;
use valuation::potential::value;
use valuation::rules::Ruleset;

const NEWEST: &str = "kms-2026-09";
const OLDER: &str = "kms-2026-02";

const HAT: Block<'static> = Block {
    system: System::Regular,
    slot: "모자",
    sub_part: Some("모자"),
    level: 250,
    grade: Some("레전드리"),
    lines: [Some("스킬 재사용 대기시간 -2초"); 3],
};

fn rules(id: &str) -> PotentialRules {
    Ruleset::built_in(id).expect("built in").potential
}

fn int_mage() -> Profile {
    profile(MainStat::One(Stat::Int), AttackKind::Magic)
}

fn profile(main: MainStat, attack: AttackKind) -> Profile {
    Profile { main, subs: Vec::new(), attack }
}

fn valued(profile: &Profile, block: &Block<'_>) -> BlockValue {
    value(&rules(NEWEST), &Tables::builtin(), profile, block, &mut PotentialMemo::default())
}

fn priced(profile: &Profile, block: &Block<'_>) -> PotentialCost {
    match valued(profile, block).outcome {
        Outcome::Priced(cost) => cost,
        other => panic!("{other:?}"),
    }
}

fn targets(profile: &Profile, system: System, lines: [&str; 3]) -> Vec<(&'static str, f64)> {
    targets_of(profile, system, &lines.map(Some))
        .into_iter()
        .map(|target| (target.dimension.name(), target.at_least))
        .collect()
}

fn chance(block: &Block<'_>, wanted: &[(Dimension, f64)]) -> f64 {
    let tables = Tables::builtin();
    let grade = block.grade.and_then(Grade::of_korean).expect("a known grade");
    let roll = tables.roll(block.system, grade, block.slot, block.level as u32).expect("a table");
    let targets: Vec<_> =
        wanted.iter().map(|&(dimension, at_least)| Target { dimension, at_least }).collect();
    success_probability(&tables, roll, &targets)
}

#[track_caller]
fn close(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

#[test]
fn three_times_two_seconds_on_a_hat() {
    let answer = valued(&int_mage(), &HAT);
    assert_eq!(answer.grade, Some(Grade::Legendary));
    assert_eq!(answer.targets, [Target { dimension: Dimension::Cooldown, at_least: 6.0 }]);
    let Outcome::Priced(cost) = answer.outcome else { panic!("{answer:?}") };
    close(cost.expected_resets, 861_536.62, 0.005);
    assert_eq!(cost.expected_resets, 1.0 / cost.probability);
    assert_eq!(cost.reset_price, 50_000_000);
    assert_eq!(cost.cost, cost.expected_resets * 50e6);
}

#[test]
fn any_line_that_gives_enough_counts() {
    let block = Block { lines: [Some("올스탯 +10%"), Some("INT +10%"), None], ..HAT };
    let both = priced(&int_mage(), &block).probability;
    let main = Dimension::MainPercent(MainStat::One(Stat::Int));
    assert_eq!(both, chance(&HAT, &[(main, 20.0)]));

    // 39 % needs INT +13% three times; rates over the sums of their lines.
    close(
        chance(&HAT, &[(main, 39.0)]),
        (0.097561 / 1.000001) * (0.019512 / 0.999996) * (0.004878 / 1.000001),
        1e-18,
    );
}

#[test]
fn a_full_limit_leaves_the_line() {
    // A skill on one line leaves INT 2/3 instead of 1/2 on the lines after it.
    let tables = Tables::parse(
        "potential-tables 1\nlimit skill 1\noption 0 - INT +9%\noption 1 skill skill\noption 2 - junk\n\
         line 0 500000:0 250000:1-2\npart regular rare 모자\nband 0 0 0 0\n",
    )
    .unwrap();
    let roll = tables.roll(System::Regular, Grade::Rare, "모자", 0).unwrap();
    let main = Dimension::MainPercent(MainStat::One(Stat::Int));
    let at_least =
        |at_least| success_probability(&tables, roll, &[Target { dimension: main, at_least }]);
    close(at_least(27.0), 0.125, 1e-15);
    // Twice INT: INT INT x 1/2 x 1/2 = 1/4; INT junk INT 1/2 x 1/4 x 1/2; INT skill INT 1/2 x 1/4 x 2/3;
    // junk INT INT 1/4 x 1/2 x 1/2; skill INT INT 1/4 x 2/3 x 2/3.
    close(at_least(18.0), 1.0 / 4.0 + 1.0 / 16.0 + 1.0 / 12.0 + 1.0 / 16.0 + 1.0 / 9.0, 1e-15);
}

#[test]
fn the_order_of_questions_about_a_block() {
    let absent = BlockValue {
        grade: None,
        targets: Vec::new(),
        tier_up_cost: 0.0,
        outcome: Outcome::Absent,
    };
    for grade in [None, Some(""), Some("  "), Some("null")] {
        assert_eq!(valued(&int_mage(), &Block { grade, ..HAT }), absent);
    }
    let unknown = valued(&int_mage(), &Block { grade: Some("미스틱"), lines: [None; 3], ..HAT });
    let reason = Outcome::Unpriced(Reason::Borrowed("unknown grade"));
    assert_eq!(unknown, BlockValue { outcome: reason, ..absent });

    // Junk is looked for before the table: a medal has none.
    let junk = Block { lines: [Some("null"), Some(" "), Some("STR +13%")], slot: "훈장", ..HAT };
    let answer = valued(&int_mage(), &junk);
    assert_eq!(answer.outcome, Outcome::Free(Reason::Borrowed("no line gives a valued stat")));
    assert!(answer.tier_up_cost > 0.0);

    let answer = valued(&int_mage(), &Block { slot: "훈장", ..HAT });
    assert_eq!(answer.outcome, Outcome::Unpriced(Reason::Borrowed("no official table")));
    assert!(answer.tier_up_cost > 0.0 && !answer.targets.is_empty());

    let answer = valued(&int_mage(), &Block { level: 100, lines: [Some("INT +90%"); 3], ..HAT });
    let impossible = Outcome::Unpriced(Reason::Borrowed("impossible with the official table"));
    assert_eq!(answer.outcome, impossible);
    assert_eq!(cost_of(0.0, 1), impossible);
}

#[test]
fn levels_below_zero_are_zero() {
    let lines = [Some("INT +1%"), None, None];
    let at = |level| valued(&int_mage(), &Block { level, lines, grade: Some("레어"), ..HAT });
    assert_eq!(at(-5), at(0));
    assert_eq!(at(i64::MIN), at(0));
    assert_eq!(at(i64::MAX), at(300));
}

#[test]
fn what_a_mage_values() {
    let lines = ["올스탯 +6%", "INT +9%", "STR +9%"];
    let expected = [("intPercent", 15.0)];
    assert_eq!(targets(&int_mage(), System::Regular, lines), expected);

    let lines = ["INT +18", "올스탯 +5", "캐릭터 기준 9레벨 당 INT +2"];
    assert_eq!(targets(&int_mage(), System::Regular, lines), []);
    let expected = [("intFlat", 23.0), ("intPer9Levels", 2.0)];
    assert_eq!(targets(&int_mage(), System::Additional, lines), expected);

    let lines = ["보스 몬스터 데미지 +40%", "데미지 +9%", "공격력 +12%"];
    assert_eq!(targets(&int_mage(), System::Regular, lines), [("bossDamagePercent", 49.0)]);

    let lines = ["마력 +12", "공격력 +12", "최대 HP +300"];
    assert_eq!(targets(&int_mage(), System::Additional, lines), [("magicFlat", 12.0)]);
}

#[test]
fn what_xenon_and_demon_avenger_value() {
    let xenon = profile(MainStat::StrDexLuk, AttackKind::Attack);
    let lines = ["올스탯 +9%", "LUK +12%", "INT +12%"];
    assert_eq!(targets(&xenon, System::Regular, lines), [("strDexLukPercent", 39.0)]);
    let lines = ["올스탯 +5", "DEX +18", "캐릭터 기준 9레벨 당 STR +2"];
    let expected = [("strDexLukFlat", 33.0), ("strDexLukPer9Levels", 2.0)];
    assert_eq!(targets(&xenon, System::Additional, lines), expected);

    let avenger = profile(MainStat::MaxHp, AttackKind::Attack);
    let lines = ["최대 HP +12%", "올스탯 +9%", "최대 HP +300"];
    assert_eq!(targets(&avenger, System::Regular, lines), [("hpPercent", 12.0)]);
    let expected = [("hpPercent", 12.0), ("hpFlat", 300.0)];
    assert_eq!(targets(&avenger, System::Additional, lines), expected);
}

#[test]
fn ignored_defence_multiplies() {
    let lines = ["몬스터 방어율 무시 +45%", "몬스터 방어율 무시 +35%", "INT +13%"];
    let [_, (name, at_least)] = targets(&int_mage(), System::Regular, lines)[..] else { panic!() };
    assert_eq!(name, "ignoreDefencePercent");
    close(at_least, 64.25, 1e-12);

    let weapon = Block { slot: "무기", ..HAT };
    let at_least = |at_least| chance(&weapon, &[(Dimension::IgnoreDefence, at_least)]);
    // 45 and 35 % give 64.25 %; the next amount that lines can give is 67 %, from 45 and 40.
    assert_eq!(at_least(64.25), at_least(64.25 + 0.9e-9));
    assert!(at_least(64.25) > at_least(64.25 + 1.1e-9));
    assert_eq!(at_least(64.25 + 1.1e-9), at_least(67.0));
}

#[test]
fn a_what_if_takes_any_dimension_in_either_system() {
    let weapon = Block { slot: "무기", ..HAT };
    let all = [Stat::Str, Stat::Dex, Stat::Int, Stat::Luk]
        .map(|stat| (Dimension::MainPercent(MainStat::One(stat)), 10.0));
    // Three lines cannot name four stats, so 10 % of each is 올스탯 +10% anywhere, or +7% on both lower
    // lines: with +7% once, two lines would have to add 3 % to four stats.
    let ten: [f64; 3] = [0.073171, 0.014634, 0.003659];
    let no_ten: f64 = ten.iter().map(|rate| 1.0 - rate).product();
    close(chance(&weapon, &all), 1.0 - no_ten + (1.0 - ten[0]) * 0.074419 * 0.088372, 2e-6);

    // A flat stat in the regular potential is junk for a worn item, yet a player may ask for it.
    let flat = chance(&weapon, &[(Dimension::AttackFlat(AttackKind::Magic), 96.0)]);
    close(flat, 0.04878 * 0.009756 * 0.002439, 1e-10);
    assert_eq!(chance(&weapon, &[(Dimension::Cooldown, 1.0)]), 0.0);
    assert_eq!(chance(&weapon, &[(Dimension::Cooldown, f64::NAN)]), 0.0);
    assert_eq!(chance(&weapon, &[(Dimension::Cooldown, -1.0)]), 1.0);
}

#[test]
fn dimension_names_are_distinct_and_lead_back() {
    for dimension in Dimension::ALL {
        assert_eq!(Dimension::of_name(dimension.name()), Some(dimension));
    }
    assert_eq!(Dimension::of_name("INT"), None);
}

#[test]
fn prices_step_with_the_items_own_level() {
    let newest = rules(NEWEST);
    let older = rules(OLDER);
    newest.check().unwrap();
    older.check().unwrap();
    let price = |rules: &PotentialRules, system, level| {
        Grade::ALL.map(|grade| rules.reset_price(system, grade, level))
    };
    for (level, expected) in [
        (159, [4_000_000, 16_000_000, 34_000_000, 40_000_000]),
        (160, [4_250_000, 17_000_000, 36_125_000, 42_500_000]),
        (200, [4_500_000, 18_000_000, 38_250_000, 45_000_000]),
        (250, [5_000_000, 20_000_000, 42_500_000, 50_000_000]),
    ] {
        assert_eq!(price(&newest, System::Regular, level), expected);
        assert_eq!(price(&older, System::Regular, level), expected);
    }
    for (level, expected) in [
        (0, [9_750_000, 27_300_000, 66_300_000, 78_000_000]),
        (199, [10_375_000, 29_050_000, 70_550_000, 83_000_000]),
        (249, [11_000_000, 30_800_000, 74_800_000, 88_000_000]),
        (300, [12_250_000, 34_300_000, 83_300_000, 98_000_000]),
    ] {
        assert_eq!(price(&newest, System::Additional, level), expected);
    }
    let first = price(&older, System::Additional, 0);
    assert_eq!(first, [13_000_000, 36_400_000, 44_200_000, 52_000_000]);
    // The older steps are 6.25 %, 12.5 % and 25 % above the first.
    for (level, percent) in [(160, 10_625), (200, 11_250), (250, 12_500)] {
        let expected = first.map(|price| price / 10_000 * percent);
        assert_eq!(price(&older, System::Additional, level), expected);
    }
}

#[test]
fn tier_up_pays_each_step_at_the_lower_grade() {
    let rules = rules(NEWEST);
    let cost = |system, grade, event| rules.tier_up_cost(system, grade, 250, event);
    let mean = |chance: f64, guarantee: usize| -> f64 {
        // Resets 1..N-1 succeed with the chance, the N-th always.
        std::iter::successors(Some(1.0), |left| Some(left * (1.0 - chance))).take(guarantee).sum()
    };
    let none = TierUpEvent::None;
    assert_eq!(cost(System::Regular, Grade::Rare, none), 0.0);
    let epic = mean(0.150000001275, 10) * 5e6;
    close(cost(System::Regular, Grade::Epic, none) / epic, 1.0, 1e-12);
    let unique = epic + mean(0.035, 42) * 20e6;
    close(cost(System::Regular, Grade::Unique, none) / unique, 1.0, 1e-12);
    let legendary = unique + mean(0.014, 107) * 42.5e6;
    close(cost(System::Regular, Grade::Legendary, none) / legendary, 1.0, 1e-12);

    let additional =
        mean(0.02381, 62) * 12.25e6 + mean(0.009804, 152) * 34.3e6 + mean(0.007, 214) * 83.3e6;
    close(cost(System::Additional, Grade::Legendary, none) / additional, 1.0, 1e-12);

    let miracle = mean(0.30000000255, 10) * 5e6;
    close(cost(System::Regular, Grade::Epic, TierUpEvent::MiracleTime) / miracle, 1.0, 1e-12);
    let mut certain = rules.clone();
    certain.regular.rare_to_epic.chance = 0.6;
    let one = certain.tier_up_cost(System::Regular, Grade::Epic, 250, TierUpEvent::MiracleTime);
    assert_eq!(one, 5e6);
}

#[test]
fn rules_out_of_range_are_refused_by_key() {
    let refused = |change: fn(&mut PotentialRules), key: &str| {
        let mut rules = rules(NEWEST);
        change(&mut rules);
        assert_eq!(rules.check().unwrap_err().key, key);
    };
    refused(|r| r.miracle_factor = 0.5, "miracle_factor");
    refused(|r| r.miracle_factor = f64::NAN, "miracle_factor");
    refused(|r| r.regular.prices.clear(), "regular.prices");
    refused(|r| r.additional.prices[0].level_from = 1, "additional.prices");
    refused(|r| r.regular.prices[2].level_from = 160, "regular.prices[2].level_from");
    refused(|r| r.additional.prices[3].unique = 0, "additional.prices[3].unique");
    refused(|r| r.regular.rare_to_epic.chance = 0.0, "regular.rare_to_epic.chance");
    refused(|r| r.regular.epic_to_unique.chance = 1.5, "regular.epic_to_unique.chance");
    refused(
        |r| r.additional.unique_to_legendary.guarantee = 0,
        "additional.unique_to_legendary.guarantee",
    );
    assert!(toml::from_str::<PotentialRules>("miracle_factor = 2.0\nmiracle = 1").is_err());
}

#[test]
fn the_memo_answers_like_the_engine_and_stays_bounded() {
    let tables = Tables::builtin();
    let roll = tables.roll(System::Regular, Grade::Legendary, "반지", 150).unwrap();
    let mut memo = PotentialMemo::default();
    let wanted = |at_least| [Target { dimension: Dimension::ItemDrop, at_least }];
    for step in 0..=MEMO_ENTRIES_MAX {
        memo.success_probability(&tables, roll, &wanted(step as f64 / 1_000.0));
        assert!(memo.len() <= MEMO_ENTRIES_MAX);
    }
    assert_eq!(memo.len(), 1);
    for at_least in [0.0, 8.192, 20.0, 40.0, 60.0, 80.0] {
        let expected = success_probability(&tables, roll, &wanted(at_least));
        for _ in 0..2 {
            assert_eq!(memo.success_probability(&tables, roll, &wanted(at_least)), expected);
        }
    }
    let many = [Stat::Str, Stat::Dex, Stat::Int, Stat::Luk].map(|stat| Target {
        dimension: Dimension::MainPercent(MainStat::One(stat)),
        at_least: 5.0,
    });
    let before = memo.len();
    let expected = success_probability(&tables, roll, &many);
    assert_eq!(memo.success_probability(&tables, roll, &many), expected);
    assert_eq!(memo.len(), before);
}
