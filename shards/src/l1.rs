//! A cache of one shard, bounded by bytes, with a birth on every entry. One per shard, never shared, never locked.
//! It does not judge ages: it hands out the value with its birth and the caller decides what fresh means.
//! Dead entries need no sweeper: the byte bound evicts them (S3-FIFO of `quick_cache`).

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

/// What an entry weighs besides its own bytes: keys, links, counters. Measured order of magnitude, not exact.
const ENTRY_OVERHEAD_BYTES: u64 = 128;

/// How many bytes a value holds on to.
pub trait Bytesize {
    /// Bytes, without the cache's own overhead.
    fn bytesize(&self) -> u64;
}

/// The cache. `K` is owned by it; look-ups borrow.
pub struct L1<K, V> {
    cache: Cache<K, Entry<V>, ByBytes, ahash::RandomState>,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    born: Duration,
}

#[derive(Clone)]
struct ByBytes;

impl<K, V: Bytesize> Weighter<K, Entry<V>> for ByBytes {
    fn weight(&self, _: &K, entry: &Entry<V>) -> u64 {
        entry.value.bytesize() + ENTRY_OVERHEAD_BYTES
    }
}

impl<K: Eq + Hash, V: Bytesize + Clone> L1<K, V> {
    /// A cache of at most `bytes_max`, sized for entries of about `entry_bytes`.
    #[must_use]
    pub fn new(bytes_max: u64, entry_bytes: u64) -> Self {
        let expected =
            usize::try_from(bytes_max / entry_bytes.max(1)).unwrap_or(usize::MAX).max(16);
        let hasher = ahash::RandomState::new();
        Self { cache: Cache::with(expected, bytes_max, ByBytes, hasher, Default::default()) }
    }

    /// The value and its birth, as told to [`L1::put`].
    pub fn get<Q>(&self, key: &Q) -> Option<(V, Duration)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.cache.get(key)?;
        Some((entry.value.clone(), entry.born))
    }

    /// Stores a value that came into being at `born` (time since the shard's clock started); a value larger than the whole cache is not kept.
    pub fn put(&mut self, key: K, value: V, born: Duration) {
        self.cache.insert(key, Entry { value, born });
    }

    /// Forgets a key.
    pub fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.cache.remove(key);
    }

    /// Entries held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// Bytes held, overhead included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Blob(u64);
    impl Bytesize for Blob {
        fn bytesize(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn hands_out_values_with_their_birth() {
        let mut l1 = L1::new(1 << 20, 100);
        l1.put("a".to_owned(), Blob(10), Duration::from_secs(5));
        assert_eq!(l1.get("a"), Some((Blob(10), Duration::from_secs(5))));
        l1.remove("a");
        assert!(l1.get("a").is_none() && l1.is_empty());
    }

    #[test]
    fn never_holds_more_than_its_bytes() {
        let mut l1 = L1::new(100_000, 1_000);
        for key in 0..1_000_u32 {
            l1.put(key, Blob(u64::from(key)), Duration::ZERO);
            assert!(l1.bytes() <= 100_000, "{} bytes after {key}", l1.bytes());
        }
        assert!(l1.len() > 50, "{}", l1.len());
        l1.put(5_000, Blob(200_000), Duration::ZERO);
        assert!(l1.get(&5_000).is_none(), "larger than the cache");
    }
}
