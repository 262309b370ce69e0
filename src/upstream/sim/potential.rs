//! Potential lines: a selection of the options of the official tables (retrieved 2026-07-15), as
//! texts with their values. Only what exists for the grade, the part and the level band is drawn;
//! the rates are the simulator's own, because strong characters did not stop at their first cube.

use super::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Regular,
    Additional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    Rare,
    Epic,
    Unique,
    Legendary,
}

/// What a job wants from its gear.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// `STR`, `DEX`, `INT`, `LUK` or `HP`.
    pub(super) main: &'static str,
    /// `공격력` or `마력`.
    pub(super) attack: &'static str,
}

/// Where lines are drawn for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) system: System,
    pub(super) family: u16,
    /// Item level, at least `LEVEL_MIN`.
    pub(super) level: i32,
}

/// Below this level the values here do not hold.
pub(super) const LEVEL_MIN: i32 = 80;

/// Families of parts with the same options; a row names any set of them.
pub(super) const WEAPON: u16 = 1;
pub(super) const SECONDARY: u16 = 1 << 1;
pub(super) const EMBLEM: u16 = 1 << 2;
pub(super) const HAT: u16 = 1 << 3;
pub(super) const TOP: u16 = 1 << 4;
pub(super) const BOTTOM: u16 = 1 << 5;
pub(super) const SHOES: u16 = 1 << 6;
pub(super) const GLOVES: u16 = 1 << 7;
/// Cape, belt, shoulder.
pub(super) const PLAIN: u16 = 1 << 8;
/// Face, eyes, ears, rings, pendants.
pub(super) const ACCESSORY: u16 = 1 << 9;
pub(super) const HEART: u16 = 1 << 10;

const ARMS: u16 = WEAPON | SECONDARY | EMBLEM;
const CLOTHES: u16 = HAT | TOP | BOTTOM | SHOES | GLOVES | PLAIN;
const REST: u16 = CLOTHES | ACCESSORY | HEART;
const ALL: u16 = ARMS | REST;

/// One option: `#` is the value, `*` any of the four stats, `@` 공격력 or 마력. Values per level
/// band 80..99, 100..200, 201 and up; 0 where the option is missing or not needed here. Options
/// whose values differ between 100 and 120 are left to parts that have no such level here.
struct Row(System, Grade, u16, &'static str, [u8; 3]);

use Grade::{Epic, Legendary, Rare, Unique};
use System::{Additional, Regular};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row(Regular, Rare, ALL, "* +#%", [3, 3, 4]),
    Row(Regular, Rare, ALL, "* +#", [0, 12, 13]),
    Row(Regular, Rare, ALL, "올스탯 +#", [0, 5, 6]),
    Row(Regular, Rare, ARMS, "@ +#%", [3, 3, 4]),
    Row(Regular, Rare, ARMS, "데미지 +#%", [3, 3, 4]),
    Row(Regular, Rare, ARMS, "크리티컬 확률 +#%", [0, 4, 5]),
    Row(Regular, Rare, ARMS, "몬스터 방어율 무시 +#%", [0, 15, 20]),
    Row(Regular, Rare, REST, "최대 HP +#%", [3, 3, 4]),
    Row(Regular, Rare, REST, "최대 MP +#%", [3, 3, 4]),
    Row(Regular, Rare, REST, "방어력 +#%", [3, 3, 4]),
    Row(Regular, Rare, SHOES, "이동속도 +#", [0, 8, 9]),
    Row(Regular, Epic, ALL, "* +#%", [6, 6, 7]),
    Row(Regular, Epic, ALL, "최대 HP +#%", [6, 6, 7]),
    Row(Regular, Epic, ALL, "올스탯 +#%", [3, 3, 4]),
    Row(Regular, Epic, ARMS, "@ +#%", [6, 6, 7]),
    Row(Regular, Epic, ARMS, "데미지 +#%", [6, 6, 7]),
    Row(Regular, Epic, ARMS, "크리티컬 확률 +#%", [0, 8, 9]),
    Row(Regular, Epic, ARMS, "몬스터 방어율 무시 +#%", [0, 15, 20]),
    Row(Regular, Epic, REST, "최대 MP +#%", [6, 6, 7]),
    Row(Regular, Epic, REST, "방어력 +#%", [6, 6, 7]),
    Row(Regular, Epic, TOP, "피격 후 무적시간 +#초", [0, 1, 1]),
    Row(Regular, Unique, ALL, "* +#%", [9, 9, 10]),
    Row(Regular, Unique, ALL, "올스탯 +#%", [6, 6, 7]),
    Row(Regular, Unique, ARMS, "@ +#%", [9, 9, 10]),
    Row(Regular, Unique, ARMS, "데미지 +#%", [9, 9, 10]),
    Row(Regular, Unique, ARMS, "크리티컬 확률 +#%", [9, 9, 10]),
    Row(Regular, Unique, ARMS, "몬스터 방어율 무시 +#%", [0, 30, 35]),
    Row(Regular, Unique, WEAPON | SECONDARY, "보스 몬스터 데미지 +#%", [0, 30, 35]),
    Row(Regular, Unique, REST, "최대 HP +#%", [9, 9, 10]),
    Row(Regular, Unique, REST, "최대 MP +#%", [9, 9, 10]),
    Row(Regular, Unique, REST, "HP 회복 아이템 및 회복 스킬 효율 +#%", [0, 30, 30]),
    Row(Regular, Unique, CLOTHES, "피격 시 5% 확률로 데미지의 #% 무시", [0, 40, 40]),
    Row(Regular, Unique, HAT, "<쓸만한 미스틱 도어> 스킬 사용 가능", [0, 1, 1]),
    Row(Regular, Unique, BOTTOM, "<쓸만한 하이퍼 바디> 스킬 사용 가능", [0, 1, 1]),
    Row(Regular, Unique, SHOES, "<쓸만한 헤이스트> 스킬 사용 가능", [0, 1, 1]),
    Row(Regular, Legendary, ALL, "* +#%", [12, 12, 13]),
    Row(Regular, Legendary, ALL, "올스탯 +#%", [9, 9, 10]),
    Row(Regular, Legendary, ARMS, "@ +#%", [12, 12, 13]),
    Row(Regular, Legendary, ARMS, "@ +#", [32, 32, 32]),
    Row(Regular, Legendary, ARMS, "데미지 +#%", [12, 12, 13]),
    Row(Regular, Legendary, ARMS, "크리티컬 확률 +#%", [12, 12, 13]),
    Row(Regular, Legendary, ARMS, "몬스터 방어율 무시 +#%", [0, 35, 40]),
    Row(Regular, Legendary, ARMS, "몬스터 방어율 무시 +#%", [0, 40, 45]),
    Row(Regular, Legendary, WEAPON | SECONDARY, "보스 몬스터 데미지 +#%", [0, 35, 40]),
    Row(Regular, Legendary, WEAPON | SECONDARY, "보스 몬스터 데미지 +#%", [0, 40, 45]),
    Row(Regular, Legendary, REST, "최대 HP +#%", [12, 12, 13]),
    Row(Regular, Legendary, REST, "최대 MP +#%", [12, 12, 13]),
    Row(Regular, Legendary, CLOTHES, "피격 시 10% 확률로 데미지의 #% 무시", [0, 20, 20]),
    Row(Regular, Legendary, CLOTHES, "피격 시 10% 확률로 데미지의 #% 무시", [0, 40, 40]),
    Row(Regular, Legendary, HAT, "스킬 재사용 대기시간 -#초", [0, 1, 1]),
    Row(Regular, Legendary, HAT, "스킬 재사용 대기시간 -#초", [0, 2, 2]),
    Row(Regular, Legendary, TOP, "피격 후 무적시간 +#초", [0, 3, 3]),
    Row(Regular, Legendary, GLOVES, "크리티컬 데미지 +#%", [6, 8, 8]),
    Row(Regular, Legendary, SHOES, "<쓸만한 컴뱃 오더스> 스킬 사용 가능", [0, 1, 1]),
    Row(Regular, Legendary, ACCESSORY, "메소 획득량 +#%", [0, 20, 20]),
    Row(Regular, Legendary, ACCESSORY, "아이템 드롭률 +#%", [0, 20, 20]),
    Row(Additional, Rare, ARMS, "* +#%", [3, 3, 4]),
    Row(Additional, Rare, ARMS, "@ +#%", [3, 3, 4]),
    Row(Additional, Rare, ARMS, "@ +#", [0, 12, 13]),
    Row(Additional, Rare, ARMS, "최대 MP +#%", [1, 2, 3]),
    Row(Additional, Rare, REST, "* +#%", [1, 2, 3]),
    Row(Additional, Rare, REST, "* +#", [8, 10, 11]),
    Row(Additional, Rare, REST, "@ +#", [0, 10, 11]),
    Row(Additional, Rare, REST, "올스탯 +#", [2, 3, 4]),
    Row(Additional, Rare, WEAPON | CLOTHES, "이동속도 +#", [0, 6, 6]),
    Row(Additional, Epic, ARMS, "* +#%", [6, 6, 7]),
    Row(Additional, Epic, ARMS, "@ +#%", [6, 6, 7]),
    Row(Additional, Epic, ARMS, "데미지 +#%", [6, 6, 7]),
    Row(Additional, Epic, ARMS, "최대 HP +#%", [3, 5, 6]),
    Row(Additional, Epic, REST, "* +#%", [3, 4, 5]),
    Row(Additional, Epic, REST, "* +#", [12, 14, 15]),
    Row(Additional, Epic, REST, "@ +#", [0, 11, 12]),
    Row(Additional, Epic, REST, "올스탯 +#%", [1, 2, 3]),
    Row(Additional, Epic, REST, "최대 HP +#%", [3, 5, 6]),
    Row(Additional, Epic, CLOTHES, "점프력 +#", [0, 8, 0]),
    Row(Additional, Unique, ALL, "캐릭터 기준 9레벨 당 * +#", [1, 1, 1]),
    Row(Additional, Unique, ARMS, "* +#%", [9, 9, 10]),
    Row(Additional, Unique, ARMS, "@ +#%", [9, 9, 10]),
    Row(Additional, Unique, ARMS, "데미지 +#%", [9, 9, 10]),
    Row(Additional, Unique, WEAPON, "공격 시 15% 확률로 #의 HP 회복", [0, 95, 100]),
    Row(Additional, Unique, WEAPON | SECONDARY, "보스 몬스터 데미지 +#%", [12, 12, 14]),
    Row(Additional, Unique, REST, "* +#%", [4, 6, 7]),
    Row(Additional, Unique, REST, "* +#", [14, 18, 19]),
    Row(Additional, Unique, REST, "@ +#", [0, 14, 15]),
    Row(Additional, Unique, REST, "올스탯 +#%", [3, 5, 6]),
    Row(Additional, Unique, REST, "최대 HP +#%", [5, 8, 9]),
    Row(Additional, Unique, REST, "HP 회복 아이템 및 회복 스킬 효율 +#%", [0, 20, 20]),
    Row(Additional, Legendary, ALL, "캐릭터 기준 9레벨 당 * +#", [2, 2, 2]),
    Row(Additional, Legendary, ARMS, "* +#%", [12, 12, 13]),
    Row(Additional, Legendary, ARMS, "@ +#%", [12, 12, 13]),
    Row(Additional, Legendary, ARMS, "@ +#", [32, 32, 32]),
    Row(Additional, Legendary, ARMS, "데미지 +#%", [12, 12, 13]),
    Row(Additional, Legendary, WEAPON | SECONDARY, "보스 몬스터 데미지 +#%", [18, 18, 20]),
    Row(Additional, Legendary, REST, "* +#%", [5, 8, 9]),
    Row(Additional, Legendary, REST, "* +#", [16, 20, 21]),
    Row(Additional, Legendary, REST, "@ +#", [0, 16, 17]),
    Row(Additional, Legendary, REST, "올스탯 +#%", [4, 6, 7]),
    Row(Additional, Legendary, REST, "최대 HP +#%", [7, 11, 12]),
    Row(Additional, Legendary, REST, "HP 회복 아이템 및 회복 스킬 효율 +#%", [0, 30, 30]),
    Row(Additional, Legendary, HAT, "스킬 재사용 대기시간 -#초", [0, 1, 1]),
    Row(Additional, Legendary, GLOVES, "크리티컬 데미지 +#%", [2, 3, 3]),
    Row(Additional, Legendary, CLOTHES, "크리티컬 데미지 +#%", [1, 1, 1]),
    Row(Additional, Legendary, CLOTHES | ACCESSORY, "아이템 드롭률 +#%", [0, 5, 5]),
    Row(Additional, Legendary, CLOTHES | ACCESSORY, "메소 획득량 +#%", [0, 5, 5]),
];

impl Grade {
    pub(super) const ALL: [Self; 4] = [Rare, Epic, Unique, Legendary];

    pub(super) fn text(self) -> &'static str {
        ["레어", "에픽", "유니크", "레전드리"][self as usize]
    }

    fn below(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// Three lines. The first has the item's grade; `aim` is the chance in percent that a line is one
/// the job wants. A later line seldom has the item's grade too, in the additional potential hardly
/// ever: three of them would cost more than anyone has.
pub(super) fn lines(
    dice: &mut Dice,
    context: Context,
    grade: Grade,
    wish: Wish,
    aim: usize,
) -> [String; 3] {
    let mut decent_taken = false;
    let again = match context.system {
        Regular => aim / 3,
        Additional => aim / 30,
    };
    [true, dice.percent(again), dice.percent(again)].map(|same_grade| {
        let grade = if same_grade { grade } else { grade.below() };
        let pool = pool(context, grade, decent_taken);
        let wanted: Vec<_> = pool.iter().filter(|row| wanted(row, wish)).copied().collect();
        // Main stat and attack before anything else that helps.
        let core =
            wanted.iter().filter(|row| row.3.ends_with("+#%") && row.3.starts_with(['*', '@']));
        let core: Vec<_> = core.copied().collect();
        let wanted = if dice.percent(55) && !core.is_empty() { core } else { wanted };
        let aimed = dice.percent(aim) && !wanted.is_empty();
        let row = dice.pick(if aimed { &wanted } else { &pool });
        decent_taken |= is_limited(row);
        text(dice, row, context, wish, aimed)
    })
}

fn pool(context: Context, grade: Grade, decent_taken: bool) -> Vec<&'static Row> {
    let fits = |row: &&Row| {
        (row.0, row.1) == (context.system, grade)
            && row.2 & context.family != 0
            && row.4[band(context.level)] > 0
            && !(decent_taken && is_limited(row))
    };
    ROWS.iter().filter(fits).collect()
}

/// Options of which an item can have one only: both kinds are counted together, which is stricter.
fn is_limited(row: &Row) -> bool {
    row.3.starts_with('<') || row.3.starts_with("피격")
}

fn wanted(row: &Row, wish: Wish) -> bool {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| row.3.starts_with(prefix));
    if wish.main == "HP" && starts(&["*", "올스탯", "캐릭터"]) {
        return false;
    }
    starts(&["*", "@", "올스탯", "캐릭터", "보스", "몬스터", "크리티컬 데미지", "스킬 재사용"])
        || wish.main == "HP" && starts(&["최대 HP"])
}

fn text(dice: &mut Dice, row: &Row, context: Context, wish: Wish, aimed: bool) -> String {
    let any_stat = dice.pick(&["STR", "DEX", "INT", "LUK"]);
    let any_attack = dice.pick(&["공격력", "마력"]);
    let (stat, attack) = if aimed && wish.main != "HP" {
        (wish.main, wish.attack)
    } else if aimed {
        (any_stat, wish.attack)
    } else {
        (any_stat, any_attack)
    };
    let value = row.4[band(context.level)].to_string();
    row.3.replace('*', stat).replace('@', attack).replace('#', &value)
}

fn band(level: i32) -> usize {
    match level {
        ..=99 => 0,
        100..=200 => 1,
        _ => 2,
    }
}
