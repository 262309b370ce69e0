"""Tests of summarise.py and plot.py with small inputs. From anywhere: python3 -m unittest discover -s perf"""
import json
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import plot
import recorded
import summarise

# Two rounds. Ours: 120 and 132 thousand; nginx with sendfile 100 and 110 (ratio 1.2 twice), without 120 and 110 (1.0 and
# 1.2, median 1.1), raw 160 and 150 (0.75 and 0.88, median 0.815: missed).
ROUNDS = """\
v4-gzip ours 120000 7.0 8.0
v4-gzip nginx-sendfile-on 100000 9.0 8.0
v4-gzip nginx-sendfile-off 120000 8.0 8.0
v4-gzip raw 160000 6.0 8.0
v4-identity ours 30000 20.0 30.0
v4-identity nginx-sendfile-on 40000 25.0 30.0
v4-gzip ours 132000 7.2 8.0
v4-gzip nginx-sendfile-on 110000 9.0 8.0
v4-gzip nginx-sendfile-off 110000 8.0 8.0
v4-gzip raw 150000 5.9 8.0
v4-identity ours 30000 20.0 30.0
v4-identity nginx-sendfile-on 40000 25.0 30.0
"""
FACTS = """\
first_answer_ms 110 120 400
cold_characters 5000
cold_cpu_us_each 2400.0
rss_kib_cached 150000
idle_bytes_each 7900
idle_connections 10000
"""
# 1,000 answers: 980 at 0.1 ms, 15 at 1.5 ms, 5 at 40 ms: p99 1.5 ms, p99.9 40 ms.
OPEN_LOOP = {"config": {"rate": 60000.0}, "requests": 1000, "requestsPerSecond": 59900.0,
             "histogramUs": [[100.5, 980], [1500.0, 15], [40000.0, 5]]}


class Folder(unittest.TestCase):
    """A results folder of one small run."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.write("setup.txt", "commit 0123456789ab\nbytes v4-gzip 14096\n")
        self.write("rounds.txt", ROUNDS)
        self.write("facts.txt", FACTS)
        self.write("idle.txt", "100000 95000\n100000 85000\n100000 80000\n")
        for server in ("ours", "raw"):
            self.write(f"open-loop/v4-gzip.{server}.1.json", json.dumps(OPEN_LOOP))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


class Budgets(Folder):
    def budgets(self):
        return {what: (measured, verdict) for what, _, measured, verdict in summarise.budgets(recorded.read(self.folder))}

    def test_every_budget_has_its_verdict(self):
        self.assertEqual(self.budgets(), {
            "v4-gzip: requests/s, ours / nginx-sendfile-on": ("1.200 (1.200 to 1.200)", "ok"),
            "v4-gzip: requests/s, ours / nginx-sendfile-off": ("1.100 (1.000 to 1.200)", "ok"),
            "v4-gzip: requests/s, ours / raw": ("0.815 (0.750 to 0.880)", "MISSED"),
            "v4-identity: requests/s, ours / nginx-sendfile-on": ("0.750 (0.750 to 0.750)", "MISSED"),
            "v4-gzip: CPU per hit, over the raw responder's": ("1.15 (1.00 to 1.30) us", "ok"),
            "v4-gzip: open loop at 60,000/s, rate reached": ("99.8%", "ok"),
            "v4-gzip: open loop, p99": ("1.50 ms", "ok"),
            "v4-gzip: open loop, p99.9": ("40.00 ms", "MISSED"),
            "CPU of a cold character, mean of 5,000": ("2.40 ms", "ok"),
            "resident with 5,000 characters cached": ("154 MB", "MISSED"),
            "resident per connection, 10,000 idle": ("7.9 KB", "ok"),
            "requests/s of others beside them, with / without": ("0.850 (0.800 to 0.950)", "MISSED"),
            "start to first answer, embedded simulator": ("120 (110 to 400) ms", "ok"),
        })

    def test_a_generator_that_lags_is_a_missed_budget(self):
        self.write("open-loop/v4-gzip.ours.1.json", json.dumps(OPEN_LOOP | {"requestsPerSecond": 50000}))
        self.assertEqual(self.budgets()["v4-gzip: open loop at 60,000/s, rate reached"], ("83.3%", "MISSED"))

    def test_a_stage_that_was_not_run_has_no_row(self):
        for name in ("facts.txt", "idle.txt", "open-loop/v4-gzip.ours.1.json", "open-loop/v4-gzip.raw.1.json"):
            (self.folder / name).unlink()
        self.assertEqual(len(self.budgets()), 5)
        self.assertNotIn("Open loop", "\n".join(summarise.page(recorded.read(self.folder))))

    def test_a_run_smaller_than_the_budgets_says_so(self):
        def is_trial():
            return "trial run" in "\n".join(summarise.page(recorded.read(self.folder)))

        self.assertTrue(is_trial())
        self.write("rounds.txt", ROUNDS * 4)
        self.assertFalse(is_trial())
        self.write("facts.txt", FACTS.replace("cold_characters 5000", "cold_characters 4999"))
        self.assertTrue(is_trial())

    def test_a_server_with_a_round_too_few_is_refused(self):
        self.write("rounds.txt", ROUNDS + "v4-gzip ours 1 1 1\n")
        with self.assertRaises(ValueError):
            self.budgets()


class Formats(Folder):
    def test_quantiles_of_merged_rounds_come_from_their_counts(self):
        merged = recorded.Latencies.merged([recorded.Latencies(((1, 3), (9, 1))), recorded.Latencies(((9, 1), (20, 5)))])
        self.assertEqual(merged.counts, ((1, 3), (9, 2), (20, 5)))
        self.assertEqual([merged.quantile(share) for share in (0, 0.3, 0.31, 0.5, 0.51, 1)], [1, 1, 9, 9, 20, 20])

    def test_the_scripts_write_what_the_readme_names(self):
        for script in ("plot.py", "summarise.py"):
            subprocess.run([sys.executable, Path(__file__).with_name(script), self.folder], check=True, stdout=subprocess.DEVNULL)
        self.assertIn("MISSED", (self.folder / "summary.md").read_text())
        self.assertEqual({path.name for path in self.folder.glob("*.svg")}, {"throughput.svg", "latency.svg"})

    def test_the_shell_reads_requests_and_rate(self):
        self.write("load.json", json.dumps(OPEN_LOOP))
        printed = subprocess.run([sys.executable, Path(recorded.__file__), self.folder / "load.json"],
                                 check=True, capture_output=True, text=True).stdout
        self.assertEqual(printed, "1000 59900.0\n")


class Drawings(Folder):
    def elements(self, svg, name, class_part):
        found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}" + name)
        return [e for e in found if class_part in e.get("class", "").split()]

    def test_bars_are_as_long_as_their_medians(self):
        svg = plot.throughput(recorded.read(self.folder))
        [nginx_gzip, nginx_identity] = self.elements(svg, "rect", "bar-nginx-sendfile-on")
        [ours_gzip, ours_identity] = self.elements(svg, "rect", "bar-ours")
        self.assertAlmostEqual(float(ours_gzip.get("width")) / float(nginx_gzip.get("width")), 126 / 105, places=2)
        self.assertAlmostEqual(float(ours_identity.get("width")) / float(nginx_identity.get("width")), 30 / 40, places=2)

    def test_whiskers_end_inside_the_drawing_and_enclose_the_median(self):
        svg = plot.throughput(recorded.read(self.folder))
        [bar, _] = self.elements(svg, "rect", "bar-ours")
        whisker = self.elements(svg, "line", "whisker")[0]
        end = float(bar.get("x")) + float(bar.get("width"))
        self.assertLess(float(whisker.get("x1")), end)
        self.assertLess(end, float(whisker.get("x2")))
        self.assertTrue(all(0 < float(e.get("x2")) < plot.WIDTH for e in self.elements(svg, "line", "whisker")))

    def test_a_curve_never_falls_and_passes_its_quantiles(self):
        svg = plot.latency(recorded.read(self.folder))
        curves = self.elements(svg, "polyline", "curve")
        self.assertEqual(len(curves), 2)
        points = [tuple(map(float, point.split(","))) for point in curves[0].get("points").split()]
        heights = [-y for _, y in points]
        self.assertEqual(heights, sorted(heights))
        # Decades are evenly high: from 0.1 to 1.5 ms and from 0.1 to 40 ms.
        low, middle, high = heights[0], heights[80], heights[-1]
        self.assertAlmostEqual((middle - low) / (high - low), 1.1761 / 2.6021, places=2)

    def test_ticks_are_round_and_few(self):
        for top in (7, 99, 101, 16_446, 132_871, 1_000_000):
            step = plot.tick_step(top)
            self.assertIn(step / 10 ** len(str(step)[1:]), (1, 2, 5))
            self.assertTrue(3 <= top / step <= 8, (top, step))


if __name__ == "__main__":
    unittest.main()
