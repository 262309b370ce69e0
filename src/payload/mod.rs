//! The equipment document of the Nexon Open API, read into the few fields that valuation needs.
//!
//! Borrowed from the document's bytes, validated as UTF-8 and JSON. Tolerant where the real API varies: nulls,
//! numbers as text, unknown fields, missing presets. A wrong item never fails a character: it is kept, with the
//! [`Defect`]s that make its parts unpriced. Only a document that is not JSON, or not an object, is an error.
//! Reading order: this file, `item` (from raw fields to an item), `scalar`, `tolerant`.

mod item;
mod scalar;
mod tolerant;

use crate::payload::item::RawItem;
use crate::payload::scalar::Scalar;
use crate::payload::tolerant::Shape;
use crate::payload::tolerant::tolerant_object;

pub use crate::payload::item::{Defect, Item, Slot};

/// Items accepted in one list. A real list has 24; beyond this the document is refused, not cut.
pub const ITEMS_MAX: usize = 256;

/// One equipment document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<'a> {
    /// Job name in Korean, if the document names one.
    pub character_class: Option<std::borrow::Cow<'a, str>>,
    /// Number of the preset being worn, 0 when unknown.
    pub preset_no: i64,
    /// What is worn now.
    pub worn: Vec<Item<'a>>,
    /// Presets 1 to 3; empty when null, absent or not a list.
    pub presets: [Vec<Item<'a>>; 3],
}

/// Why a document could not be read at all. Always the upstream's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// 1-based line of the document.
    pub line: usize,
    /// 1-based column of that line.
    pub column: usize,
    /// What was wrong there.
    pub message: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Unreadable {}

tolerant_object! {
    struct RawDocument<'a> {
        character_class: Scalar<'a> = "character_class",
        preset_no: Scalar<'a> = "preset_no",
        worn: Shape<Vec<Shape<RawItem<'a>>>> = "item_equipment",
        preset_1: Shape<Vec<Shape<RawItem<'a>>>> = "item_equipment_preset_1",
        preset_2: Shape<Vec<Shape<RawItem<'a>>>> = "item_equipment_preset_2",
        preset_3: Shape<Vec<Shape<RawItem<'a>>>> = "item_equipment_preset_3",
    }
}

impl<'a> Document<'a> {
    /// Reads a plain (not compressed) document.
    ///
    /// # Errors
    /// [`Unreadable`] when the bytes are not one JSON object, or a list is longer than [`ITEMS_MAX`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        // First the whole of it as UTF-8: a value that is left unread must be sound text all the same, and the
        // parser checks only the texts it hands out.
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| not_utf8(bytes))?;
        let raw: Shape<RawDocument<'a>> = sonic_rs::from_str(text).map_err(|error| {
            let message = what(&error.to_string());
            Unreadable { line: error.line(), column: error.column(), message }
        })?;
        let raw = match raw {
            Shape::Is(raw) => raw,
            Shape::Null => return Err(not_an_object("null")),
            Shape::Wrong(found) => return Err(not_an_object(found)),
        };
        Ok(Self {
            character_class: raw.character_class.text(),
            preset_no: raw.preset_no.integer().unwrap_or(None).unwrap_or(0),
            worn: items(raw.worn)?,
            presets: [items(raw.preset_1)?, items(raw.preset_2)?, items(raw.preset_3)?],
        })
    }
}

fn items<'a>(raw: Shape<Vec<Shape<RawItem<'a>>>>) -> Result<Vec<Item<'a>>, Unreadable> {
    let Shape::Is(raw) = raw else { return Ok(Vec::new()) };
    if raw.len() > ITEMS_MAX {
        let message = format!("{} items in one list, at most {ITEMS_MAX}", raw.len());
        return Err(Unreadable { line: 1, column: 1, message });
    }
    Ok(raw.into_iter().map(Item::from_raw).collect())
}

fn not_an_object(found: &str) -> Unreadable {
    Unreadable { line: 1, column: 1, message: format!("expected an object, found {found}") }
}

fn not_utf8(bytes: &[u8]) -> Unreadable {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let before = &bytes[..valid];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    Unreadable {
        line: memchr::memchr_iter(b'\n', before).count() + 1,
        column: before.len() - line_start + 1,
        message: "not UTF-8".to_owned(),
    }
}

/// sonic-rs says the position again and shows an excerpt on further lines; the position is told already.
fn what(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
