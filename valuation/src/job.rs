//! What a character of a job values: main stat, sub stats, kind of attack.

use serde::Deserialize;

use crate::rules::Problem;

/// One of the four primary stats, in the order that settles ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Stat {
    Str,
    Dex,
    Int,
    Luk,
}

impl Stat {
    /// In the order of payload fields, which settles ties.
    pub const ALL: [Self; 4] = [Self::Str, Self::Dex, Self::Int, Self::Luk];

    /// `STR`, `DEX`, `INT` or `LUK`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "STR",
            Self::Dex => "DEX",
            Self::Int => "INT",
            Self::Luk => "LUK",
        }
    }
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

impl MainStat {
    /// Whether `stat` is a main stat.
    #[must_use]
    pub fn contains(self, stat: Stat) -> bool {
        match self {
            Self::One(main) => stat == main,
            Self::StrDexLuk => stat != Stat::Int,
            Self::MaxHp => false,
        }
    }
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

/// Section `[jobs]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRules {
    /// Jobs that value the same.
    pub groups: Vec<Group>,
}

/// Jobs that value the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Main stat.
    pub main: WrittenMain,
    /// Sub stats.
    pub subs: Vec<Stat>,
    /// Their names, older names included.
    pub names: Vec<String>,
}

/// A main stat as a ruleset writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub enum WrittenMain {
    #[serde(rename = "STR")]
    Str,
    #[serde(rename = "DEX")]
    Dex,
    #[serde(rename = "INT")]
    Int,
    #[serde(rename = "LUK")]
    Luk,
    #[serde(rename = "STR+DEX+LUK")]
    StrDexLuk,
    #[serde(rename = "HP")]
    MaxHp,
}

impl From<WrittenMain> for MainStat {
    fn from(written: WrittenMain) -> Self {
        match written {
            WrittenMain::Str => Self::One(Stat::Str),
            WrittenMain::Dex => Self::One(Stat::Dex),
            WrittenMain::Int => Self::One(Stat::Int),
            WrittenMain::Luk => Self::One(Stat::Luk),
            WrittenMain::StrDexLuk => Self::StrDexLuk,
            WrittenMain::MaxHp => Self::MaxHp,
        }
    }
}

impl JobRules {
    /// What a job values. For an unknown or missing one the largest of `total_stats` (STR, DEX, INT, LUK) decides,
    /// and a remark says so (C22).
    pub fn profile(
        &self,
        job: Option<&str>,
        total_stats: impl FnOnce() -> [i64; 4],
    ) -> (Profile, Option<String>) {
        let known =
            |job: &str| self.groups.iter().find(|group| group.names.iter().any(|name| name == job));
        if let Some(group) = job.map(str::trim).and_then(known) {
            return (Profile::of(group.main.into(), group.subs.clone()), None);
        }
        let totals = total_stats();
        let mut strongest = 0;
        for at in 1..totals.len() {
            if totals[at] > totals[strongest] {
                strongest = at;
            }
        }
        let main = Stat::ALL[strongest];
        let sub = match main {
            Stat::Str | Stat::Luk => Stat::Dex,
            Stat::Dex => Stat::Str,
            Stat::Int => Stat::Luk,
        };
        let note = format!("unknown job: valued by its strongest stat {}", main.name());
        (Profile::of(MainStat::One(main), vec![sub]), Some(note))
    }

    /// Refuses lists that leave open what a job values.
    ///
    /// # Errors
    /// The first problem, with its key.
    pub fn check(&self) -> Result<(), Problem> {
        let mut seen = std::collections::HashSet::new();
        for (at, group) in self.groups.iter().enumerate() {
            let valued = MainStat::from(group.main);
            for (which, sub) in group.subs.iter().enumerate() {
                if valued.contains(*sub) || group.subs[..which].contains(sub) {
                    let message = format!("{} is valued already", sub.name());
                    return Err(Problem::new(format!("groups[{at}].subs[{which}]"), message));
                }
            }
            for (which, name) in group.names.iter().enumerate() {
                let key = format!("groups[{at}].names[{which}]");
                if name.trim().is_empty() || name.trim() != name {
                    return Err(Problem::new(key, "not blank, no blanks around it"));
                }
                if !seen.insert(name) {
                    return Err(Problem::new(key, format!("{name} is listed twice")));
                }
            }
        }
        Ok(())
    }
}

impl Profile {
    fn of(main: MainStat, subs: Vec<Stat>) -> Self {
        let magic = main == MainStat::One(Stat::Int);
        Self { main, subs, attack: if magic { AttackKind::Magic } else { AttackKind::Attack } }
    }
}
