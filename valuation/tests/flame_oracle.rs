//! Flames against an oracle that draws every subset of the pool and every stage, in whole numbers.
//! Values and pools are written out from the game rules, not read from the ruleset: both are under test.

use valuation::flame;
use valuation::flame::FlameCost;
use valuation::flame::FlameItem;
use valuation::flame::FlameMemo;
use valuation::flame::Worn;
use valuation::outcome::Outcome;
use valuation::rules::Ruleset;

/// What a point is worth, written out from C18. Stats in the order STR, DEX, INT, LUK.
#[derive(Clone, Copy)]
struct Worth {
    stats: [i64; 4],
    max_hp: i64,
    attack: i64,
    magic: i64,
    all_stat: i64,
    damage: i64,
}

const MAGE: Worth =
    Worth { stats: [0, 0, 10, 1], max_hp: 0, attack: 0, magic: 40, all_stat: 100, damage: 140 };
const WARRIOR: Worth = Worth { stats: [10, 1, 0, 0], attack: 40, magic: 0, ..MAGE };
const SHADOWER: Worth = Worth { stats: [1, 1, 0, 10], ..WARRIOR };
const XENON: Worth = Worth { stats: [10, 10, 0, 10], ..WARRIOR };
const DEMON_AVENGER: Worth =
    Worth { stats: [0; 4], max_hp: 10, attack: 1500, magic: 0, all_stat: 0, damage: 0 };

/// One item on one job, with what the rules say about it.
struct Case {
    job: &'static str,
    worth: Worth,
    slot: &'static str,
    name: &'static str,
    level: u32,
    base: [i64; 2],
    boss: bool,
}

#[rustfmt::skip]
const CASES: [Case; 16] = [
    Case { job: "에반", worth: MAGE, slot: "모자", name: "에테르넬 메이지햇", level: 250, base: [0, 10], boss: true },
    Case { job: "에반", worth: MAGE, slot: "포켓 아이템", name: "저주받은 청의 마도서", level: 160, base: [10, 10], boss: true },
    Case { job: "에반", worth: MAGE, slot: "무기", name: "제네시스 스태프", level: 200, base: [251, 406], boss: true },
    Case { job: "에반", worth: MAGE, slot: "얼굴장식", name: "레드 매지션 마이스터 심볼", level: 100, base: [0, 0], boss: false },
    Case { job: "비숍", worth: MAGE, slot: "무기", name: "정체불명의 완드", level: 89, base: [60, 110], boss: false },
    Case { job: "캡틴", worth: Worth { stats: [1, 10, 0, 0], ..WARRIOR }, slot: "무기", name: "제네시스 피스톨", level: 200, base: [249, 0], boss: true },
    Case { job: "히어로", worth: WARRIOR, slot: "장갑", name: "낡은 장갑", level: 59, base: [0, 0], boss: false },
    Case { job: "히어로", worth: WARRIOR, slot: "장갑", name: "낡은 장갑", level: 69, base: [0, 0], boss: false },
    Case { job: "히어로", worth: WARRIOR, slot: "장갑", name: "낡은 장갑", level: 70, base: [0, 0], boss: false },
    Case { job: "히어로", worth: WARRIOR, slot: "신발", name: "앱솔랩스 나이트슈즈", level: 160, base: [0, 0], boss: true },
    Case { job: "제로", worth: WARRIOR, slot: "무기", name: "제네시스 라피스", level: 200, base: [173, 0], boss: false },
    Case { job: "제로", worth: WARRIOR, slot: "모자", name: "에테르넬 나이트헬름", level: 250, base: [0, 0], boss: true },
    Case { job: "섀도어", worth: SHADOWER, slot: "망토", name: "아케인셰이드 시프케이프", level: 200, base: [6, 6], boss: true },
    Case { job: "제논", worth: XENON, slot: "벨트", name: "몽환의 벨트", level: 230, base: [0, 0], boss: true },
    Case { job: "데몬어벤져", worth: DEMON_AVENGER, slot: "무기", name: "데스티니 데스페라도", level: 249, base: [171, 0], boss: true },
    Case { job: "데몬어벤져", worth: DEMON_AVENGER, slot: "반지1", name: "평범한 반지", level: 9, base: [0, 0], boss: false },
];

/// Stage and chance in percent on ordinary items; powerful, eternal, abyss.
const KINDS: [&[(usize, u128)]; 3] = [
    &[(1, 20), (2, 30), (3, 36), (4, 14)],
    &[(2, 29), (3, 45), (4, 25), (5, 1)],
    &[(3, 63), (4, 34), (5, 3)],
];

/// Ten thousandths, for stages 1 to 5 of ordinary weapons and 3 to 7 of boss weapons.
const ORDINARY_WEAPON: [i64; 5] = [10_000, 22_000, 36_300, 53_240, 73_205];
const BOSS_WEAPON: [i64; 5] = [30_000, 44_000, 60_500, 79_860, 102_487];

const STAGES: i64 = 7;

impl Case {
    fn weapon(&self) -> bool {
        self.slot == "무기"
    }

    /// The scores of every option of the pool, by stage (index 0 is stage 1).
    fn pool(&self) -> Vec<Vec<i64>> {
        let linear = |point: i64| (1..=STAGES).map(|stage| stage * point).collect::<Vec<_>>();
        let level = i64::from(self.level);
        let single = match level {
            ..200 => level / 20 + 1,
            200..230 => 11,
            _ => 12,
        };
        let pair = match level {
            ..200 => level / 40 + 1,
            200..250 => 6,
            _ => 7,
        };
        let max_hp = match level {
            ..10 => 3,
            10..200 => level / 10 * 30,
            200..250 => 600 + (level - 200) / 10 * 20,
            _ => 700,
        };
        let worth = &self.worth;
        let mut pool: Vec<Vec<i64>> =
            worth.stats.iter().map(|stat| linear(single * stat)).collect();
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            pool.push(linear(pair * (worth.stats[a] + worth.stats[b])));
        }
        pool.push(linear(max_hp * worth.max_hp));
        // Max MP, level decrease, defence.
        pool.extend(std::iter::repeat_n(linear(0), 3));
        if self.weapon() {
            pool.push(self.weapon_attack(self.base[0], worth.attack));
            pool.push(self.weapon_attack(self.base[1], worth.magic));
            pool.push(linear(worth.damage));
            if level >= 90 {
                pool.push(linear(2 * worth.damage));
            }
        } else {
            if level >= 60 {
                pool.push(linear(worth.attack));
                pool.push(linear(worth.magic));
            }
            // Speed and jump.
            pool.extend(std::iter::repeat_n(linear(0), 2));
        }
        if level >= 70 {
            pool.push(linear(worth.all_stat));
        }
        pool
    }

    fn weapon_attack(&self, base: i64, worth: i64) -> Vec<i64> {
        let (first, multipliers) = if self.boss { (3, BOSS_WEAPON) } else { (1, ORDINARY_WEAPON) };
        let mut scores = vec![0; STAGES as usize];
        for (stage, m) in (first..).zip(multipliers) {
            let millionths = base * (i64::from(self.level) / 40 + 1) * m;
            scores[stage - 1] = worth * ((millionths + 999_999) / 1_000_000);
        }
        scores
    }

    /// What the library says about a worn score.
    fn valued(&self, rules: &Ruleset, memo: &mut FlameMemo, score: i64) -> FlameCost {
        let (profile, _) = rules.jobs.profile(Some(self.job), || [0; 4]);
        let mut worn = Worn::default();
        if self.worth.max_hp > 0 {
            worn.max_hp = score / self.worth.max_hp;
        } else {
            let first = |of| self.worth.stats.iter().position(|worth| *worth == of);
            worn.stats[first(10).expect("a main stat")] = score / 10;
            if let Some(sub) = first(1) {
                worn.stats[sub] = score % 10;
            }
        }
        let item = FlameItem {
            slot: self.slot,
            name: self.name,
            job: Some(self.job),
            level: self.level,
            base_attack: self.base[0],
            base_magic: self.base[1],
            worn,
        };
        match flame::value(&rules.flame, &profile, &item, memo) {
            Outcome::Priced(cost) => cost,
            other => panic!("{} on {}, score {score}: {other:?}", self.name, self.job),
        }
    }
}

/// Adds the weight of every draw of `lines` distinct options from `pool` on, by score. A weight is the product of
/// the stages' percents.
fn draw(
    pool: &[Vec<i64>],
    lines: usize,
    stages: &[(usize, u128)],
    score: i64,
    weight: u128,
    into: &mut [u128],
) {
    if lines == 0 {
        into[score as usize] += weight;
        return;
    }
    for (at, option) in pool.iter().enumerate() {
        for (stage, percent) in stages {
            let score = score + option[stage - 1];
            draw(&pool[at + 1..], lines - 1, stages, score, weight * percent, into);
        }
    }
}

fn choose(n: usize, k: usize) -> u128 {
    (0..k).fold(1, |ways, i| ways * (n - i) as u128 / (i + 1) as u128)
}

/// P(score >= s) for every s, by enumeration.
fn survival(case: &Case, kind: &[(usize, u128)]) -> Vec<f64> {
    let pool = case.pool();
    let (shift, lines): (usize, &[(usize, u128)]) =
        if case.boss { (2, &[(4, 100)]) } else { (0, &[(1, 40), (2, 40), (3, 16), (4, 4)]) };
    let stages: Vec<(usize, u128)> =
        kind.iter().map(|(stage, percent)| (stage + shift, *percent)).collect();
    let most: i64 = pool.iter().map(|option| option.iter().max().expect("7 stages")).sum();
    // Over the common denominator of all line counts: percent^4 times every number of subsets.
    let subsets: u128 = lines.iter().map(|(count, _)| choose(pool.len(), *count)).product();
    let mut weights = vec![0_u128; most as usize + 1];
    for (count, percent) in lines {
        let mut drawn = vec![0_u128; weights.len()];
        draw(&pool, *count, &stages, 0, 1, &mut drawn);
        let scale =
            percent * subsets / choose(pool.len(), *count) * 100_u128.pow(4 - *count as u32);
        for (weight, drawn) in weights.iter_mut().zip(drawn) {
            *weight += scale * drawn;
        }
    }
    let whole = subsets * 100_u128.pow(5);
    assert_eq!(weights.iter().sum::<u128>(), whole, "the oracle's own mass");
    let mut above = 0;
    let mut survival: Vec<f64> = weights
        .iter()
        .rev()
        .map(|weight| {
            above += weight;
            above as f64 / whole as f64
        })
        .collect();
    survival.reverse();
    survival
}

fn check(case: &Case) {
    let rules = Ruleset::built_in("kms-2026-09").expect("built in");
    let mut memo = FlameMemo::default();
    for (kind, stages) in KINDS.into_iter().enumerate() {
        let survival = survival(case, stages);
        let best = survival.iter().rposition(|chance| *chance > 0.0).expect("mass") as i64;
        let unit = if case.worth.stats.contains(&1) { 1 } else { 10 };
        let between = (1..=97).map(|part| best * part / 97 / unit * unit);
        for score in
            [unit, best / unit * unit, best / unit * unit + unit].into_iter().chain(between)
        {
            if score == 0 {
                continue;
            }
            let which = format!("{} on {}, kind {kind}, score {score}", case.name, case.job);
            let cost = case.valued(&rules, &mut memo, score);
            assert_eq!(cost.score, score, "{which}");
            let chance = survival.get(score as usize).copied().unwrap_or(0.0);
            match cost.trials[kind] {
                Some(trials) => {
                    assert!((trials * chance - 1.0).abs() < 1e-12, "{which}: {trials}, 1/{chance}");
                }
                None => assert_eq!(chance, 0.0, "{which}"),
            }
            let black = cost.trials[1].map(|trials| trials * 3_000_000.0);
            assert_eq!(cost.cost, black, "{which}");
            let unreachable = cost.trials.iter().any(Option::is_none);
            assert_eq!(cost.reason().is_some(), unreachable, "{which}");
        }
    }
}

#[test]
fn every_draw_of_every_case_is_counted() {
    for case in &CASES {
        check(case);
    }
}

#[test]
fn the_oracles_pools_have_the_nineteen_options_of_the_rules() {
    for case in CASES.iter().filter(|case| case.level >= 90) {
        assert_eq!(case.pool().len(), 19, "{}", case.name);
    }
}
