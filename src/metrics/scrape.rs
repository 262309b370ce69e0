//! What one scrape gathers: each shard's counters as it reported them, and the process around them. Plain data.

use crate::expectation::flow::Held;
use crate::expectation::probe::FlowSnapshot;
use crate::http::probe::EdgeSnapshot;
use crate::jobs::warm_up::WarmUpSnapshot;
use crate::locks::held::LockSnapshot;
use crate::metrics::requests::Series;
use crate::stores::probe::StoreSnapshot;
use crate::stores::queue::desk::JobsSnapshot;
use crate::stores::redis::direct::DirectSnapshot;
use crate::stores::redis::probe::RedisSnapshot;
use crate::upstream::probe::UpstreamSnapshot;

shards::counters! {
    /// Counters of one shard's routes.
    RouteProbe => RouteSnapshot {
        /// Answers found finished in the shard's near cache.
        near_hits,
        /// Cacheable requests that were not.
        near_misses,
        /// Requests in work now, past admission.
        in_flight,
        /// Requests refused because as many as allowed were in work.
        rejected,
    }
}

/// Everything one shard has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardScrape {
    /// Which shard.
    pub shard: usize,
    /// What it runs on.
    pub driver: String,
    /// Connections, panics, stalls.
    pub runtime: shards::probe::Snapshot,
    /// Requests and refusals of the edge.
    pub edge: EdgeSnapshot,
    /// Near cache and admission.
    pub routes: RouteSnapshot,
    /// Answered requests.
    pub requests: Vec<Series>,
    /// Domain flow.
    pub flow: FlowSnapshot,
    /// Sizes of the owner's caches.
    pub held: Held,
    /// Entries and bytes of the near cache.
    pub near: (u64, u64),
    /// Bodies looked for in Redis over the shard's own connection.
    pub direct: DirectSnapshot,
    /// Names being resolved.
    pub resolving: u64,
    /// Messages to other shards refused because the mailbox was full.
    pub mailbox_full: u64,
    /// Messages refused because the shard had ended.
    pub mailbox_closed: u64,
}

/// The compute thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ComputeScrape {
    /// Jobs waiting or in work.
    pub pending: u64,
    /// Jobs done.
    pub done: u64,
    /// Time spent in them, microseconds.
    pub busy_us: u64,
}

/// Locks, and the jobs under them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobsScrape {
    /// Locks.
    pub locks: LockSnapshot,
    /// Sessions of the second tier: at work, idle.
    pub sessions: (u64, u64),
    /// The warm-up.
    pub warm_up: WarmUpSnapshot,
}

/// What the kernel says about the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessScrape {
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// CPU used, user and system, in clock ticks of a hundredth of a second.
    pub cpu_ticks: u64,
    /// Open file descriptors.
    pub open_fds: u64,
}

impl ProcessScrape {
    /// Reads `/proc/self`; what cannot be read is zero.
    #[must_use]
    pub fn read() -> Self {
        const PAGE_BYTES: u64 = 4_096;
        let text = |file| std::fs::read_to_string(file).unwrap_or_default();
        let pages = text("/proc/self/statm");
        let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        let stat = text("/proc/self/stat");
        // After the name in parentheses, which may hold blanks: state is field 3, user time 14, system time 15.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
        let cpu_ticks = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        let open_fds = std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64);
        Self { resident_bytes: resident.unwrap_or_default() * PAGE_BYTES, cpu_ticks, open_fds }
    }
}

/// One scrape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrape {
    /// The shards that answered in time.
    pub shards: Vec<ShardScrape>,
    /// Shards that did not.
    pub silent: usize,
    /// Calls of the game's API.
    pub upstream: UpstreamSnapshot,
    /// The compute thread.
    pub compute: ComputeScrape,
    /// The store, if there is one.
    pub store: Option<StoreSnapshot>,
    /// The memory shared with other processes, if there is one.
    pub shared: Option<RedisSnapshot>,
    /// Jobs, if there can be any.
    pub jobs: Option<JobsScrape>,
    /// The queue of valuations.
    pub valuations: JobsSnapshot,
    /// The process.
    pub process: ProcessScrape,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let seen = ProcessScrape::read();
        assert!(seen.resident_bytes > 1 << 20 && seen.open_fds >= 3, "{seen:?}");
    }
}
