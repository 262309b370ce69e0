//! What can be said about the cost of one enhancement: never 0 for "impossible" or "unknown".

use std::borrow::Cow;

/// A short English sentence that goes to the wire as it stands ("no official table").
pub type Reason = Cow<'static, str>;

/// The enhancement a reason belongs to. Wire names in [`Part::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Regular potential (윗잠).
    Potential,
    /// Additional potential (아랫잠).
    AdditionalPotential,
    /// Starforce, or amazing enhancement scrolls.
    Starforce,
    /// Rebirth flame.
    Flame,
}

impl Part {
    /// Name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Potential => "potential",
            Self::AdditionalPotential => "additionalPotential",
            Self::Starforce => "starforce",
            Self::Flame => "flame",
        }
    }
}

/// The result of valuing one enhancement of one item.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// The item does not have this enhancement. Costs nothing, needs no explanation.
    Absent,
    /// It has it, and it costs nothing for a reason the reader should see. Not partial.
    Free(Reason),
    /// It has it, and this is what it takes.
    Priced(T),
    /// It has it, and nobody can say what it takes. Adds nothing to a total and makes it partial.
    Unpriced(Reason),
}

impl<T> Outcome<T> {
    /// The priced value, if there is one.
    pub fn priced(&self) -> Option<&T> {
        match self {
            Self::Priced(value) => Some(value),
            _ => None,
        }
    }
    /// Why it is free or unpriced.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Free(reason) | Self::Unpriced(reason) => Some(reason),
            Self::Absent | Self::Priced(_) => None,
        }
    }
}
