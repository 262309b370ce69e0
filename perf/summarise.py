#!/usr/bin/env python3
"""Writes and prints summary.md of a results folder: every budget this run can show, then medians and their spread.

    summarise.py perf/results/<date>-<commit>

KB and MB of the budgets are decimal, the stricter reading.
"""
import statistics
import sys
from pathlib import Path

import recorded

# Least ratio of our requests/s to another server's, median over the rounds, by answer.
GZIP_RATIOS = {"nginx-sendfile-on": 1.2, "nginx-sendfile-off": 1.05, "raw": 0.85}
IDENTITY_RATIOS = {"nginx-sendfile-on": 0.8}
RATIOS = {
    "v4-gzip": GZIP_RATIOS,
    "preset2-gzip": GZIP_RATIOS,
    "v4-identity": IDENTITY_RATIOS,
    "equipment-identity": IDENTITY_RATIOS,
}
HIT_CPU_OVER_RAW_US_MAX = 1.2
OPEN_LOOP_US_MAX = {0.99: 2_000, 0.999: 10_000}
# A generator that could not send what was asked for measured something else.
OPEN_LOOP_RATE_SHARE_MIN = 0.99
COLD_CPU_US_MAX = 2_500
IDLE_BYTES_MAX = 8_000
IDLE_RATIO_MIN = 0.9
CACHED_RSS_BYTES_MAX = 150_000_000
FIRST_ANSWER_MS_MAX = 300
# What the budgets are for; a smaller run shows that the scripts work, not that a budget is kept.
ROUNDS_MIN, CHARACTERS_MIN, IDLE_CONNECTIONS_MIN = 7, 5_000, 10_000


def main(folder):
    run = recorded.read(folder)
    summary = "\n".join(page(run)) + "\n"
    (Path(folder) / "summary.md").write_text(summary)
    print(summary)


def page(run):
    yield from ["# Measured", "", "```text", run.setup, "```", ""]
    yield from ["Medians; in brackets the least and the greatest of the rounds. Ratios are taken within a round.", ""]
    yield from ["## Budgets", ""]
    if not full_size(run):
        yield from ["**A trial run, smaller than the budgets ask for: the verdicts below mean nothing.**", ""]
    yield from table(["what", "budget", "measured", ""], budgets(run))
    yield from ["", "Not shown by this run: quantiles, outbox; L2 hits are shown by `perf/tiers.sh`; `bench micro` times the steps of a cold character.",
                "", "## Closed loop", "", "![requests per second](throughput.svg)", ""]
    yield from table(["answer", "server", "requests/s", "ours / it", "server us/request", "client us/request"],
                     closed_loop(run))
    if run.open_loop:
        yield from ["", "## Open loop", "", "Milliseconds from the intended send time.", "",
                    "![latency by percentile](latency.svg)", ""]
        yield from table(["answer", "server", "requests/s wanted", "sent", "p50", "p99", "p99.9", "max"], open_loop(run))


def full_size(run):
    rounds = min((len(measured) for servers in run.rounds.values() for measured in servers.values()), default=0)
    [characters] = run.facts.get("cold_characters", [0])
    [connections] = run.facts.get("idle_connections", [0])
    return rounds >= ROUNDS_MIN and characters >= CHARACTERS_MIN and connections >= IDLE_CONNECTIONS_MIN


def table(heads, rows):
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def budgets(run):
    """Rows: what, budget, measured, ok or MISSED. A stage that was not run has no row."""
    for answer, least in RATIOS.items():
        for server, ratio_min in least.items():
            if server in run.rounds.get(answer, {}):
                ours_to_it = ratios(run, answer, server)
                yield row(f"{answer}: requests/s, ours / {server}", f">= {ratio_min}", spread(ours_to_it, ".3f"),
                          statistics.median(ours_to_it) >= ratio_min)
    for answer, servers in run.rounds.items():
        if answer.endswith("-gzip") and "raw" in servers:
            over = [o.server_us - r.server_us for o, r in zip(servers["ours"], servers["raw"], strict=True)]
            yield row(f"{answer}: CPU per hit, over the raw responder's", f"<= {HIT_CPU_OVER_RAW_US_MAX} us",
                      f"{spread(over, '.2f')} us", statistics.median(over) <= HIT_CPU_OVER_RAW_US_MAX)
    for answer, servers in run.open_loop.items():
        yield from open_loop_budgets(answer, servers["ours"])
    yield from single_budgets(run)


def open_loop_budgets(answer, measured):
    reached = min(loop.rate / loop.wanted_rate for loop in measured)
    yield row(f"{answer}: open loop at {measured[0].wanted_rate:,.0f}/s, rate reached", f">= {OPEN_LOOP_RATE_SHARE_MIN:.0%}",
              f"{reached:.1%}", reached >= OPEN_LOOP_RATE_SHARE_MIN)
    for share, us_max in OPEN_LOOP_US_MAX.items():
        values = [loop.latencies.quantile(share) for loop in measured]
        yield row(f"{answer}: open loop, p{share * 100:g}", f"<= {us_max / 1000:g} ms", f"{milliseconds(values)} ms",
                  statistics.median(values) <= us_max)


def single_budgets(run):
    facts = run.facts
    if "cold_cpu_us_each" in facts:
        [cpu_us], [characters] = facts["cold_cpu_us_each"], facts["cold_characters"]
        yield row(f"CPU of a cold character, mean of {characters:,.0f}", f"<= {COLD_CPU_US_MAX / 1000} ms",
                  f"{cpu_us / 1000:.2f} ms", cpu_us <= COLD_CPU_US_MAX)
        rss = facts["rss_kib_cached"][0] * 1024
        yield row(f"resident with {characters:,.0f} characters cached", f"<= {CACHED_RSS_BYTES_MAX / 1e6:g} MB",
                  f"{rss / 1e6:.0f} MB", rss <= CACHED_RSS_BYTES_MAX)
    if "idle_connections" in facts:
        [bytes_each], [connections] = facts["idle_bytes_each"], facts["idle_connections"]
        yield row(f"resident per connection, {connections:,.0f} idle", f"<= {IDLE_BYTES_MAX / 1000:g} KB",
                  f"{bytes_each / 1000:.1f} KB", bytes_each <= IDLE_BYTES_MAX)
        kept = [beside / alone for alone, beside in run.idle]
        yield row("requests/s of others beside them, with / without", f">= {IDLE_RATIO_MIN}", spread(kept, ".3f"),
                  statistics.median(kept) >= IDLE_RATIO_MIN)
    if "first_answer_ms" in facts:
        times = facts["first_answer_ms"]
        yield row("start to first answer, embedded simulator", f"<= {FIRST_ANSWER_MS_MAX} ms", f"{spread(times, '.0f')} ms",
                  statistics.median(times) <= FIRST_ANSWER_MS_MAX)


def row(what, budget, measured, kept):
    return [what, budget, measured, "ok" if kept else "MISSED"]


def closed_loop(run):
    for answer, servers in run.rounds.items():
        for server, measured in servers.items():
            yield [answer, server, spread([r.rate for r in measured], ",.0f"),
                   "" if server == "ours" else spread(ratios(run, answer, server), ".2f"),
                   spread([r.server_us for r in measured], ".2f"), spread([r.client_us for r in measured], ".2f")]


def open_loop(run):
    for answer, servers in run.open_loop.items():
        for server, measured in servers.items():
            shown = [milliseconds([loop.latencies.quantile(share) for loop in measured]) for share in (0.5, 0.99, 0.999, 1)]
            yield [answer, server, f"{measured[0].wanted_rate:,.0f}", spread([loop.rate for loop in measured], ",.0f"), *shown]


def ratios(run, answer, server):
    """Ours to another's requests/s, round by round: what disturbs a round disturbs both."""
    servers = run.rounds[answer]
    return [ours.rate / other.rate for ours, other in zip(servers["ours"], servers[server], strict=True)]


def spread(values, form):
    median = f"{statistics.median(values):{form}}"
    return median if len(values) == 1 else f"{median} ({min(values):{form}} to {max(values):{form}})"


def milliseconds(values_us):
    return spread([value / 1000 for value in values_us], ".2f")


if __name__ == "__main__":
    main(sys.argv[1])
