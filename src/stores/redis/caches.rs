//! The shared caches: their names, keys and times to live. Pure.

use std::time::Duration;

use bytes::Bytes;

/// The shared caches. Maths is not among them: it is made faster than it is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cache {
    /// Gear by id.
    Equipment,
    /// Ids by nickname.
    Ocid,
    /// Nicknames that nobody has.
    NoOcid,
    /// What the game tells about a character besides its gear, by id.
    Basic,
    /// Finished V4 answers.
    V4,
    /// Finished V2 and V3 answers.
    Result,
}

impl Cache {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Equipment, Self::Ocid, Self::NoOcid, Self::Basic, Self::V4, Self::Result];

    /// Its name, in keys and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equipment => "equipment",
            Self::Ocid => "ocidCache",
            Self::NoOcid => "ocidNegativeCache",
            Self::Basic => "characterBasic",
            Self::V4 => "expectationV4",
            Self::Result => "expectationResult",
        }
    }

    /// How long a value is shared, before [`jittered`]: the older system's times.
    #[must_use]
    pub fn ttl(self) -> Duration {
        let minutes = match self {
            Self::Equipment => 10,
            Self::Basic => 15,
            Self::NoOcid | Self::Result => 30,
            Self::Ocid | Self::V4 => 60,
        };
        Duration::from_secs(minutes * 60)
    }

    /// Whether the store would have its values, too: while it is away they are kept longer (`stretch`), so Redis says
    /// when they end. Whoever reads them judges their age by their birth.
    #[must_use]
    pub fn is_stretched(self) -> bool {
        matches!(self, Self::Equipment | Self::Ocid | Self::V4)
    }

    /// The key of a value.
    #[must_use]
    pub fn key(self, key: &str) -> String {
        format!("{}::{key}", self.name())
    }
}

/// A time to live, up to a tenth shorter or longer, so that what was put together does not go together. `dice` is
/// uniform.
#[must_use]
pub fn jittered(ttl: Duration, dice: u64) -> Duration {
    let span = u64::try_from((ttl / 5).as_millis()).unwrap_or(u64::MAX).max(1);
    ttl - ttl / 10 + Duration::from_millis(dice % span)
}

/// A value with its times, which travel with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The value.
    pub value: Bytes,
    /// Orders values of one key: a younger one is never replaced by an older one. Unix time, in a unit that the cache
    /// keeps to.
    pub born: u64,
    /// When it ends unless it is stretched, unix milliseconds.
    pub expires_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_and_times_are_those_of_the_specification() {
        let table = Cache::ALL.map(|cache| (cache.key("가 a"), cache.ttl().as_secs() / 60));
        let expected = [
            ("equipment::가 a", 10),
            ("ocidCache::가 a", 60),
            ("ocidNegativeCache::가 a", 30),
            ("characterBasic::가 a", 15),
            ("expectationV4::가 a", 60),
            ("expectationResult::가 a", 30),
        ];
        assert_eq!(table, expected.map(|(key, minutes)| (key.to_owned(), minutes)));
    }

    #[test]
    fn jitter_reaches_both_ends() {
        let ttl = Duration::from_secs(600);
        assert_eq!(jittered(ttl, 0), Duration::from_secs(540));
        assert_eq!(jittered(ttl, 119_999), Duration::from_millis(659_999));
        assert_eq!(jittered(Duration::ZERO, 7), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn jitter_is_at_most_a_tenth(ms in 10..10_000_000_u64, dice: u64) {
            let ttl = Duration::from_millis(ms);
            let off = jittered(ttl, dice).abs_diff(ttl);
            prop_assert!(off <= ttl / 10, "{off:?} of {ttl:?}");
        }
    }
}
