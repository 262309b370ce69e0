//! The answers of the API for one character: basic facts and the equipment document.
//! Pretty-printed with two spaces, as the real API does; about 350 KB.

use serde::Serialize;
use serde_json::json;

use super::catalogue;
use super::catalogue::Piece;
use super::dice::Dice;
use super::dice::mix;
use super::identity::Ocid;
use super::item::Item;
use super::item::Maker;
use super::item::icon;
use super::potential;
use super::world::Character;

/// The equipment document: fields and their order as the API has them.
#[derive(Serialize)]
struct Equipment {
    date: Option<&'static str>,
    character_gender: &'static str,
    character_class: &'static str,
    preset_no: usize,
    item_equipment: Vec<Item>,
    item_equipment_preset_1: Vec<Item>,
    item_equipment_preset_2: Vec<Item>,
    item_equipment_preset_3: Vec<Item>,
    title: serde_json::Value,
    medal_shape: serde_json::Value,
    dragon_equipment: Vec<Item>,
    mechanic_equipment: Vec<Item>,
}

/// The equipment document. `revision` 0 is the character as it is; any other number is the same
/// character after it changed its gear.
pub(super) fn equipment(ocid: Ocid, revision: u64) -> Vec<u8> {
    let mut character = Character::of(ocid);
    if revision > 0 {
        character.seed = mix(character.seed ^ revision);
    }
    let job = character.wearer.job;
    let document = Equipment {
        date: None,
        character_gender: character.gender,
        character_class: job.name,
        preset_no: character.preset,
        item_equipment: preset(&character, character.preset),
        item_equipment_preset_1: preset(&character, 1),
        item_equipment_preset_2: preset(&character, 2),
        item_equipment_preset_3: preset(&character, 3),
        title: title(),
        medal_shape: medal_shape(),
        dragon_equipment: companion(&character, "에반", &DRAGON),
        mechanic_equipment: companion(&character, "메카닉", &MECHANIC),
    };
    serde_json::to_vec_pretty(&document).expect("plain structs of text and numbers always encode")
}

/// The basic facts, under another job if one is given.
pub(super) fn basic(ocid: Ocid, class: Option<&str>) -> Vec<u8> {
    let character = Character::of(ocid);
    let basic = json!({
        "date": null,
        "character_name": character.name,
        "world_name": character.world,
        "character_gender": character.gender,
        "character_class": class.unwrap_or(character.wearer.job.name),
        "character_class_level": "6",
        "character_level": character.level,
        "character_exp": 1_000_000_007_i64 * i64::from(character.level),
        "character_exp_rate": "41.350",
        "character_guild_name": character.guild,
        "character_image": format!("https://open.api.nexon.com/static/maplestory/character/look/{ocid}"),
        "character_date_create": "2015-07-23T00:00+09:00",
        "access_flag": "true",
        "liberation_quest_clear": "1",
    });
    basic.to_string().into_bytes()
}

/// The answer of the id call.
pub(super) fn id(ocid: Ocid) -> Vec<u8> {
    json!({ "ocid": ocid.to_string() }).to_string().into_bytes()
}

fn preset(character: &Character, preset: usize) -> Vec<Item> {
    let items = catalogue::SLOTS.into_iter().enumerate().filter_map(|(index, slot)| {
        let variant = character.variant(slot, preset);
        let mut dice = Dice::of_part(character.seed, slot, variant);
        let piece = catalogue::piece(&mut dice, slot, &character.wearer)?;
        Some(Item::make(&mut dice, piece, maker(character, index)))
    });
    items.collect()
}

fn maker(character: &Character, turn: usize) -> Maker {
    let wish = character.wearer.job.wish(turn);
    Maker { rank: character.wearer.rank, wish, showcase: character.is_showcase() }
}

const DRAGON: [(&str, &str); 4] = [
    ("드래곤 모자", "어비스 마스크"),
    ("드래곤 펜던트", "어비스 펜던트"),
    ("드래곤 날개장식", "어비스 윙즈"),
    ("드래곤 꼬리장식", "어비스 테일"),
];
const MECHANIC: [(&str, &str); 5] = [
    ("메카닉 엔진", "골드 엔진"),
    ("메카닉 암", "골드 암"),
    ("메카닉 레그", "골드 레그"),
    ("메카닉 프레임", "골드 프레임"),
    ("메카닉 트랜지스터", "골드 트랜지스터"),
];

/// What the dragon or the machine wears, for the one job that has it.
fn companion(
    character: &Character,
    job: &str,
    pieces: &[(&'static str, &'static str)],
) -> Vec<Item> {
    if character.wearer.job.name != job {
        return Vec::new();
    }
    let items = pieces.iter().map(|(slot, name)| {
        let mut dice = Dice::of_part(character.seed, slot, 0);
        let piece = Piece::bare(slot, name, 120, potential::PLAIN);
        Item::make(&mut dice, piece, maker(character, 0))
    });
    items.collect()
}

fn title() -> serde_json::Value {
    let name = "단풍잎의 수집가";
    json!({
        "title_name": name,
        "title_icon": icon(name),
        "title_description": "단풍잎을 모으며 세계를 돌아본 모험가의 칭호.\n올스탯 +10\n공격력/마력 +5",
        "date_expire": null,
        "date_option_expire": null,
        "title_shape_name": name,
        "title_shape_icon": icon(name),
        "title_shape_description": "단풍잎을 모으며 세계를 돌아본 모험가의 칭호.",
    })
}

fn medal_shape() -> serde_json::Value {
    let (name, changed) = ("칠요의 몬스터파커", "길 위의 모험가");
    json!({
        "medal_shape_name": name,
        "medal_shape_icon": icon(name),
        "medal_shape_description": "요일마다 하나씩 모은 훈장이다.",
        "medal_shape_changed_name": changed,
        "medal_shape_changed_icon": icon(changed),
        "medal_shape_changed_description": "",
    })
}
