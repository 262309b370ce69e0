//! The table of metrics: name, kind, help, and where each number comes from. `docs/METRICS.md` lists the same names
//! for people, and which name of the older system each stands for; a test compares the two.

mod jobs;

use crate::build;
use crate::http::probe::REFUSALS;
use crate::metrics::latency::BOUNDS_US;
use crate::metrics::latency::LatencySnapshot;
use crate::metrics::requests::Series;
use crate::metrics::scrape::Scrape;
use crate::metrics::scrape::ShardScrape;
use crate::metrics::text::Kind;
use crate::metrics::text::Kind::Counter;
use crate::metrics::text::Kind::Gauge;
use crate::metrics::text::Kind::Histogram;
use crate::metrics::text::Text;
use crate::resilience::health::State;
use crate::stores::queue::desk::JobsSnapshot;
use crate::upstream::answer::Endpoint;
use crate::upstream::probe::CallSnapshot;

/// A label and its value.
type Label = (&'static str, &'static str);
/// One series of a shard: a further label, and the number.
type OfShard = (Option<Label>, fn(&ShardScrape) -> u64);
/// How a call ended, and its number.
type Ended = (&'static str, fn(&CallSnapshot) -> u64);

/// A number of each shard, told apart by the label `shard` and perhaps one more.
struct PerShard {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    of: &'static [OfShard],
}

const fn plain(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    of: &'static [OfShard],
) -> PerShard {
    PerShard { name, kind, help, of }
}

const NEAR: Option<Label> = Some(("layer", "near"));
const L1: Option<Label> = Some(("layer", "L1"));
const L2: Option<Label> = Some(("layer", "L2"));
const PAYLOAD: Option<Label> = Some(("layer", "payload"));

const PER_SHARD: &[PerShard] = &[
    plain(
        "maple_connections_accepted_total",
        Counter,
        "Connections accepted.",
        &[(None, |s| s.runtime.accepted)],
    ),
    plain("maple_connections_open", Gauge, "Connections open now.", &[(None, |s| s.runtime.open)]),
    plain(
        "maple_connections_turned_away_total",
        Counter,
        "Connections beyond the shard's maximum, answered 503 and closed.",
        &[(None, |s| s.runtime.turned_away)],
    ),
    plain(
        "maple_connections_expired_total",
        Counter,
        "Connections whose deadline passed.",
        &[(None, |s| s.runtime.expired)],
    ),
    plain(
        "maple_accept_errors_total",
        Counter,
        "Failed accepts, mostly out of descriptors.",
        &[(None, |s| s.runtime.accept_errors)],
    ),
    plain(
        "maple_panics_total",
        Counter,
        "Panics caught; each ended one connection or task.",
        &[(None, |s| s.runtime.panics)],
    ),
    plain(
        "maple_shard_stalls_total",
        Counter,
        "Ticks of the shard more than 10 ms late.",
        &[(None, |s| s.runtime.stalls)],
    ),
    plain(
        "maple_http_requests_total",
        Counter,
        "Requests read whole.",
        &[(None, |s| s.edge.requests)],
    ),
    plain(
        "maple_requests_cancelled_total",
        Counter,
        "Requests whose client hung up while they were in work.",
        &[(None, |s| s.edge.cancelled)],
    ),
    plain(
        "maple_requests_in_flight",
        Gauge,
        "Requests in work now, past admission.",
        &[(None, |s| s.routes.in_flight)],
    ),
    plain(
        "maple_requests_rejected_total",
        Counter,
        "Requests refused by admission (503 S007).",
        &[(None, |s| s.routes.rejected)],
    ),
    plain(
        "maple_cache_hits_total",
        Counter,
        "Answers from a cache, fresh.",
        &[(NEAR, |s| s.routes.near_hits), (L1, |s| s.flow.hits), (L2, |s| s.flow.shared_hits)],
    ),
    plain(
        "maple_shard_redis_reads_total",
        Counter,
        "Bodies a shard looked for in Redis itself; those left elsewhere or broken off were asked by the backplane.",
        &[
            (Some(("result", "found")), |s| s.direct.found),
            (Some(("result", "absent")), |s| s.direct.absent),
            (Some(("result", "unreadable")), |s| s.direct.unreadable),
            (Some(("result", "refused")), |s| s.direct.refused),
            (Some(("result", "timed_out")), |s| s.direct.timed_out),
            (Some(("result", "broken")), |s| s.direct.broken),
            (Some(("result", "elsewhere")), |s| s.direct.elsewhere),
        ],
    ),
    plain(
        "maple_cache_doubts_total",
        Counter,
        "Times nothing cached was believed any more.",
        &[(None, |s| s.flow.doubts)],
    ),
    plain(
        "maple_cache_misses_total",
        Counter,
        "Answers a cache did not have.",
        &[(NEAR, |s| s.routes.near_misses), (L1, |s| s.flow.misses)],
    ),
    plain(
        "maple_cache_stale_total",
        Counter,
        "Answers given stale, marked so.",
        &[(L1, |s| s.flow.stale)],
    ),
    plain(
        "maple_cache_entries",
        Gauge,
        "Entries of a cache.",
        &[(NEAR, |s| s.near.0), (L1, |s| s.held.bodies), (PAYLOAD, |s| s.held.payloads)],
    ),
    plain(
        "maple_cache_bytes",
        Gauge,
        "Bytes a cache counts; near shares bodies with L1.",
        &[
            (NEAR, |s| s.near.1),
            (L1, |s| s.held.bodies_bytes),
            (PAYLOAD, |s| s.held.payloads_bytes),
        ],
    ),
    plain(
        "maple_unknown_names_total",
        Counter,
        "Questions refused because the name was lately found not to exist.",
        &[(None, |s| s.flow.unknown_names)],
    ),
    plain(
        "maple_forced_total",
        Counter,
        "Forced recalculations let through.",
        &[(None, |s| s.flow.forced)],
    ),
    plain(
        "maple_flights",
        Gauge,
        "Pieces of shared work in the air.",
        &[(None, |s| s.held.flights + s.resolving)],
    ),
    plain(
        "maple_flights_total",
        Counter,
        "Callers of shared work, by what they became.",
        &[
            (Some(("role", "leader")), |s| s.flow.led),
            (Some(("role", "follower")), |s| s.flow.joined),
        ],
    ),
    plain(
        "maple_flights_abandoned_total",
        Counter,
        "Flights ended because nobody waited.",
        &[(None, |s| s.flow.abandoned)],
    ),
    plain(
        "maple_flights_overdue_total",
        Counter,
        "Flights and waits ended by their deadline.",
        &[(None, |s| s.flow.overdue)],
    ),
    plain(
        "maple_mailbox_refused_total",
        Counter,
        "Messages to other shards not taken.",
        &[
            (Some(("reason", "full")), |s| s.mailbox_full),
            (Some(("reason", "closed")), |s| s.mailbox_closed),
        ],
    ),
];

/// How a call of the game's API ended.
const OUTCOMES: [Ended; 7] = [
    ("answered", |c| c.answered),
    ("unknown", |c| c.unknown),
    ("timeout", |c| c.timed_out),
    ("failed", |c| c.failed),
    ("too_many", |c| c.too_many),
    ("refused", |c| c.refused),
    ("cancelled", |c| c.cancelled),
];

/// The whole document.
#[must_use]
pub fn render(scrape: &Scrape) -> String {
    let mut text = Text::default();
    for metric in PER_SHARD {
        text.family(metric.name, metric.kind, metric.help);
        for shard in &scrape.shards {
            let id = shard.shard.to_string();
            for (label, of) in metric.of {
                let labels: Vec<_> =
                    [Some(("shard", id.as_str())), *label].into_iter().flatten().collect();
                text.sample(metric.name, &labels, of(shard) as f64);
            }
        }
    }
    shards(&mut text, scrape);
    requests(&mut text, scrape);
    upstream(&mut text, scrape);
    store(&mut text, scrape);
    shared(&mut text, scrape);
    jobs::render(&mut text, scrape);
    valuations(&mut text, scrape);
    process(&mut text, scrape);
    text.finish()
}

fn shards(text: &mut Text, scrape: &Scrape) {
    text.family(
        "maple_shards_silent",
        Gauge,
        "Shards that did not report in time for this scrape.",
    );
    text.sample("maple_shards_silent", &[], scrape.silent as f64);
    text.family("maple_runtime_driver", Gauge, "1 for the driver the shard runs on.");
    text_per_shard(text, "maple_runtime_driver", scrape, |shard| {
        (Some(("kind", &shard.driver)), 1.0)
    });
    text.family(
        "maple_shard_stalled_seconds_total",
        Counter,
        "Time the shard was held up in stalls.",
    );
    text_per_shard(text, "maple_shard_stalled_seconds_total", scrape, |shard| {
        (None, seconds_of_us(shard.runtime.stalled_us))
    });
    text.family("maple_shard_stall_seconds_max", Gauge, "Longest stall since the start.");
    text_per_shard(text, "maple_shard_stall_seconds_max", scrape, |shard| {
        (None, seconds_of_us(shard.runtime.stall_us_max))
    });
    let name = "maple_http_refused_total";
    text.family(name, Counter, "Requests the edge itself refused, by status.");
    for shard in &scrape.shards {
        let id = shard.shard.to_string();
        for (status, count) in REFUSALS.iter().zip(shard.edge.refused) {
            let status = status.code().to_string();
            text.sample(name, &[("shard", &id), ("status", &status)], count as f64);
        }
    }
}

fn text_per_shard<'s>(
    text: &mut Text,
    name: &str,
    scrape: &'s Scrape,
    of: impl Fn(&'s ShardScrape) -> (Option<(&'static str, &'s str)>, f64),
) {
    for shard in &scrape.shards {
        let id = shard.shard.to_string();
        let (label, value) = of(shard);
        let labels: Vec<_> = [Some(("shard", id.as_str())), label].into_iter().flatten().collect();
        text.sample(name, &labels, value);
    }
}

/// Summed over the shards: a route's latency is the same question wherever it was answered.
fn requests(text: &mut Text, scrape: &Scrape) {
    let name = "http_server_requests_seconds";
    text.family(name, Histogram, "Answered requests: from the head read to the answer made.");
    let mut merged: Vec<Series> = Vec::new();
    for series in scrape.shards.iter().flat_map(|shard| &shard.requests) {
        let same = |seen: &&mut Series| seen.route == series.route && seen.status == series.status;
        match merged.iter_mut().find(same) {
            Some(seen) => seen.latency.merge(&series.latency),
            None => merged.push(*series),
        }
    }
    for series in &merged {
        let status = series.status.to_string();
        let labels = [
            ("method", series.route.method),
            ("uri", series.route.uri),
            ("status", status.as_str()),
            ("outcome", outcome(series.status)),
        ];
        histogram(text, name, &labels, &series.latency);
    }
}

fn histogram(text: &mut Text, name: &str, labels: &[(&str, &str)], seen: &LatencySnapshot) {
    let bucket = format!("{name}_bucket");
    let mut cumulated = 0;
    for (n, count) in seen.buckets.iter().enumerate() {
        cumulated += count;
        let bound = BOUNDS_US.get(n).map(|us| seconds_of_us(*us).to_string());
        let bound = bound.as_deref().unwrap_or("+Inf");
        let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
        text.sample(&bucket, &labels, cumulated as f64);
    }
    text.sample(&format!("{name}_sum"), labels, seen.sum_ns as f64 / 1e9);
    text.sample(&format!("{name}_count"), labels, cumulated as f64);
}

fn outcome(status: u16) -> &'static str {
    match status / 100 {
        1 => "INFORMATIONAL",
        2 => "SUCCESS",
        3 => "REDIRECTION",
        4 => "CLIENT_ERROR",
        _ => "SERVER_ERROR",
    }
}

fn upstream(text: &mut Text, scrape: &Scrape) {
    let seen = &scrape.upstream;
    let calls = "maple_upstream_calls_total";
    text.family(calls, Counter, "Calls of the game's API, by how they ended.");
    for (endpoint, counts) in Endpoint::ALL.into_iter().zip(&seen.calls) {
        let endpoint = endpoint.to_string();
        for (outcome, of) in OUTCOMES {
            text.sample(calls, &[("endpoint", &endpoint), ("outcome", outcome)], of(counts) as f64);
        }
    }
    let spent = "maple_upstream_call_seconds_total";
    text.family(spent, Counter, "Time spent in calls that ended by themselves.");
    for (endpoint, counts) in Endpoint::ALL.into_iter().zip(&seen.calls) {
        text.sample(spent, &[("endpoint", &endpoint.to_string())], seconds_of_us(counts.spent_us));
    }
    let state = "maple_upstream_breaker_state";
    text.family(state, Gauge, "1 for the state the breaker is in.");
    for kind in ["closed", "open", "half_open"] {
        text.sample(state, &[("state", kind)], f64::from(u8::from(seen.breaker == kind)));
    }
    let retries = "maple_upstream_retries_total";
    text.family(retries, Counter, "Repeated calls, and those the budget did not allow.");
    text.sample(retries, &[("result", "allowed")], seen.retries as f64);
    text.sample(retries, &[("result", "rejected")], seen.retries_refused as f64);
    let not_made = "maple_upstream_calls_not_made_total";
    text.family(not_made, Counter, "Calls not made, by what refused them.");
    for (by, count) in [
        ("breaker", seen.breaker_refused),
        ("bulkhead", seen.bulkhead_refused),
        ("rate", seen.rate_refused),
    ] {
        text.sample(not_made, &[("by", by)], count as f64);
    }
    one(
        text,
        "maple_upstream_breaker_opened_total",
        Counter,
        "Times the breaker opened.",
        seen.breaker_opened,
    );
    one(text, "maple_upstream_calls_in_flight", Gauge, "Calls on the way now.", seen.in_flight);
}

/// Without a store its counters stand still at zero, so that a dashboard need not know.
fn store(text: &mut Text, scrape: &Scrape) {
    let seen = scrape.store.unwrap_or_default();
    let reads = "maple_store_reads_total";
    text.family(reads, Counter, "Look-ups in the store by what came of them.");
    for (result, count) in
        [("found", seen.found), ("absent", seen.absent), ("failed", seen.read_failures)]
    {
        text.sample(reads, &[("result", result)], count as f64);
    }
    let unreadable = "Segments of the journal the disk did not give back.";
    for (name, help, value) in [
        ("maple_store_written_total", "Rows written to the store.", seen.written),
        ("maple_store_write_failures_total", "Batches the store failed.", seen.write_failures),
        ("maple_store_given_up_total", "Records not kept: too many waited.", seen.given_up),
        ("maple_store_refused_total", "Records the store will never take.", seen.refused),
        ("maple_store_journaled_total", "Records put aside on the disk.", seen.journaled),
        ("maple_store_replayed_total", "Records taken from there.", seen.replayed),
        ("maple_store_segments_unreadable_total", unreadable, seen.segments_unreadable),
    ] {
        one(text, name, Counter, help, value);
    }
    one(text, "maple_store_pending", Gauge, "Records on their way into the store.", seen.pending);
    one(text, "maple_store_journal_bytes", Gauge, "Bytes in the journal.", seen.journal_bytes);
    text.family("maple_store_state", Gauge, "Where the store stands.");
    let states = [State::Healthy, State::Degraded, State::Recovering];
    for (state, name) in states.into_iter().zip(["healthy", "degraded", "recovering"]) {
        let here = scrape.store.is_some() && seen.state == state;
        text.sample("maple_store_state", &[("state", name)], f64::from(u8::from(here)));
    }
}

/// Without a shared memory its counters stand still at zero.
fn shared(text: &mut Text, scrape: &Scrape) {
    let seen = scrape.shared.unwrap_or_default();
    let commands = "maple_redis_commands_total";
    text.family(commands, Counter, "Commands to Redis by what came of them.");
    for (result, count) in [
        ("answered", seen.answered),
        ("refused", seen.refused),
        ("timed_out", seen.timed_out),
        ("broken", seen.broken),
        ("away", seen.away),
        ("breaker", seen.breaker_refused),
    ] {
        text.sample(commands, &[("result", result)], count as f64);
    }
    let reads = "maple_shared_reads_total";
    text.family(reads, Counter, "Look-ups in the shared memory by the backplane.");
    for (result, count) in [
        ("found", seen.hits),
        ("absent", seen.misses),
        ("failed", seen.get_failures),
        ("unreadable", seen.unreadable),
    ] {
        text.sample(reads, &[("result", result)], count as f64);
    }
    let writes = "maple_shared_writes_total";
    text.family(writes, Counter, "Values for the shared memory by what came of them.");
    for (result, count) in [
        ("kept", seen.puts),
        ("older", seen.puts_older),
        ("oversized", seen.oversized),
        ("failed", seen.put_failures),
    ] {
        text.sample(writes, &[("result", result)], count as f64);
    }
    let flights = "maple_shared_flights_total";
    text.family(flights, Counter, "Flights among processes by how they went.");
    for (role, count) in [
        ("led", seen.flights_led),
        ("followed", seen.flights_followed),
        ("taken_over", seen.flights_taken_over),
        ("alone", seen.flights_alone),
    ] {
        text.sample(flights, &[("role", role)], count as f64);
    }
    let news = "maple_shared_news_total";
    text.family(news, Counter, "News between processes.");
    for (kind, count) in [
        ("published", seen.published),
        ("failed", seen.publish_failures),
        ("received", seen.received),
        ("own", seen.own),
        ("garbled", seen.garbled),
    ] {
        text.sample(news, &[("kind", kind)], count as f64);
    }
    one(text, "maple_redis_up", Gauge, "Connections there are to Redis.", seen.up);
    let connects = "maple_redis_connects_total";
    one(text, connects, Counter, "Connections made to Redis.", seen.connected);
    let subscribed = "maple_redis_subscribed_total";
    one(text, subscribed, Counter, "Subscriptions made to the news.", seen.subscribed);
    let opened = "maple_redis_breaker_opened_total";
    one(text, opened, Counter, "Times Redis was left alone for a while.", seen.breaker_opened);
    let spent = "maple_redis_command_seconds_total";
    text.family(spent, Counter, "Time in commands that were sent.");
    text.sample(spent, &[], seconds_of_us(seen.spent_us));
    let refused = "maple_shared_orders_refused_total";
    one(text, refused, Counter, "Orders not taken because too many waited.", seen.orders_refused);
}

/// The depths are those of all processes when they share a queue.
fn valuations(text: &mut Text, scrape: &Scrape) {
    let JobsSnapshot { depths, counts } = &scrape.valuations;
    let queued = "maple_jobs_queued";
    text.family(queued, Gauge, "Valuations that wait for a worker.");
    for (priority, depth) in [("high", depths.high), ("low", depths.low)] {
        text.sample(queued, &[("priority", priority)], depth as f64);
    }
    let begun = "maple_jobs_begun";
    text.family(begun, Gauge, "Valuations that a worker has begun, by where they are now.");
    for (place, depth) in
        [("in_work", depths.in_work), ("pausing", depths.pausing), ("dead", depths.aside)]
    {
        text.sample(begun, &[("place", place)], depth as f64);
    }
    let tries = "maple_jobs_tries_total";
    text.family(tries, Counter, "Tries at valuations by how they ended.");
    for (result, count) in [("done", counts.done), ("failed", counts.failed)] {
        text.sample(tries, &[("result", result)], count as f64);
    }
    let dead = "maple_jobs_dead_total";
    one(text, dead, Counter, "Valuations given up after their last try.", counts.given_up);
    let redriven = "maple_jobs_redriven_total";
    one(text, redriven, Counter, "Valuations whose worker was gone.", counts.redriven);
    let refused = "maple_jobs_refused_total";
    one(text, refused, Counter, "Valuations not queued for want of room.", counts.refused);
}

fn process(text: &mut Text, scrape: &Scrape) {
    let compute = &scrape.compute;
    one(text, "maple_compute_pending", Gauge, "Compute jobs waiting or in work.", compute.pending);
    one(text, "maple_compute_jobs_total", Counter, "Compute jobs done.", compute.done);
    let busy = "maple_compute_busy_seconds_total";
    text.family(busy, Counter, "Time spent in compute jobs.");
    text.sample(busy, &[], seconds_of_us(compute.busy_us));
    let process = &scrape.process;
    one(text, "process_resident_memory_bytes", Gauge, "Resident memory.", process.resident_bytes);
    one(text, "process_open_fds", Gauge, "Open file descriptors.", process.open_fds);
    let cpu = "process_cpu_seconds_total";
    text.family(cpu, Counter, "CPU used, user and system.");
    text.sample(cpu, &[], process.cpu_ticks as f64 / 100.0);
    let labels =
        [("version", build::VERSION), ("commit", build::COMMIT), ("profile", build::PROFILE)];
    text.family("maple_build_info", Gauge, "What this build is; always 1.");
    text.sample("maple_build_info", &labels, 1.0);
}

fn one(text: &mut Text, name: &str, kind: Kind, help: &str, value: u64) {
    text.family(name, kind, help);
    text.sample(name, &[], value as f64);
}

fn seconds_of_us(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::requests::Route;
    use std::collections::BTreeSet;

    fn scrape() -> Scrape {
        let route = Route { method: "GET", uri: "/a/{b}" };
        let mut latency = LatencySnapshot::default();
        (latency.buckets[0], latency.buckets[3], latency.sum_ns) = (2, 1, 500_000);
        let series = Series { route, status: 200, latency };
        let shard = |shard| ShardScrape { shard, requests: vec![series], ..ShardScrape::default() };
        Scrape { shards: vec![shard(0), shard(1)], ..Scrape::default() }
    }

    #[test]
    fn histograms_of_the_shards_are_added_and_cumulated() {
        let text = render(&scrape());
        let labels = r#"method="GET",uri="/a/{b}",status="200",outcome="SUCCESS""#;
        for line in [
            format!(r#"http_server_requests_seconds_bucket{{{labels},le="0.00005"}} 4"#),
            format!(r#"http_server_requests_seconds_bucket{{{labels},le="0.0005"}} 6"#),
            format!(r#"http_server_requests_seconds_bucket{{{labels},le="+Inf"}} 6"#),
            format!(r#"http_server_requests_seconds_sum{{{labels}}} 0.001"#),
            format!(r#"http_server_requests_seconds_count{{{labels}}} 6"#),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn no_series_appears_twice_and_every_family_is_in_the_document() {
        let text = render(&scrape());
        let mut series = BTreeSet::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, _) = line.rsplit_once(' ').expect("a value");
            assert!(series.insert(name), "twice: {name}");
        }
        let document = include_str!("../../docs/METRICS.md");
        let families: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let (listed, _) = document.split_once("## Names of the older system").expect("two tables");
        let listed: BTreeSet<_> =
            listed.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(families, listed, "docs/METRICS.md and the exported families differ");
    }
}
