//! Which item sits in which slot: names, levels and families, by armour set and branch.
//! Only names and levels are facts of the game; base stats are made up in `item`.

use super::dice::Dice;
use super::jobs::Branch;
use super::jobs::Job;
use super::potential;
use super::world::Rank;
use super::world::Wearer;

/// What kind of enhancements an item can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) potential: bool,
    pub(super) starforce: bool,
    pub(super) flame: bool,
}

/// One choice for a slot.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) slot: &'static str,
    /// Sub part, as the API names it.
    pub(super) part: &'static str,
    pub(super) name: String,
    pub(super) level: i32,
    /// One of the families of `potential`.
    pub(super) family: u16,
    pub(super) traits: Traits,
    /// Boss gear: four flame lines of higher stages.
    pub(super) boss: bool,
    /// Comes with its stars, or may not get any: the star count is this.
    pub(super) fixed_stars: Option<i32>,
    pub(super) special_ring_level: i32,
}

const WORN: Traits = Traits { potential: true, starforce: true, flame: true };
const NO_FLAME: Traits = Traits { flame: false, ..WORN };
const POTENTIAL_ONLY: Traits = Traits { starforce: false, ..NO_FLAME };
const FLAME_ONLY: Traits = Traits { potential: false, starforce: false, flame: true };
const BARE: Traits = Traits { potential: false, starforce: false, flame: false };

/// Slots in the order of the API's own answers.
pub(super) const SLOTS: [&str; 25] = [
    "모자",
    "얼굴장식",
    "눈장식",
    "귀고리",
    "상의",
    "하의",
    "신발",
    "장갑",
    "망토",
    "보조무기",
    "무기",
    "반지1",
    "반지2",
    "반지3",
    "반지4",
    "펜던트",
    "훈장",
    "벨트",
    "어깨장식",
    "포켓 아이템",
    "기계 심장",
    "뱃지",
    "엠블렘",
    "펜던트2",
    "안드로이드",
];

/// An armour set: name, level, and its pieces by branch where they differ.
struct Set {
    name: &'static str,
    level: i32,
    hats: [&'static str; 5],
}

const ETERNAL: Set = Set {
    name: "에테르넬",
    level: 250,
    hats: ["나이트헬름", "아처햇", "메이지햇", "시프반다나", "파이렛햇"],
};
const ARCANE: Set = Set {
    name: "아케인셰이드",
    level: 200,
    hats: ["나이트햇", "아처햇", "메이지햇", "시프햇", "파이렛햇"],
};
const ABSOLAB: Set = Set {
    name: "앱솔랩스",
    level: 160,
    hats: ["나이트헬름", "아처후드", "메이지크라운", "시프캡", "파이렛페도라"],
};

/// Names of the branches in the three sets above.
const BRANCHES: [&str; 5] = ["나이트", "아처", "메이지", "시프", "파이렛"];
const ETERNAL_TOPS: [&str; 5] = ["아머", "후드", "로브", "셔츠", "코트"];
/// Level 150, from 루타비스.
const ROOT_HATS: [&str; 5] = ["워리어헬름", "레인져베레", "던위치햇", "어새신보닛", "원더러햇"];
const ROOT_TOPS: [&str; 5] = ["워리어아머", "레인져후드", "던위치로브", "어새신셔츠", "원더러코트"];
const ROOT_BOTTOMS: [&str; 5] =
    ["워리어팬츠", "레인져팬츠", "던위치팬츠", "어새신팬츠", "원더러팬츠"];
/// Superior items carry the name of the branch's giant.
const SUPERIOR: [&str; 5] = ["히아데스", "케이론", "헤르메스", "리카온", "알테어"];
const EMBLEMS: [&str; 5] = ["전사", "궁수", "마법사", "도적", "해적"];

/// Name, level, whether it is boss gear; the better the later.
type Choice = (&'static str, i32, bool);

const FACES: &[Choice] = &[
    ("응축된 힘의 결정석", 110, true),
    ("트와일라이트 마크", 140, true),
    ("루즈 컨트롤 머신 마크", 160, true),
];
const EYES: &[Choice] = &[
    ("아쿠아틱 레터 눈장식", 100, true),
    ("블랙빈 마크", 135, true),
    ("파풀라투스 마크", 145, true),
    ("마력이 깃든 안대", 160, true),
];
const EARS: &[Choice] = &[
    ("데아 시두스 이어링", 130, true),
    ("에스텔라 이어링", 160, true),
    ("커맨더 포스 이어링", 200, true),
];
const PENDANTS: &[Choice] = &[
    ("매커네이터 펜던트", 120, true),
    ("도미네이터 펜던트", 140, true),
    ("데이브레이크 펜던트", 140, true),
    ("고통의 근원", 160, true),
];
const BELTS: &[Choice] = &[
    ("골든 클로버 벨트", 140, true),
    ("분노한 자쿰의 벨트", 150, true),
    ("몽환의 벨트", 200, true),
];
const RINGS: &[Choice] = &[
    ("실버블라썸 링", 110, false),
    ("고귀한 이피아의 반지", 120, false),
    ("마이스터링", 140, false),
    ("가디언 엔젤 링", 160, false),
    ("여명의 가디언 엔젤 링", 160, false),
    ("거대한 공포", 200, false),
];
const POCKETS: &[Choice] = &[
    ("핑크빛 성배", 140, true),
    ("저주받은 적의 마도서", 160, true),
    ("저주받은 녹의 마도서", 160, true),
    ("저주받은 청의 마도서", 160, true),
    ("저주받은 황의 마도서", 160, true),
];
const HEARTS: &[Choice] = &[
    ("블랙 하트", 100, false),
    ("슈페리얼 리튬 하트", 80, false),
    ("컴플리트 언더컨트롤", 200, false),
];
const MEDALS: &[Choice] = &[
    ("칠요의 몬스터파커", 100, false),
    ("크로니클 마스터", 0, false),
    ("베테랑 모험가", 0, false),
];
const BADGES: &[Choice] = &[("칠요의 뱃지", 100, false), ("창세의 뱃지", 200, false)];
const SPECIAL_RINGS: &[&str] =
    &["컨티뉴어스 링", "리스트레인트 링", "웨폰퍼프 링", "리스크테이커 링"];
const ANDROIDS: &[&str] = &["페어리로이드", "로맨스로이드", "프린세스로이드"];

/// 펜살리르 gear, level 140: what a character wears that never fought a boss.
const PENSALIR: [&str; 5] = ["배틀", "센티넬", "메이지", "체이서", "스키퍼"];

/// The piece in one slot, or `None` when the slot is empty.
pub(super) fn piece(dice: &mut Dice, slot: &'static str, wearer: &Wearer) -> Option<Piece> {
    let Wearer { job, rank, overall, .. } = *wearer;
    match slot {
        "상의" if overall => Some(overall_suit(slot, job.branch)),
        "하의" if overall => None,
        "무기" => Some(weapon(dice, job, rank)),
        "보조무기" => Some(secondary(slot, job)),
        "모자" | "상의" | "하의" | "신발" | "장갑" | "망토" | "어깨장식" => {
            Some(armour(dice, slot, job.branch, rank))
        }
        "벨트" if rank == Rank::Casual && dice.percent(30) => {
            Some(superior(slot, job.branch, "벨트"))
        }
        "안드로이드" => dice.percent(60).then(|| {
            let name = dice.pick(ANDROIDS).to_owned();
            Piece::new(slot, slot, name, 0, potential::HEART, BARE)
        }),
        "반지1" if rank >= Rank::Geared => Some(special_ring(dice, slot)),
        _ => accessory(dice, slot, wearer),
    }
}

impl Piece {
    fn new(
        slot: &'static str,
        part: &'static str,
        name: String,
        level: i32,
        family: u16,
        traits: Traits,
    ) -> Self {
        let (boss, fixed_stars, special_ring_level) = (false, None, 0);
        Self { slot, part, name, level, family, traits, boss, fixed_stars, special_ring_level }
    }

    /// Gear without enhancements of its own, as a dragon or a machine wears it.
    pub(super) fn bare(slot: &'static str, name: &str, level: i32, family: u16) -> Self {
        Self::new(slot, slot, name.to_owned(), level, family, BARE)
    }

    pub(super) fn is_weapon(&self) -> bool {
        self.slot == "무기"
    }

    /// `타일런트` gear, which has a starforce of its own: at most 15 stars.
    pub(super) fn is_superior(&self) -> bool {
        self.name.starts_with("타일런트")
    }
}

fn weapon(dice: &mut Dice, job: &Job, rank: Rank) -> Piece {
    const LIBERATED: [(&str, i32); 2] = [("제네시스", 200), ("데스티니", 250)];
    let plain = ("우트가르드", 140);
    let (absolab, arcane) = ((ABSOLAB.name, ABSOLAB.level), (ARCANE.name, ARCANE.level));
    let [genesis, destiny] = LIBERATED;
    let (set, level) = match rank {
        Rank::Novice => plain,
        Rank::Casual => dice.pick(&[plain, absolab, absolab]),
        Rank::Geared => dice.pick(&[absolab, arcane, genesis]),
        Rank::Endgame => dice.pick(&[genesis, genesis, destiny]),
    };
    let suffix = if set == ABSOLAB.name { job.weapon_absolab } else { job.weapon };
    let name = format!("{set} {suffix}");
    let piece = Piece::new("무기", job.weapon_part, name, level, potential::WEAPON, WORN);
    let fixed_stars = LIBERATED.contains(&(set, level)).then_some(22);
    // The weapon of 제로 grows with him and has ordinary flames.
    Piece { boss: level > plain.1 && job.name != "제로", fixed_stars, ..piece }
}

fn secondary(slot: &'static str, job: &Job) -> Piece {
    let name = job.secondary.to_owned();
    Piece::new(slot, job.secondary_part, name, 100, potential::SECONDARY, POTENTIAL_ONLY)
}

fn armour(dice: &mut Dice, slot: &'static str, branch: Branch, rank: Rank) -> Piece {
    let set = match rank {
        Rank::Novice => return plain_armour(slot, branch),
        Rank::Casual if dice.percent(12) && matches!(slot, "신발" | "장갑" | "망토") => {
            let words = [("신발", "부츠"), ("장갑", "글러브"), ("망토", "클록")];
            let word = words.iter().find(|(of, _)| *of == slot).map_or("", |(_, word)| word);
            return superior(slot, branch, word);
        }
        Rank::Casual => &ABSOLAB,
        Rank::Geared => dice.pick(&[&ABSOLAB, &ARCANE, &ARCANE]),
        Rank::Endgame => dice.pick(&[&ETERNAL, &ETERNAL, &ARCANE]),
    };
    let (index, eternal) = (branch as usize, set.level == ETERNAL.level);
    let word = match slot {
        "상의" | "하의" if !eternal => return root_abyss(slot, branch),
        "모자" if rank == Rank::Casual => return root_abyss(slot, branch),
        "모자" => set.hats[index],
        "상의" => ETERNAL_TOPS[index],
        "하의" => "팬츠",
        "신발" => "슈즈",
        "장갑" => "글러브",
        "망토" => "케이프",
        _ => "숄더",
    };
    // Hats are spelled out whole, because each set names them differently.
    let prefix = if slot == "모자" { "" } else { BRANCHES[index] };
    let traits = if slot == "어깨장식" { NO_FLAME } else { WORN };
    let name = format!("{} {prefix}{word}", set.name);
    let piece = Piece::new(slot, slot, name, set.level, armour_family(slot), traits);
    Piece { boss: true, ..piece }
}

fn overall_suit(slot: &'static str, branch: Branch) -> Piece {
    let name = format!("{} {}슈트", ARCANE.name, BRANCHES[branch as usize]);
    let piece = Piece::new(slot, "한벌옷", name, ARCANE.level, potential::TOP, WORN);
    Piece { boss: true, ..piece }
}

fn root_abyss(slot: &'static str, branch: Branch) -> Piece {
    let branch = branch as usize;
    let name = match slot {
        "모자" => format!("하이네스 {}", ROOT_HATS[branch]),
        "상의" => format!("이글아이 {}", ROOT_TOPS[branch]),
        _ => format!("트릭스터 {}", ROOT_BOTTOMS[branch]),
    };
    let piece = Piece::new(slot, slot, name, 150, armour_family(slot), WORN);
    Piece { boss: true, ..piece }
}

fn superior(slot: &'static str, branch: Branch, word: &str) -> Piece {
    let name = format!("타일런트 {} {word}", SUPERIOR[branch as usize]);
    Piece::new(slot, slot, name, 150, armour_family(slot), WORN)
}

fn plain_armour(slot: &'static str, branch: Branch) -> Piece {
    let word = match slot {
        "모자" => "헬름",
        "상의" => "메일",
        "하의" => "팬츠",
        "신발" => "부츠",
        "장갑" => "글러브",
        "망토" => "케이프",
        _ => {
            let name = "로얄 블랙메탈 숄더".to_owned();
            return Piece::new(slot, slot, name, 120, potential::PLAIN, NO_FLAME);
        }
    };
    let name = format!("펜살리르 {}{word}", PENSALIR[branch as usize]);
    Piece::new(slot, slot, name, 140, armour_family(slot), WORN)
}

fn armour_family(slot: &str) -> u16 {
    match slot {
        "모자" => potential::HAT,
        "상의" => potential::TOP,
        "하의" => potential::BOTTOM,
        "신발" => potential::SHOES,
        "장갑" => potential::GLOVES,
        _ => potential::PLAIN,
    }
}

fn special_ring(dice: &mut Dice, slot: &'static str) -> Piece {
    let name = dice.pick(SPECIAL_RINGS).to_owned();
    let piece = Piece::new(slot, "반지", name, 110, potential::ACCESSORY, BARE);
    Piece { special_ring_level: dice.between(3, 4), ..piece }
}

fn accessory(dice: &mut Dice, slot: &'static str, wearer: &Wearer) -> Option<Piece> {
    let (part, choices, family, traits) = match slot {
        "얼굴장식" => (slot, FACES, potential::ACCESSORY, WORN),
        "눈장식" => (slot, EYES, potential::ACCESSORY, WORN),
        "귀고리" => (slot, EARS, potential::ACCESSORY, WORN),
        "펜던트" | "펜던트2" => ("펜던트", PENDANTS, potential::ACCESSORY, WORN),
        "벨트" => (slot, BELTS, potential::PLAIN, WORN),
        "반지1" | "반지2" | "반지3" | "반지4" => {
            ("반지", RINGS, potential::ACCESSORY, NO_FLAME)
        }
        "포켓 아이템" => (slot, POCKETS, potential::ACCESSORY, FLAME_ONLY),
        "기계 심장" => (slot, HEARTS, potential::HEART, NO_FLAME),
        "훈장" => (slot, MEDALS, potential::ACCESSORY, BARE),
        "뱃지" => (slot, BADGES, potential::ACCESSORY, BARE),
        _ => return Some(emblem(slot, wearer)),
    };
    // Novices wear the humbler half, the best the better half; four rings need four to choose from.
    let least = if part == "반지" { 4 } else { 1 };
    let half = choices.len().div_ceil(2).max(least);
    let choices = match wearer.rank {
        Rank::Novice => &choices[..half],
        Rank::Endgame => &choices[choices.len() - half..],
        Rank::Casual | Rank::Geared => choices,
    };
    let number = match slot {
        "펜던트" => Some(0),
        "반지1" | "펜던트2" => Some(1),
        "반지2" => Some(2),
        "반지3" => Some(3),
        "반지4" => Some(4),
        _ => None,
    };
    let (name, level, boss) = match number {
        Some(number) => choices[(wearer.turn + number) % choices.len()],
        None => dice.pick(choices),
    };
    let piece = Piece::new(slot, part, name.to_owned(), level, family, traits);
    Some(Piece { boss, ..piece })
}

fn emblem(slot: &'static str, wearer: &Wearer) -> Piece {
    let (name, level) = if wearer.rank == Rank::Endgame {
        (format!("미트라의 분노 : {}", EMBLEMS[wearer.job.branch as usize]), 200)
    } else {
        ("골드 메이플리프 엠블렘".to_owned(), 100)
    };
    Piece::new(slot, slot, name, level, potential::EMBLEM, POTENTIAL_ONLY)
}
