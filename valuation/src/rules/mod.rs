//! Rulesets: the game's numbers as data, dated, checked before use.
//!
//! Each enhancement's module owns the struct of its own section (`serde`, `deny_unknown_fields`) and a
//! `check(&self) -> Result<(), Problem>` that refuses values out of range, naming the key inside that section.
//! [`Ruleset`] puts the sections together; `place` turns keys into lines of the file, for the error.

mod place;
mod ruleset;

pub use ruleset::{BUILT_IN, DEFAULT, RuleError, Ruleset};

/// One thing wrong in a ruleset section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key inside the section, array positions in brackets: `success[17]`, `price.regular[2].rare`.
    pub key: String,
    /// What is wrong and what is allowed, in one line.
    pub message: String,
}

impl Problem {
    /// A problem at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}
