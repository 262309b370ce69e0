//! What is counted about Redis. On the backplane's thread, in its cells.

shards::counters! {
    /// Counters of everything that talks to Redis.
    RedisProbe => RedisSnapshot {
        /// Commands (scripts and pipelines count once) that were answered.
        answered,
        /// Commands Redis refused: a wrong type, no memory, still loading.
        refused,
        /// Commands without an answer in time.
        timed_out,
        /// Commands whose connection broke, or whose server had become a replica.
        broken,
        /// Commands not sent because there was no connection.
        away,
        /// Commands not sent because the breaker was open.
        breaker_refused,
        /// Times the breaker opened.
        breaker_opened,
        /// Commands sent a second time, over a new connection.
        repeated,
        /// Time spent in commands that were sent, microseconds.
        spent_us,
        /// Connections made.
        connected,
        /// Connections tried in vain; with sentinels, a master that none of them could name counts too.
        connect_failures,
        /// 1 while there is a connection.
        up,
        /// Values found in the shared cache.
        hits,
        /// Values not found, or past their time.
        misses,
        /// Values that could not be looked for. The caller went on as after a miss.
        get_failures,
        /// Values that this build cannot read: of another build, or damaged.
        unreadable,
        /// Values put.
        puts,
        /// Values not put because a newer one was there.
        puts_older,
        /// Results not put because they are too large.
        oversized,
        /// Values that could not be put, or removed.
        put_failures,
        /// Events published.
        published,
        /// Events that could not be published.
        publish_failures,
        /// Events of other processes.
        received,
        /// Events of this process that came back.
        own,
        /// Messages on the channels that were no events.
        garbled,
        /// Times the subscription was made, the first included.
        subscribed,
        /// Flights led under a lease.
        flights_led,
        /// Flights led without one, because Redis was away.
        flights_alone,
        /// Flights of other processes whose outcome was waited for and came.
        flights_followed,
        /// Flights taken over from a leader that had gone.
        flights_taken_over,
        /// Orders of shards not taken because too many waited.
        orders_refused,
    }
}
