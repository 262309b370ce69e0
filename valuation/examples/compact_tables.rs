//! Rewrites `tables/kms-2026-07.txt`, the bundled potential tables, from the two CSV files of a retrieval:
//! `cargo run -p valuation --example compact_tables -- <folder with the CSV files>`
//! Never invents or repairs a number. The form is described in `tables/README.md`.

#[path = "../tests/potential_support/mod.rs"]
mod potential_support;

use potential_support::Csv;
use potential_support::CsvRow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

const OUTPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tables/kms-2026-07.txt");

const INTENT: &str = "\
# Potential line tables of KMS, as officially disclosed by Nexon (probabilities of cubes and resets).
# 908 contexts retrieved 2026-07-15; the rest, below level 120, from a second retrieval that agrees with the
# first in all 616 contexts both have.
# Form and unit: README.md beside this file. Made by examples/compact_tables.rs; do not edit by hand.
# Left out: whether a row is of the item's own grade or the one beneath. No rule asks for it.
";

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "usage: compact_tables <folder>")
    })?;
    let tables = std::fs::read_to_string(folder.join("potential_tables.csv"))?;
    let lines = std::fs::read_to_string(folder.join("potential_lines.csv"))?;
    let text = compact(&potential_support::read(&tables, &lines)).map_err(io::Error::other)?;
    valuation::potential::Tables::parse(&text).map_err(io::Error::other)?;
    std::fs::write(OUTPUT, text)
}

fn compact(csv: &Csv) -> Result<String, std::fmt::Error> {
    let mut out = format!("{INTENT}{}\n", valuation::potential::HEADER);
    let options = write_options(&mut out, csv)?;
    let lines = write_lines(&mut out, csv, &options)?;
    let mut part = None;
    for ((system, grade, name, level_from), ids) in &csv.contexts {
        let next = (system, grade, name);
        if part.replace(next) != Some(next) {
            writeln!(out, "part {system} {grade} {name}")?;
        }
        let [first, second, third] = ids.map(|id| lines[&id]);
        writeln!(out, "band {level_from} {first} {second} {third}")?;
    }
    Ok(out)
}

/// Limits and options, numbered as they first appear. Returns the number of each option.
fn write_options<'a>(
    out: &mut String,
    csv: &'a Csv,
) -> Result<BTreeMap<&'a str, usize>, std::fmt::Error> {
    let mut limits = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    let mut entries = String::new();
    for (text, _, limit) in csv.tables.values().flatten() {
        if numbers.contains_key(text.as_str()) {
            continue;
        }
        let group = limit.as_ref().map_or("-", |(name, max)| {
            limits.insert(name, *max);
            name
        });
        writeln!(entries, "option {} {group} {text}", numbers.len())?;
        numbers.insert(text.as_str(), numbers.len());
    }
    for (name, max) in limits {
        writeln!(out, "limit {name} {max}")?;
    }
    out.push_str(&entries);
    Ok(numbers)
}

/// Each distinct distribution once. Returns the number of each table's distribution.
fn write_lines(
    out: &mut String,
    csv: &Csv,
    options: &BTreeMap<&str, usize>,
) -> Result<BTreeMap<u32, usize>, std::fmt::Error> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for (id, rows) in &csv.tables {
        let distribution = distribution(rows, options);
        let next = known.len();
        let number = *known.entry(distribution).or_insert_with_key(|distribution| {
            out.push_str(&format!("line {next}{distribution}\n"));
            next
        });
        numbers.insert(*id, number);
    }
    Ok(numbers)
}

/// Options by weight, the heaviest first.
fn distribution(rows: &[CsvRow], options: &BTreeMap<&str, usize>) -> String {
    let mut by_weight: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (text, weight, _) in rows {
        by_weight.entry(*weight).or_default().push(options[text.as_str()]);
    }
    by_weight
        .into_iter()
        .rev()
        .map(|(weight, ids)| format!(" {}:{}", millionths(weight), ranges(ids)))
        .collect()
}

fn millionths(weight: u64) -> String {
    let text = format!("{}.{:06}", weight / 1_000_000, weight % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `0-3,9` for 0, 1, 2, 3 and 9.
fn ranges(mut ids: Vec<usize>) -> String {
    ids.sort_unstable();
    ids.chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [one] => one.to_string(),
            run => format!("{}-{}", run[0], run[run.len() - 1]),
        })
        .collect::<Vec<_>>()
        .join(",")
}
