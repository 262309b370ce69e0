//! A whole ruleset: the sections of one TOML file and the probability tables it names.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use toml::de::DeTable;

use super::Problem;
use super::place;
use crate::flame::FlameRules;
use crate::job::JobRules;
use crate::potential::PotentialRules;
use crate::potential::Tables;
use crate::scroll::ScrollRules;
use crate::starforce::StarforceRules;

/// The ruleset used when none is named.
pub const DEFAULT: &str = "kms-2026-09";

/// Rulesets that come with the program: id and text.
pub const BUILT_IN: [(&str, &str); 2] = [
    ("kms-2026-09", include_str!("../../rulesets/kms-2026-09.toml")),
    ("kms-2026-02", include_str!("../../rulesets/kms-2026-02.toml")),
];

/// The game's numbers at one time. Shared, read-only.
#[derive(Debug, Clone)]
pub struct Ruleset {
    /// Name, `kms-YYYY-MM` for the built-in ones; part of every answer.
    pub id: String,
    /// Reset prices and tier-up chances.
    pub potential: PotentialRules,
    /// Probability tables of potential lines.
    pub tables: Arc<Tables>,
    /// Starforce.
    pub starforce: StarforceRules,
    /// Amazing enhancement scrolls.
    pub scroll: ScrollRules,
    /// Flames.
    pub flame: FlameRules,
    /// Jobs.
    pub jobs: JobRules,
}

/// Why a ruleset is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The file, or the name of a built-in text.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// Dotted key; for a table file the line's id.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.key, self.message)
    }
}

impl std::error::Error for RuleError {}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    tables: String,
    potential: PotentialRules,
    starforce: StarforceRules,
    scroll: ScrollRules,
    flame: FlameRules,
    jobs: JobRules,
}

/// The built-in tables, by the name a ruleset calls them.
const BUILT_IN_TABLES: &str = "kms-2026-07";
const ID_BYTES_MAX: usize = 64;

impl Ruleset {
    /// The built-in ruleset of this id.
    #[must_use]
    pub fn built_in(id: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == id)?;
        let no_files = |_: &str| Err("a built-in ruleset names only built-in tables".to_owned());
        Some(Self::parse(id, text, no_files).expect("the built-in rulesets are checked by a test"))
    }

    /// Reads and checks a ruleset. `tables` is asked for the text of a table file when the ruleset names one that
    /// is not built in: this crate reads no files.
    ///
    /// # Errors
    /// The first thing wrong, with file, line and key.
    pub fn parse(
        file: &str,
        text: &str,
        tables: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<Self, RuleError> {
        let error = |offset: usize, key: String, message: &str| RuleError {
            file: file.to_owned(),
            line: place::line_of(text, offset),
            key,
            message: message.trim_end().replace('\n', "; "),
        };
        let document = DeTable::parse(text).map_err(|cause| {
            let offset = cause.span().map_or(0, |span| span.start);
            error(offset, "syntax".to_owned(), cause.message())
        })?;
        let written: Written = toml::from_str(text).map_err(|cause| {
            let offset = cause.span().map_or(0, |span| span.start);
            error(offset, place::key_at(document.get_ref(), offset), cause.message())
        })?;
        let at = |key: &str, message: &str| {
            error(place::offset_of(document.get_ref(), key), key.to_owned(), message)
        };
        if let Err((key, message)) = written.check() {
            return Err(at(&key, &message));
        }
        let tables = if written.tables == BUILT_IN_TABLES {
            Arc::new(Tables::builtin())
        } else {
            let text = tables(&written.tables).map_err(|message| at("tables", &message))?;
            let parsed = Tables::parse(&text).map_err(|wrong| RuleError {
                file: written.tables.clone(),
                line: wrong.line,
                key: "tables".to_owned(),
                message: wrong.message,
            })?;
            Arc::new(parsed)
        };
        let Written { id, tables: _, potential, starforce, scroll, flame, jobs } = written;
        Ok(Self { id, potential, tables, starforce, scroll, flame, jobs })
    }
}

impl Written {
    /// Every section's own check, its keys prefixed with the section.
    fn check(&self) -> Result<(), (String, String)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.id.is_empty() || self.id.len() > ID_BYTES_MAX || !self.id.chars().all(plain) {
            let rule = format!("1 to {ID_BYTES_MAX} letters, digits, '-', '_', '.'");
            return Err(("id".to_owned(), rule));
        }
        let sections: [(&str, Result<(), Problem>); 5] = [
            ("potential", self.potential.check()),
            ("starforce", self.starforce.check()),
            ("scroll", self.scroll.check()),
            ("flame", self.flame.check()),
            ("jobs", self.jobs.check()),
        ];
        for (section, checked) in sections {
            checked.map_err(|problem| (format!("{section}.{}", problem.key), problem.message))?;
        }
        Ok(())
    }
}
