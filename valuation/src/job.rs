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

#[cfg(test)]
mod tests {
    use super::AttackKind;
    use super::MainStat;
    use super::Profile;
    use super::Stat;
    use crate::rules::Ruleset;

    fn profile(job: Option<&str>, totals: [i64; 4]) -> (Profile, Option<String>) {
        let rules = Ruleset::built_in("kms-2026-09").expect("built in");
        rules.jobs.profile(job, || totals)
    }

    #[test]
    #[rustfmt::skip]
    fn every_job_is_known() {
        use AttackKind::{Attack, Magic};
        use MainStat::{MaxHp, One, StrDexLuk};
        use Stat::{Dex, Int, Luk, Str};
        let groups: [(MainStat, &[Stat], AttackKind, &str); 7] = [
            (One(Str), &[Dex], Attack, "히어로 팔라딘 다크나이트 소울마스터 미하일 블래스터 데몬슬레이어 아란 아델 \
                카이저 제로 바이퍼 캐논마스터 캐논슈터 스트라이커 아크 은월"),
            (One(Dex), &[Str], Attack, "보우마스터 신궁 패스파인더 윈드브레이커 와일드헌터 카인 메르세데스 캡틴 \
                메카닉 엔젤릭버스터"),
            (One(Int), &[Luk], Magic, "아크메이지(불,독) 아크메이지(썬,콜) 비숍 플레임위자드 에반 루미너스 \
                배틀메이지 키네시스 일리움 라라"),
            (One(Luk), &[Dex], Attack, "나이트로드 나이트워커 팬텀 칼리 호영"),
            (One(Luk), &[Str, Dex], Attack, "섀도어 듀얼블레이더 듀얼블레이드 카데나"),
            (StrDexLuk, &[], Attack, "제논"),
            (MaxHp, &[], Attack, "데몬어벤져"),
        ];
        for (main, subs, attack, names) in groups {
            let expected = Profile { main, subs: subs.to_vec(), attack };
            for name in names.split_whitespace() {
                assert_eq!(profile(Some(name), [0; 4]), (expected.clone(), None), "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_job_is_valued_by_its_strongest_stat() {
        let cases = [
            ([0, 0, 0, 0], Stat::Str, Stat::Dex),
            ([5, 5, 4, 5], Stat::Str, Stat::Dex),
            ([1, 9, 9, 9], Stat::Dex, Stat::Str),
            ([1, 2, 9, 9], Stat::Int, Stat::Luk),
            ([1, 2, 3, 4], Stat::Luk, Stat::Dex),
        ];
        // The last three were on the older system's list and are no jobs.
        for job in [None, Some(""), Some("검사"), Some("이벤져"), Some("리엔"), Some("제트")]
        {
            for (totals, main, sub) in cases {
                let (profile, note) = profile(job, totals);
                assert_eq!((profile.main, &profile.subs[..]), (MainStat::One(main), &[sub][..]));
                assert_eq!(profile.attack == AttackKind::Magic, main == Stat::Int);
                let expected = format!("unknown job: valued by its strongest stat {}", main.name());
                assert_eq!(note.as_deref(), Some(&expected[..]), "{job:?}");
            }
        }
    }
}
