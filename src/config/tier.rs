//! The keys about what outlives a shard: the store, the shared memory, who this process is among others.

use std::time::Duration;

use crate::config::checked::Field;
use crate::config::checked::number;
use crate::config::raw::ConfigError;
use crate::config::units;
use crate::secret::Secret;

/// Where characters survive a restart.
#[derive(Debug, Clone)]
pub enum Store {
    /// Nowhere.
    None,
    /// In a SQLite file of this process.
    Sqlite,
    /// In a MySQL or MariaDB that processes share.
    Mysql(MysqlStore),
}

/// How MySQL is reached.
#[derive(Debug, Clone)]
pub struct MysqlStore {
    /// `mysql://user:password@host:port/database`.
    pub url: Secret,
    /// Connections at most.
    pub pool: usize,
    /// What may wait on the disk while it is away, bytes.
    pub journal_bytes_max: u64,
}

/// The memory that processes share.
#[derive(Debug, Clone)]
pub struct SharedMemory {
    /// `redis://` or `redis+sentinel://`.
    pub url: Secret,
    /// One of its own for values that may be evicted; empty: the same.
    pub cache_url: Secret,
    /// TCP connect and handshake.
    pub connect_timeout: Duration,
    /// Longest wait for one answer.
    pub command_timeout: Duration,
    /// How long a flight of a process that died holds the others up.
    pub lease: Duration,
}

/// What is made ready before anybody asks.
#[derive(Debug, Clone, Copy)]
pub struct WarmUp {
    /// Characters of yesterday's most wanted; 0 for none.
    pub top: usize,
    /// Time after the start.
    pub after: Duration,
    /// Between two of them.
    pub pause: Duration,
}

const POOL_MAX: usize = 100;
const WARM_UP_MAX: usize = 1_000;

pub(super) fn store<'a>(get: &impl Fn(&'static str) -> Field<'a>) -> Result<Store, ConfigError> {
    let url = get("store.url").parse(|text| match text {
        "" => Ok(None),
        _ if text.starts_with("mysql://") => Ok(Some(Secret::new(text))),
        _ => Err("expected mysql://user:password@host:port/database".to_owned()),
    })?;
    let mysql = |url| {
        Ok(Store::Mysql(MysqlStore {
            url,
            pool: get("store.pool").parse(number(1..=POOL_MAX))?,
            journal_bytes_max: get("store.journal_bytes_max").parse(units::bytes)?,
        }))
    };
    let kind = get("store.kind").parse(|kind| Ok(kind.to_owned()))?;
    match (kind.as_str(), url) {
        ("auto" | "mysql", Some(url)) => mysql(url),
        ("mysql", None) => Err(get("store.kind").error("mysql needs store.url".to_owned())),
        ("auto" | "sqlite", _) => Ok(Store::Sqlite),
        ("none", _) => Ok(Store::None),
        _ => Err(get("store.kind").error("must be auto, mysql, sqlite or none".to_owned())),
    }
}

pub(super) fn shared_memory<'a>(
    get: &impl Fn(&'static str) -> Field<'a>,
) -> Result<Option<SharedMemory>, ConfigError> {
    let url = get("redis.url").parse(|text| Ok(Secret::new(text)))?;
    let shared = SharedMemory {
        connect_timeout: get("redis.connect_timeout").parse(units::duration)?,
        command_timeout: get("redis.command_timeout").parse(units::duration)?,
        lease: get("redis.lease").parse(units::duration)?,
        url,
        cache_url: get("redis.cache_url").parse(|text| Ok(Secret::new(text)))?,
    };
    if shared.url.is_empty() && !shared.cache_url.is_empty() {
        return Err(get("redis.cache_url").error("needs redis.url".to_owned()));
    }
    Ok(Some(shared).filter(|shared| !shared.url.is_empty()))
}

pub(super) fn warm_up<'a>(get: &impl Fn(&'static str) -> Field<'a>) -> Result<WarmUp, ConfigError> {
    Ok(WarmUp {
        top: get("warmup.top").parse(number(0..=WARM_UP_MAX))?,
        after: get("warmup.after").parse(units::duration)?,
        pause: get("warmup.pause").parse(units::duration)?,
    })
}

/// Shown in the log, in keys and in news: letters, digits, dots, dashes, underscores and colons.
pub(super) fn instance(text: &str) -> Result<Option<String>, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    match text {
        "" => Ok(None),
        _ if text.len() <= 100 && text.chars().all(plain) => Ok(Some(text.to_owned())),
        _ => Err("at most 100 letters, digits and any of .-_:".to_owned()),
    }
}
