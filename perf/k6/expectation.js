// The mixed expectation workload for k6: a fixed arrival rate, then a ramp to several times that rate. Arrivals do not
// wait for answers, so a stalled server shows in the durations and in dropped iterations, not in a lower rate.
//
//   k6 run -e URL=http://127.0.0.1:8080 -e RATE=500 perf/k6/expectation.js
//   k6 run -e ONLY=steady -e DURATION=10s ... one scenario

import http from "k6/http";
import { check } from "k6";
import { Counter } from "k6/metrics";

const url = (__ENV.URL || "http://127.0.0.1:8080").replace(/\/$/, "");
const rate = Number(__ENV.RATE || 500);
const duration = __ENV.DURATION || "60s";

const NAMES = ["강은호", "아델", "긱델"];
// Weights of the older system's Locust file.
const VERSIONS = [
  { name: "v3", weight: 3 },
  { name: "v2", weight: 1 },
  { name: "v4", weight: 3 },
];
const CACHE_STATES = ["HIT-L1", "HIT-L2", "MISS", "STALE"];

const answersNot200 = new Counter("answers_not_200");

const scenarios = {
  steady: {
    executor: "constant-arrival-rate",
    rate,
    timeUnit: "1s",
    duration,
    preAllocatedVUs: 50,
    maxVUs: 1000,
  },
  ramp: {
    executor: "ramping-arrival-rate",
    startTime: __ENV.ONLY === "ramp" ? "0s" : duration,
    startRate: rate,
    timeUnit: "1s",
    stages: [
      { target: 2 * rate, duration: "20s" },
      { target: 5 * rate, duration: "20s" },
      { target: 5 * rate, duration: "20s" },
      { target: rate, duration: "10s" },
    ],
    preAllocatedVUs: 50,
    maxVUs: 2000,
  },
};

export const options = {
  scenarios: __ENV.ONLY ? { [__ENV.ONLY]: scenarios[__ENV.ONLY] } : scenarios,
  thresholds: {
    checks: ["rate==1"],
    answers_not_200: ["count==0"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    // The project's open-loop budget is stricter; it is measured by perf/run.sh from the intended send time.
    "http_req_duration{scenario:steady}": ["p(99)<100"],
  },
};

// Every name asked once, so that the scenarios measure cached answers.
export function setup() {
  for (const version of VERSIONS) {
    for (const name of NAMES) {
      ask(version.name, name);
    }
  }
}

export default function () {
  ask(pickVersion(Math.random()), NAMES[Math.floor(Math.random() * NAMES.length)]);
}

// The version for a draw in [0, 1), by weight.
function pickVersion(draw) {
  const total = VERSIONS.reduce((sum, version) => sum + version.weight, 0);
  let left = draw * total;
  for (const version of VERSIONS) {
    left -= version.weight;
    if (left < 0) return version.name;
  }
  return VERSIONS[VERSIONS.length - 1].name;
}

function ask(version, name) {
  const answer = http.get(`${url}/api/${version}/characters/${encodeURIComponent(name)}/expectation`, {
    headers: { "Accept": "application/json", "Accept-Encoding": "gzip" },
    tags: { name: `${version} expectation`, version },
  });
  if (answer.status !== 200) answersNot200.add(1, { status: String(answer.status) });
  check(answer, {
    "status is 200": (a) => a.status === 200,
    "X-Cache is known": (a) => CACHE_STATES.includes(a.headers["X-Cache"]),
    "body is this character's": (a) => parsed(a).userIgn === name,
  });
}

function parsed(answer) {
  try {
    return answer.json() || {};
  } catch (_) {
    return {};
  }
}
