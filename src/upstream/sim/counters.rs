//! What the simulator saw, for tests to look at. Keys are masked; every map is bounded.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use hyper::HeaderMap;
use serde::Serialize;

use super::faults::Endpoint;

/// Counted since the start or the last reset, apart from the gauges.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counters {
    /// Requests begun.
    pub(super) requests: BTreeMap<Endpoint, u64>,
    /// Answers by status.
    pub(super) statuses: BTreeMap<Endpoint, BTreeMap<u16, u64>>,
    /// Requests by masked key.
    pub(super) keys: BTreeMap<String, u64>,
    /// The latest request of each endpoint.
    pub(super) last: BTreeMap<Endpoint, Seen>,
    /// When the latest requests came in, ms since the simulator's start.
    pub(super) arrivals_ms: VecDeque<u64>,
    /// Requests whose client went away before the answer was complete.
    pub(super) aborted: u64,
    /// Gauge: connections open now.
    pub(super) open_connections: u64,
    /// Gauge: requests being answered now.
    pub(super) in_flight: u64,
    /// Gauge: requests at the closed gate now.
    pub(super) held: u64,
}

/// A request as it came in.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    target: String,
    headers: BTreeMap<String, String>,
}

pub(super) const KEY_HEADER: &str = "x-nxopen-api-key";
/// Keys told apart; the rest share one entry.
const KEYS_MAX: usize = 64;
/// Arrivals kept.
const ARRIVALS_MAX: usize = 4_096;
const OTHER_KEYS: &str = "others";

impl Counters {
    pub(super) fn request(&mut self, endpoint: Endpoint, target: &str, headers: &HeaderMap) {
        *self.requests.entry(endpoint).or_default() += 1;
        let key = headers.get(KEY_HEADER).map_or("", |key| key.to_str().unwrap_or("?"));
        let mut key = masked(key);
        if self.keys.len() >= KEYS_MAX && !self.keys.contains_key(&key) {
            OTHER_KEYS.clone_into(&mut key);
        }
        *self.keys.entry(key).or_default() += 1;
        self.last.insert(endpoint, Seen::of(target, headers));
    }

    pub(super) fn arrival(&mut self, since_start: Duration) {
        if self.arrivals_ms.len() == ARRIVALS_MAX {
            self.arrivals_ms.pop_front();
        }
        self.arrivals_ms.push_back(u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX));
    }

    pub(super) fn answer(&mut self, endpoint: Endpoint, status: u16) {
        *self.statuses.entry(endpoint).or_default().entry(status).or_default() += 1;
    }

    /// Forgets what was counted; the gauges go on.
    pub(super) fn reset(&mut self) {
        let Self { open_connections, in_flight, held, .. } = *self;
        *self = Self { open_connections, in_flight, held, ..Self::default() };
    }
}

impl Seen {
    fn of(target: &str, headers: &HeaderMap) -> Self {
        let headers = headers.iter().map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let shown = if name == KEY_HEADER { masked(&text) } else { text.into_owned() };
            (name.to_string(), shown)
        });
        Self { target: target.to_owned(), headers: headers.collect() }
    }
}

/// The first four characters, enough to tell test keys apart.
fn masked(key: &str) -> String {
    let shown: String = key.chars().take(4).collect();
    format!("{shown}***")
}
