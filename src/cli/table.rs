//! Valued gear as a table for people. Hangul is two columns wide, so padding counts columns, not characters.

use std::fmt::Write as _;

use valuation::outcome::Outcome;
use valuation::outcome::Part;

use crate::answer::number::whole;
use crate::answer::text;
use crate::answer::valued::Money;
use crate::answer::valued::ValuedCharacter;
use crate::answer::valued::ValuedItem;
use crate::answer::valued::ValuedPreset;

/// Columns of the table: title, width; numbers are right-aligned.
const COLUMNS: [(&str, usize); 7] = [
    ("part", 12),
    ("item", 30),
    ("stars", 6),
    ("potential", 20),
    ("additional", 20),
    ("starforce", 20),
    ("total", 22),
];

/// Writes the whole table.
#[must_use]
pub(super) fn write(
    name: &str,
    job: Option<&str>,
    ruleset: &str,
    character: &ValuedCharacter<'_>,
) -> String {
    let mut out = format!("{name} ({}), ruleset {ruleset}\n", job.unwrap_or("unknown job"));
    if let Some(note) = &character.note {
        let _ = writeln!(out, "note: {note}");
    }
    if character.presets.is_empty() {
        out.push_str("no items: nothing to value\n");
    }
    for preset in &character.presets {
        write_preset(&mut out, preset);
    }
    out
}

fn write_preset(out: &mut String, preset: &ValuedPreset<'_>) {
    let _ = writeln!(out, "\npreset {}", preset.number);
    let rule: usize = COLUMNS.iter().map(|(_, width)| width + 1).sum();
    row(out, COLUMNS.map(|(title, _)| title.to_owned()));
    let _ = writeln!(out, "{}", "-".repeat(rule - 1));
    for valued in &preset.items {
        item(out, valued);
    }
    let money = Money::sum(&preset.items);
    let _ = writeln!(out, "{}", "-".repeat(rule - 1));
    let total = mesos(money.total());
    row(
        out,
        [
            String::new(),
            format!("{} items", preset.items.len()),
            String::new(),
            mesos(money.potential),
            mesos(money.additional),
            mesos(money.starforce),
            if money.partial { format!("> {total}") } else { total },
        ],
    );
    let _ =
        writeln!(out, "beside it: tier-up {}, flames {}", mesos(money.tier_up), mesos(money.flame));
    remarks(out, "unpriced", preset, |valued| {
        valued.value.unpriced().map(|(part, reason)| format!("{}: {reason}", part.name())).collect()
    });
    remarks(out, "free", preset, |valued| {
        valued.value.notes().map(|(part, reason)| format!("{}: {reason}", part.name())).collect()
    });
}

fn item(out: &mut String, valued: &ValuedItem<'_>) {
    let value = &valued.value;
    let cell = |unpriced: bool, absent: bool, cost: f64| match (unpriced, absent) {
        (true, _) => "?".to_owned(),
        (_, true) => "-".to_owned(),
        _ => mesos(cost),
    };
    let block = |part, outcome: &Outcome<_>| {
        let unpriced = matches!(outcome, Outcome::Unpriced(_));
        cell(unpriced, matches!(outcome, Outcome::Absent), value.line_cost(part))
    };
    let stars = match valued.item.stars {
        0 => String::new(),
        stars if valued.item.scrolled => format!("{stars}놀"),
        stars => format!("{stars}"),
    };
    row(
        out,
        [
            shown(&valued.item.slot).to_owned(),
            shown(&valued.item.name).to_owned(),
            stars,
            block(Part::Potential, &value.potential.outcome),
            block(Part::AdditionalPotential, &value.additional.outcome),
            cell(
                matches!(value.starforce, Outcome::Unpriced(_)),
                matches!(value.starforce, Outcome::Absent),
                value.starforce_cost(),
            ),
            if value.is_partial() {
                format!("> {}", mesos(value.total()))
            } else {
                mesos(value.total())
            },
        ],
    );
}

/// Reasons, one line each, items with the same reason together.
fn remarks(
    out: &mut String,
    title: &str,
    preset: &ValuedPreset<'_>,
    of: impl Fn(&ValuedItem<'_>) -> Vec<String>,
) {
    let mut seen: Vec<(String, Vec<&str>)> = Vec::new();
    for valued in &preset.items {
        for remark in of(valued) {
            match seen.iter_mut().find(|(known, _)| *known == remark) {
                Some((_, slots)) => slots.push(shown(&valued.item.slot)),
                None => seen.push((remark, vec![shown(&valued.item.slot)])),
            }
        }
    }
    for (remark, slots) in seen {
        let _ = writeln!(out, "{title}: {} ({remark})", slots.join(", "));
    }
}

fn row(out: &mut String, cells: [String; 7]) {
    let mut line = String::new();
    for (at, (cell, (_, width))) in cells.into_iter().zip(COLUMNS).enumerate() {
        let cell = fit(&cell, width);
        let padding = " ".repeat(width.saturating_sub(columns(&cell)));
        // Texts to the left, numbers to the right.
        let aligned = if at < 2 { cell + &padding } else { padding + &cell };
        let _ = write!(line, "{aligned} ");
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Cuts a text that would break the table.
fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if columns(&cut) + columns(c.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}

/// Terminal columns: Hangul and other wide characters take two.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x11FF | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xFF00..=0xFF60);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// An unreadable item has neither slot nor name.
fn shown(text: &str) -> &str {
    if text.is_empty() { "?" } else { text }
}

fn mesos(amount: f64) -> String {
    text::korean(whole(amount))
}
