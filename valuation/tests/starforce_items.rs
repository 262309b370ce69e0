//! Items as starforce sees them: which are free, which are unpriced and why (C14, C17). Costs are in the other
//! `starforce_` tests.

use valuation::outcome::Outcome;
use valuation::rules::Ruleset;
use valuation::scroll;
use valuation::starforce;
use valuation::starforce::Options;
use valuation::starforce::StarItem;
use valuation::starforce::StarforceCost;
use valuation::starforce::StarforceMemo;
use valuation::starforce::by_fee;

const HAT: StarItem<'static> =
    StarItem { slot: "모자", name: "평범한 모자", level: 150, stars: 17, scrolled: false };

fn value(item: &StarItem<'_>) -> Outcome<StarforceCost> {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in");
    starforce::value(&rules.starforce, &rules.scroll, item, &mut StarforceMemo::default())
}

fn free(reason: &'static str) -> Outcome<StarforceCost> {
    Outcome::Free(reason.into())
}

fn unpriced(reason: &'static str) -> Outcome<StarforceCost> {
    Outcome::Unpriced(reason.into())
}

#[test]
fn no_stars_cost_nothing_whatever_the_item() {
    for name in ["평범한 모자", "타일런트 헤르메스 클록", "제네시스 스태프"] {
        for (slot, stars, scrolled) in
            [("무기", 0, false), ("망토", -1, true), ("무기", i64::MIN, true)]
        {
            let item = StarItem { slot, name, stars, scrolled, ..HAT };
            assert_eq!(value(&item), Outcome::Absent, "{item:?}");
        }
    }
}

#[test]
fn some_weapons_come_with_their_stars() {
    for name in ["제네시스 스태프", "데스티니 스태프"] {
        let weapon = StarItem { slot: "무기", name, level: 200, stars: 22, ..HAT };
        assert_eq!(value(&weapon), free("comes with its stars"), "{name}");
        // Only weapons, and only names that begin so.
        let secondary = StarItem { slot: "보조무기", ..weapon };
        assert!(value(&secondary).priced().is_some(), "{name}");
    }
    let named_late = StarItem { slot: "무기", name: "옛 제네시스 스태프", ..HAT };
    assert!(value(&named_late).priced().is_some());
}

#[test]
fn superior_items_follow_another_table() {
    for name in [
        "타일런트 헤르메스 클록",
        "헬리시움 정예 히아데스 망토",
        "노바 히아데스 클록",
        "노바 알테어 클록",
    ] {
        for scrolled in [false, true] {
            let item = StarItem { slot: "망토", name, stars: 5, scrolled, ..HAT };
            assert_eq!(value(&item), unpriced("superior item: other table"), "{item:?}");
        }
    }
    for name in ["슈페리얼 리튬 하트", "노바의 정수"] {
        let item = StarItem { name, stars: 5, ..HAT };
        assert!(value(&item).priced().is_some(), "{name}");
    }
}

#[test]
fn stars_above_the_levels_cap_are_never_clamped() {
    for (level, cap) in [
        (0, 5),
        (94, 5),
        (95, 8),
        (107, 8),
        (108, 10),
        (117, 10),
        (118, 15),
        (127, 15),
        (128, 20),
        (137, 20),
        (138, 30),
        (250, 30),
    ] {
        let at = StarItem { level, stars: cap, ..HAT };
        let cost = value(&at);
        assert_eq!(cost.priced().map(|cost| i64::from(cost.stars)), Some(cap), "level {level}");
        for stars in [cap + 1, 256, i64::MAX] {
            let above = StarItem { stars, ..at };
            assert_eq!(value(&above), unpriced("more stars than the level allows"), "{above:?}");
        }
    }
}

#[test]
fn fees_count_levels_in_tens_and_scrolls_the_true_level() {
    let at = |level, scrolled| {
        let item = StarItem { level, stars: 12, scrolled, ..HAT };
        value(&item).priced().expect("priced").plain_cost
    };
    assert_eq!(at(140, false), at(149, false));
    assert!(at(149, false) < at(150, false));
    assert!(at(140, true) < at(145, true));
}

#[test]
fn scrolled_items_have_one_cost_no_destruction_and_no_level_cap() {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in");
    let item = StarItem { level: 80, stars: 15, scrolled: true, ..HAT };
    let outcome = value(&item);
    let cost = outcome.priced().expect("priced");
    let by_scrolls = scroll::expected(&rules.scroll, 80, 15);
    for shown in [cost.plain_cost, cost.safeguard_cost, cost.cheapest_cost] {
        assert_eq!(shown, by_scrolls);
    }
    assert_eq!((cost.plain_destroyed, cost.safeguard_destroyed), (0.0, 0.0));
    assert!(cost.scrolled && cost.cheapest_policy.is_empty());
    for stars in [16, 30, i64::MAX] {
        let above = StarItem { stars, ..item };
        assert_eq!(value(&above), unpriced("more stars than scrolls can give"), "{stars}");
    }
}

#[test]
fn a_remembered_cost_is_the_computed_one() {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in");
    let mut memo = StarforceMemo::default();
    for stars in [22, 17, 22] {
        for scrolled in [false, true] {
            let item = StarItem { stars: if scrolled { 15 } else { stars }, scrolled, ..HAT };
            let cost = starforce::value(&rules.starforce, &rules.scroll, &item, &mut memo);
            assert_eq!(cost, value(&item), "{item:?}");
        }
    }
    let direct = by_fee(&rules.starforce, 150, 22, &Options::default());
    let item = StarItem { stars: 22, ..HAT };
    assert_eq!(value(&item), Outcome::Priced(direct));
}

#[test]
fn a_ruleset_where_destruction_gains_stars_is_refused() {
    let text = include_str!("../rulesets/kms-2026-09.toml");
    let (piece, by) = ("restart_star = 12\n", "restart_star = 16\n");
    assert_eq!(text.matches(piece).count(), 1, "{piece:?} must name one place");
    let no_files = |_: &str| Err("no table files here".to_owned());
    match Ruleset::parse("changed.toml", &text.replace(piece, by), no_files) {
        Ok(_) => panic!("{by:?} was accepted"),
        Err(error) => assert_eq!(error.key, "starforce.destroy[15]"),
    }
}
