#!/usr/bin/env bash
# Measures the shared tier of this commit on this machine: writing behind answers into MariaDB, and answers from Redis.
# Writes perf/results/<date>-<commit>/tiers.txt and tiers/*.json; perf/README.md says what the lines mean.
#
#   perf/tiers.sh                            5,000 characters, 5 rounds of 5 s at 10,000 requests/s
#   CHARACTERS=200 ROUNDS=1 perf/tiers.sh    only to see that it works
#
# Needs two cores, MariaDB and Redis (Debian packages, see test.sh), curl and python3. Loopback only.
set -euo pipefail
cd "$(dirname "$0")/.."

characters=${CHARACTERS:-5000}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-5}
rate=${RATE:-10000}

fail() { echo "perf/tiers.sh: $*" >&2; exit 1; }

[ -z "$(git status --porcelain -- ':!perf/results')" ] || fail "the tree is dirty: numbers must belong to a commit"
commit=$(git rev-parse --short=12 HEAD)
cargo build --release --locked --quiet
release=${CARGO_TARGET_DIR:-target}/release
server=$release/maple-expectation
bench=$release/bench
unset NEXON_API_KEY DATABASE_URL REDIS_URL REDIS_CACHE_URL "${!MAPLE_@}"

out=perf/results/$(date -u +%F)-$commit
rm -rf "$out/tiers" "$out/tiers.txt"
mkdir -p "$out/tiers"
tmp=$(mktemp -d)
declare -A running
stop_all() {
  local pid
  for pid in "${!running[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$tmp"
}
trap stop_all EXIT

source perf/load.sh
fact() { echo "$*" | tee -a "$out/tiers.txt"; }

"$release/chaos" stack up --shared --servers 0 --binary "$server" --state "$tmp/state" >"$tmp/stack" 2>&1 &
running[$!]=1
for _ in $(seq 200); do
  if grep -q '^ready' "$tmp/stack"; then break; fi
  sleep 0.1
done
grep -q '^ready' "$tmp/stack" || fail "no stack: $(cat "$tmp/stack")"
of() { awk -v role="$1" -v field="$2" '$1 == role {print $field; exit}' "$tmp/stack"; }
# What is under test is the shards and the stores, not the limit that protects a real API, and bodies must not change.
environment=(DATABASE_URL="$(of mariadb 4)" REDIS_URL="$(of redis 4)" MAPLE_UPSTREAM_CALLS_PER_SECOND=0
  MAPLE_CACHE_FRESH=6h MAPLE_CACHE_STALE=7h)

# Starts a server with further settings; sets ours (base URL) and ours_pid.
start() {
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  env "${environment[@]}" "$@" "$server" --listen "127.0.0.1:$port" --upstream "$(of upstream 4)" \
    --data "$tmp/data-$port" >"$tmp/server-$port.log" 2>&1 &
  ours_pid=$!
  running[$ours_pid]=1
  ours=http://127.0.0.1:$port
  for _ in $(seq 100); do
    if curl -s -o /dev/null "$ours/actuator/health"; then return; fi
    sleep 0.1
  done
  fail "the server does not start: $(tail -5 "$tmp/server-$port.log")"
}

stop() {
  kill "$ours_pid"
  wait "$ours_pid" || fail "the server did not end in order"
  unset "running[$ours_pid]"
}

# The sum of a family's series, or of those with a label.
metric() {
  curl -sf "$ours/actuator/prometheus" | awk -v family="$1" -v label="${2:-}" \
    'index($0, family) == 1 && (label == "" || index($0, label)) {sum += $2} END {print sum + 0}'
}

# Each character once, 16 at a time.
ask_all() {
  local answered
  seq "$characters" | sed "s|.*|url = \"$ours/api/v4/characters/c&/expectation$1\"\noutput = \"/dev/null\"|" >"$tmp/urls"
  answered=$(curl --no-progress-meter --parallel --parallel-max 16 --config "$tmp/urls" \
    -H 'Accept-Encoding: gzip' -w '%{http_code}\n' | grep -c '^200$') || true
  [ "$answered" -eq "$characters" ] || fail "$answered of $characters answered 200"
}

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN {printf "%.2f", to - from}'; }

{
  echo "commit $commit, $(date -u +%FT%TZ), $(nproc) cores, Linux $(uname -r)"
  echo "$(mariadbd --version | awk '{print "MariaDB", $3}'), $(redis-server --version | awk '{print $3}')"
  echo "command: CHARACTERS=$characters ROUNDS=$rounds SECONDS_EACH=$seconds RATE=$rate perf/tiers.sh"
} >"$out/tiers.txt"

echo "a burst of $characters new characters" >&2
start
began=$(now)
ask_all ""
fact burst_s "$(since "$began")"
answered_at=$(now)
# A name, its gear and three summaries each.
rows=$((characters * 5))
while [ "$(metric maple_store_written_total)" -lt "$rows" ]; do
  [ "$(since "$answered_at" | cut -d. -f1)" -lt 60 ] || fail "only $(metric maple_store_written_total) of $rows rows after 60 s"
  sleep 0.05
done
fact all_rows_written_after_last_answer_s "$(since "$answered_at")"
fact rows_per_s "$(awk -v rows="$rows" -v s="$(since "$began")" 'BEGIN {printf "%.0f", rows / s}')"
fact given_up "$(metric maple_store_given_up_total)"
echo "their second preset" >&2
ask_all "/preset/2"
stop

# Caches of a hundredth of what is asked for, so that nearly every answer comes from Redis.
echo "answers from Redis at $rate/s" >&2
start MAPLE_CACHE_L1_BYTES_MAX=1MiB
ask_all "/preset/2"
seq "$characters" | sed "s|.*|$ours/api/v4/characters/c&/expectation/preset/2|" >"$tmp/targets"
redis_pid=$(of redis 3)
for round in $(seq "$rounds"); do
  shared=$(metric maple_cache_hits_total 'layer="L2"')
  requests=$(metric maple_http_requests_total)
  redis=$(ticks "$redis_pid") used=$(ticks "$ours_pid")
  "$bench" load --urls "$tmp/targets" --rate "$rate" --connections 100 --duration "${seconds}s" --warmup 0s \
    --check length --quiet --json "$out/tiers/redis.$round.json" >"$tmp/load" 2>&1 || fail "$(tail -20 "$tmp/load")"
  used=$(($(ticks "$ours_pid") - used)) redis=$(($(ticks "$redis_pid") - redis))
  requests=$(($(metric maple_http_requests_total) - requests))
  hits=$(($(metric maple_cache_hits_total 'layer="L2"') - shared))
  fact "round $round: requests $requests, from Redis $hits, server us each $(us_each "$used" "$requests")," \
    "Redis us each $(us_each "$redis" "$requests"), $(grep -E 'latency|p99' "$tmp/load" | tr -s ' ' | tr '\n' ' ')"
done
fact redis_timed_out "$(metric maple_redis_commands_total 'result="timed_out"')"
for result in timed_out broken elsewhere; do
  fact "shards_redis_$result" "$(metric maple_shard_redis_reads_total "result=\"$result\"")"
done
stop
