//! What the domain flow counts, in cells of one shard.

shards::counters! {
    /// Counters of one shard's flow and directory.
    FlowProbe => FlowSnapshot {
        /// Answers found fresh in the owner's cache.
        hits,
        /// Answers found fresh in the memory that processes share.
        shared_hits,
        /// Answers found stale and given so.
        stale,
        /// Answers that had to be made.
        misses,
        /// Times everything cached stopped being believed, because news may have been missed.
        doubts,
        /// Questions refused because the name was lately found not to exist.
        unknown_names,
        /// Flights that took off.
        led,
        /// Callers that joined a flight.
        joined,
        /// Flights ended because nobody waited any more.
        abandoned,
        /// Flights and waits ended by their deadline.
        overdue,
        /// Forced questions that were let through.
        forced,
    }
}
