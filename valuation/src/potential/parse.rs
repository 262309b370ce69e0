//! Text to [`Tables`]. The form is described in `tables/README.md`.
//! Refuses anything it does not fully understand, naming the text line; never repairs.
//! Written by `examples/compact_tables.rs`.

use super::effect::Effect;
use super::grade::Grade;
use super::grade::System;
use super::tables::Band;
use super::tables::Bands;
use super::tables::Limit;
use super::tables::Line;
use super::tables::LineOption;
use super::tables::Roll;
use super::tables::Tables;
use super::tables::WEIGHT_ONE;
use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;

/// First line of the text form, after comments.
pub const HEADER: &str = "potential-tables 1";

/// A distribution's mass may differ from 1 by this much: published rates are rounded.
const MASS_TOLERANCE: u64 = WEIGHT_ONE / 1000;

/// Limited sets a table may name. The official tables have four.
pub(super) const LIMITS_MAX: usize = 32;

/// Why a table text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Text line, from 1.
    pub line: usize,
    /// What is wrong, in one line.
    pub message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for TableError {}

/// Parses a whole text.
pub(super) fn tables(text: &str) -> Result<Tables, TableError> {
    let mut parser = Parser::default();
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(at, content)| (at + 1, content.trim_end()))
        .filter(|(_, content)| !content.is_empty() && !content.starts_with('#'));
    match lines.next() {
        Some((_, HEADER)) => {}
        Some((line, _)) => return Err(TableError { line, message: expected_header() }),
        None => return Err(TableError { line: 1, message: expected_header() }),
    }
    for (line, content) in lines {
        parser.entry(content).map_err(|message| TableError { line, message })?;
    }
    Ok(parser.tables)
}

fn expected_header() -> String {
    format!("the first entry must be `{HEADER}`")
}

#[derive(Default)]
struct Parser<'a> {
    tables: Tables,
    texts: HashSet<&'a str>,
    rolls: HashMap<[usize; 3], Roll>,
    part: Option<(System, Grade, &'a str)>,
}

impl<'a> Parser<'a> {
    fn entry(&mut self, content: &'a str) -> Result<(), String> {
        let (keyword, rest) = content.split_once(' ').unwrap_or((content, ""));
        match keyword {
            "limit" => self.limit(rest),
            "option" => self.option(rest),
            "line" => self.line(rest),
            "part" => self.part(rest),
            "band" => self.band(rest),
            _ => Err(format!("unknown entry `{keyword}`")),
        }
    }

    /// `limit <name> <max>`
    fn limit(&mut self, rest: &str) -> Result<(), String> {
        let (name, max) = rest.split_once(' ').ok_or("a limit needs a name and a maximum")?;
        let max = number(max)?;
        if max == 0 {
            return Err("the maximum of a limit is at least 1".into());
        }
        if self.limit_index(name).is_some() {
            return Err(format!("limit `{name}` appears twice"));
        }
        if self.tables.limits.len() == LIMITS_MAX {
            return Err(format!("more than {LIMITS_MAX} limits"));
        }
        self.tables.limits.push(Limit { name: name.into(), max });
        Ok(())
    }

    /// `option <id> <limit or -> <text>`
    fn option(&mut self, rest: &'a str) -> Result<(), String> {
        let mut fields = rest.splitn(3, ' ');
        let (Some(id), Some(limit), Some(text)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err("an option needs an id, a limit or `-`, and a text".into());
        };
        next_id(id, self.tables.options.len())?;
        if !self.texts.insert(text) {
            return Err(format!("option `{text}` appears twice"));
        }
        let limit = match limit {
            "-" => None,
            name => Some(self.limit_index(name).ok_or(format!("unknown limit `{name}`"))?),
        };
        let effect = Effect::of(text);
        self.tables.options.push(LineOption { text: text.into(), effect, limit });
        Ok(())
    }

    /// `line <id> <millionths>:<option ids> ...`
    fn line(&mut self, rest: &str) -> Result<(), String> {
        let mut fields = rest.split(' ');
        next_id(fields.next().unwrap_or_default(), self.tables.lines.len())?;
        let mut line = Line::default();
        for field in fields {
            let (weight, ids) = field.split_once(':').ok_or("expected <millionths>:<ids>")?;
            let weight = weight_of(weight)?;
            for ids in ids.split(',') {
                let (from, to) = ids.split_once('-').unwrap_or((ids, ids));
                let (from, to) = (self.option_index(from)?, self.option_index(to)?);
                if from > to {
                    return Err(format!("the range {from}-{to} runs backwards"));
                }
                line.weights.extend((from..=to).map(|id| (id, weight)));
            }
        }
        self.check_line(&mut line)?;
        self.tables.lines.push(line);
        Ok(())
    }

    /// Fills in the total, and refuses what could not be drawn from.
    fn check_line(&self, line: &mut Line) -> Result<(), String> {
        line.weights.sort_unstable();
        if let Some(pair) = line.weights.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("option {} appears twice in the line", pair[0].0));
        }
        line.total = line.weights.iter().map(|(_, weight)| weight).sum();
        if line.total.abs_diff(WEIGHT_ONE) > MASS_TOLERANCE {
            let mass = line.total as f64 / WEIGHT_ONE as f64;
            return Err(format!("the probabilities sum to {mass}, more than 1e-3 from 1"));
        }
        if line.weights.iter().all(|(option, _)| self.tables.options[*option].limit.is_some()) {
            return Err("nothing is left to draw when all limits are reached".into());
        }
        Ok(())
    }

    /// `part <system> <grade> <part>`
    fn part(&mut self, rest: &'a str) -> Result<(), String> {
        let mut fields = rest.splitn(3, ' ');
        let (Some(system), Some(grade), Some(part)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err("a part needs a system, a grade and a name".into());
        };
        let system = System::ALL
            .into_iter()
            .find(|known| known.name() == system)
            .ok_or(format!("unknown system `{system}`"))?;
        let grade = Grade::ALL
            .into_iter()
            .find(|known| known.name() == grade)
            .ok_or(format!("unknown grade `{grade}`"))?;
        self.part = Some((system, grade, part));
        if self.bands()?.is_empty() { Ok(()) } else { Err("the part appears twice".into()) }
    }

    /// `band <level_from> <line id> <line id> <line id>`
    fn band(&mut self, rest: &str) -> Result<(), String> {
        let fields = rest.split(' ').map(number).collect::<Result<Vec<_>, _>>()?;
        let &[level_from, first, second, third] = fields.as_slice() else {
            return Err("a band needs a level and three lines".into());
        };
        let lines = [first, second, third];
        if let Some(id) = lines.into_iter().find(|id| *id >= self.tables.lines.len()) {
            return Err(format!("unknown line {id}"));
        }
        let level_from =
            u32::try_from(level_from).map_err(|_| format!("no such level: {level_from}"))?;
        let roll = self.roll(lines)?;
        let bands = self.bands()?;
        if bands.last().is_some_and(|band| band.level_from >= level_from) {
            return Err("the levels of a part must ascend".into());
        }
        bands.push(Band { level_from, roll });
        Ok(())
    }

    /// The roll with these lines; equal ones share a number, so that they share memo entries.
    fn roll(&mut self, lines: [usize; 3]) -> Result<Roll, String> {
        if let Some(roll) = self.rolls.get(&lines) {
            return Ok(*roll);
        }
        let roll = u32::try_from(self.tables.rolls.len()).map_err(|_| "too many bands")?;
        self.tables.rolls.push(lines);
        self.rolls.insert(lines, Roll(roll));
        Ok(Roll(roll))
    }

    fn bands(&mut self) -> Result<&mut Vec<Band>, String> {
        let (system, grade, part) = self.part.ok_or("a band must follow its part")?;
        if !self.tables.parts.contains_key(part) {
            self.tables.parts.insert(part.into(), Bands::default());
        }
        let bands = self.tables.parts.get_mut(part).expect("inserted above");
        Ok(&mut bands[system as usize][grade as usize])
    }

    fn limit_index(&self, name: &str) -> Option<usize> {
        self.tables.limits.iter().position(|limit| &*limit.name == name)
    }

    fn option_index(&self, id: &str) -> Result<usize, String> {
        let index = number(id)?;
        if index < self.tables.options.len() {
            Ok(index)
        } else {
            Err(format!("unknown option {id}"))
        }
    }
}

/// Ids count up from 0, so a wrong one is a missing or doubled entry.
fn next_id(id: &str, expected: usize) -> Result<(), String> {
    if number(id)? == expected { Ok(()) } else { Err(format!("expected id {expected}, got {id}")) }
}

fn number(digits: &str) -> Result<usize, String> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().map_err(|_| format!("`{digits}` is not a number"))
    } else {
        Err(format!("`{digits}` is not a number"))
    }
}

/// Millionths with up to six decimals, in units of 10^-12.
fn weight_of(text: &str) -> Result<u64, String> {
    let (millionths, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if decimals.len() > 6 {
        return Err(format!("`{text}` has more than six decimals"));
    }
    let (millionths, decimals) = (number(millionths)?, number(&format!("{decimals:0<6}"))?);
    match millionths.saturating_mul(1_000_000).saturating_add(decimals) as u64 {
        weight @ 1..=WEIGHT_ONE => Ok(weight),
        _ => Err(format!("`{text}` millionths is not a probability above 0")),
    }
}
