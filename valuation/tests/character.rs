//! Whole items: what the parts add up to, what stays out, and the quantiles around the mean.

use std::sync::Arc;

use valuation::character::Item;
use valuation::character::Valuer;
use valuation::character::cost_parts;
use valuation::flame::Worn;
use valuation::outcome::Outcome;
use valuation::outcome::Part;
use valuation::quantile::quantiles;
use valuation::rules::Ruleset;

const HAT: Item<'static> = Item {
    slot: "모자",
    sub_part: Some("모자"),
    name: "에테르넬 메이지햇",
    level: 250,
    base_attack: 0,
    base_magic: 10,
    potential_grade: Some("레전드리"),
    potential_lines: [Some("INT +13%"), Some("INT +10%"), Some("INT +10%")],
    additional_grade: Some("에픽"),
    additional_lines: [Some("INT +5%"), None, None],
    stars: 22,
    scrolled: false,
    flame: Worn {
        stats: [0, 28, 130, 42],
        all_stat_percent: 5,
        max_hp: 0,
        attack: 0,
        magic: 0,
        boss_damage_percent: 0,
        damage_percent: 0,
    },
};

fn valuer() -> Valuer {
    Valuer::new(Arc::new(Ruleset::built_in("kms-2026-09").expect("built in")))
}

#[test]
fn the_total_is_lines_and_stars_and_nothing_else() {
    let mut valuer = valuer();
    let (mage, note) = valuer.character(Some("비숍"), || unreachable!("the job is known"));
    assert_eq!(note, None);
    let value = valuer.item(&mage, &HAT);
    let (regular, additional) =
        (value.line_cost(Part::Potential), value.line_cost(Part::AdditionalPotential));
    assert!(regular > 0.0 && additional > 0.0 && value.starforce_cost() > 0.0);
    assert_eq!(value.total(), regular + additional + value.starforce_cost());
    assert!(value.tier_up_cost() > 0.0 && value.flame_cost() > 0.0);
    assert!(!value.is_partial() && value.notes().next().is_none());
    // The same stars on the same item cost 315억 8086만 whatever the job.
    assert_eq!((value.starforce_cost() / 1e4).floor(), 3_158_086.0);
}

#[test]
fn what_is_unpriced_adds_nothing_and_makes_the_item_partial() {
    let mut valuer = valuer();
    let (mage, _) = valuer.character(Some("비숍"), || [0; 4]);
    let too_many = Item { stars: 31, potential_grade: Some("신화"), ..HAT };
    let mut value = valuer.item(&mage, &too_many);
    let reasons: Vec<_> =
        value.unpriced().map(|(part, reason)| (part, reason.into_owned())).collect();
    assert_eq!(
        reasons,
        [
            (Part::Potential, "unknown grade".to_owned()),
            (Part::Starforce, "more stars than the level allows".to_owned()),
        ]
    );
    assert_eq!(value.total(), value.line_cost(Part::AdditionalPotential));
    value.spoil(Part::AdditionalPotential, "unreadable");
    assert_eq!(value.total(), 0.0);
    let genesis = Item { slot: "무기", name: "제네시스 스태프", level: 200, ..HAT };
    let value = valuer.item(&mage, &genesis);
    assert_eq!(value.starforce, Outcome::Free("comes with its stars".into()));
    assert!(!value.unpriced().any(|(part, _)| part == Part::Starforce));
    let superior =
        Item { name: "타일런트 헤르메스 부츠", slot: "신발", level: 150, ..HAT };
    let value = valuer.item(&mage, &superior);
    assert_eq!(value.starforce, Outcome::Unpriced("superior item: other table".into()));
    let heart = Item {
        name: "슈페리얼 리튬 하트", slot: "기계 심장", level: 80, stars: 5, ..HAT
    };
    assert!(valuer.item(&mage, &heart).starforce.priced().is_some(), "an ordinary item");
    let scrolled = Item { level: 140, stars: 16, scrolled: true, ..HAT };
    let value = valuer.item(&mage, &scrolled);
    assert_eq!(value.starforce, Outcome::Unpriced("more stars than scrolls can give".into()));
}

#[test]
fn quantiles_surround_the_mean_of_the_same_total() {
    let rules = Arc::new(Ruleset::built_in("kms-2026-09").expect("built in"));
    let mut valuer = Valuer::new(Arc::clone(&rules));
    let (mage, _) = valuer.character(Some("비숍"), || [0; 4]);
    let scrolled = Item { level: 140, stars: 12, scrolled: true, ..HAT };
    for item in [HAT, scrolled, Item { potential_grade: None, additional_grade: None, ..HAT }] {
        let value = valuer.item(&mage, &item);
        let parts = cost_parts(&rules, &item, &value);
        let found = quantiles(&parts, &[0.5, 0.75, 0.9, 0.99]);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        assert!(
            found[0] < value.total() && value.total() < found[2],
            "{found:?} {}",
            value.total()
        );
    }
    // Without stars and with one part the quantile is a whole number of resets.
    let one = Item { stars: 0, additional_grade: None, ..HAT };
    let value = valuer.item(&mage, &one);
    let median = quantiles(&cost_parts(&rules, &one, &value), &[0.5])[0];
    let p = value.potential.outcome.priced().expect("priced").probability;
    assert_eq!(median, ((0.5_f64).ln() / (1.0 - p).ln()).ceil() * 50_000_000.0);
}
