//! A character's nickname, in the one form used for keys and calls: trimmed, NFC, 1 to 12 characters.

use std::fmt;
use std::rc::Rc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::is_nfc;

use crate::error::Fault;
use crate::limits::NAME_CHARS_MAX;

/// A valid nickname. Cheap to clone within a shard; crosses shards as its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CharacterName(Rc<str>);

impl CharacterName {
    /// Normalises and checks a decoded path segment.
    ///
    /// # Errors
    /// `BadInput` on `userIgn`, naming the rule.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let trimmed = text.trim();
        // Normalising can only be long work on long input: bound it first (an NFC character has few code points).
        if trimmed.len() > NAME_CHARS_MAX * 32 {
            return Err(Fault::bad_input(
                "userIgn",
                format!("at most {NAME_CHARS_MAX} characters"),
            ));
        }
        let name: Rc<str> =
            if is_nfc(trimmed) { trimmed.into() } else { trimmed.nfc().collect::<String>().into() };
        if name.is_empty() {
            return Err(Fault::bad_input("userIgn", "must not be blank"));
        }
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(Fault::bad_input(
                "userIgn",
                format!("at most {NAME_CHARS_MAX} characters"),
            ));
        }
        if name.chars().any(char::is_control) {
            return Err(Fault::bad_input("userIgn", "no control characters"));
        }
        Ok(Self(name))
    }

    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CharacterName {
    /// Masked, for logs: first and last character only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        match (chars.next(), chars.next_back()) {
            (Some(first), Some(last)) => write!(f, "{first}***{last}"),
            _ => f.write_str("***"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> String {
        CharacterName::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn composed_and_decomposed_names_are_the_same() {
        let composed = CharacterName::parse(" 강은호\u{3000}").expect("valid");
        let decomposed: String = "강은호".nfd().collect();
        assert_ne!(decomposed, "강은호");
        assert_eq!(CharacterName::parse(&decomposed), Ok(composed.clone()));
        assert_eq!(composed.as_str(), "강은호");
        assert_eq!(composed.to_string(), "강***호");
    }

    #[test]
    fn refusals_name_the_rule() {
        assert_eq!(rule("  "), "userIgn: must not be blank");
        assert_eq!(rule("열두글자보다훨씬더긴이름입"), "userIgn: at most 12 characters");
        assert_eq!(rule(&"a".repeat(100_000)), "userIgn: at most 12 characters");
        assert_eq!(rule("a\u{1}b"), "userIgn: no control characters");
        assert!(CharacterName::parse("열두글자이름은괜찮아요오").is_ok());
        // Twelve characters after normalisation, thirty-six code points before it.
        let decomposed: String = "강".repeat(12).nfd().collect();
        assert!(CharacterName::parse(&decomposed).is_ok());
    }
}
