//! What is meant: typed values, every range enforced, relations between keys checked.

use std::fmt::Display;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::config::raw::ConfigError;
use crate::config::raw::Layers;
use crate::config::raw::Origin;
use crate::config::tier;
use crate::config::tier::SharedMemory;
use crate::config::tier::Store;
use crate::config::tier::WarmUp;
use crate::config::units;
use crate::limits::UPSTREAM_CALLS_MAX;
use crate::secret::Secret;

/// The game API behind the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A simulator inside this process: nothing was configured.
    BuiltInSimulator,
    /// A real or simulated API at a base URL (no trailing slash).
    At(String),
}

/// The whole configuration of `serve`, valid. One per process, read-only.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Shard threads; None is one per usable core.
    pub shards: Option<u16>,
    /// I/O driver.
    pub driver: shards::runtime::DriverChoice,
    /// Folder for durable data.
    pub data: PathBuf,
    /// Where characters survive a restart.
    pub store: Store,
    /// The memory shared with other processes, if any.
    pub shared: Option<SharedMemory>,
    /// When a queued valuation that was begun and not ended is given to another process.
    pub redrive: Duration,
    /// What is made ready before anybody asks.
    pub warm_up: WarmUp,
    /// Name of this process among those; None takes host name and port.
    pub instance: Option<String>,
    /// Client-facing deadline.
    pub deadline: Duration,
    /// Longest wait for work begun for somebody else.
    pub follower_deadline: Duration,
    /// Requests a shard works on at once.
    pub in_flight_max: usize,
    /// Connection timeouts.
    pub head_timeout: Duration,
    /// Idle keep-alive.
    pub idle_timeout: Duration,
    /// Write stall.
    pub write_timeout: Duration,
    /// Cached answers, bytes, all shards together.
    pub l1_bytes_max: u64,
    /// Age up to which an answer is fresh.
    pub fresh: Duration,
    /// Age up to which it is served stale while revalidating.
    pub stale: Duration,
    /// How long "no such character" is remembered.
    pub negative: Duration,
    /// How long the id behind a nickname is believed.
    pub identity: Duration,
    /// Least time between forced recalculations; zero for none.
    pub force_cool_down: Duration,
    /// The game API.
    pub upstream: Upstream,
    /// Its key.
    pub api_key: Secret,
    /// Its connect timeout.
    pub upstream_connect_timeout: Duration,
    /// Its response timeout.
    pub upstream_response_timeout: Duration,
    /// All attempts at one piece of work together.
    pub leader_deadline: Duration,
    /// Calls in all for one answer.
    pub retry_attempts: u32,
    /// Longest pause before the second call.
    pub retry_base: Duration,
    /// Repeated calls in any minute.
    pub retries_per_minute: u32,
    /// How long the breaker stays open.
    pub breaker_open: Duration,
    /// Calls on the way at once.
    pub upstream_concurrency: usize,
    /// Calls started a second; 0 for no limit.
    pub calls_per_second: u32,
    /// Ruleset file; None is the built-in default.
    pub rules_file: Option<PathBuf>,
    /// Log level.
    pub log_level: tracing::Level,
}

/// The real API, used when a key is configured and no URL is.
const REAL_UPSTREAM: &str = "https://open.api.nexon.com";
const SHARDS_MAX: u16 = 256;
const IN_FLIGHT_MAX: usize = 1_000_000;
const RATE_MAX: u32 = 1_000_000;
const L1_BYTES_MIN: u64 = 1 << 20;

impl Config {
    /// Checks every key.
    ///
    /// # Errors
    /// The first key whose text breaks its rule.
    pub fn check(layers: &Layers) -> Result<Self, ConfigError> {
        let get = |name: &'static str| Field { layers, name };
        let mut config = Self {
            listen: get("server.listen").parse(address)?,
            shards: get("server.shards").parse(shard_count)?,
            driver: get("server.driver").parse(driver)?,
            data: get("server.data").parse(|text| Ok(PathBuf::from(text)))?,
            store: tier::store(&get)?,
            shared: tier::shared_memory(&get)?,
            redrive: get("queue.redrive").parse(units::duration)?,
            warm_up: tier::warm_up(&get)?,
            instance: get("server.instance").parse(tier::instance)?,
            deadline: get("server.deadline").parse(units::duration)?,
            follower_deadline: get("server.follower_deadline").parse(units::duration)?,
            in_flight_max: get("server.in_flight_max").parse(number(1..=IN_FLIGHT_MAX))?,
            head_timeout: get("http.head_timeout").parse(units::duration)?,
            idle_timeout: get("http.idle_timeout").parse(units::duration)?,
            write_timeout: get("http.write_timeout").parse(units::duration)?,
            l1_bytes_max: get("cache.l1_bytes_max").parse(l1_bytes)?,
            fresh: get("cache.fresh").parse(units::duration)?,
            stale: get("cache.stale").parse(units::duration)?,
            negative: get("cache.negative").parse(units::duration)?,
            identity: get("cache.identity").parse(units::duration)?,
            force_cool_down: get("cache.force_cool_down").parse(units::duration_or_zero)?,
            upstream: get("upstream.url").parse(|url| upstream(url, layers))?,
            api_key: get("upstream.api_key").parse(api_key)?,
            upstream_connect_timeout: get("upstream.connect_timeout").parse(units::duration)?,
            upstream_response_timeout: get("upstream.response_timeout").parse(units::duration)?,
            leader_deadline: get("upstream.leader_deadline").parse(units::duration)?,
            retry_attempts: get("upstream.retry_attempts").parse(number(1..=10))?,
            retry_base: get("upstream.retry_base").parse(units::duration)?,
            retries_per_minute: get("upstream.retries_per_minute").parse(number(0..=RATE_MAX))?,
            breaker_open: get("upstream.breaker_open").parse(units::duration)?,
            upstream_concurrency: get("upstream.concurrency")
                .parse(number(1..=UPSTREAM_CALLS_MAX))?,
            calls_per_second: get("upstream.calls_per_second").parse(number(0..=RATE_MAX))?,
            rules_file: get("rules.file")
                .parse(|text| Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from)))?,
            log_level: get("log.level").parse(log_level)?,
        };
        if config.stale < config.fresh {
            return Err(get("cache.stale").error("must not be shorter than cache.fresh".to_owned()));
        }
        config.fit_deadlines(layers, get)?;
        Ok(config)
    }

    /// Every inner wait is shorter than the outer one: client, leader, follower. One that was written and is not is
    /// refused; one that was not written gives way.
    fn fit_deadlines<'a>(
        &mut self,
        layers: &'a Layers,
        get: impl Fn(&'static str) -> Field<'a>,
    ) -> Result<(), ConfigError> {
        let outer = self.deadline;
        let inner = [
            ("upstream.leader_deadline", &mut self.leader_deadline, 28),
            ("server.follower_deadline", &mut self.follower_deadline, 25),
        ];
        for (name, wait, thirtieths) in inner {
            if *wait < outer {
                continue;
            }
            if *layers.get(name).1 != Origin::Default {
                return Err(get(name).error("must be shorter than server.deadline".to_owned()));
            }
            *wait = outer * thirtieths / 30;
        }
        Ok(())
    }
}

/// One key on its way from text to value.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    layers: &'a Layers,
    name: &'static str,
}

impl Field<'_> {
    pub(super) fn parse<T>(
        self,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        parse(self.layers.get(self.name).0).map_err(|message| self.error(message))
    }

    pub(super) fn error(self, message: String) -> ConfigError {
        let origin = self.layers.get(self.name).1.clone();
        ConfigError { key: self.name.to_owned(), origin, message }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        |cause: &dyn std::fmt::Display| format!("expected HOST:PORT, found {text:?}: {cause}");
    let mut addresses = text.to_socket_addrs().map_err(|cause| wrong(&cause))?;
    addresses.next().ok_or_else(|| wrong(&"no address"))
}

fn shard_count(text: &str) -> Result<Option<u16>, String> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(count) if count <= SHARDS_MAX => Ok(Some(count)),
        _ => Err(format!("expected 0 to {SHARDS_MAX}, found {text:?}")),
    }
}

/// A whole number in a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("expected {} to {}, found {text:?}", range.start(), range.end())),
    }
}

fn driver(text: &str) -> Result<shards::runtime::DriverChoice, String> {
    use shards::runtime::DriverChoice;
    match text {
        "auto" => Ok(DriverChoice::Auto),
        "io_uring" => Ok(DriverChoice::IoUring),
        "epoll" => Ok(DriverChoice::Epoll),
        _ => Err(format!("expected auto, io_uring or epoll, found {text:?}")),
    }
}

fn l1_bytes(text: &str) -> Result<u64, String> {
    match units::bytes(text)? {
        bytes if bytes >= L1_BYTES_MIN => Ok(bytes),
        _ => Err(format!("at least 1MiB, found {text:?}")),
    }
}

fn upstream(url: &str, layers: &Layers) -> Result<Upstream, String> {
    if url.is_empty() {
        let no_key = layers.get("upstream.api_key").0.is_empty();
        return Ok(if no_key {
            Upstream::BuiltInSimulator
        } else {
            Upstream::At(REAL_UPSTREAM.to_owned())
        });
    }
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['?', '#', ' ']) => {
            Ok(Upstream::At(url.trim_end_matches('/').to_owned()))
        }
        _ => Err(format!("expected http://HOST[:PORT] or https://HOST[:PORT], found {url:?}")),
    }
}

fn api_key(text: &str) -> Result<Secret, String> {
    // It travels in a header: anything else would fail on every call instead of at the start.
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err("only visible ASCII characters without blanks".to_owned())
    }
}

fn log_level(text: &str) -> Result<tracing::Level, String> {
    text.parse().map_err(|_| format!("expected error, warn, info, debug or trace, found {text:?}"))
}

#[cfg(test)]
mod tests;
