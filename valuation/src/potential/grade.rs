//! The two potential systems and the four grades, with the texts of the game and of our tables.
//! Nothing here knows a number. See `rules` for prices, `tables` for probabilities.

/// Which of an item's two potentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// Regular potential (잠재능력).
    Regular,
    /// Additional potential (에디셔널 잠재능력).
    Additional,
}

/// Grade of a potential, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// 레어.
    Rare,
    /// 에픽.
    Epic,
    /// 유니크.
    Unique,
    /// 레전드리.
    Legendary,
}

impl System {
    /// Both, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Regular, Self::Additional];

    /// The word used in the table text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Additional => "additional",
        }
    }
}

impl Grade {
    /// All four, lowest first, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Rare, Self::Epic, Self::Unique, Self::Legendary];

    /// The word used in the table text and in ruleset keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rare => "rare",
            Self::Epic => "epic",
            Self::Unique => "unique",
            Self::Legendary => "legendary",
        }
    }

    /// The word the game shows.
    #[must_use]
    pub fn korean(self) -> &'static str {
        match self {
            Self::Rare => "레어",
            Self::Epic => "에픽",
            Self::Unique => "유니크",
            Self::Legendary => "레전드리",
        }
    }

    /// The grade the game shows as `text`, blanks around it ignored.
    #[must_use]
    pub fn of_korean(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| grade.korean() == text.trim())
    }
}
