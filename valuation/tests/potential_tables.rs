//! The bundled tables are the published ones, and broken tables are refused at the line that is broken.

mod potential_support;

use potential_support::CsvRow;
use std::collections::BTreeMap;
use std::path::Path;
use valuation::potential::Context;
use valuation::potential::Effect;
use valuation::potential::Grade;
use valuation::potential::LINES;
use valuation::potential::System;
use valuation::potential::Tables;
use valuation::potential::WEIGHT_ONE;

const TEXT: &str = include_str!("../tables/kms-2026-07.txt");

/// The published files, which are not part of the repository.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");

fn rows_of(tables: &Tables, context: &Context<'_>, line: usize) -> Vec<CsvRow> {
    let mut rows: Vec<CsvRow> = tables
        .rows(context.roll, line)
        .map(|row| {
            let limit = row.limit.map(|limit| (limit.name.to_string(), limit.max));
            (row.option.text.to_string(), row.weight, limit)
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn every_context_has_exactly_the_published_rows() {
    let folder = Path::new(PUBLISHED);
    if !folder.exists() {
        return;
    }
    let tables = std::fs::read_to_string(folder.join("potential_tables.csv")).unwrap();
    let lines = std::fs::read_to_string(folder.join("potential_lines.csv")).unwrap();
    let mut csv = potential_support::read(&tables, &lines);
    csv.tables.values_mut().for_each(|rows| rows.sort());
    let mut published: BTreeMap<_, _> = csv.contexts.into_iter().collect();

    let tables = Tables::builtin();
    for context in tables.contexts() {
        let Context { system, grade, part, level_from, .. } = context;
        let key = (system.name().into(), grade.name().into(), part.into(), level_from);
        let ids = published.remove(&key).unwrap_or_else(|| panic!("{key:?} was never published"));
        for (line, id) in ids.iter().enumerate() {
            assert_eq!(rows_of(&tables, &context, line), csv.tables[id], "{key:?}, line {line}");
        }
    }
    assert!(published.is_empty(), "missing: {:?}", published.keys());
}

/// Holds the file still where the published ones are absent. After a change on purpose, run the test
/// above beside the published files, then correct the number here.
#[test]
fn the_text_is_the_one_that_was_compared_with_the_published_files() {
    let fnv1a = TEXT.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(fnv1a, 0x6c81_3ed7_6c28_2d43, "{fnv1a:#x}");
}

#[test]
fn counts_and_masses_are_those_of_the_disclosure() {
    let tables = Tables::builtin();
    let contexts: Vec<_> = tables.contexts().collect();
    assert_eq!(contexts.len(), 2_188);
    for grade in Grade::ALL {
        let of_grade = contexts.iter().filter(|context| context.grade == grade).count();
        assert_eq!(of_grade, if grade == Grade::Legendary { 736 } else { 484 });
    }
    for context in &contexts {
        for line in 0..LINES {
            let mass: u64 = tables.rows(context.roll, line).map(|row| row.weight).sum();
            assert!(mass.abs_diff(WEIGHT_ONE) <= 12_000_000, "{context:?} line {line}: {mass}");
        }
    }
}

/// Guards against a wording that the effects do not know and would silently drop.
#[test]
fn only_known_kinds_of_options_are_junk() {
    let junk = ["확률", "MP", "방어력 +", "이동속도 +", "점프력 +", "회복", "무적시간", "쓸만한"];
    let tables = Tables::builtin();
    for context in tables.contexts() {
        for row in (0..LINES).flat_map(|line| tables.rows(context.roll, line)) {
            let known = junk.iter().any(|word| row.option.text.contains(word));
            assert_eq!(row.option.effect.is_none(), known, "{}", row.option.text);
        }
    }
}

#[test]
fn an_option_published_twice_in_a_line_is_added_up() {
    let tables = Tables::builtin();
    let critical_damage = |level, line| -> u64 {
        let roll = tables.roll(System::Additional, Grade::Legendary, "장갑", level).unwrap();
        let rows = tables.rows(roll, line);
        rows.filter(|row| row.option.effect == Some(Effect::CriticalDamage(1)))
            .map(|row| row.weight)
            .sum()
    };
    // Levels 0 and 11: table 63 then 64, table 71 then 151; each lists it twice.
    assert_eq!(critical_damage(0, 0), 2 * 39_216_000_000);
    assert_eq!(critical_damage(0, 1), 2 * 195_100_000);
    assert_eq!(critical_damage(11, 0), 2 * 39_216_000_000);
}

#[test]
fn the_nearest_band_at_or_below_the_level_answers() {
    let tables = Tables::builtin();
    let hat = |level| tables.roll(System::Regular, Grade::Legendary, "모자", level).unwrap();
    assert_eq!(hat(120), hat(145));
    assert_eq!(hat(120), hat(200));
    assert_ne!(hat(200), hat(201));
    assert_eq!(hat(201), hat(250));
    assert_eq!(hat(201), hat(u32::MAX));
    assert_ne!(hat(119), hat(120));

    let emblem = |grade, level| tables.roll(System::Regular, grade, "엠블렘", level);
    assert_eq!(emblem(Grade::Legendary, 59), None);
    assert!(emblem(Grade::Legendary, 60).is_some());
    assert_eq!(tables.roll(System::Regular, Grade::Legendary, "훈장", 200), None);
}

#[test]
fn a_band_is_never_borrowed() {
    let text = format!("{SMALL}part regular epic 모자\nband 20 1 1 1\nband 40 1 1 0\n");
    let tables = Tables::parse(&text).unwrap();
    let roll = |system, grade, level| tables.roll(system, grade, "모자", level);
    // Neither the rare band from 0 nor the epic one from 20 above.
    assert_eq!(roll(System::Regular, Grade::Epic, 19), None);
    // Not the rare band from 30, though it is nearer.
    assert_eq!(roll(System::Regular, Grade::Epic, 39), roll(System::Regular, Grade::Epic, 20));
    assert_eq!(roll(System::Additional, Grade::Rare, 30), None);
}

const SMALL: &str = "\
# a table
potential-tables 1
limit skill 1

option 0 - INT +3%
option 1 skill <쓸만한 헤이스트> 스킬 사용 가능
line 0 600000:0 400000:1
line 1 999999.5:0 0.000001:1
part regular rare 모자
band 0 0 0 1
band 30 0 1 1
";

#[track_caller]
fn refused(from: &str, to: &str, line: usize, message: &str) {
    assert!(SMALL.contains(from), "{from}");
    let error = Tables::parse(&SMALL.replacen(from, to, 1)).expect_err("refused");
    assert_eq!((error.line, error.message.as_str()), (line, message));
}

#[test]
fn a_small_table_reads_as_written() {
    let tables = Tables::parse(SMALL).unwrap();
    let roll = tables.roll(System::Regular, Grade::Rare, "모자", 29).unwrap();
    let rows: Vec<_> = tables.rows(roll, 2).map(|row| (&*row.option.text, row.weight)).collect();
    assert_eq!(rows, [("INT +3%", 999_999_500_000), ("<쓸만한 헤이스트> 스킬 사용 가능", 1)]);
    assert_ne!(tables.roll(System::Regular, Grade::Rare, "모자", 30), Some(roll));
}

#[test]
fn a_missing_header_is_refused() {
    let header = "the first entry must be `potential-tables 1`";
    refused("potential-tables 1\n", "", 2, header);
    refused("potential-tables 1", "potential-tables 2", 2, header);
    let error = Tables::parse("# nothing\n").unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (1, header));
}

#[test]
fn broken_distributions_are_refused() {
    let off = |mass| format!("the probabilities sum to {mass}, more than 1e-3 from 1");
    refused("600000:0", "598999:0", 7, &off("0.998999"));
    refused("600000:0", "601001:0", 7, &off("1.001001"));
    refused("line 0 600000:0 400000:1", "line 0", 7, &off("0"));
    refused("400000:1", "400000:0-1", 7, "option 0 appears twice in the line");
    refused("400000:1", "400000:2", 7, "unknown option 2");
    refused("400000:1", "400000:1-0", 7, "the range 1-0 runs backwards");
    refused("400000:1", "400000", 7, "expected <millionths>:<ids>");
    refused("400000:1", "-400000:1", 7, "`-400000` is not a number");
    refused("400000:1", "0:1", 7, "`0` millionths is not a probability above 0");
    refused("400000:1", "1000001:1", 7, "`1000001` millionths is not a probability above 0");
    refused("400000:1", "0.1234567:1", 7, "`0.1234567` has more than six decimals");
    let stuck = "nothing is left to draw when all limits are reached";
    refused("600000:0 400000:1", "1000000:1", 7, stuck);
}

#[test]
fn broken_entries_are_refused() {
    refused("limit skill 1", "limit skill", 3, "a limit needs a name and a maximum");
    refused("limit skill 1", "limit skill 0", 3, "the maximum of a limit is at least 1");
    refused("\n\noption", "\nlimit skill 2\noption", 4, "limit `skill` appears twice");
    refused("option 1 skill", "option 1 jump", 6, "unknown limit `jump`");
    refused("option 1 skill", "option 0 skill", 6, "expected id 1, got 0");
    refused(
        "skill <쓸만한 헤이스트> 스킬 사용 가능",
        "- INT +3%",
        6,
        "option `INT +3%` appears twice",
    );
    refused(
        "option 1 skill <쓸만한 헤이스트> 스킬 사용 가능",
        "option 1",
        6,
        "an option needs an id, a limit or `-`, and a text",
    );
    refused("line 1", "line 2", 8, "expected id 1, got 2");
    refused("regular", "strange", 9, "unknown system `strange`");
    refused("rare", "mythic", 9, "unknown grade `mythic`");
    refused("part regular rare 모자\n", "", 9, "a band must follow its part");
    refused("band 0 0 0 1", "band 0 0 0 2", 10, "unknown line 2");
    refused("band 0 0 0 1", "band 0 0 1", 10, "a band needs a level and three lines");
    refused("band 30", "band 0", 11, "the levels of a part must ascend");
    refused("band 30 0 1 1", "part regular rare 모자", 11, "the part appears twice");
    refused("band 30 0 1 1", "bands 30 0 1 1", 11, "unknown entry `bands`");
}
