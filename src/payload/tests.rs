//! One check per way in which a document may surprise.

use std::borrow::Cow;

use super::*;
use valuation::outcome::Part;

fn one_item(fields: &str) -> Item<'static> {
    // Leaked: test documents live as long as the test process.
    let text = format!(r#"{{"item_equipment_preset_1":[{fields}]}}"#).leak();
    let mut document = Document::parse(text.as_bytes()).expect("readable document");
    assert_eq!(document.presets[0].len(), 1);
    document.presets[0].remove(0)
}

fn parts(item: &Item<'_>) -> Vec<Part> {
    item.defects.iter().map(|defect| defect.part).collect()
}

#[test]
fn reads_an_ordinary_item() {
    let item = one_item(
        r#"{"item_equipment_slot":"반지1","item_equipment_part":"반지","item_name":" 거대한 공포 ",
            "item_base_option":{"base_equipment_level":"200","attack_power":"4","magic_power":null},
            "item_add_option":{"str":"3","int":7,"boss_damage":"0"},
            "item_total_option":{"luk":"12"},
            "potential_option_grade":"레전드리","potential_option_1":"INT +12%","potential_option_2":null,
            "starforce":"22","starforce_scroll_flag":"사용","special_ring_level":4,"unknown":{"a":[1,{}]}}"#,
    );
    assert_eq!((item.slot.as_ref(), item.name.as_ref(), item.level), ("반지1", "거대한 공포", 200));
    assert_eq!((item.base_attack, item.base_magic, item.stars), (4, 0, 22));
    assert_eq!(item.flame.stats, [3, 0, 7, 0]);
    assert_eq!(item.total_stats(), [0, 0, 0, 12]);
    assert_eq!(item.potential_lines, [Some("INT +12%".into()), None, None]);
    assert!(item.scrolled && item.defects.is_empty() && item.additional_grade.is_none());
    assert_eq!(item.special_ring_level, 4);
}

#[test]
fn texts_are_borrowed_unless_escaped() {
    let item = one_item(r#"{"item_equipment_slot":"모자","item_name":"a\"b"}"#);
    assert!(matches!(item.slot, Cow::Borrowed(_)));
    assert_eq!(item.name, "a\"b");
}

#[test]
fn a_wrong_item_is_listed_and_never_fails_the_others() {
    let text = r#"{"item_equipment_preset_1":[7,null,"x",[1,2],
        {"item_equipment_slot":"모자"},{"item_name":"이름뿐"},{"item_equipment_slot":{"a":1}}]}"#;
    let document = Document::parse(text.as_bytes()).expect("readable");
    let items = &document.presets[0];
    assert_eq!(items.len(), 7);
    for (index, wrong) in items.iter().enumerate().filter(|(index, _)| *index != 4) {
        assert_eq!(wrong.defects.len(), 4, "item {index}: {:?}", wrong.defects);
    }
    assert_eq!(items[0].defects[0].reason, "unreadable item: expected an object, found a number");
    assert_eq!(items[5].defects[0].reason, "unreadable item: no item_equipment_slot");
    assert!(items[4].defects.is_empty());
}

#[test]
fn a_wrong_field_spoils_only_the_parts_that_need_it() {
    let item = |field: &str| one_item(&format!(r#"{{"item_equipment_slot":"모자",{field}}}"#));
    assert_eq!(parts(&item(r#""starforce":{"x":1}"#)), [Part::Starforce]);
    assert_eq!(parts(&item(r#""starforce":"많음""#)), [Part::Starforce]);
    assert_eq!(parts(&item(r#""potential_option_2":["STR +9%"]"#)), [Part::Potential]);
    assert_eq!(parts(&item(r#""item_add_option":{"int":1.5}"#)), [Part::Flame]);
    assert_eq!(parts(&item(r#""item_add_option":[]"#)), [Part::Flame]);
    let level = r#""item_base_option":{"base_equipment_level":"??"}"#;
    assert!(parts(&item(level)).is_empty(), "nothing on it needs a level");
    let with_stars = format!(r#"{level},"starforce":"5","potential_option_grade":"레어""#);
    assert_eq!(parts(&item(&with_stars)), [Part::Potential, Part::Starforce]);
    assert!(parts(&item(r#""item_base_option":null,"item_add_option":null"#)).is_empty());
}

#[test]
fn missing_null_and_wrong_lists_are_empty() {
    for text in [
        "{}",
        r#"{"item_equipment_preset_1":null,"item_equipment":[],"preset_no":null}"#,
        r#"{"item_equipment_preset_1":"none","item_equipment_preset_2":{}}"#,
    ] {
        let document = Document::parse(text.as_bytes()).expect("readable");
        assert!(document.worn.is_empty() && document.presets.iter().all(Vec::is_empty), "{text}");
        assert_eq!((document.preset_no, document.character_class), (0, None));
    }
}

#[test]
fn of_a_key_given_twice_the_last_wins() {
    let item = one_item(r#"{"item_equipment_slot":"a","item_equipment_slot":"모자"}"#);
    assert_eq!(item.slot, "모자");
}

#[test]
fn what_is_not_one_json_object_is_refused_with_a_position() {
    let cut = "{\n \"item_equipment\": [\n  {\"item_name\": \"모";
    let refused = Document::parse(cut.as_bytes()).expect_err("truncated");
    assert_eq!(refused.line, 3, "{refused}");
    assert_eq!(refused.to_string().matches("line").count(), 1, "{refused}");
    assert!(!refused.message.contains('\n'));
    for (text, message) in [("[]", "a list"), ("null", "null"), ("3", "a number")] {
        let refused = Document::parse(text.as_bytes()).expect_err(text);
        assert!(refused.message.ends_with(message), "{refused}");
    }
    for garbage in ["", "<html>", "{} {}", "{\"a\":1,}", "{\"a\" 1}"] {
        assert!(Document::parse(garbage.as_bytes()).is_err(), "{garbage:?}");
    }
    // Found by the fuzzer: bytes that are no text, where nobody reads them.
    for unread in [
        &b"{\n\"item_name\":\"\xff\"}"[..],
        b"{\n\"item_equipment\":[{\"item_total_option\":\"\xec\x95\xec\"}]}",
    ] {
        let refused = Document::parse(unread).expect_err("invalid UTF-8");
        assert_eq!((refused.line, refused.message.as_str()), (2, "not UTF-8"));
    }
}

#[test]
fn an_endless_list_is_refused_not_cut() {
    let list = vec!["{}"; ITEMS_MAX + 1].join(",");
    let text = format!(r#"{{"item_equipment":[{list}]}}"#);
    assert!(Document::parse(text.as_bytes()).is_err());
}
