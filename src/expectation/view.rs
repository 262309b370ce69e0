//! What can be asked about a character's gear: each view is one document with its own cache entry.

/// A document made from one equipment payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// V4: every preset.
    Expectation,
    /// V4: one preset. Numbers without a preset give an empty document.
    Preset(u8),
    /// V5: every preset, costs alone.
    Valuation,
    /// V2 and V3: regular potential of the worn gear.
    Totals,
    /// V2 and V3: the equipment document as the game API sent it.
    Equipment,
}

impl View {
    /// Presets a character can have.
    pub const PRESETS: [u8; 3] = [1, 2, 3];

    /// Every view there is; an invalidation goes through them all.
    pub const ALL: [Self; 8] = [
        Self::Expectation,
        Self::Preset(1),
        Self::Preset(2),
        Self::Preset(3),
        Self::Preset(Self::NO_PRESET),
        Self::Valuation,
        Self::Totals,
        Self::Equipment,
    ];

    /// Stands for every number that is no preset: they share one empty document. Not 0, the number of worn gear
    /// that has none.
    pub const NO_PRESET: u8 = u8::MAX;

    /// The view of preset `number`.
    #[must_use]
    pub fn preset(number: i64) -> Self {
        match u8::try_from(number) {
            Ok(number) if Self::PRESETS.contains(&number) => Self::Preset(number),
            _ => Self::Preset(Self::NO_PRESET),
        }
    }

    /// Whether the document says itself that it is stale (the V4 family does; the others only by header).
    #[must_use]
    pub fn tells_staleness(self) -> bool {
        matches!(self, Self::Expectation | Self::Preset(_))
    }
}
