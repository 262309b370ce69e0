//! Reading the official CSV files, for the compactor and for the test that compares its work with them.
//! Not a general CSV reader: it knows quoted fields and nothing else.

use std::collections::BTreeMap;

/// System, grade, part and level of a published context.
pub(crate) type ContextKey = (String, String, String, u32);

/// Option text, probability in units of 10^-12, limited set with its maximum.
pub(crate) type CsvRow = (String, u64, Option<(String, usize)>);

/// Both files: the three table ids of every context, and the rows of every table, in file order.
pub(crate) struct Csv {
    /// Contexts in file order.
    pub(crate) contexts: Vec<(ContextKey, [u32; 3])>,
    /// Rows by table id. An option listed twice in a table is added up.
    pub(crate) tables: BTreeMap<u32, Vec<CsvRow>>,
}

/// Reads `potential_tables.csv` and `potential_lines.csv`.
pub(crate) fn read(tables: &str, lines: &str) -> Csv {
    let contexts = records(tables, "system,grade,part,level_from,line1,line2,line3");
    let contexts = contexts.map(|record| {
        let [system, grade, part, level, ids @ ..] = record.as_slice() else {
            panic!("malformed record {record:?}")
        };
        let ids = [0, 1, 2].map(|at: usize| ids[at].parse().expect("a table id"));
        let level = level.parse().expect("a level");
        ((system.clone(), grade.clone(), part.clone(), level), ids)
    });
    let contexts = contexts.collect();

    let mut tables: BTreeMap<u32, Vec<CsvRow>> = BTreeMap::new();
    for record in records(lines, "table,option,same_grade,probability,limit_group,limit_max") {
        let [table, option, _same_grade, probability, group, max] = record.as_slice() else {
            panic!("malformed record {record:?}")
        };
        let weight = weight_of(probability);
        let limit = (!group.is_empty()).then(|| (group.clone(), max.parse().expect("a maximum")));
        let rows = tables.entry(table.parse().expect("a table id")).or_default();
        match rows.iter_mut().find(|row| row.0 == *option) {
            Some(row) => row.1 += weight,
            None => rows.push((option.clone(), weight, limit)),
        }
    }
    Csv { contexts, tables }
}

/// A decimal fraction in units of 10^-12.
///
/// Some published numbers carry the trace of binary addition (0.058823999999999994); digits after the
/// twelfth are rounded away and must be such traces, below 10^-15.
fn weight_of(probability: &str) -> u64 {
    let (whole, decimals) = probability.split_once('.').unwrap_or((probability, ""));
    let digits = format!("{whole}{decimals:0<24}");
    let exact: u128 = digits[..whole.len() + 24].parse().expect("a decimal number");
    let unit = 10u128.pow(12);
    let weight = (exact + unit / 2) / unit;
    assert!(exact.abs_diff(weight * unit) < 10u128.pow(9), "{probability} has too many digits");
    u64::try_from(weight).expect("a probability")
}

fn records<'a>(text: &'a str, header: &str) -> impl Iterator<Item = Vec<String>> + use<'a> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header));
    lines.map(fields)
}

fn fields(record: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in record.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().expect("never empty").push(c),
        }
    }
    fields
}
