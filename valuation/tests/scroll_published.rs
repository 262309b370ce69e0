//! Published totals of amazing enhancement scrolls.

use valuation::rules::Ruleset;
use valuation::scroll::expected;

#[test]
fn published_totals() {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in").scroll;
    for (level, stars, cost) in [
        (140, 1, 88_415_937_u64),
        (140, 5, 871_131_734),
        (140, 10, 4_134_329_039),
        (140, 12, 5_799_007_576),
        (140, 15, 9_879_664_942),
        (160, 15, 10_142_762_403),
    ] {
        let valued = (expected(&rules, level, stars) + 0.5).floor() as u64;
        assert_eq!(valued, cost, "level {level}, {stars} stars");
    }
}
