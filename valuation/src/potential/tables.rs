//! The official line tables in memory, and the look-up of the one an item rolls on (game rules 2, C1-C4).
//! Weights are kept as whole numbers; nothing here is rounded or normalised. Shared, read-only.
//! Built from text by `parse`; what a roll is worth is `probability`'s question.

use super::dimension::LINES;
use super::effect::Effect;
use super::grade::Grade;
use super::grade::System;
use super::parse;
use super::parse::TableError;
use std::collections::BTreeMap;

/// Weight of certainty: weights are in units of 10^-12.
pub const WEIGHT_ONE: u64 = 1_000_000_000_000;

/// All tables of one retrieval.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) limits: Vec<Limit>,
    pub(super) options: Vec<LineOption>,
    pub(super) lines: Vec<Line>,
    pub(super) rolls: Vec<[usize; LINES]>,
    pub(super) parts: BTreeMap<Box<str>, Bands>,
}

/// A set of options of which one item can hold only so many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Name in the table text.
    pub name: Box<str>,
    /// Lines an item can hold from the set, at least 1.
    pub max: usize,
}

/// What one line can show.
#[derive(Debug)]
pub struct LineOption {
    /// The published text.
    pub text: Box<str>,
    /// What it does, `None` for junk.
    pub effect: Option<Effect>,
    /// The limited set it belongs to, as an index into the limits.
    pub(super) limit: Option<usize>,
}

/// The distribution of one line, as published.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Option index and weight; no option twice, no weight 0.
    pub(super) weights: Vec<(usize, u64)>,
    /// Sum of all weights: what one is divided by.
    pub(super) total: u64,
}

/// Level bands of one part by system and grade, each list ascending.
pub(super) type Bands = [[Vec<Band>; Grade::ALL.len()]; System::ALL.len()];

/// From this level on an item rolls on this table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) level_from: u32,
    pub(super) roll: Roll,
}

/// The three line distributions of a reset. Equal for contexts with equal distributions; an index into
/// the [`Tables`] it came from and meaningless with any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Roll(pub(super) u32);

/// One published context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// System.
    pub system: System,
    /// Grade of the item.
    pub grade: Grade,
    /// Table part, see [`super::part::table_part`].
    pub part: &'a str,
    /// Lowest item level.
    pub level_from: u32,
    /// What a reset draws from.
    pub roll: Roll,
}

/// One option of one line of a roll.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The option.
    pub option: &'a LineOption,
    /// Its published probability in units of 10^-12.
    pub weight: u64,
    /// The limited set it belongs to.
    pub limit: Option<&'a Limit>,
}

impl Tables {
    /// The tables bundled with the program: KMS, retrieved July 2026.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse(include_str!("../../tables/kms-2026-07.txt"))
            .expect("a test parses the bundled tables")
    }

    /// Reads tables from their text form, described in `tables/README.md`.
    ///
    /// # Errors
    /// The first text line that is malformed, contradicts an earlier one, or whose distribution is off
    /// by more than 1e-3.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        parse::tables(text)
    }

    /// What an item of this table part and level rolls on: the nearest band at or below its level,
    /// never borrowed from another system, grade or part (C2).
    #[must_use]
    pub fn roll(&self, system: System, grade: Grade, part: &str, level: u32) -> Option<Roll> {
        let bands = &self.parts.get(part)?[system as usize][grade as usize];
        let at_or_below = bands.partition_point(|band| band.level_from <= level);
        bands[..at_or_below].last().map(|band| band.roll)
    }

    /// Every published context, by part, system, grade and level.
    pub fn contexts(&self) -> impl Iterator<Item = Context<'_>> {
        self.parts.iter().flat_map(|(part, bands)| {
            System::ALL.into_iter().flat_map(move |system| {
                Grade::ALL.into_iter().flat_map(move |grade| {
                    bands[system as usize][grade as usize].iter().map(move |band| Context {
                        system,
                        grade,
                        part,
                        level_from: band.level_from,
                        roll: band.roll,
                    })
                })
            })
        })
    }

    /// The rows of one of the [`LINES`] lines of a roll, counted from 0.
    ///
    /// # Panics
    /// When the roll belongs to other tables or there is no such line.
    pub fn rows(&self, roll: Roll, line: usize) -> impl Iterator<Item = Row<'_>> {
        self.lines_of(roll)[line].weights.iter().map(|(option, weight)| {
            let option = &self.options[*option];
            Row { option, weight: *weight, limit: option.limit.map(|limit| &self.limits[limit]) }
        })
    }

    pub(super) fn lines_of(&self, roll: Roll) -> [&Line; LINES] {
        self.rolls[roll.0 as usize].map(|line| &self.lines[line])
    }
}
