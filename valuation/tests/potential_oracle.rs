//! The engine against a slow, exact one: option by option, in rationals, reading the texts in its own way.
//! All small tables of one kind are tried, then real contexts; properties on random contexts follow.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;
use num_traits::ToPrimitive;
use num_traits::Zero;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use valuation::job::AttackKind;
use valuation::job::MainStat;
use valuation::job::Profile;
use valuation::job::Stat;
use valuation::potential::Dimension;
use valuation::potential::Grade;
use valuation::potential::LINES;
use valuation::potential::Roll;
use valuation::potential::Row;
use valuation::potential::System;
use valuation::potential::Tables;
use valuation::potential::Target;
use valuation::potential::success_probability;
use valuation::potential::targets_of;

const INT: Dimension = Dimension::MainPercent(MainStat::One(Stat::Int));
const MAGIC: Dimension = Dimension::AttackPercent(AttackKind::Magic);

/// What a text gives towards some dimensions, in their order.
type Gives = fn(&str) -> Vec<u32>;

/// Exact probability of every combination of totals, over all triples of options.
fn outcomes(tables: &Tables, roll: Roll, gives: Gives) -> BTreeMap<Vec<u32>, BigRational> {
    let lines: Vec<Vec<_>> = (0..LINES)
        .map(|line| tables.rows(roll, line).map(|row| (row, gives(&row.option.text))).collect())
        .collect();
    let mut outcomes = BTreeMap::new();
    for (a, gives_a) in &lines[0] {
        let share_a = share(a, &lines[0], &[]);
        for (b, gives_b) in &lines[1] {
            let share_b = share(b, &lines[1], &[a]);
            if share_b.is_zero() {
                continue;
            }
            let pair = &share_a * share_b;
            for (c, gives_c) in &lines[2] {
                let totals =
                    (0..gives_a.len()).map(|at| gives_a[at] + gives_b[at] + gives_c[at]).collect();
                *outcomes.entry(totals).or_insert_with(BigRational::zero) +=
                    &pair * share(c, &lines[2], &[a, b]);
            }
        }
    }
    outcomes
}

/// Probability of drawing a row on a line, after the rows drawn before it.
fn share(row: &Row<'_>, line: &[(Row<'_>, Vec<u32>)], before: &[&Row<'_>]) -> BigRational {
    let open = |row: &Row<'_>| match row.limit {
        None => true,
        Some(limit) => before.iter().filter(|drawn| drawn.limit == Some(limit)).count() < limit.max,
    };
    if !open(row) {
        return BigRational::zero();
    }
    let left: u64 = line.iter().filter(|(row, _)| open(row)).map(|(row, _)| row.weight).sum();
    BigRational::new(BigInt::from(row.weight), BigInt::from(left))
}

fn amount(text: &str, name: &str) -> u32 {
    let rest = text.strip_prefix(name).and_then(|rest| rest.strip_suffix('%'));
    rest.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn int_and_magic(text: &str) -> Vec<u32> {
    vec![amount(text, "INT +") + amount(text, "올스탯 +"), amount(text, "마력 +")]
}

#[track_caller]
fn same(actual: f64, exact: &BigRational, context: &str) {
    let exact = exact.to_f64().expect("a probability");
    assert!((actual - exact).abs() <= 1e-12 * exact, "{context}: {actual} is not {exact}");
}

/// Compares every pair of thresholds that any outcome has, and one beyond.
fn compare_int_and_magic(tables: &Tables, roll: Roll, context: &str) {
    let outcomes = outcomes(tables, roll, int_and_magic);
    assert!(outcomes.values().sum::<BigRational>().is_one(), "{context}");
    let thresholds = |at: usize| {
        let mut values: Vec<u32> = outcomes.keys().map(|totals| totals[at]).collect();
        values.push(values.iter().max().expect("an outcome") + 1);
        values.sort_unstable();
        values.dedup();
        values
    };
    for int in thresholds(0) {
        for magic in thresholds(1) {
            let reached = outcomes.iter().filter(|(t, _)| t[0] >= int && t[1] >= magic);
            let exact: BigRational = reached.map(|(_, share)| share).sum();
            let targets = [
                Target { dimension: INT, at_least: f64::from(int) },
                Target { dimension: MAGIC, at_least: f64::from(magic) },
            ];
            let context = format!("{context}: INT {int}, magic {magic}");
            same(success_probability(tables, roll, &targets), &exact, &context);
        }
    }
}

/// A line with this subset of four options, with rates in the ratio 2 : 3 : 5 : 7.
fn small_line(id: usize, subset: usize) -> String {
    let chosen: Vec<_> = (0..4).filter(|option| subset & (1 << option) != 0).collect();
    let parts = [2, 3, 5, 7];
    let whole: u32 = chosen.iter().map(|option| parts[*option]).sum();
    chosen.iter().fold(format!("line {id}"), |mut line, option| {
        let rate = parts[*option] * 1_000_000 / whole;
        write!(line, " {rate}:{option}").expect("writing to a string");
        line
    })
}

#[test]
fn all_tables_of_four_options_match_the_oracle() {
    // Options 0 and 2 give the same, and only one of them is limited.
    let head = "potential-tables 1\nlimit one 1\nlimit two 2\n\
        option 0 - INT +3%\noption 1 - 올스탯 +2%\noption 2 one 올스탯 +3%\noption 3 two 마력 +4%\n";
    // Every subset that leaves something to draw when both limits are reached.
    let subsets: Vec<_> = (1..16).filter(|subset| subset & 0b0011 != 0).collect();
    let mut text = head.to_owned();
    for (id, subset) in subsets.iter().enumerate() {
        text += &small_line(id, *subset);
        text += "\n";
    }
    text += "part regular rare 모자\n";
    let count = subsets.len();
    let mut level = 0;
    for first in 0..count {
        for second in 0..count {
            for third in 0..count {
                writeln!(text, "band {level} {first} {second} {third}").unwrap();
                level += 1;
            }
        }
    }
    let tables = Tables::parse(&text).unwrap();
    assert_eq!(tables.contexts().count(), 12 * 12 * 12);
    for context in tables.contexts() {
        compare_int_and_magic(&tables, context.roll, &format!("{context:?}"));
    }
}

#[test]
fn real_contexts_match_the_oracle() {
    let tables = Tables::builtin();
    for (system, grade, part, level) in [
        (System::Regular, Grade::Legendary, "모자", 250),
        (System::Regular, Grade::Unique, "모자", 150),
        (System::Regular, Grade::Legendary, "장갑", 70),
        (System::Additional, Grade::Legendary, "무기", 200),
    ] {
        let roll = tables.roll(system, grade, part, level).unwrap();
        compare_int_and_magic(&tables, roll, &format!("{system:?} {grade:?} {part} {level}"));
    }
}

/// Ignored defence multiplies, so no sum tells it; the number of lines of each published amount does.
fn ignored_defence(text: &str) -> Vec<u32> {
    [35, 40, 45].map(|percent| u32::from(amount(text, "몬스터 방어율 무시 +") == percent)).to_vec()
}

#[test]
fn ignored_defence_matches_the_oracle() {
    let tables = Tables::builtin();
    let roll = tables.roll(System::Regular, Grade::Legendary, "무기", 250).unwrap();
    let outcomes = outcomes(&tables, roll, ignored_defence);
    let left = |counts: &[u32]| {
        65u32.pow(counts[0])
            * 60u32.pow(counts[1])
            * 55u32.pow(counts[2])
            * 100u32.pow(3 - counts.iter().sum::<u32>())
    };
    for counts in outcomes.keys() {
        let reached = outcomes.iter().filter(|(other, _)| left(other) <= left(counts));
        let exact: BigRational = reached.map(|(_, share)| share).sum();
        // In floating point, as a client would write it.
        let at_least = 100.0 * (1.0 - f64::from(left(counts)) / 1e6);
        let target = Target { dimension: Dimension::IgnoreDefence, at_least };
        same(success_probability(&tables, roll, &[target]), &exact, &format!("{counts:?}"));
    }
}

#[test]
fn without_targets_every_reset_succeeds() {
    let tables = Tables::builtin();
    for context in tables.contexts() {
        let certain = success_probability(&tables, context.roll, &[]);
        assert!((1.0 - certain).abs() <= 1e-12, "{context:?}: {certain}");
        // Contributions and limits split the lines into classes; their masses must still sum to 1.
        let zero = Dimension::ALL.map(|dimension| Target { dimension, at_least: 0.0 });
        let certain = success_probability(&tables, context.roll, &zero);
        assert!((1.0 - certain).abs() <= 1e-12, "{context:?}: {certain}");
    }
}

/// No larger than, up to rounding.
fn no_likelier(harder: f64, easier: f64) -> bool {
    harder <= easier * (1.0 + 1e-12)
}

fn any_dimension() -> impl Strategy<Value = Dimension> {
    prop::sample::select(Dimension::ALL.to_vec())
}

fn any_target() -> impl Strategy<Value = Target> {
    (any_dimension(), 0..60u32)
        .prop_map(|(dimension, at_least)| Target { dimension, at_least: f64::from(at_least) })
}

fn any_profile() -> impl Strategy<Value = Profile> {
    use MainStat::MaxHp;
    use MainStat::One;
    use MainStat::StrDexLuk;
    let main = prop::sample::select(vec![
        One(Stat::Str),
        One(Stat::Dex),
        One(Stat::Int),
        One(Stat::Luk),
        StrDexLuk,
        MaxHp,
    ]);
    main.prop_map(|main| {
        let attack = match main {
            One(Stat::Int) => AttackKind::Magic,
            _ => AttackKind::Attack,
        };
        Profile { main, subs: Vec::new(), attack }
    })
}

proptest! {
    #[test]
    fn harder_targets_are_never_likelier(
        context in any::<prop::sample::Index>(),
        mut targets in prop::collection::vec(any_target(), 1..4),
        more in 0..20u32,
    ) {
        let tables = Tables::builtin();
        let contexts: Vec<_> = tables.contexts().collect();
        let roll = context.get(&contexts).roll;
        let all = success_probability(&tables, roll, &targets);
        let fewer = success_probability(&tables, roll, &targets[1..]);
        prop_assert!(no_likelier(all, fewer));
        targets[0].at_least += f64::from(more);
        prop_assert!(no_likelier(success_probability(&tables, roll, &targets), all));
    }

    #[test]
    fn more_lines_are_never_likelier_and_own_lines_are_possible(
        context in any::<prop::sample::Index>(),
        profile in any_profile(),
        rows in prop::array::uniform3(any::<prop::sample::Index>()),
        dropped in 0..LINES,
    ) {
        let tables = Tables::builtin();
        let contexts: Vec<_> = tables.contexts().collect();
        let context = context.get(&contexts);
        let mut lines = [None; LINES];
        let mut chance = 1.0;
        for (line, shown) in lines.iter_mut().enumerate() {
            let rows_of_line: Vec<_> = tables.rows(context.roll, line).collect();
            let row = rows[line].get(&rows_of_line);
            *shown = Some(&*row.option.text);
            chance *= row.weight as f64 / rows_of_line.iter().map(|row| row.weight as f64).sum::<f64>();
        }
        let of = |lines: &[Option<&str>; LINES]| {
            success_probability(&tables, context.roll, &targets_of(&profile, context.system, lines))
        };
        let whole = of(&lines);
        // At least the chance of these very lines, when no limit stands against them.
        let limited = (0..LINES).any(|line| {
            tables.rows(context.roll, line)
                .any(|row| row.limit.is_some() && Some(&*row.option.text) == lines[line])
        });
        prop_assert!(limited || no_likelier(chance, whole), "{chance} {whole}");
        lines[dropped] = None;
        prop_assert!(no_likelier(whole, of(&lines)));
    }
}
