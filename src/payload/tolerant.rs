//! Reading objects without trusting their shape: a field of the wrong type is a fact to report, not an error.
//! serde's derived readers stop at the first surprise (a wrong type, a key given twice); these do not.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Deserialize, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What stood where a `T` (an object or a list) was expected.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Shape<T> {
    /// Null or absent.
    #[default]
    Null,
    /// As expected.
    Is(T),
    /// Something else; its JSON kind.
    Wrong(&'static str),
}

/// An object that can be filled key by key.
pub(crate) trait Fields<'de>: Default {
    /// Reads the value of `key` into its field, or skips it when nobody asks for that key.
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Declares a struct whose fields are read from an object in any order; absent fields keep their default,
/// of a key given twice the last wins, unknown keys are skipped (still validated as JSON).
macro_rules! tolerant_object {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident<'a> {
        $($field:ident: $type:ty = $key:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default)]
        $visibility struct $name<'a> { $($field: $type,)* }

        impl<'de: 'a, 'a> $crate::payload::tolerant::Fields<'de> for $name<'a> {
            fn take<A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match key {
                    $($key => self.$field = map.next_value()?,)*
                    _ => { map.next_value::<serde::de::IgnoredAny>()?; }
                }
                Ok(())
            }
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $crate::payload::tolerant::Shape<$name<'a>> {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::payload::tolerant::object(from)
            }
        }
    };
}
pub(crate) use tolerant_object;

/// A value left for later: checked as JSON, not looked into.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unread<'a>(Option<std::borrow::Cow<'a, str>>);

impl<'a> Unread<'a> {
    /// Looks into it now.
    pub(crate) fn read<'s, T>(&'s self) -> Shape<T>
    where
        Shape<T>: Deserialize<'s>,
    {
        let raw = self.0.as_deref();
        raw.and_then(|raw| sonic_rs::from_str(raw).ok()).unwrap_or(Shape::Null)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Unread<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = sonic_rs::LazyValue::deserialize(from)?;
        Ok(Self(Some(value.as_raw_cow())))
    }
}

/// Reads an object field by field; any other value is consumed and named.
pub(crate) fn object<'de, T: Fields<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Shape<T>, D::Error> {
    from.deserialize_any(ObjectVisitor(PhantomData))
}

impl<'de, T> Deserialize<'de> for Shape<Vec<T>>
where
    T: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ListVisitor(PhantomData))
    }
}

/// A key, borrowed when it has no escapes. Real documents never escape one.
struct Key<'de>(std::borrow::Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(key.into()))
            }
            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(key.to_owned().into()))
            }
        }
        from.deserialize_str(KeyVisitor)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);
struct ListVisitor<T>(PhantomData<T>);

/// The kinds of value that neither an object nor a list reader can use.
macro_rules! wrong_scalars {
    () => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Shape::Wrong("a boolean"))
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Shape::Wrong("a number"))
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Shape::Wrong("a number"))
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Shape::Wrong("a number"))
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Shape::Wrong("a text"))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Shape::Null)
        }
    };
}

impl<'de, T: Fields<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Shape<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = T::default();
        while let Some(Key(key)) = map.next_key()? {
            fields.take(&key, &mut map)?;
        }
        Ok(Shape::Is(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Wrong("a list"))
    }

    wrong_scalars!();
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Shape<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(32);
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Shape::Is(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Shape::Wrong("an object"))
    }

    wrong_scalars!();
}
