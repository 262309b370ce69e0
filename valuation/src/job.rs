//! What a character of a job values: main stat, sub stats, kind of attack.

/// One of the four primary stats, in the order that settles ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Stat {
    Str,
    Dex,
    Int,
    Luk,
}

/// The stat (or stats) that a job's damage grows with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MainStat {
    /// An ordinary job.
    One(Stat),
    /// 제논: the sum of STR, DEX and LUK is one dimension (game rules C11).
    StrDexLuk,
    /// 데몬어벤져: max HP (game rules C11).
    MaxHp,
}

/// Which attack counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttackKind {
    /// 공격력.
    Attack,
    /// 마력, for INT jobs.
    Magic,
}

/// What one character values. Small, comparable: part of memo keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Profile {
    /// Main stat.
    pub main: MainStat,
    /// Sub stats, possibly none (제논, 데몬어벤져) or two (섀도어, 듀얼블레이더, 카데나).
    pub subs: Vec<Stat>,
    /// Kind of attack that counts.
    pub attack: AttackKind,
}
