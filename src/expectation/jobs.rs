//! Valuations to be made later, by whichever process gets round to them: what a shard may ask of their queue. It never
//! fails a question: a queue that cannot be asked takes nothing in and knows of nothing.

use std::future::Future;
use std::pin::Pin;

/// Why a valuation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// There is none.
    Missing,
    /// The one there is has become old. Comes after all others.
    Old,
    /// The gear is to be fetched again, whatever is there.
    Forced,
}

/// What came of offering one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It will be made.
    Accepted,
    /// One of this name that does as much is on its way already.
    Known,
    /// Too many are wanted.
    Full,
}

/// What the queue will say.
pub type Said<T> = Pin<Box<dyn Future<Output = T>>>;

/// The queue. Behind a pointer, because a hit never comes here.
pub trait Jobs {
    /// Wants the valuation of a name.
    fn offer(&self, name: &str, wish: Wish) -> Said<Offered>;
    /// Whether a forced one of the name was offered and has not ended; one that does not end counts for
    /// [`crate::limits::RECALCULATION_MAX`].
    fn recalculating(&self, name: &str) -> Said<bool>;
}
