//! Every configuration key: name, default, meaning. A key missing here does not exist.

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted name: `section.key` of the TOML file.
    pub name: &'static str,
    /// Value when nothing is written.
    pub default: &'static str,
    /// Never shown by `config print` or in a log.
    pub secret: bool,
    /// Meaning, unit, range; one line.
    pub doc: &'static str,
}

const fn key(name: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, default, secret: false, doc }
}

/// All keys, in the order of `config print`.
pub const KEYS: &[Key] = &[
    key("server.listen", "127.0.0.1:8080", "address and port; port 0 takes a free one and logs it"),
    key("server.shards", "0", "shard threads, 1 to 256; 0 is one per usable core"),
    key("server.driver", "auto", "auto, io_uring (refuses to start without it) or epoll"),
    key("server.data", "./data", "folder for everything that must survive a restart"),
    key("server.deadline", "30s", "a request answered later than this gets 503"),
    key(
        "server.follower_deadline",
        "25s",
        "longest wait for work begun for somebody else; shorter when server.deadline is",
    ),
    key("server.in_flight_max", "4096", "requests a shard works on at once; further ones get 503"),
    key(
        "server.instance",
        "",
        "name of this process, unlike that of any other on the same Redis; empty: host name and port",
    ),
    key(
        "store.kind",
        "auto",
        "where characters survive a restart: mysql (needs store.url), sqlite (a file in server.data), none; auto: mysql when store.url is set, else sqlite",
    ),
    Key {
        name: "store.url",
        default: "",
        secret: true,
        doc: "MySQL or MariaDB, mysql://user:password@host:3306/database (environment: DATABASE_URL)",
    },
    key("store.pool", "10", "connections to MySQL at most, 1 to 100"),
    key(
        "store.journal_bytes_max",
        "1GiB",
        "what may wait in server.data while MySQL is away; more is given up and counted",
    ),
    Key {
        name: "redis.url",
        default: "",
        secret: true,
        doc: "memory shared by processes, redis://host:6379/0 or redis+sentinel://host:26379,host:26379/mymaster (environment: REDIS_URL); empty: none",
    },
    Key {
        name: "redis.cache_url",
        default: "",
        secret: true,
        doc: "a Redis of its own for answers, gear and names, which it may evict (environment: REDIS_CACHE_URL); empty: redis.url's",
    },
    key("redis.connect_timeout", "500ms", "TCP connect and handshake"),
    key("redis.command_timeout", "250ms", "longest wait for one answer of Redis"),
    key(
        "redis.lease",
        "6s",
        "a process that dies while it makes something holds the others up for at most this long",
    ),
    key(
        "queue.redrive",
        "60s",
        "a valuation of the V5 queue that a process has begun and not ended is given to another after this",
    ),
    key(
        "warmup.top",
        "0",
        "characters of yesterday's most wanted to make ready at start and at 05:00 Korean time; 0 for none, at most 1000",
    ),
    key("warmup.after", "30s", "time after the start"),
    key("warmup.pause", "100ms", "between two of them"),
    key("http.head_timeout", "10s", "time for a request head to arrive; then 408"),
    key("http.idle_timeout", "75s", "an idle keep-alive connection is closed after this"),
    key("http.write_timeout", "10s", "a response nobody reads is given up after this"),
    key("cache.l1_bytes_max", "128MiB", "memory for cached answers, all shards together"),
    key("cache.fresh", "15m", "an answer younger than this is served as it is"),
    key("cache.stale", "60m", "up to this age it is served marked stale while a new one is made"),
    key("cache.negative", "30m", "how long \"no such character\" is remembered"),
    key("cache.identity", "24h", "how long the id behind a nickname is believed"),
    key(
        "cache.force_cool_down",
        "60s",
        "least time between two forced recalculations of a character; 0s: none",
    ),
    key(
        "upstream.url",
        "",
        "base URL of the game API; empty: the real one with a key, else the built-in simulator",
    ),
    Key {
        name: "upstream.api_key",
        default: "",
        secret: true,
        doc: "key of the game API (environment: NEXON_API_KEY)",
    },
    key("upstream.connect_timeout", "3s", "TCP and TLS connect"),
    key("upstream.response_timeout", "5s", "from request to the last byte of the answer"),
    key(
        "upstream.leader_deadline",
        "28s",
        "all attempts at one piece of work together; shorter when server.deadline is",
    ),
    key("upstream.retry_attempts", "3", "calls in all for one answer, 1 to 10; 1 never retries"),
    key(
        "upstream.retry_base",
        "500ms",
        "longest pause before the second call; doubles, full jitter",
    ),
    key("upstream.retries_per_minute", "100", "repeated calls of the process in any minute"),
    key("upstream.breaker_open", "10s", "no calls for this long once half of the last ten failed"),
    key("upstream.concurrency", "50", "calls of this process on the way at once, 1 to 128"),
    key(
        "upstream.calls_per_second",
        "400",
        "calls this process starts a second, whatever others do; 0 for no limit",
    ),
    key("rules.file", "", "ruleset file; empty: the built-in kms-2026-09"),
    key("log.level", "info", "error, warn, info, debug or trace"),
];

impl Key {
    /// The key with this dotted name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The environment variable that sets it: `MAPLE_SERVER_LISTEN` for `server.listen`.
    #[must_use]
    pub fn variable(&self) -> String {
        // Names that people know already.
        match self.name {
            "upstream.api_key" => return "NEXON_API_KEY".to_owned(),
            "store.url" => return "DATABASE_URL".to_owned(),
            "redis.url" => return "REDIS_URL".to_owned(),
            "redis.cache_url" => return "REDIS_CACHE_URL".to_owned(),
            _ => {}
        }
        format!("MAPLE_{}", self.name.replace('.', "_").to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::KEYS;

    #[test]
    fn names_and_variables_are_unique() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        let mut variables: Vec<_> = KEYS.iter().map(super::Key::variable).collect();
        names.sort_unstable();
        names.dedup();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
    }
}
