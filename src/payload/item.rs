//! One worn item: from raw fields to what valuation reads, with the reasons why a part cannot be priced.

use std::borrow::Cow;

use valuation::flame::Worn;
use valuation::outcome::Part;

use crate::payload::scalar::Scalar;
use crate::payload::tolerant::Shape;
use crate::payload::tolerant::Unread;
use crate::payload::tolerant::tolerant_object;

/// Why one part of an item cannot be priced from this document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The part of the valuation that needed the field.
    pub part: Part,
    /// Names the field and what stood there.
    pub reason: String,
}

/// Name of the equipment slot; what the wire calls `itemPart`.
pub type Slot<'a> = Cow<'a, str>;

/// One worn item. Texts are trimmed; blank and null ones are None (names: empty).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Item<'a> {
    /// `item_equipment_slot`; empty when the item is unreadable.
    pub slot: Slot<'a>,
    /// `item_equipment_part`.
    pub sub_part: Option<Cow<'a, str>>,
    /// `item_name`; empty when absent.
    pub name: Cow<'a, str>,
    /// `item_icon`; empty when absent.
    pub icon: Cow<'a, str>,
    /// `item_base_option.base_equipment_level`; 0 when absent or not positive.
    pub level: u32,
    /// Base attack power.
    pub base_attack: i64,
    /// Base magic power.
    pub base_magic: i64,
    /// Grade text of the potential, as written.
    pub potential_grade: Option<Cow<'a, str>>,
    /// Its three lines.
    pub potential_lines: [Option<Cow<'a, str>>; 3],
    /// Grade text of the additional potential, as written.
    pub additional_grade: Option<Cow<'a, str>>,
    /// Its three lines.
    pub additional_lines: [Option<Cow<'a, str>>; 3],
    /// Stars; 0 when absent, negative as written.
    pub stars: i64,
    /// Made with amazing enhancement scrolls (`starforce_scroll_flag` is 사용).
    pub scrolled: bool,
    /// Level of a special ring, 0 when none.
    pub special_ring_level: i64,
    /// The flame (`item_add_option`).
    pub flame: Worn,
    /// `item_total_option` as it stands in the document; see [`Item::total_stats`].
    pub(crate) total: Unread<'a>,
    /// Parts that cannot be priced, each with its reason. Empty for a sound item.
    pub defects: Vec<Defect>,
}

tolerant_object! {
    pub(crate) struct RawOptions<'a> {
        str: Scalar<'a> = "str",
        dex: Scalar<'a> = "dex",
        int: Scalar<'a> = "int",
        luk: Scalar<'a> = "luk",
        max_hp: Scalar<'a> = "max_hp",
        all_stat: Scalar<'a> = "all_stat",
        attack_power: Scalar<'a> = "attack_power",
        magic_power: Scalar<'a> = "magic_power",
        boss_damage: Scalar<'a> = "boss_damage",
        damage: Scalar<'a> = "damage",
    }
}

tolerant_object! {
    pub(crate) struct RawBase<'a> {
        level: Scalar<'a> = "base_equipment_level",
        attack_power: Scalar<'a> = "attack_power",
        magic_power: Scalar<'a> = "magic_power",
    }
}

tolerant_object! {
    pub(crate) struct RawTotal<'a> {
        str: Scalar<'a> = "str",
        dex: Scalar<'a> = "dex",
        int: Scalar<'a> = "int",
        luk: Scalar<'a> = "luk",
    }
}

tolerant_object! {
    pub(crate) struct RawItem<'a> {
        slot: Scalar<'a> = "item_equipment_slot",
        sub_part: Scalar<'a> = "item_equipment_part",
        name: Scalar<'a> = "item_name",
        icon: Scalar<'a> = "item_icon",
        base: Shape<RawBase<'a>> = "item_base_option",
        add: Shape<RawOptions<'a>> = "item_add_option",
        total: Unread<'a> = "item_total_option",
        potential_grade: Scalar<'a> = "potential_option_grade",
        potential_1: Scalar<'a> = "potential_option_1",
        potential_2: Scalar<'a> = "potential_option_2",
        potential_3: Scalar<'a> = "potential_option_3",
        additional_grade: Scalar<'a> = "additional_potential_option_grade",
        additional_1: Scalar<'a> = "additional_potential_option_1",
        additional_2: Scalar<'a> = "additional_potential_option_2",
        additional_3: Scalar<'a> = "additional_potential_option_3",
        stars: Scalar<'a> = "starforce",
        scroll_flag: Scalar<'a> = "starforce_scroll_flag",
        special_ring_level: Scalar<'a> = "special_ring_level",
    }
}

const ALL_PARTS: [Part; 4] =
    [Part::Potential, Part::AdditionalPotential, Part::Starforce, Part::Flame];

impl<'a> Item<'a> {
    /// An item that is not even an object: listed, with every part unpriced.
    fn unreadable(reason: &str) -> Self {
        let mut item = Self::default();
        item.defect(&ALL_PARTS, reason);
        item
    }

    fn defect(&mut self, parts: &[Part], reason: &str) {
        for &part in parts {
            self.defects.push(Defect { part, reason: reason.to_owned() });
        }
    }

    /// STR, DEX, INT, LUK of `item_total_option`, read only when asked for: only characters of an unknown job need
    /// them, and reading them takes a tenth of the whole document's time. An unreadable value counts 0.
    #[must_use]
    pub fn total_stats(&self) -> [i64; 4] {
        match self.total.read::<RawTotal<'_>>() {
            Shape::Is(raw) => [raw.str, raw.dex, raw.int, raw.luk]
                .map(|stat| stat.integer().unwrap_or(None).unwrap_or(0)),
            Shape::Null | Shape::Wrong(_) => [0; 4],
        }
    }

    /// Only what the item has needs its level.
    fn spoil_what_needs_a_level(&mut self, reason: &str) {
        let has = [
            (Part::Potential, self.potential_grade.is_some()),
            (Part::AdditionalPotential, self.additional_grade.is_some()),
            (Part::Starforce, self.stars != 0),
            (Part::Flame, self.flame != Worn::default()),
        ];
        for (part, _) in has.into_iter().filter(|(_, has)| *has) {
            self.defect(&[part], reason);
        }
    }

    pub(crate) fn from_raw(raw: Shape<RawItem<'a>>) -> Self {
        let raw = match raw {
            Shape::Is(raw) => raw,
            Shape::Null => {
                return Self::unreadable("unreadable item: expected an object, found null");
            }
            Shape::Wrong(kind) => {
                return Self::unreadable(&format!(
                    "unreadable item: expected an object, found {kind}"
                ));
            }
        };
        let mut item = Self::default();
        let mut read = Reader { item: &mut item };
        let slot = read.text("item_equipment_slot", raw.slot, &ALL_PARTS);
        let sub_part = read.text("item_equipment_part", raw.sub_part, &ALL_PARTS);
        let name = read.text("item_name", raw.name, &[Part::Starforce, Part::Flame]);
        let potential = &[Part::Potential];
        let potential_grade = read.text("potential_option_grade", raw.potential_grade, potential);
        let potential_lines = [
            read.text("potential_option_1", raw.potential_1, potential),
            read.text("potential_option_2", raw.potential_2, potential),
            read.text("potential_option_3", raw.potential_3, potential),
        ];
        let additional = &[Part::AdditionalPotential];
        let grade = raw.additional_grade;
        let additional_grade = read.text("additional_potential_option_grade", grade, additional);
        let additional_lines = [
            read.text("additional_potential_option_1", raw.additional_1, additional),
            read.text("additional_potential_option_2", raw.additional_2, additional),
            read.text("additional_potential_option_3", raw.additional_3, additional),
        ];
        let starforce = &[Part::Starforce];
        let stars = read.integer("starforce", &raw.stars, starforce);
        let scroll_flag = read.text("starforce_scroll_flag", raw.scroll_flag, starforce);
        let no_level = read.base(raw.base);
        read.flame(raw.add);
        item.total = raw.total;
        if slot.is_none() && item.defects.is_empty() {
            item.defect(&ALL_PARTS, "unreadable item: no item_equipment_slot");
        }
        item.slot = slot.unwrap_or_default();
        item.sub_part = sub_part;
        item.name = name.unwrap_or_default();
        item.icon = raw.icon.text().unwrap_or_default();
        item.potential_grade = potential_grade;
        item.potential_lines = potential_lines;
        item.additional_grade = additional_grade;
        item.additional_lines = additional_lines;
        item.stars = stars;
        item.scrolled = scroll_flag.as_deref() == Some("사용");
        // Shown, never valued: an unreadable ring level is shown as none.
        item.special_ring_level =
            raw.special_ring_level.integer().unwrap_or(None).unwrap_or(0).max(0);
        if let Some(reason) = no_level {
            item.spoil_what_needs_a_level(&reason);
        }
        item
    }
}

/// Turns raw fields into values, noting on the item which parts a wrong one spoils.
struct Reader<'r, 'a> {
    item: &'r mut Item<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn text(&mut self, field: &str, raw: Scalar<'a>, spoils: &[Part]) -> Option<Cow<'a, str>> {
        if let Some(wrong) = raw.wrong_as_text() {
            self.item.defect(spoils, &format!("unreadable {field}: {wrong}"));
        }
        raw.text()
    }

    fn integer(&mut self, field: &str, raw: &Scalar<'a>, spoils: &[Part]) -> i64 {
        match raw.integer() {
            Ok(value) => value.unwrap_or(0),
            Err(wrong) => {
                self.item.defect(spoils, &format!("unreadable {field}: {wrong}"));
                0
            }
        }
    }

    /// Why the level is unreadable, if it is: what that spoils depends on what the item has.
    fn base(&mut self, raw: Shape<RawBase<'a>>) -> Option<String> {
        let raw = match raw {
            Shape::Is(raw) => raw,
            Shape::Null => return None,
            Shape::Wrong(kind) => {
                return Some(format!(
                    "unreadable item_base_option: expected an object, found {kind}"
                ));
            }
        };
        self.item.base_attack = self.integer("attack_power", &raw.attack_power, &[Part::Flame]);
        self.item.base_magic = self.integer("magic_power", &raw.magic_power, &[Part::Flame]);
        match raw.level.integer() {
            Ok(level) => {
                // C2: a missing or non-positive level is 0. No item of the game comes near u32.
                self.item.level = u32::try_from(level.unwrap_or(0).max(0)).unwrap_or(u32::MAX);
                None
            }
            Err(wrong) => Some(format!("unreadable base_equipment_level: {wrong}")),
        }
    }

    fn flame(&mut self, raw: Shape<RawOptions<'a>>) {
        let raw = match raw {
            Shape::Is(raw) => raw,
            Shape::Null => return,
            Shape::Wrong(kind) => {
                let reason =
                    format!("unreadable item_add_option: expected an object, found {kind}");
                return self.item.defect(&[Part::Flame], &reason);
            }
        };
        let mut value = |field: &str, raw: &Scalar<'a>| {
            self.integer(&format!("item_add_option.{field}"), raw, &[Part::Flame])
        };
        let flame = Worn {
            stats: [
                value("str", &raw.str),
                value("dex", &raw.dex),
                value("int", &raw.int),
                value("luk", &raw.luk),
            ],
            max_hp: value("max_hp", &raw.max_hp),
            all_stat_percent: value("all_stat", &raw.all_stat),
            attack: value("attack_power", &raw.attack_power),
            magic: value("magic_power", &raw.magic_power),
            boss_damage_percent: value("boss_damage", &raw.boss_damage),
            damage_percent: value("damage", &raw.damage),
        };
        self.item.flame = flame;
    }
}
