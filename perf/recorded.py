#!/usr/bin/env python3
"""Reads a results folder of run.sh. Knows the files' formats and nothing about budgets or drawings.

    recorded.py LOAD.json    prints requests and requests/s of one `bench load`, for run.sh
"""
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Round:
    """One closed-loop measurement: requests/s, then user and system time per request of both sides."""
    rate: float
    server_us: float
    client_us: float


@dataclass(frozen=True)
class Latencies:
    """Latencies in us from the intended send time, as sorted (value, count) pairs."""
    counts: tuple

    @property
    def total(self):
        return sum(count for _, count in self.counts)

    def quantile(self, share):
        """The least value that at least this share of the answers did not exceed."""
        wanted, seen = share * self.total, 0
        for value, count in self.counts:
            seen += count
            if seen >= wanted:
                return value
        raise ValueError("no answers")

    @staticmethod
    def merged(many):
        """All rounds as one: quantiles do not average, counts do add."""
        counts = {}
        for latencies in many:
            for value, count in latencies.counts:
                counts[value] = counts.get(value, 0) + count
        return Latencies(tuple(sorted(counts.items())))


@dataclass(frozen=True)
class OpenLoop:
    """One open-loop measurement."""
    wanted_rate: float
    rate: float
    latencies: Latencies


@dataclass
class Run:
    """Everything one run.sh wrote. Keys keep the order of the files: answers, then servers."""
    setup: str = ""
    rounds: dict = field(default_factory=dict)     # answer -> server -> [Round]
    open_loop: dict = field(default_factory=dict)  # answer -> server -> [OpenLoop]
    idle: list = field(default_factory=list)       # (requests/s without, with idle connections)
    facts: dict = field(default_factory=dict)      # name -> [number]


def read(folder):
    folder = Path(folder)
    run = Run(setup=(folder / "setup.txt").read_text().strip())
    for answer, server, *numbers in lines(folder / "rounds.txt"):
        run.rounds.setdefault(answer, {}).setdefault(server, []).append(Round(*map(float, numbers)))
    for pair in lines(folder / "idle.txt"):
        run.idle.append(tuple(map(float, pair)))
    for name, *values in lines(folder / "facts.txt"):
        run.facts[name] = [float(value) for value in values]
    # In the order of rounds.txt, not of the file names.
    for answer, servers in run.rounds.items():
        for server in servers:
            for path in sorted((folder / "open-loop").glob(f"{answer}.{server}.*.json")):
                run.open_loop.setdefault(answer, {}).setdefault(server, []).append(open_loop(path))
    return run


def lines(path):
    """The words of each line; a stage that was not run has no file."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def open_loop(path):
    report = json.loads(path.read_text())
    counts = tuple(sorted((value, count) for value, count in report["histogramUs"]))
    return OpenLoop(report["config"]["rate"], report["requestsPerSecond"], Latencies(counts))


if __name__ == "__main__":
    load = json.loads(Path(sys.argv[1]).read_text())
    print(load["requests"], load["requestsPerSecond"])
