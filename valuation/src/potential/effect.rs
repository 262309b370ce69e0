//! What one potential line does, read from its text (game rules C9).
//! Recognises whole texts only, never a keyword inside a longer one; everything else is junk (`None`).
//! See `dimension` for what an effect is worth to a character.

use crate::job::AttackKind;
use crate::job::Stat;

/// A recognised potential line. Percentages are whole percent, as in every published text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// `INT +12%`.
    StatPercent(Stat, u16),
    /// `올스탯 +9%`.
    AllStatPercent(u16),
    /// `최대 HP +9%`.
    HpPercent(u16),
    /// `공격력 +12%`, `마력 +12%`.
    AttackPercent(AttackKind, u16),
    /// `보스 몬스터 데미지 +40%`, also in its longer older wording.
    BossDamage(u16),
    /// `데미지 +12%`.
    Damage(u16),
    /// `몬스터 방어율 무시 +35%`.
    IgnoreDefence(u16),
    /// `크리티컬 데미지 +8%`.
    CriticalDamage(u16),
    /// `스킬 재사용 대기시간 -2초`, in seconds saved.
    Cooldown(u16),
    /// `아이템 드롭률 +20%`.
    ItemDrop(u16),
    /// `메소 획득량 +20%`.
    Meso(u16),
    /// `INT +18`, in points.
    StatFlat(Stat, u16),
    /// `올스탯 +5`, in points of each stat.
    AllStatFlat(u16),
    /// `최대 HP +300`, in points.
    HpFlat(u16),
    /// `공격력 +12`, `마력 +12`, in points.
    AttackFlat(AttackKind, u16),
    /// `캐릭터 기준 9레벨 당 INT +2`, in points for nine levels.
    StatPerNineLevels(Stat, u16),
}

impl Effect {
    /// The effect of a line's text, or `None` for junk.
    ///
    /// Blanks around the text are ignored. HTML escapes (`&lt;쓸만한 ...&gt;`) need no decoding: the
    /// characters they stand for occur in junk only.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("스킬 재사용 대기시간 -") {
            return Some(Self::Cooldown(number(rest.strip_suffix('초')?)?));
        }
        let (name, amount) = text.rsplit_once(" +")?;
        match amount.strip_suffix('%') {
            Some(percent) => Self::percent(name, number(percent)?),
            None => Self::flat(name, number(amount)?),
        }
    }

    fn percent(name: &str, n: u16) -> Option<Self> {
        Some(match name {
            "올스탯" => Self::AllStatPercent(n),
            "최대 HP" => Self::HpPercent(n),
            "공격력" => Self::AttackPercent(AttackKind::Attack, n),
            "마력" => Self::AttackPercent(AttackKind::Magic, n),
            "보스 몬스터 데미지" | "보스 몬스터 공격 시 데미지" => {
                Self::BossDamage(n)
            }
            "데미지" => Self::Damage(n),
            "몬스터 방어율 무시" => Self::IgnoreDefence(n),
            "크리티컬 데미지" => Self::CriticalDamage(n),
            "아이템 드롭률" => Self::ItemDrop(n),
            "메소 획득량" => Self::Meso(n),
            _ => Self::StatPercent(stat(name)?, n),
        })
    }

    fn flat(name: &str, n: u16) -> Option<Self> {
        Some(match name {
            "올스탯" => Self::AllStatFlat(n),
            "최대 HP" => Self::HpFlat(n),
            "공격력" => Self::AttackFlat(AttackKind::Attack, n),
            "마력" => Self::AttackFlat(AttackKind::Magic, n),
            _ => match name.strip_prefix("캐릭터 기준 9레벨 당 ") {
                Some(name) => Self::StatPerNineLevels(stat(name)?, n),
                None => Self::StatFlat(stat(name)?, n),
            },
        })
    }
}

fn stat(name: &str) -> Option<Stat> {
    Some(match name {
        "STR" => Stat::Str,
        "DEX" => Stat::Dex,
        "INT" => Stat::Int,
        "LUK" => Stat::Luk,
        _ => return None,
    })
}

/// Digits only: `u16::from_str` alone would also take a second sign.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::Effect;
    use crate::job::AttackKind;
    use crate::job::Stat;

    #[test]
    fn recognises_every_published_wording() {
        let cases = [
            ("STR +13%", Effect::StatPercent(Stat::Str, 13)),
            ("DEX +9%", Effect::StatPercent(Stat::Dex, 9)),
            ("INT +10%", Effect::StatPercent(Stat::Int, 10)),
            ("LUK +1%", Effect::StatPercent(Stat::Luk, 1)),
            ("올스탯 +9%", Effect::AllStatPercent(9)),
            ("최대 HP +12%", Effect::HpPercent(12)),
            ("공격력 +12%", Effect::AttackPercent(AttackKind::Attack, 12)),
            ("마력 +9%", Effect::AttackPercent(AttackKind::Magic, 9)),
            ("보스 몬스터 데미지 +40%", Effect::BossDamage(40)),
            ("보스 몬스터 공격 시 데미지 +30%", Effect::BossDamage(30)),
            ("데미지 +12%", Effect::Damage(12)),
            ("몬스터 방어율 무시 +35%", Effect::IgnoreDefence(35)),
            ("크리티컬 데미지 +8%", Effect::CriticalDamage(8)),
            ("스킬 재사용 대기시간 -2초", Effect::Cooldown(2)),
            ("아이템 드롭률 +20%", Effect::ItemDrop(20)),
            ("메소 획득량 +20%", Effect::Meso(20)),
            ("LUK +18", Effect::StatFlat(Stat::Luk, 18)),
            ("올스탯 +5", Effect::AllStatFlat(5)),
            ("최대 HP +300", Effect::HpFlat(300)),
            ("공격력 +14", Effect::AttackFlat(AttackKind::Attack, 14)),
            ("마력 +17", Effect::AttackFlat(AttackKind::Magic, 17)),
            ("캐릭터 기준 9레벨 당 INT +2", Effect::StatPerNineLevels(Stat::Int, 2)),
            ("  INT +12%\t", Effect::StatPercent(Stat::Int, 12)),
        ];
        for (text, effect) in cases {
            assert_eq!(Effect::of(text), Some(effect), "{text}");
        }
    }

    #[test]
    fn everything_else_is_junk() {
        let junk = [
            "",
            "null",
            "STR",
            "STR +",
            "STR +%",
            "STR ++9%",
            "STR +-9%",
            "STR +9%%",
            "STR +9 %",
            "STR +1.5%",
            "STR +70000",
            "STR/DEX +6%",
            "str +9%",
            "크리티컬 확률 +12%",
            "최대 MP +9%",
            "방어력 +5%",
            "공격 시 2% 확률로 오토스틸",
            "공격 시 15% 확률로 95의 HP 회복",
            "HP 회복 아이템 및 회복 스킬 효율 +30%",
            "피격 시 5% 확률로 데미지의 40% 무시",
            "피격 후 무적시간 +3초",
            "&lt;쓸만한 샤프 아이즈&gt; 스킬 사용 가능",
            "스킬 재사용 대기시간 -2",
            "스킬 재사용 대기시간 -초",
            "모든 스킬의 MP 소모 -10%",
            "캐릭터 기준 9레벨 당 올스탯 +1",
            "캐릭터 기준 10레벨 당 INT +2",
            "캐릭터 기준 9레벨 당 INT +2%",
        ];
        for text in junk {
            assert_eq!(Effect::of(text), None, "{text}");
        }
    }
}
