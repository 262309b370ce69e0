#!/usr/bin/env bash
# Runs both wrk workloads against a running server, after asking once for every name; any answer but 200, any socket
# error and any body that is not the character's stops it with exit code 1.
#
#   perf/wrk/run.sh http://127.0.0.1:8080
#   SECONDS_EACH=1 perf/wrk/run.sh URL       only to see that it works
set -euo pipefail
cd "$(dirname "$0")"

url=${1:?usage: perf/wrk/run.sh URL}
url=${url%/}

# Every name of both workloads is among the twelve. Read from the script, so that there is one list.
python3 - "$url" twelve_names.lua <<'PY'
import json, re, sys, urllib.parse, urllib.request
url, script = sys.argv[1:]
names = re.findall(r'"([^"]+)"', re.search(r"NAMES = \{(.*?)\}", open(script).read(), re.S).group(1))
for name in names:
    answer = urllib.request.urlopen(f"{url}/api/v4/characters/{urllib.parse.quote(name)}/expectation", timeout=30)
    body = json.load(answer)
    if body["userIgn"] != name:
        sys.exit(f"perf/wrk/run.sh: asked for {name}, answered {body['userIgn']}")
print(f"warm: {len(names)} names")
PY

# The verdict line is what counts: wrk ends with 0 when a script fails half-way.
workload() {
  local script=$1 output
  shift
  echo "== $script: wrk $*"
  output=$(wrk "$@" --latency -s "$script" "$url" 2>&1) || true
  echo "$output"
  grep -qx 'verdict: every answer was 200' <<<"$output" || { echo "perf/wrk/run.sh: $script failed" >&2; exit 1; }
}

workload ./threads_pinned.lua -t4 -c100 "-d${SECONDS_EACH:-30}s"
workload ./twelve_names.lua -t4 -c200 "-d${SECONDS_EACH:-10}s"
