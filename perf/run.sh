#!/usr/bin/env bash
# Measures this commit on this machine and holds it against its budgets; perf/README.md says what each stage does.
# Writes perf/results/<date>-<commit>/. Only ratios within one run mean anything.
#
#   perf/run.sh                            7 rounds of 3 s each, about a quarter of an hour
#   ROUNDS=1 SECONDS_EACH=1 perf/run.sh    only to see that it works
#   LOADER=bench perf/run.sh               the closed loop by `bench load` instead of wrk
#
# Needs two cores, wrk and nginx (Debian packages, installed when missing), curl and python3. Loopback only.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-100}
loader=${LOADER:-wrk}
open_rounds=$((rounds < 5 ? rounds : 5))
characters=${CHARACTERS:-5000}
idle_connections=${IDLE:-10000}

fail() { echo "perf/run.sh: $*" >&2; exit 1; }

[[ $loader == wrk || $loader == bench ]] || fail "LOADER is wrk or bench"
[ -z "$(git status --porcelain -- ':!perf/results')" ] || fail "the tree is dirty: numbers must belong to a commit"
commit=$(git rev-parse --short=12 HEAD)
missing=()
command -v wrk >/dev/null || missing+=(wrk)
[ -x /usr/sbin/nginx ] || missing+=(nginx-light)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null
fi
cargo build --release --locked --quiet
server=${CARGO_TARGET_DIR:-target}/release/maple-expectation
bench=${CARGO_TARGET_DIR:-target}/release/bench

# Nothing of the caller's reaches the servers: a key would mean the real API.
unset NEXON_API_KEY DATABASE_URL REDIS_URL REDIS_CACHE_URL "${!MAPLE_@}"

# The idle connections need a file each, on both sides.
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge $((idle_connections + 1000)) ] ||
  fail "the fd limit $(ulimit -n) is too low for $idle_connections connections"

out=perf/results/$(date -u +%F)-$commit
rm -rf "$out"/{open-loop,raw} "$out"/{facts,idle,rounds}.txt
mkdir -p "$out/open-loop" "$out/raw"
tmp=$(mktemp -d)
# Processes of ours that run, by pid.
declare -A running
stop_all() {
  local pid
  for pid in "${!running[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$tmp"
}
trap stop_all EXIT

# The answers measured: name, path, coding. The gzip ones are what clients ask for.
name=%EA%B0%95%EC%9D%80%ED%98%B8
v4=/api/v4/characters/$name/expectation
targets=("v4-gzip $v4 gzip" "preset2-gzip $v4/preset/2 gzip" "v4-identity $v4 identity"
  "equipment-identity /api/v3/characters/$name/equipment identity")

source perf/servers.sh
source perf/load.sh
source perf/stages.sh

echo "start to first answer" >&2
measure_start
start_sim
start_ours
check_build
capture_answers
start_nginx
start_raw
closed_loop
open_loop
restart_ours
cold_characters
restart_ours
idle_beside_load

{
  echo "commit $commit, $(date -u +%FT%TZ), $(nproc) cores, Linux $(uname -r)"
  echo "$(nginx -v 2>&1), $(wrk -v 2>&1 | head -1 | cut -d' ' -f1-2)"
  echo "command: ROUNDS=$rounds SECONDS_EACH=$seconds CONNECTIONS=$connections LOADER=$loader" \
    "CHARACTERS=$characters IDLE=$idle_connections perf/run.sh"
  echo "server environment: ${server_environment[*]}"
  for target in "${targets[@]}"; do
    read -r label _ coding <<<"$target"
    echo "bytes $label $(stat -c %s "$tmp/www/$coding/$label")"
  done
} >"$out/setup.txt"
python3 perf/plot.py "$out"
python3 perf/summarise.py "$out"
