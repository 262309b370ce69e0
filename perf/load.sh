# One closed-loop measurement by wrk or `bench load`, with the CPU time of both sides. Sourced by run.sh.

# CPU ticks used so far by a process and its children that still run.
ticks() {
  local total=0 pid
  for pid in "$1" $(pgrep -P "$1" || true); do
    total=$((total + $(awk '{sub(/.*\) /, ""); print $12 + $13}' "/proc/$pid/stat")))
  done
  echo "$total"
}

# Microseconds of CPU per event for a difference of ticks.
us_each() { awk -v ticks="$1" -v events="$2" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.3f", ticks / hz / events * 1e6}'; }

rss_kib() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }

# Runs a command; its output goes to $tmp/load, its user and system seconds to $tmp/client.
timed() {
  local TIMEFORMAT='%U %S'
  { time "$@" >"$tmp/load" 2>&1; } 2>"$tmp/client"
}

# Closed loop at a URL. Sets requests and rate; keeps the tool's own output in raw/. Any error ends the run.
drive() {
  local url=$1 coding=$2 title=$3
  if [ "$loader" = wrk ]; then
    timed wrk -t2 -c"$connections" -d"${seconds}s" -H "Accept-Encoding: $coding" "$url" || fail "$title: $(cat "$tmp/load")"
    ! grep -qE 'Non-2xx|Socket errors' "$tmp/load" || fail "$title answered errors: $(cat "$tmp/load")"
    read -r requests rate < <(awk '/ requests in / {n = $1} /^Requests\/sec/ {print n, $2}' "$tmp/load")
  else
    timed "$bench" load "$url" --connections "$connections" --duration "${seconds}s" --warmup 0s --encoding "$coding" \
      --quiet --json "$tmp/load.json" || fail "$title: $(cat "$tmp/load")"
    read -r requests rate < <(python3 perf/recorded.py "$tmp/load.json")
  fi
  printf '== %s\n%s\n' "$title" "$(cat "$tmp/load")" >>"$out/raw/$loader.txt"
}

# Like drive; also sets server_us and client_us, user and system time per request.
measure() {
  local url=$1 coding=$2 pid=$3 title=$4 before
  before=$(ticks "$pid")
  drive "$url" "$coding" "$title"
  server_us=$(us_each $(($(ticks "$pid") - before)) "$requests")
  client_us=$(awk -v n="$requests" '{printf "%.3f", ($1 + $2) / n * 1e6}' "$tmp/client")
}
