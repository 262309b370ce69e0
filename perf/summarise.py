#!/usr/bin/env python3
"""Reads rounds.txt and setup.txt of a results folder; writes and prints summary.md: medians, spread, ratios."""
import statistics
import sys
from pathlib import Path

folder = Path(sys.argv[1])
rounds = {}
for line in (folder / "rounds.txt").read_text().splitlines():
    label, server, rate, server_us, client_us = line.split()
    rounds.setdefault(label, {}).setdefault(server, []).append((float(rate), float(server_us), float(client_us)))

# Least ratio of the medians, by what is asked for; design budgets.
BUDGETS = {
    "v4-gzip": {"nginx-sendfile-on": 1.2, "nginx-sendfile-off": 1.05},
    "preset2-gzip": {"nginx-sendfile-on": 1.2, "nginx-sendfile-off": 1.05},
    "v4-identity": {"nginx-sendfile-on": 0.8},
    "equipment-identity": {"nginx-sendfile-on": 0.8},
}

text = ["# Cached answers against nginx", "", "```text", (folder / "setup.txt").read_text().strip(), "```", ""]
text += ["| answer | server | requests/s, median (min to max) | server us/request | client us/request | ours / it, median of rounds | budget |",
         "|---|---|---|---|---|---|---|"]
for label, servers in rounds.items():
    ours = [rate for rate, _, _ in servers["ours"]]
    for server, measured in servers.items():
        rates = [rate for rate, _, _ in measured]
        ratio = statistics.median(o / r for o, r in zip(ours, rates))
        budget = BUDGETS.get(label, {}).get(server)
        verdict = "" if budget is None else f">= {budget}: {'ok' if ratio >= budget else 'MISSED'}"
        text.append(f"| {label} | {server} | {statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) "
                    f"| {statistics.median(m[1] for m in measured):.2f} | {statistics.median(m[2] for m in measured):.2f} "
                    f"| {'' if server == 'ours' else f'{ratio:.2f}'} | {verdict} |")
summary = "\n".join(text) + "\n"
(folder / "summary.md").write_text(summary)
print(summary)
