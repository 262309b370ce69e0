//! The V2 and V3 document: regular potential of the worn gear. Empty and null members are left out.

use serde::Serialize;
use valuation::outcome::Outcome;
use valuation::outcome::Part;

use crate::answer::number::whole;
use crate::answer::text;
use crate::answer::valued::ValuedCharacter;
use crate::answer::valued::ValuedItem;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TotalsDoc<'a> {
    user_ign: &'a str,
    total_cost: u64,
    total_cost_text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemDoc<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemDoc<'a> {
    part: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    item_name: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    potential: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_cost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_cost_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_count: Option<u64>,
    /// Why there is no cost: an unpriced item is never shown as free.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Writes the document as JSON.
#[must_use]
pub fn write(name: &str, worn: &ValuedCharacter<'_>) -> Vec<u8> {
    let items = worn.presets.iter().flat_map(|worn| &worn.items);
    let with_grade: Vec<&ValuedItem<'_>> =
        items.filter(|valued| !matches!(valued.value.potential.outcome, Outcome::Absent)).collect();
    let total =
        whole(with_grade.iter().map(|valued| valued.value.line_cost(Part::Potential)).sum());
    let document = TotalsDoc {
        user_ign: name,
        total_cost: total,
        total_cost_text: mesos(total),
        items: with_grade.into_iter().map(item).collect(),
    };
    sonic_rs::to_vec(&document).expect("plain structs of texts and whole numbers")
}

fn item<'a>(valued: &'a ValuedItem<'a>) -> ItemDoc<'a> {
    let outcome = &valued.value.potential.outcome;
    let lines: Vec<&str> =
        valued.item.potential_lines.iter().flatten().map(AsRef::as_ref).collect();
    let unpriced = matches!(outcome, Outcome::Unpriced(_));
    let cost = whole(outcome.priced().map_or(0.0, |priced| priced.cost));
    let count = whole(outcome.priced().map_or(0.0, |priced| priced.expected_resets));
    ItemDoc {
        part: &valued.item.slot,
        item_name: &valued.item.name,
        potential: lines.join(" | "),
        expected_cost: (!unpriced).then_some(cost),
        expected_cost_text: (!unpriced).then(|| mesos(cost)),
        expected_count: (!unpriced).then_some(count),
        reason: if unpriced { outcome.reason() } else { None },
    }
}

fn mesos(amount: u64) -> String {
    format!("{} 메소", text::grouped(amount))
}
