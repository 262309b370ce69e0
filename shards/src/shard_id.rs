//! The name of a shard. Only a number: it never says which core or thread carries it.
//! Which key belongs to which shard is `routing`.

use std::fmt;

/// Index of a shard, `0..shards`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u16);

impl ShardId {
    /// The shard with this index.
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// The index, for arrays with one entry per shard.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Every shard of a process with this many.
    pub fn all(shards: u16) -> impl Iterator<Item = Self> {
        (0..shards).map(Self)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
