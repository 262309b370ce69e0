"""The mixed expectation workload for Locust: V3, V2 and V4 answers of three names, weights 3 : 1 : 3, waits 0.1 to 0.5 s.

    locust -f perf/locust/locustfile.py --headless -u 100 -r 20 -t 60s --host http://127.0.0.1:8080
    ... --tags hot-key        one name, one version: every request meets the same key

Locust shares one Python thread among its users: it bounds the rate, so read failures here, not requests per second.
A run with any failure ends with exit code 1.
"""
import random
from urllib.parse import quote

from locust import FastHttpUser, between, events, tag, task

NAMES = ["강은호", "아델", "긱델"]
CACHE_STATES = {"HIT-L1", "HIT-L2", "MISS", "STALE"}


@events.init.add_listener
def leave_the_hot_key_out_unless_asked_for(environment, **_kwargs):
    """Without --tags the weights are those of the mix."""
    if not environment.parsed_options.tags:
        environment.exclude_tags = ["hot-key", *(environment.parsed_options.exclude_tags or [])]


class Player(FastHttpUser):
    wait_time = between(0.1, 0.5)

    @tag("v3")
    @task(3)
    def v3(self):
        self.ask("v3", random.choice(NAMES))

    @tag("v2")
    @task(1)
    def v2(self):
        self.ask("v2", random.choice(NAMES))

    @tag("v4")
    @task(3)
    def v4(self):
        self.ask("v4", random.choice(NAMES))

    @tag("hot-key")
    @task(1)
    def hot_key(self):
        self.ask("v4", NAMES[0])

    def ask(self, version, name):
        path = f"/api/{version}/characters/{quote(name)}/expectation"
        with self.client.get(path, name=f"{version} expectation", catch_response=True) as answer:
            problem = fault(answer, name)
            if problem:
                answer.failure(problem)


def fault(answer, name):
    """What is wrong with an answer, or None."""
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    if answer.headers.get("X-Cache") not in CACHE_STATES:
        return f"X-Cache {answer.headers.get('X-Cache')!r}"
    try:
        answered = answer.json()["userIgn"]
    except (ValueError, KeyError, TypeError) as error:
        return f"body: {error!r}"
    return None if answered == name else f"answered {answered!r}"
