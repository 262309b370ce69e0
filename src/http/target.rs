//! Paths and queries, decoded strictly: an escape that is not one, a NUL or bytes that are not UTF-8 are errors that
//! name the rule, never a guess. Splitting comes before decoding, so that an encoded slash stays in its segment.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

use crate::error::Fault;

/// The rule an encoded text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadText {
    /// `%` without two hexadecimal digits behind it.
    Escape,
    /// A NUL, plain or escaped.
    Nul,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

impl BadText {
    /// The rule, for the reader.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Escape => "퍼센트 인코딩이 올바르지 않습니다",
            Self::Nul => "NUL 문자를 포함할 수 없습니다",
            Self::NotUtf8 => "UTF-8이 아닙니다",
        }
    }

    /// As a fault of `field`.
    #[must_use]
    pub fn fault(self, field: &'static str) -> Fault {
        Fault::bad_input(field, self.rule())
    }
}

impl fmt::Display for BadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

impl std::error::Error for BadText {}

/// The segments of a path, still encoded: `/a/b` has two, `/a/` has `a` and an empty one, `/` one empty.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// A path segment, decoded.
///
/// # Errors
/// The first rule it breaks.
pub fn decode_segment(segment: &str) -> Result<Cow<'_, str>, BadText> {
    decode(segment.as_bytes())
}

/// The first value of `name` in a query, decoded; a name without `=` has the empty value.
///
/// # Errors
/// The first rule the value breaks. Other parameters are not looked at.
pub fn query_value<'a>(query: &'a str, name: &str) -> Result<Option<Cow<'a, str>>, BadText> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.into_iter().find(|(key, _)| decode_form(key).is_ok_and(|key| key == name));
    value.map(|(_, value)| decode_form(value)).transpose()
}

/// As in a path, and `+` is a blank.
fn decode_form(text: &str) -> Result<Cow<'_, str>, BadText> {
    if text.contains('+') {
        let text = text.replace('+', " ");
        return decode(text.as_bytes()).map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    decode(text.as_bytes())
}

fn decode(text: &[u8]) -> Result<Cow<'_, str>, BadText> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match &rest[at + 1..] {
            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
            }
            _ => return Err(BadText::Escape),
        }
    }
    let decoded = percent_decode(text).decode_utf8().map_err(|_| BadText::NotUtf8)?;
    if decoded.contains('\0') { Err(BadText::Nul) } else { Ok(decoded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_decode_strictly() {
        let table: [(&str, Result<&str, BadText>); 15] = [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("%EC%95%84%EB%8D%B8", Ok("아델")),
            ("%ec%95%84", Ok("아")),
            ("아델", Ok("아델")),
            ("a+b", Ok("a+b")),
            ("%2F%2f..", Ok("//..")),
            ("100%25", Ok("100%")),
            ("%", Err(BadText::Escape)),
            ("a%4", Err(BadText::Escape)),
            ("%zz", Err(BadText::Escape)),
            ("%+1", Err(BadText::Escape)),
            ("%00", Err(BadText::Nul)),
            ("%EC%95", Err(BadText::NotUtf8)),
            ("%C0%80", Err(BadText::NotUtf8)),
        ];
        for (segment, wanted) in table {
            let got = decode_segment(segment);
            assert_eq!(got.as_deref(), wanted.as_ref().copied(), "{segment}");
        }
    }

    #[test]
    fn a_query_gives_the_first_value_of_a_name() {
        let table: [(&str, Result<Option<&str>, BadText>); 11] = [
            ("", Ok(None)),
            ("force=true", Ok(Some("true"))),
            ("a=1&force=true&force=false", Ok(Some("true"))),
            ("force", Ok(Some(""))),
            ("force=", Ok(Some(""))),
            ("%66orce=a%26b+c", Ok(Some("a&b c"))),
            ("Force=1", Ok(None)),
            ("force=%zz", Err(BadText::Escape)),
            ("force=%00", Err(BadText::Nul)),
            ("x=%zz&force=1", Ok(Some("1"))),
            ("force=a=b", Ok(Some("a=b"))),
        ];
        for (query, wanted) in table {
            let got = query_value(query, "force");
            let got = got.as_ref().map(Option::as_deref).map_err(|&error| error);
            assert_eq!(got, wanted, "{query}");
        }
    }

    #[test]
    fn segments_split_on_every_slash() {
        let split = |path| segments(path).collect::<Vec<_>>();
        assert_eq!(split("/"), [""]);
        assert_eq!(split("/a/%2F/"), ["a", "%2F", ""]);
    }
}
