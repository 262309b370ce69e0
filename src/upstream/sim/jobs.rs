//! The jobs a simulated character can have, with what each wears that others do not.
//! Job names as the game shows them in 2026; stats as in the game rules, section 6.

use super::potential::Wish;

/// Families that share armour sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    Warrior,
    Bowman,
    Magician,
    Thief,
    Pirate,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) branch: Branch,
    /// Main stat; `XENON` is the marker for three of them.
    main: &'static str,
    /// Sub part of the weapon, as the API names it.
    pub(super) weapon_part: &'static str,
    /// The last word of the weapon's name in the 아케인셰이드, 제네시스 and 데스티니 sets.
    pub(super) weapon: &'static str,
    /// The same for the older 앱솔랩스 set.
    pub(super) weapon_absolab: &'static str,
    pub(super) secondary_part: &'static str,
    pub(super) secondary: &'static str,
}

const XENON: &str = "XENON";

const fn job(
    name: &'static str,
    branch: Branch,
    main: &'static str,
    weapon: [&'static str; 3],
    secondary: [&'static str; 2],
) -> Job {
    let [weapon_part, weapon, weapon_absolab] = weapon;
    let [secondary_part, secondary] = secondary;
    Job { name, branch, main, weapon_part, weapon, weapon_absolab, secondary_part, secondary }
}

use Branch::{Bowman, Magician, Pirate, Thief, Warrior};

const SWORD: [&str; 3] = ["두손검", "투핸드소드", "브로드세이버"];
const SPEAR: [&str; 3] = ["창", "스피어", "피어싱스피어"];
const POLEARM: [&str; 3] = ["폴암", "폴암", "핼버드"];
const SABER: [&str; 3] = ["한손검", "세이버", "미스틱소드"];
const MACE: [&str; 3] = ["한손둔기", "해머", "비트해머"];
const BOW: [&str; 3] = ["활", "보우", "슈팅보우"];
const STAFF: [&str; 3] = ["스태프", "스태프", "스펠링스태프"];
const WAND: [&str; 3] = ["완드", "완드", "스펠링완드"];
const CLAW: [&str; 3] = ["아대", "가즈", "리벤지가즈"];
const DAGGER: [&str; 3] = ["단검", "대거", "슬래셔"];
const KNUCKLE: [&str; 3] = ["너클", "클로", "블로우너클"];
const GUN: [&str; 3] = ["건", "피스톨", "포인팅건"];
const JEWEL: [&str; 2] = ["보석", "마스터 오브 에레브"];

#[rustfmt::skip]
pub(super) const JOBS: &[Job] = &[
    job("히어로", Warrior, "STR", SWORD, ["메달", "용사의 메달"]),
    job("팔라딘", Warrior, "STR", MACE, ["로자리오", "믿음의 로자리오"]),
    job("다크나이트", Warrior, "STR", SPEAR, ["쇠사슬", "속박의 쇠사슬"]),
    job("소울마스터", Warrior, "STR", SWORD, JEWEL),
    job("미하일", Warrior, "STR", SABER, ["소울실드", "진리의 소울실드"]),
    job("블래스터", Warrior, "STR", ["건틀렛 리볼버", "엘라하", "파일 갓"], ["화약통", "익스플로시브 필 No.4"]),
    job("데몬슬레이어", Warrior, "STR", MACE, ["포스실드", "루인 포스실드"]),
    job("데몬어벤져", Warrior, "HP", ["데스페라도", "데스페라도", "데스페라도"], ["포스실드", "루인 포스실드"]),
    job("아란", Warrior, "STR", POLEARM, ["무게추", "폴암의 무게추"]),
    job("카이저", Warrior, "STR", SWORD, ["용의 정수", "노바의 정수"]),
    job("아델", Warrior, "STR", ["튜너", "튜너", "튜너"], ["브레이슬릿", "끝없는 브레이슬릿"]),
    job("제로", Warrior, "STR", ["대검", "라즐리", "라즐리"], ["태도", "제네시스 라피스"]),
    job("보우마스터", Bowman, "DEX", BOW, ["화살깃", "참다운 화살깃"]),
    job("신궁", Bowman, "DEX", ["석궁", "크로스보우", "크로스보우"], ["활골무", "참다운 활골무"]),
    job("패스파인더", Bowman, "DEX", ["에인션트 보우", "에인션트 보우", "에인션트 보우"], ["렐릭", "퍼펙트 렐릭"]),
    job("윈드브레이커", Bowman, "DEX", BOW, JEWEL),
    job("와일드헌터", Bowman, "DEX", ["석궁", "크로스보우", "크로스보우"], ["와일드헌터 화살촉", "와일드 포이즌"]),
    job("카인", Bowman, "DEX", ["브레스 슈터", "브레스 슈터", "브레스 슈터"], ["웨폰 벨트", "그림자 웨폰 벨트"]),
    job("메르세데스", Bowman, "DEX", ["듀얼 보우건", "듀얼보우건", "듀얼보우건"], ["마법화살", "인피니트 매직 애로우"]),
    job("아크메이지(불,독)", Magician, "INT", STAFF, ["마도서", "그을린 마도서"]),
    job("아크메이지(썬,콜)", Magician, "INT", STAFF, ["마도서", "서리 내린 마도서"]),
    job("비숍", Magician, "INT", WAND, ["마도서", "축복의 마도서"]),
    job("플레임위자드", Magician, "INT", STAFF, JEWEL),
    job("배틀메이지", Magician, "INT", STAFF, ["마법구슬", "칠흑의 마법구슬"]),
    job("에반", Magician, "INT", STAFF, ["문서", "드래곤마스터의 유산"]),
    job("루미너스", Magician, "INT", ["샤이닝로드", "샤이닝로드", "샤이닝로드"], ["오브", "진리의 오브"]),
    job("키네시스", Magician, "INT", ["ESP 리미터", "ESP리미터", "ESP리미터"], ["체스피스", "체스피스 킹"]),
    job("일리움", Magician, "INT", ["매직 건틀렛", "매직 건틀렛", "매직 건틀렛"], ["매직윙", "크리스탈 매직윙"]),
    job("라라", Magician, "INT", WAND, ["노리개", "산들바람 노리개"]),
    job("나이트로드", Thief, "LUK", CLAW, ["부적", "파사의 부적"]),
    job("섀도어", Thief, "LUK", DAGGER, ["단검용 검집", "그림자 검집"]),
    job("듀얼블레이더", Thief, "LUK", DAGGER, ["블레이드", "아케인셰이드 블레이드"]),
    job("나이트워커", Thief, "LUK", CLAW, JEWEL),
    job("팬텀", Thief, "LUK", ["케인", "케인", "핀쳐케인"], ["카드", "느와르 카르트"]),
    job("카데나", Thief, "LUK", ["체인", "체인", "체인"], ["웨폰 벨트", "무기 전달 장치 베타"]),
    job("칼리", Thief, "LUK", ["차크람", "차크람", "차크람"], ["헥스시커", "밤의 헥스시커"]),
    job("호영", Thief, "LUK", ["부채", "초선", "괴선"], ["선추", "바람의 선추"]),
    job("제논", Thief, XENON, ["에너지소드", "에너지체인", "에너지소드"], ["제어장치", "옥타코어 컨트롤러"]),
    job("바이퍼", Pirate, "STR", KNUCKLE, ["리스트밴드", "투지의 리스트밴드"]),
    job("캡틴", Pirate, "DEX", GUN, ["조준기", "매의 조준기"]),
    job("캐논마스터", Pirate, "STR", ["핸드캐논", "시즈건", "블래스트캐논"], ["화약통", "폭풍의 화약통"]),
    job("스트라이커", Pirate, "STR", KNUCKLE, JEWEL),
    job("은월", Pirate, "STR", KNUCKLE, ["여우구슬", "푸른 여우구슬"]),
    job("메카닉", Pirate, "DEX", GUN, ["매그넘", "메탈 매그넘"]),
    job("엔젤릭버스터", Pirate, "DEX", ["소울 슈터", "소울슈터", "소울슈터"], ["소울링", "트루 소울링"]),
    job("아크", Pirate, "STR", KNUCKLE, ["패스", "심연의 패스"]),
];

impl Job {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        JOBS.iter().find(|job| job.name == name)
    }

    /// What this job looks for on its next line; 제논 takes its three stats in turn.
    pub(super) fn wish(&self, turn: usize) -> Wish {
        let main = if self.main == XENON { ["STR", "DEX", "LUK"][turn % 3] } else { self.main };
        let attack = if self.main == "INT" { "마력" } else { "공격력" };
        Wish { main, attack }
    }
}
