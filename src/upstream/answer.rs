//! What a response of the game API means. Pure: bytes in, a verdict out, no I/O.
//! Never puts more of a foreign body into a message than a checked error name.
//! Meaning of the error names: the public guide of the Nexon Open API.

use std::fmt;
use std::io::Read;

use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::error::Fault;
use crate::limits::UPSTREAM_OCID_BYTES_MAX;
use crate::limits::UPSTREAM_SMALL_JSON_BYTES_MAX;

/// The calls we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Nickname to OCID.
    Id,
    /// Name, world, job, level, portrait.
    Basic,
    /// Worn items and presets.
    Equipment,
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The body is the answer.
    Answered,
    /// The nickname does not exist. Only the id endpoint can say so.
    NoSuchCharacter,
    /// The id does not exist, though it once was given for a nickname. The other endpoints say so.
    NoSuchId,
    /// Refused; `name` is the error name of the body if it had a readable one.
    Refused {
        /// Whether and how it pays to ask again.
        kind: Refusal,
        /// `OPENAPI...`.
        name: Option<String>,
    },
}

/// Why a call was refused, as far as it changes what a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many requests for this key: slow down everywhere.
    Quota,
    /// The other side is ill, in maintenance or preparing data.
    Temporary,
    /// The same request will be refused again (key, path, permission, identifier).
    Permanent,
}

/// Basic facts of a character. The API may leave any of them out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Basic {
    /// Nickname.
    pub character_name: Option<String>,
    /// World.
    pub world_name: Option<String>,
    /// Job, as the game shows it.
    pub character_class: Option<String>,
    /// Level, 1..=300.
    pub character_level: Option<u32>,
    /// Portrait, URL.
    pub character_image: Option<String>,
    /// Guild, null without one.
    pub character_guild_name: Option<String>,
}

impl Endpoint {
    /// All of them, in order of declaration.
    pub const ALL: [Self; 3] = [Self::Id, Self::Basic, Self::Equipment];

    /// Path and query up to the value.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Id => "/maplestory/v1/id?character_name=",
            Self::Basic => "/maplestory/v1/character/basic?ocid=",
            Self::Equipment => "/maplestory/v1/character/item-equipment?ocid=",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Basic => "basic",
            Self::Equipment => "item-equipment",
        })
    }
}

/// The verdict on one response. `body` is only read when `status` is not 200, and must be plain.
#[must_use]
pub fn classify(endpoint: Endpoint, status: u16, body: &[u8]) -> Outcome {
    if status == 200 {
        return Outcome::Answered;
    }
    let name = error_name(body);
    let kind = match (status, name.as_deref()) {
        (400, Some("OPENAPI00004")) if endpoint == Endpoint::Id => return Outcome::NoSuchCharacter,
        (400, Some("OPENAPI00003" | "OPENAPI00004")) if endpoint != Endpoint::Id => {
            return Outcome::NoSuchId;
        }
        (429, _) | (_, Some("OPENAPI00007")) => Refusal::Quota,
        // Data being prepared, game maintenance, API maintenance: 400 or 503, and all pass.
        (_, Some("OPENAPI00009" | "OPENAPI00010" | "OPENAPI00011")) => Refusal::Temporary,
        (500..=599, _) => Refusal::Temporary,
        _ => Refusal::Permanent,
    };
    Outcome::Refused { kind, name }
}

/// The OCID of an answered id call.
///
/// # Errors
/// `upstream_failed` when it is missing, empty, too long or not ASCII letters and digits.
pub fn ocid(body: &[u8]) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct Id {
        ocid: Option<String>,
    }
    let ocid = serde_json::from_slice::<Id>(body).ok().and_then(|id| id.ocid).unwrap_or_default();
    let known = 1..=UPSTREAM_OCID_BYTES_MAX;
    if known.contains(&ocid.len()) && ocid.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(ocid);
    }
    Err(Fault::upstream_failed(format!("{}: HTTP 200 without a usable ocid", Endpoint::Id)))
}

/// The facts of an answered basic call.
///
/// # Errors
/// `upstream_failed` when the body is not such an object.
pub fn basic(body: &[u8]) -> Result<Basic, Fault> {
    serde_json::from_slice(body).map_err(|_| unreadable(Endpoint::Basic))
}

/// Unpacks a small answer. Bounded by `UPSTREAM_SMALL_JSON_BYTES_MAX`, so a bomb costs no more.
///
/// # Errors
/// `upstream_failed` when it is not gzip, ends early or unpacks to more.
pub fn gunzip_small(endpoint: Endpoint, body: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    let limit = UPSTREAM_SMALL_JSON_BYTES_MAX as u64 + 1;
    let read = GzDecoder::new(body).take(limit).read_to_end(&mut plain);
    match read {
        Ok(_) if plain.len() <= UPSTREAM_SMALL_JSON_BYTES_MAX => Ok(plain),
        _ => Err(unreadable(endpoint)),
    }
}

/// Whether bytes can be an equipment document: gzip by its magic, or the start of a JSON object.
/// The parser decides; this only keeps an error page from travelling further.
#[must_use]
pub fn looks_like_document(body: &[u8], gzip: bool) -> bool {
    if gzip { body.starts_with(&[0x1f, 0x8b]) } else { body.trim_ascii_start().starts_with(b"{") }
}

/// The fault for a 200 whose body makes no sense.
#[must_use]
pub fn unreadable(endpoint: Endpoint) -> Fault {
    Fault::upstream_failed(format!("{endpoint}: HTTP 200 with an unreadable body"))
}

/// `error.name`, if it looks like one: it goes into logs, so it may not carry anything else.
fn error_name(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refused {
        error: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    const NAME_BYTES_MAX: usize = 32;
    let name = serde_json::from_slice::<Refused>(body).ok()?.error.name;
    let clean = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric());
    clean.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(name: &str) -> Vec<u8> {
        format!(r#"{{"error":{{"name":"{name}","message":"x"}}}}"#).into_bytes()
    }

    #[test]
    fn every_documented_error_has_its_verdict() {
        use Refusal::{Permanent, Quota, Temporary};
        let table = [
            ("OPENAPI00001", 500, Temporary),
            ("OPENAPI00002", 403, Permanent),
            ("OPENAPI00003", 400, Permanent),
            ("OPENAPI00005", 400, Permanent),
            ("OPENAPI00006", 400, Permanent),
            ("OPENAPI00007", 429, Quota),
            ("OPENAPI00009", 400, Temporary),
            ("OPENAPI00010", 400, Temporary),
            ("OPENAPI00011", 503, Temporary),
        ];
        for (name, status, kind) in table {
            for endpoint in [Endpoint::Id, Endpoint::Basic, Endpoint::Equipment] {
                let expected = match (endpoint, name) {
                    (Endpoint::Basic | Endpoint::Equipment, "OPENAPI00003") => Outcome::NoSuchId,
                    _ => Outcome::Refused { kind, name: Some(name.to_owned()) },
                };
                assert_eq!(classify(endpoint, status, &body(name)), expected, "{endpoint} {name}");
            }
        }
    }

    #[test]
    fn a_bad_parameter_means_no_such_name_or_no_such_id() {
        let bad = body("OPENAPI00004");
        assert_eq!(classify(Endpoint::Id, 400, &bad), Outcome::NoSuchCharacter);
        assert_eq!(classify(Endpoint::Basic, 400, &bad), Outcome::NoSuchId);
        assert_eq!(classify(Endpoint::Equipment, 400, &bad), Outcome::NoSuchId);
        let other_status =
            Outcome::Refused { kind: Refusal::Permanent, name: Some("OPENAPI00004".to_owned()) };
        assert_eq!(classify(Endpoint::Id, 404, &bad), other_status);
        let nameless = Outcome::Refused { kind: Refusal::Permanent, name: None };
        assert_eq!(classify(Endpoint::Id, 400, b"<html>"), nameless);
        assert_eq!(classify(Endpoint::Id, 302, b""), nameless);
    }

    #[test]
    fn a_status_speaks_when_the_body_does_not() {
        for (status, kind) in [(429, Refusal::Quota), (502, Refusal::Temporary)] {
            let expected = Outcome::Refused { kind, name: None };
            assert_eq!(classify(Endpoint::Basic, status, b""), expected);
        }
    }

    #[test]
    fn error_names_carry_nothing_else_into_logs() {
        for name in ["", "a b", "x\\ny", &"A".repeat(33)] {
            assert_eq!(error_name(&body(name)), None, "{name:?}");
        }
    }

    #[test]
    fn ocids_are_checked() {
        assert_eq!(ocid(br#"{"ocid":"0a1B"}"#).unwrap(), "0a1B");
        let long = format!(r#"{{"ocid":"{}"}}"#, "a".repeat(UPSTREAM_OCID_BYTES_MAX + 1));
        for bad in ["{}", r#"{"ocid":null}"#, r#"{"ocid":""}"#, r#"{"ocid":"a/b"}"#, "[", &long] {
            assert!(ocid(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn unpacking_is_bounded() {
        let pack = |plain: &[u8]| {
            use std::io::Write;
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(plain).unwrap();
            gz.finish().unwrap()
        };
        let full = vec![b' '; UPSTREAM_SMALL_JSON_BYTES_MAX];
        assert_eq!(gunzip_small(Endpoint::Id, &pack(&full)).unwrap(), full);
        let bomb = vec![b' '; UPSTREAM_SMALL_JSON_BYTES_MAX + 1];
        assert!(gunzip_small(Endpoint::Id, &pack(&bomb)).is_err());
        let whole = pack(br#"{"ocid":"aa"}"#);
        assert!(gunzip_small(Endpoint::Id, &whole[..whole.len() - 9]).is_err());
    }
}
