//! A payload with every item valued, in exact numbers. What a payload's defects spoil is unpriced here.

use std::borrow::Cow;

use valuation::character::Character;
use valuation::character::ItemValue;
use valuation::character::Valuer;
use valuation::outcome::Part;

use crate::payload;
use crate::payload::Document;

/// One worn item and its value.
#[derive(Debug)]
pub struct ValuedItem<'a> {
    /// As read.
    pub item: &'a payload::Item<'a>,
    /// As valued.
    pub value: ItemValue,
}

/// The items of one preset.
#[derive(Debug)]
pub struct ValuedPreset<'a> {
    /// 1 to 3; when only the worn gear is known, the number the payload gives it.
    pub number: i64,
    /// In payload order.
    pub items: Vec<ValuedItem<'a>>,
}

/// A character's presets.
#[derive(Debug)]
pub struct ValuedCharacter<'a> {
    /// Presets with at least one item, in order.
    pub presets: Vec<ValuedPreset<'a>>,
    /// A remark on the character as a whole (unknown job).
    pub note: Option<String>,
}

impl ValuedCharacter<'_> {
    /// Place of the preset that stands for the character: the dearest, of equals the first.
    #[must_use]
    pub fn dearest(&self) -> Option<usize> {
        let totals = self.presets.iter().map(|preset| Money::sum(&preset.items).total());
        let best =
            totals.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(place, _)| place)
    }
}

/// Which items of a payload to value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Every preset (V4).
    Presets,
    /// Only this preset.
    Preset(u8),
    /// Only what is worn (V2, V3).
    Worn,
}

/// Values the selected items.
#[must_use]
pub fn value<'a>(
    valuer: &mut Valuer,
    document: &'a Document<'a>,
    selection: Selection,
) -> ValuedCharacter<'a> {
    let job = document.character_class.as_deref();
    let (character, note) = valuer.character(job, || total_stats(document));
    let presets = selected(document, selection)
        .into_iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(number, items)| ValuedPreset {
            number,
            items: items.iter().map(|item| value_item(valuer, &character, item)).collect(),
        })
        .collect();
    ValuedCharacter { presets, note }
}

/// C23: the worn gear stands in only when there is no preset at all.
fn selected<'a>(
    document: &'a Document<'a>,
    selection: Selection,
) -> Vec<(i64, &'a [payload::Item<'a>])> {
    let worn = || vec![(document.preset_no, document.worn.as_slice())];
    let presets = (1..).zip(document.presets.iter().map(Vec::as_slice));
    let without_presets = document.presets.iter().all(Vec::is_empty);
    match selection {
        Selection::Worn => worn(),
        Selection::Presets if without_presets => worn(),
        Selection::Presets => presets.collect(),
        Selection::Preset(wanted) => {
            let all = if without_presets { worn() } else { presets.collect() };
            all.into_iter().filter(|(number, _)| *number == i64::from(wanted)).collect()
        }
    }
}

/// C22: summed over the worn gear, or over the first preset that has items.
fn total_stats(document: &Document<'_>) -> [i64; 4] {
    let lists = std::iter::once(&document.worn).chain(&document.presets);
    let items = lists.into_iter().find(|items| !items.is_empty());
    let mut sums = [0_i64; 4];
    for item in items.into_iter().flatten() {
        for (sum, stat) in sums.iter_mut().zip(item.total_stats()) {
            *sum = sum.saturating_add(stat);
        }
    }
    sums
}

fn value_item<'a>(
    valuer: &mut Valuer,
    character: &Character,
    item: &'a payload::Item<'a>,
) -> ValuedItem<'a> {
    fn lines<'a>(lines: &'a [Option<Cow<'_, str>>; 3]) -> [Option<&'a str>; 3] {
        lines.each_ref().map(Option::as_deref)
    }
    let mut value = valuer.item(
        character,
        &valuation::character::Item {
            slot: &item.slot,
            sub_part: item.sub_part.as_deref(),
            name: &item.name,
            level: item.level,
            base_attack: item.base_attack,
            base_magic: item.base_magic,
            potential_grade: item.potential_grade.as_deref(),
            potential_lines: lines(&item.potential_lines),
            additional_grade: item.additional_grade.as_deref(),
            additional_lines: lines(&item.additional_lines),
            stars: item.stars,
            scrolled: item.scrolled,
            flame: item.flame,
        },
    );
    for defect in &item.defects {
        value.spoil(defect.part, defect.reason.clone());
    }
    ValuedItem { item, value }
}

/// The exact V4 money of some items, and what is reported beside it. Mesos.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Money {
    /// Regular potential lines.
    pub potential: f64,
    /// Additional potential lines.
    pub additional: f64,
    /// Starforce, plain policy; scrolls.
    pub starforce: f64,
    /// Tier-up, beside the total.
    pub tier_up: f64,
    /// Flames, beside the total.
    pub flame: f64,
    /// Whether some part of them is unpriced.
    pub partial: bool,
}

impl Money {
    /// Of one item.
    #[must_use]
    pub fn of(value: &ItemValue) -> Self {
        Self {
            potential: value.line_cost(Part::Potential),
            additional: value.line_cost(Part::AdditionalPotential),
            starforce: value.starforce_cost(),
            tier_up: value.tier_up_cost(),
            flame: value.flame_cost(),
            partial: value.is_partial(),
        }
    }

    /// Of many items. At most some hundred terms of like size: plain sums keep 13 digits.
    #[must_use]
    pub fn sum<'a>(items: impl IntoIterator<Item = &'a ValuedItem<'a>>) -> Self {
        items.into_iter().fold(Self::default(), |sum, item| {
            let one = Self::of(&item.value);
            Self {
                potential: sum.potential + one.potential,
                additional: sum.additional + one.additional,
                starforce: sum.starforce + one.starforce,
                tier_up: sum.tier_up + one.tier_up,
                flame: sum.flame + one.flame,
                partial: sum.partial || one.partial,
            }
        })
    }

    /// The V4 total (C25): lines and starforce.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.potential + self.additional + self.starforce
    }
}
