//! One JSON value where a text or a number is expected. The API writes most numbers as text and leaves many null.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value as it stood in the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Scalar<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// An object or a list: consumed, never what a scalar field may hold.
    Composite(&'static str),
}

impl<'a> Scalar<'a> {
    /// The value as trimmed text; None for null, blank text, the word "null", objects and lists.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => present(text),
            Self::Integer(value) => Some(value.to_string().into()),
            Self::Float(value) => Some(value.to_string().into()),
            Self::Boolean(value) => Some(value.to_string().into()),
            Self::Null | Self::Composite(_) => None,
        }
    }

    /// The value as an integer: a JSON integer, or text with one number in it ("+9", "7%", "1,234").
    /// Null and blank are None.
    ///
    /// # Errors
    /// A description of the value when it is no whole number. Nothing is guessed: "1.5" is not 15.
    pub(crate) fn integer(&self) -> Result<Option<i64>, String> {
        match self {
            Self::Null => Ok(None),
            Self::Integer(value) => Ok(Some(*value)),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                // Exact: below 2^53.
                Ok(Some(*value as i64))
            }
            Self::Text(text) => integer_in(text),
            Self::Float(value) => Err(format!("not a whole number: {value}")),
            Self::Boolean(value) => Err(format!("not a number: {value}")),
            Self::Composite(kind) => Err(format!("expected a number, found {kind}")),
        }
    }

    /// What is wrong with the value where a text is expected, if anything.
    pub(crate) fn wrong_as_text(&self) -> Option<String> {
        match self {
            Self::Composite(kind) => Some(format!("expected a text, found {kind}")),
            _ => None,
        }
    }
}

fn present(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.eq_ignore_ascii_case("null") {
        return None;
    }
    if trimmed.len() == text.len() {
        return Some(text);
    }
    match text {
        Cow::Borrowed(text) => Some(Cow::Borrowed(text.trim())),
        Cow::Owned(text) => Some(Cow::Owned(text.trim().to_owned())),
    }
}

/// One run of digits (thousands separators allowed), an optional sign before it, no other digits around it.
fn integer_in(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    let wrong = || format!("not a whole number: {:?}", text.chars().take(40).collect::<String>());
    let first = text.find(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
    let run = text[first..].find(|c: char| !c.is_ascii_digit() && c != ',');
    let (digits, rest) = text[first..].split_at(run.unwrap_or(text.len() - first));
    if rest.contains(|c: char| c.is_ascii_digit()) || text[..first].ends_with('.') {
        return Err(wrong());
    }
    let value: i64 = digits.replace(',', "").parse().map_err(|_| wrong())?;
    Ok(Some(if text[..first].ends_with('-') { -value } else { value }))
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(text.into()))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(text.to_owned().into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        // Beyond i64 it is no number of this game; as a float it is refused by `integer`.
        Ok(i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(value))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Boolean(value))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Composite("an object"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Composite("a list"))
    }
}

#[cfg(test)]
mod tests {
    use super::Scalar;

    #[test]
    fn integers_in_every_form_the_api_uses() {
        let text = |t: &'static str| Scalar::Text(t.into()).integer();
        for (written, value) in [("22", 22), ("+9", 9), ("7%", 7), ("1,234", 1234), (" -2초", -2)]
        {
            assert_eq!(text(written), Ok(Some(value)), "{written}");
        }
        for blank in ["", "  ", "null"] {
            assert_eq!(text(blank), Ok(None), "{blank:?}");
        }
        for wrong in ["1.5", ".5", "1-2", "abc", "99999999999999999999", "3성 4성"] {
            assert!(text(wrong).is_err(), "{wrong} must not become a number");
        }
        assert_eq!(Scalar::Float(12.0).integer(), Ok(Some(12)));
        assert!(Scalar::Float(1.5).integer().is_err());
        assert!(Scalar::Composite("a list").integer().is_err());
    }
}
