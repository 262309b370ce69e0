//! The V5 document: what each preset and each item costs, and nothing of how. Totals and their rounding are those of V4.
//! The older system's `characterLevel` is left out: the equipment document does not know it.

use serde::Serialize;

use crate::answer::number::whole;
use crate::answer::text;
use crate::answer::valued::Money;
use crate::answer::valued::ValuedCharacter;
use crate::answer::valued::ValuedItem;
use crate::answer::valued::ValuedPreset;
use crate::korean_time;

/// What the document says besides the valuation.
#[derive(Debug, Clone, Copy)]
pub struct Meta<'a> {
    /// The name asked for.
    pub name: &'a str,
    /// The id it stands for.
    pub ocid: &'a str,
    /// Job, if the payload names one.
    pub class: Option<&'a str>,
    /// When it was calculated, unix milliseconds.
    pub calculated_at_ms: u64,
    /// When the payload was received, unix milliseconds.
    pub data_as_of_ms: u64,
}

/// Writes the document as JSON.
#[must_use]
pub fn write(meta: &Meta<'_>, character: &ValuedCharacter<'_>) -> Vec<u8> {
    sonic_rs::to_vec(&document(meta, character)).expect("plain structs of texts and whole numbers")
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CharacterDoc<'a> {
    user_ign: &'a str,
    character_ocid: &'a str,
    character_class: Option<&'a str>,
    calculated_at: String,
    last_api_sync_at: String,
    /// Grows with every newer gear.
    version: u64,
    total_expected_cost: u64,
    max_preset_no: i64,
    from_cache: bool,
    partial: bool,
    presets: Vec<PresetDoc<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PresetDoc<'a> {
    preset_no: i64,
    total_expected_cost: u64,
    total_cost_text: String,
    cost_breakdown: Breakdown,
    partial: bool,
    items: Vec<ItemDoc<'a>>,
}

/// Flames are beside the total, as in V4.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Breakdown {
    black_cube_cost: u64,
    red_cube_cost: u64,
    additional_cube_cost: u64,
    starforce_cost: u64,
    flame_cost: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemDoc<'a> {
    item_name: &'a str,
    expected_cost: u64,
    cost_text: String,
    partial: bool,
}

fn document<'a>(meta: &Meta<'a>, character: &'a ValuedCharacter<'a>) -> CharacterDoc<'a> {
    let presets: Vec<PresetDoc<'a>> = character.presets.iter().map(preset).collect();
    let dearest = character.dearest().map(|place| &presets[place]);
    CharacterDoc {
        user_ign: meta.name,
        character_ocid: meta.ocid,
        character_class: meta.class,
        calculated_at: korean_time::zoned(meta.calculated_at_ms),
        last_api_sync_at: korean_time::zoned(meta.data_as_of_ms),
        version: meta.data_as_of_ms,
        total_expected_cost: dearest.map_or(0, |preset| preset.total_expected_cost),
        max_preset_no: dearest.map_or(0, |preset| preset.preset_no),
        from_cache: false,
        partial: presets.iter().any(|preset| preset.partial),
        presets,
    }
}

fn preset<'a>(preset: &'a ValuedPreset<'a>) -> PresetDoc<'a> {
    let money = Money::sum(&preset.items);
    let total = whole(money.total());
    PresetDoc {
        preset_no: preset.number,
        total_expected_cost: total,
        total_cost_text: text::korean(total),
        cost_breakdown: Breakdown {
            black_cube_cost: whole(money.potential),
            red_cube_cost: 0,
            additional_cube_cost: whole(money.additional),
            starforce_cost: whole(money.starforce),
            flame_cost: whole(money.flame),
        },
        partial: money.partial,
        items: preset.items.iter().map(item).collect(),
    }
}

fn item<'a>(valued: &'a ValuedItem<'a>) -> ItemDoc<'a> {
    let money = Money::of(&valued.value);
    let cost = whole(money.total());
    ItemDoc {
        item_name: &valued.item.name,
        expected_cost: cost,
        cost_text: text::korean(cost),
        partial: money.partial,
    }
}
