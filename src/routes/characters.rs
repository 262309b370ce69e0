//! The endpoints about characters: from raw path segments and query to a question for the flow.

use serde::Serialize;

use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::Basic;
use crate::expectation::view::View;
use crate::http::Request;
use crate::http::Response;
use crate::http::target;
use crate::routes::respond;

pub(super) fn name(segment: &str) -> Result<CharacterName, Fault> {
    let decoded = target::decode_segment(segment).map_err(|bad| bad.fault("userIgn"))?;
    CharacterName::parse(&decoded)
}

pub(super) fn preset(segment: &str) -> Result<View, Fault> {
    let decoded = target::decode_segment(segment).map_err(|bad| bad.fault("presetNo"))?;
    let number = decoded.parse().map_err(|_| Fault::bad_input("presetNo", "must be an integer"))?;
    Ok(View::preset(number))
}

/// `force` of the query: absent is false, present without a value is true.
pub(super) fn force(request: &Request<'_>) -> Result<bool, Fault> {
    let value = target::query_value(request.query(), "force").map_err(|bad| bad.fault("force"))?;
    match value.as_deref() {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(value) if value.is_empty() || value.eq_ignore_ascii_case("true") => Ok(true),
        Some(_) => Err(Fault::bad_input("force", "must be true or false")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CharacterDoc<'a> {
    user_ign: &'a str,
    ocid: &'a str,
    /// Null until likes are kept.
    like_count: Option<u64>,
    world_name: Option<&'a str>,
    character_class: Option<&'a str>,
    character_image: Option<&'a str>,
}

pub(super) fn identity(character: &Character, basic: &Basic) -> Response {
    let document = CharacterDoc {
        user_ign: character.name.as_str(),
        ocid: character.ocid.as_str(),
        like_count: None,
        world_name: basic.world_name.as_deref(),
        character_class: basic.character_class.as_deref(),
        character_image: basic.character_image.as_deref(),
    };
    respond::json(serde_json::to_vec(&document).expect("texts always serialise"))
}
