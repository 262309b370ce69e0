//! Published numbers of the older world (`kms-2026-02`), digit for digit, and properties of both worlds.

use valuation::rules::Ruleset;
use valuation::starforce::Choice;
use valuation::starforce::Mvp;
use valuation::starforce::Options;
use valuation::starforce::StarforceRules;
use valuation::starforce::attempt;
use valuation::starforce::base_fee;
use valuation::starforce::by_fee;
use valuation::starforce::expected;
use valuation::starforce::stages;

fn rules(id: &str) -> StarforceRules {
    Ruleset::built_in(id).expect("built in").starforce
}

fn whole(value: f64) -> u64 {
    (value + 0.5).floor() as u64
}

const STARS: [u8; 10] = [12, 15, 17, 18, 20, 21, 22, 23, 25, 30];

#[rustfmt::skip]
const PLAIN: [(u32, [u64; 10]); 4] = [
    (140, [18_909_843, 167_409_648, 302_153_097, 586_230_664, 2_593_855_855, 3_295_078_972,
           5_546_189_902, 11_749_132_125, 87_696_425_240, 548_447_116_488_339]),
    (160, [28_221_081, 249_885_593, 451_016_167, 875_058_213, 3_871_850_803, 4_918_568_542,
           8_278_809_763, 17_537_961_717, 130_904_734_087, 818_668_805_083_914]),
    (200, [55_108_041, 488_041_031, 880_869_295, 1_709_069_015, 7_562_155_375, 9_606_514_263,
           16_169_451_106, 34_253_633_940, 255_671_911_037, 1_598_953_850_687_924]),
    (250, [107_621_608, 953_188_367, 1_720_426_237, 3_337_996_538, 14_769_781_924, 18_762_658_784,
           31_580_860_664, 66_901_432_670, 499_357_814_155, 3_122_948_146_481_664]),
];

#[rustfmt::skip]
const SAFEGUARDED_200: [u64; 10] = [
    55_108_041, 488_041_031, 1_523_481_730, 3_265_996_841, 10_343_088_344,
    13_022_426_926, 21_503_968_049, 45_295_237_263, 336_449_376_576, 2_102_128_215_739_744,
];

#[test]
fn the_older_worlds_costs_come_out_exactly() {
    let rules = rules("kms-2026-02");
    for (level, costs) in PLAIN {
        for (stars, cost) in STARS.into_iter().zip(costs) {
            let valued = by_fee(&rules, level, stars, &Options::default());
            assert_eq!(whole(valued.plain_cost), cost, "level {level}, {stars} stars");
        }
    }
    for (stars, cost) in STARS.into_iter().zip(SAFEGUARDED_200) {
        let valued = by_fee(&rules, 200, stars, &Options::default());
        assert_eq!(whole(valued.safeguard_cost), cost, "level 200, {stars} stars, safeguard");
    }
}

#[test]
fn the_older_worlds_destructions_come_out_exactly() {
    let rules = rules("kms-2026-02");
    let stars = [12, 15, 16, 17, 18, 20, 21, 22, 23, 25, 30];
    let plain = [0, 0, 5, 9, 42, 154, 212, 387, 908, 7_272, 45_923_022];
    let safeguarded = [0, 0, 0, 0, 0, 79, 119, 243, 609, 5_088, 32_318_313];
    for (at, stars) in stars.into_iter().enumerate() {
        let valued = by_fee(&rules, 200, stars, &Options::default());
        assert_eq!(whole(valued.plain_destroyed * 100.0), plain[at], "{stars} stars");
        let with = whole(valued.safeguard_destroyed * 100.0);
        assert_eq!(with, safeguarded[at], "{stars} stars, safeguard");
    }
}

#[test]
#[rustfmt::skip]
fn the_older_worlds_single_attempts() {
    let rules = rules("kms-2026-02");
    let all = Options::default();
    let bare = Options { destroy_event: false, discount_event: false, star_catch: false, ..all };
    for (star, fee) in [
        (0, 223_220.0), (9, 2_223_220.0), (10, 9_083_680.0), (14, 111_984_130.0),
        (15, 71_316_500.0), (17, 130_688_630.0), (19, 578_974_200.0), (20, 148_612_390.0),
        (21, 269_601_820.0), (22, 189_988_550.0), (29, 389_303_670.0),
    ] {
        let bare = attempt(&rules, 200, star, Choice::Plain, &bare).expect("offered");
        assert_eq!(bare.fee, fee, "star {star}");
    }
    let plain = attempt(&rules, 200, 16, Choice::Plain, &all).expect("offered");
    assert!((plain.success - 0.315).abs() < 1e-15 && (plain.destroy - 0.014_385).abs() < 1e-15);
    assert_eq!(plain.fee, 58_799_720.0);
    let safe = attempt(&rules, 200, 16, Choice::Safeguard, &all).expect("offered");
    assert_eq!((safe.fee, safe.destroy), (176_399_170.0, 0.0));
}

#[test]
fn todays_fee_rounds_the_base_and_never_discounts_the_surcharge() {
    let rules = rules("kms-2026-09");
    // 145 counts as 140.
    let base = base_fee(&rules, 145, 15);
    let hundreds = (2_744_000.0 * 16_f64.powf(2.7) / 200.0 / 100.0).round();
    assert_eq!(base, 1_000.0 + hundreds * 100.0);
    let all = Options::default();
    let plain = attempt(&rules, 145, 15, Choice::Plain, &all).expect("offered");
    let safe = attempt(&rules, 145, 15, Choice::Safeguard, &all).expect("offered");
    assert!((plain.fee - base * 0.7).abs() < 1e-6);
    assert!((safe.fee - (base * 0.7 + 2.0 * base)).abs() < 1e-6);
    let no_catch = Options { star_catch: false, ..all };
    let always = attempt(&rules, 145, 15, Choice::Plain, &no_catch).expect("offered");
    assert!((always.success - 0.315).abs() < 1e-15, "star catch is always on");
    assert!(attempt(&rules, 145, 18, Choice::Safeguard, &all).is_none());
    let customer = Options { mvp: Mvp::Diamond, pc_room: true, ..all };
    let below = attempt(&rules, 200, 16, Choice::Plain, &customer).expect("offered");
    assert!((below.fee - base_fee(&rules, 200, 16) * 0.85 * 0.7).abs() < 1e-6);
    let above = attempt(&rules, 200, 17, Choice::Plain, &customer).expect("offered");
    assert!((above.fee - base_fee(&rules, 200, 17) * 0.7).abs() < 1e-6, "none from star 17");
}

#[test]
fn restoration_is_offered_at_listed_levels_and_stars_only() {
    let rules = rules("kms-2026-09");
    let all = Options::default();
    let half = Options { discount_event: false, spare_price: 1e6, ..all };
    let restore = |level, star, options| attempt(&rules, level, star, Choice::Restore, options);
    assert_eq!(restore(165, 18, &all).expect("offered").destroy_cost, 2_050e6 * 0.8);
    assert_eq!(restore(160, 22, &half).expect("offered").destroy_cost, 12_374e6 + 4e6);
    for (level, star) in [(160, 14), (160, 23), (170, 15), (130, 15), (210, 15), (240, 18)] {
        assert!(restore(level, star, &all).is_none(), "level {level}, star {star}");
    }
}

#[test]
fn costs_grow_with_stars_and_level_and_the_cheapest_is_never_dearer() {
    for id in ["kms-2026-09", "kms-2026-02"] {
        let rules = rules(id);
        let mut lower_level = [0.0_f64; 26];
        for level in [140, 150, 160, 200, 250] {
            let mut fewer_stars = 0.0;
            for stars in 1..=25_u8 {
                let which = format!("{id}, level {level}, {stars} stars");
                let cost = by_fee(&rules, level, stars, &Options::default());
                assert!(cost.plain_cost > fewer_stars, "{which}");
                assert!(cost.plain_cost > lower_level[usize::from(stars)], "{which}");
                assert!(cost.cheapest_cost <= cost.plain_cost * (1.0 + 1e-12), "{which}");
                assert!(cost.cheapest_cost <= cost.safeguard_cost * (1.0 + 1e-12), "{which}");
                assert!(cost.safeguard_destroyed <= cost.plain_destroyed, "{which}");
                fewer_stars = cost.plain_cost;
                lower_level[usize::from(stars)] = cost.plain_cost;
            }
        }
    }
}

#[test]
fn policy_iteration_finds_what_trying_every_policy_finds() {
    let rules = rules("kms-2026-09");
    let cases = [(160, 17, 0.0), (160, 22, 5e9), (200, 20, 1e9), (250, 22, 0.0), (140, 23, 2e10)];
    for (level, stars, spare_price) in cases {
        let options = Options { spare_price, ..Options::default() };
        let found = by_fee(&rules, level, stars, &options);
        let open: Vec<u8> = (15..stars.min(23)).collect();
        let mut least = f64::INFINITY;
        for policy in 0..3_usize.pow(open.len() as u32) {
            let choice = |star: u8| match open.iter().position(|open| *open == star) {
                Some(at) => Choice::ALL[policy / 3_usize.pow(at as u32) % 3],
                None => Choice::Plain,
            };
            let stages = stages(&rules, level, stars, &options, choice);
            least = least.min(expected(&stages, rules.solution));
        }
        let ratio = found.cheapest_cost / least;
        assert!((ratio - 1.0).abs() < 1e-9, "level {level}, {stars} stars: {ratio}");
        let listed = found.cheapest_policy.iter().map(|(star, _)| *star);
        assert!(listed.eq(open), "every star with a choice is listed");
    }
}
