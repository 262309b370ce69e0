//! The V4 document: the old contract's fields in their order, then ours. Means are rounded here, each
//! from its own exact value.

use std::borrow::Cow;

use serde::Serialize;
use valuation::character::BlockValue;
use valuation::character::ItemValue;
use valuation::outcome::Outcome;
use valuation::outcome::Part;

use crate::answer::number::Hundredths;
use crate::answer::number::whole;
use crate::answer::text;
use crate::answer::valued::Money;
use crate::answer::valued::ValuedCharacter;
use crate::answer::valued::ValuedItem;
use crate::answer::valued::ValuedPreset;
use crate::expectation::ports::Costs;
use crate::expectation::ports::PresetCosts;
use crate::korean_time;

/// What the document says besides the valuation.
#[derive(Debug, Clone, Copy)]
pub struct Meta<'a> {
    /// The name asked for.
    pub name: &'a str,
    /// Id of the ruleset.
    pub ruleset: &'a str,
    /// When it was calculated, unix milliseconds.
    pub calculated_at_ms: u64,
    /// When the payload was received, unix milliseconds.
    pub data_as_of_ms: u64,
}

/// Writes the document as JSON.
#[must_use]
pub fn write(meta: &Meta<'_>, character: &ValuedCharacter<'_>) -> Vec<u8> {
    sonic_rs::to_vec(&document(meta, character)).expect("plain structs of texts and finite numbers")
}

/// What each preset costs, as the document says it.
#[must_use]
pub fn costs(character: &ValuedCharacter<'_>) -> PresetCosts {
    let costs = |preset: &ValuedPreset<'_>| {
        let money = Money::sum(&preset.items);
        let Breakdown { black_cube_cost, red_cube_cost, additional_cube_cost, starforce_cost } =
            breakdown(&money);
        let costs = Costs {
            total: whole(money.total()),
            black_cube: black_cube_cost,
            red_cube: red_cube_cost,
            additional_cube: additional_cube_cost,
            starforce: starforce_cost,
        };
        Some((u8::try_from(preset.number).ok()?, costs))
    };
    character.presets.iter().filter_map(costs).collect()
}

/// The text by which a fresh document says so, and the one that replaces it in a stale one. Unquoted colons and
/// names like these cannot occur inside a JSON string.
pub const FRESH_MARK: &[u8] = b"\"stale\":false";
/// See [`FRESH_MARK`].
pub const STALE_MARK: &[u8] = b"\"stale\":true";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CharacterDoc<'a> {
    user_ign: &'a str,
    calculated_at: String,
    from_cache: bool,
    total_expected_cost: u64,
    total_cost_text: String,
    total_cost_breakdown: Breakdown,
    max_preset_no: i64,
    presets: Vec<PresetDoc<'a>>,
    ruleset: &'a str,
    stale: bool,
    data_as_of: String,
    partial: bool,
    tier_up_cost: u64,
    flame_cost: u64,
    unpriced: Vec<Remark<'a>>,
    notes: Vec<Remark<'a>>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Breakdown {
    black_cube_cost: u64,
    red_cube_cost: u64,
    additional_cube_cost: u64,
    starforce_cost: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PresetDoc<'a> {
    preset_no: i64,
    total_expected_cost: u64,
    total_cost_text: String,
    cost_breakdown: Breakdown,
    items: Vec<ItemDoc<'a>>,
    partial: bool,
    tier_up_cost: u64,
    flame_cost: u64,
    unpriced: Vec<Remark<'a>>,
    notes: Vec<Remark<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemDoc<'a> {
    item_name: &'a str,
    item_icon: &'a str,
    item_part: &'a str,
    item_level: u32,
    expected_cost: u64,
    expected_cost_text: String,
    cost_breakdown: Breakdown,
    enhance_path: String,
    potential_grade: Option<&'a str>,
    additional_potential_grade: Option<&'a str>,
    current_star: i64,
    target_star: i64,
    special_ring_level: i64,
    black_cube_expectation: CubeDoc<'a>,
    additional_cube_expectation: CubeDoc<'a>,
    starforce_expectation: StarforceDoc,
    flame_expectation: FlameDoc,
    noljang: bool,
    partial: bool,
    tier_up_cost: u64,
    flame_cost: u64,
    unpriced: Vec<Remark<'a>>,
    notes: Vec<Remark<'a>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct CubeDoc<'a> {
    expected_cost: u64,
    expected_cost_text: String,
    expected_trials: u64,
    current_grade: Option<&'a str>,
    target_grade: Option<&'a str>,
    potential: String,
    targets: Vec<TargetDoc>,
    expected_resets: f64,
    tier_up_cost: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetDoc {
    stat: &'static str,
    at_least: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StarforceDoc {
    current_star: i64,
    target_star: i64,
    cost_without_destroy_prevention: u64,
    cost_without_destroy_prevention_text: String,
    expected_destroy_count_without: Hundredths,
    cost_with_destroy_prevention: u64,
    cost_with_destroy_prevention_text: String,
    expected_destroy_count_with: Hundredths,
    noljang: bool,
    cheapest_cost: u64,
    cheapest_policy: Vec<ChoiceDoc>,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct ChoiceDoc {
    star: u8,
    choice: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlameDoc {
    powerful_flame_trials: Option<Hundredths>,
    eternal_flame_trials: Option<Hundredths>,
    abyss_flame_trials: Option<Hundredths>,
    reason: Option<String>,
}

/// Why something is unpriced, or priced at 0. Only a remark on the whole character names no item.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Remark<'a> {
    preset_no: i64,
    item_part: Option<&'a str>,
    part: Option<&'static str>,
    reason: Cow<'a, str>,
}

fn document<'a>(meta: &Meta<'a>, character: &'a ValuedCharacter<'a>) -> CharacterDoc<'a> {
    let presets: Vec<PresetDoc<'a>> = character.presets.iter().map(preset).collect();
    let dearest = character.dearest().map(|place| &presets[place]);
    let about_character = character.note.iter().map(|note| Remark {
        preset_no: 0,
        item_part: None,
        part: None,
        reason: Cow::Borrowed(note),
    });
    let notes = about_character.chain(presets.iter().flat_map(|preset| preset.notes.clone()));
    CharacterDoc {
        user_ign: meta.name,
        calculated_at: korean_time::local(meta.calculated_at_ms),
        from_cache: false,
        total_expected_cost: dearest.map_or(0, |preset| preset.total_expected_cost),
        total_cost_text: dearest
            .map_or_else(|| text::korean(0), |preset| preset.total_cost_text.clone()),
        total_cost_breakdown: dearest
            .map_or_else(Breakdown::default, |preset| preset.cost_breakdown),
        max_preset_no: dearest.map_or(0, |preset| preset.preset_no),
        ruleset: meta.ruleset,
        stale: false,
        data_as_of: korean_time::zoned(meta.data_as_of_ms),
        partial: presets.iter().any(|preset| preset.partial),
        tier_up_cost: dearest.map_or(0, |preset| preset.tier_up_cost),
        flame_cost: dearest.map_or(0, |preset| preset.flame_cost),
        unpriced: presets.iter().flat_map(|preset| preset.unpriced.clone()).collect(),
        notes: notes.collect(),
        presets,
    }
}

fn preset<'a>(preset: &'a ValuedPreset<'a>) -> PresetDoc<'a> {
    let items: Vec<ItemDoc<'a>> = preset.items.iter().map(|one| item(preset.number, one)).collect();
    let money = Money::sum(&preset.items);
    PresetDoc {
        preset_no: preset.number,
        total_expected_cost: whole(money.total()),
        total_cost_text: text::korean(whole(money.total())),
        cost_breakdown: breakdown(&money),
        partial: money.partial,
        tier_up_cost: whole(money.tier_up),
        flame_cost: whole(money.flame),
        unpriced: items.iter().flat_map(|item| item.unpriced.clone()).collect(),
        notes: items.iter().flat_map(|item| item.notes.clone()).collect(),
        items,
    }
}

fn breakdown(money: &Money) -> Breakdown {
    Breakdown {
        black_cube_cost: whole(money.potential),
        red_cube_cost: 0,
        additional_cube_cost: whole(money.additional),
        starforce_cost: whole(money.starforce),
    }
}

fn item<'a>(preset_no: i64, valued: &'a ValuedItem<'a>) -> ItemDoc<'a> {
    let (item, value) = (valued.item, &valued.value);
    let money = Money::of(value);
    let remark = |(part, reason): (Part, Cow<'a, str>)| Remark {
        preset_no,
        item_part: Some(&item.slot),
        part: Some(part.name()),
        reason,
    };
    ItemDoc {
        item_name: &item.name,
        item_icon: &item.icon,
        item_part: &item.slot,
        item_level: item.level,
        expected_cost: whole(money.total()),
        expected_cost_text: text::korean(whole(money.total())),
        cost_breakdown: breakdown(&money),
        enhance_path: enhance_path(&item.name, item.stars, value),
        potential_grade: item.potential_grade.as_deref(),
        additional_potential_grade: item.additional_grade.as_deref(),
        current_star: 0,
        target_star: item.stars.max(0),
        special_ring_level: item.special_ring_level,
        black_cube_expectation: cube(
            &value.potential,
            item.potential_grade.as_deref(),
            &item.potential_lines,
        ),
        additional_cube_expectation: cube(
            &value.additional,
            item.additional_grade.as_deref(),
            &item.additional_lines,
        ),
        starforce_expectation: starforce(item.stars.max(0), item.scrolled, value),
        flame_expectation: flame(value),
        noljang: item.scrolled,
        partial: money.partial,
        tier_up_cost: whole(money.tier_up),
        flame_cost: whole(money.flame),
        unpriced: value.unpriced().map(remark).collect(),
        notes: value.notes().map(remark).collect(),
    }
}

/// The stages that make the item, in the old contract's words; empty when there are none.
fn enhance_path(name: &str, stars: i64, value: &ItemValue) -> String {
    let mut path = String::new();
    if !matches!(value.potential.outcome, Outcome::Absent) {
        path.push_str(" > 블랙큐브(윗잠)");
    }
    if !matches!(value.additional.outcome, Outcome::Absent) {
        path.push_str(" > 에디셔널큐브(아랫잠)");
    }
    if !matches!(value.starforce, Outcome::Absent | Outcome::Free(_)) {
        path.push_str(&format!(" > 스타포스(0→{stars}성)"));
    }
    if !path.is_empty() {
        path.insert_str(0, name);
    }
    path
}

fn cube<'a>(
    block: &'a BlockValue,
    grade: Option<&'a str>,
    lines: &[Option<Cow<'a, str>>; 3],
) -> CubeDoc<'a> {
    if matches!(block.outcome, Outcome::Absent) {
        return CubeDoc { expected_cost_text: text::korean(0), ..CubeDoc::default() };
    }
    let priced = block.outcome.priced();
    let cost = whole(priced.map_or(0.0, |cost| cost.cost));
    let resets = priced.map_or(0.0, |cost| cost.expected_resets);
    let shown: Vec<&str> = lines.iter().flatten().map(AsRef::as_ref).collect();
    CubeDoc {
        expected_cost: cost,
        expected_cost_text: text::korean(cost),
        expected_trials: whole(resets),
        current_grade: grade,
        target_grade: grade,
        potential: shown.join(" | "),
        targets: block
            .targets
            .iter()
            .map(|target| TargetDoc { stat: target.dimension.name(), at_least: target.at_least })
            .collect(),
        expected_resets: resets,
        tier_up_cost: whole(block.tier_up_cost),
    }
}

fn starforce(stars: i64, scrolled: bool, value: &ItemValue) -> StarforceDoc {
    let priced = value.starforce.priced();
    let plain = whole(priced.map_or(0.0, |cost| cost.plain_cost));
    let safeguarded = whole(priced.map_or(0.0, |cost| cost.safeguard_cost));
    StarforceDoc {
        current_star: 0,
        target_star: stars,
        cost_without_destroy_prevention: plain,
        cost_without_destroy_prevention_text: text::korean(plain),
        expected_destroy_count_without: Hundredths(priced.map_or(0.0, |cost| cost.plain_destroyed)),
        cost_with_destroy_prevention: safeguarded,
        cost_with_destroy_prevention_text: text::korean(safeguarded),
        expected_destroy_count_with: Hundredths(
            priced.map_or(0.0, |cost| cost.safeguard_destroyed),
        ),
        noljang: scrolled,
        cheapest_cost: whole(priced.map_or(0.0, |cost| cost.cheapest_cost)),
        cheapest_policy: priced.map_or_else(Vec::new, |cost| {
            let choices = cost.cheapest_policy.iter();
            choices.map(|(star, choice)| ChoiceDoc { star: *star, choice: choice.name() }).collect()
        }),
        reason: value.starforce.reason().map(str::to_owned),
    }
}

fn flame(value: &ItemValue) -> FlameDoc {
    let trials = match &value.flame {
        Outcome::Priced(cost) => cost.trials,
        Outcome::Absent | Outcome::Free(_) => [Some(0.0); 3],
        Outcome::Unpriced(_) => [None; 3],
    };
    let [powerful, eternal, abyss] = trials.map(|trials| trials.map(Hundredths));
    FlameDoc {
        powerful_flame_trials: powerful,
        eternal_flame_trials: eternal,
        abyss_flame_trials: abyss,
        reason: match &value.flame {
            Outcome::Priced(cost) => cost.reason(),
            other => other.reason().map(str::to_owned),
        },
    }
}
