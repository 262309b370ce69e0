//! A character as the flow knows it: the game's id, which stays, and the nickname asked for, which may change hands.

use std::rc::Rc;

use crate::expectation::name::CharacterName;

/// The game's id of a character. Cheap to clone within a shard; crosses shards as its text. Where it comes from
/// (`upstream::answer`, another shard) it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ocid(Rc<str>);

impl Ocid {
    /// An id known to be one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Character {
    /// As asked for; shown in the answer.
    pub name: CharacterName,
    /// Whose gear it is; decides the owner.
    pub ocid: Ocid,
}
