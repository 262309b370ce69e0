//! From an item's slot to the part its official table is filed under (game rules C1).
//! Says nothing about whether such a table exists. See `tables`.

/// Sub parts of slot 보조무기 with a table of their own: those containing one of these words.
const FORCE_SHIELDS: [&str; 2] = ["포스실드", "소울링"];

/// The table part of an item, from its slot and its `item_equipment_part`.
#[must_use]
pub fn table_part<'a>(slot: &'a str, sub_part: Option<&str>) -> &'a str {
    let sub_part = sub_part.unwrap_or_default();
    match slot {
        "보조무기" if FORCE_SHIELDS.iter().any(|word| sub_part.contains(word)) => {
            "포스실드, 소울링"
        }
        "보조무기" if sub_part == "방패" => "방패",
        "보조무기" => "보조무기(포스실드, 소울링 제외)",
        "상의" if sub_part == "한벌옷" => "한벌옷",
        "반지1" | "반지2" | "반지3" | "반지4" => "반지",
        "펜던트2" => "펜던트",
        "기계 심장" => "기계심장",
        _ => slot,
    }
}

#[cfg(test)]
mod tests {
    use super::table_part;

    #[test]
    fn slots_map_to_their_tables() {
        let cases = [
            (("무기", Some("스태프")), "무기"),
            (("보조무기", Some("포스실드")), "포스실드, 소울링"),
            (("보조무기", Some("소울링")), "포스실드, 소울링"),
            (("보조무기", Some("방패")), "방패"),
            (("보조무기", Some("소울실드")), "보조무기(포스실드, 소울링 제외)"),
            (("보조무기", Some("문서")), "보조무기(포스실드, 소울링 제외)"),
            (("보조무기", None), "보조무기(포스실드, 소울링 제외)"),
            (("상의", Some("한벌옷")), "한벌옷"),
            (("상의", Some("상의")), "상의"),
            (("상의", None), "상의"),
            (("반지1", None), "반지"),
            (("반지4", None), "반지"),
            (("펜던트", None), "펜던트"),
            (("펜던트2", None), "펜던트"),
            (("기계 심장", None), "기계심장"),
            (("훈장", None), "훈장"),
        ];
        for ((slot, sub_part), part) in cases {
            assert_eq!(table_part(slot, sub_part), part, "{slot} {sub_part:?}");
        }
    }
}
