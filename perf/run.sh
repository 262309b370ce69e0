#!/usr/bin/env bash
# Compares cached answers with nginx serving the same bytes as static files: rounds interleaved in one run, bodies
# and statuses checked, CPU of both sides printed. Writes perf/results/<date>-<commit>/.
#
#   perf/run.sh              7 rounds of 3 s each
#   ROUNDS=1 SECONDS_EACH=1 perf/run.sh    only to see that it works
#
# Needs two cores, wrk and nginx (Debian packages, installed when missing) and python3. Loopback only.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-100}

fail() { echo "perf/run.sh: $*" >&2; exit 1; }

[ -z "$(git status --porcelain -- ':!perf/results')" ] || fail "the tree is dirty: numbers must belong to a commit"
commit=$(git rev-parse --short=12 HEAD)
missing=()
command -v wrk >/dev/null || missing+=(wrk)
[ -x /usr/sbin/nginx ] || missing+=(nginx-light)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq && apt-get install -y -qq "${missing[@]}" >/dev/null
fi
cargo build --release --locked --quiet

out=perf/results/$(date -u +%F)-$commit
mkdir -p "$out"
tmp=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$tmp"
}
trap stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

sim_port=$(free_port)
./target/release/maple-expectation nexon-sim --listen "127.0.0.1:$sim_port" >"$tmp/sim.log" 2>&1 &
pids+=("$!")
ours_port=$(free_port)
./target/release/maple-expectation --listen "127.0.0.1:$ours_port" --upstream "http://127.0.0.1:$sim_port" \
  >"$tmp/server.log" 2>&1 &
ours_pid=$!
pids+=("$ours_pid")
ours=http://127.0.0.1:$ours_port
for _ in $(seq 100); do curl -sf "$ours/actuator/health" >/dev/null && break; sleep 0.1; done
info=$(curl -sf "$ours/actuator/info") || fail "the server does not answer: $(cat "$tmp/server.log")"
grep -q '"fastBuild":true' <<<"$info" || fail "built without its CPU flags"
grep -q '"driver":"io_uring' <<<"$info" || fail "running on the fallback driver"
grep -q "\"commit\":\"$commit\"" <<<"$info" || fail "the binary is of another commit"

# The targets: name, path, coding. Their bytes become nginx's files.
name=%EA%B0%95%EC%9D%80%ED%98%B8
v4=/api/v4/characters/$name/expectation
targets=("v4-gzip $v4 gzip" "preset2-gzip $v4/preset/2 gzip" "v4-identity $v4 identity"
  "equipment-identity /api/v3/characters/$name/equipment identity")
mkdir -p "$tmp/www/gzip" "$tmp/www/identity"
for target in "${targets[@]}"; do
  read -r label path coding <<<"$target"
  curl -sf -H "Accept-Encoding: $coding" "$ours$path" -o "$tmp/www/$coding/$label"
done

declare -A nginx_port nginx_pid
for sendfile in on off; do
  nginx_port[$sendfile]=$(free_port)
  mkdir -p "$tmp/nginx-$sendfile"
  sed -e "s|@PORT@|${nginx_port[$sendfile]}|; s|@SENDFILE@|$sendfile|; s|@WWW@|$tmp/www|; s|@TMP@|$tmp/nginx-$sendfile|" \
    perf/nginx/static.conf.in >"$tmp/nginx-$sendfile.conf"
  /usr/sbin/nginx -c "$tmp/nginx-$sendfile.conf" 2>>"$tmp/nginx-$sendfile/start.log" &
  nginx_pid[$sendfile]=$!
  pids+=("$!")
done
chmod -R a+rX "$tmp"
sleep 1

# CPU ticks used so far by a process and its children that still run.
ticks() {
  local total=0 pid
  for pid in "$1" $(pgrep -P "$1" || true); do
    total=$((total + $(awk '{sub(/.*\) /, ""); print $12 + $13}' "/proc/$pid/stat")))
  done
  echo "$total"
}

# One round of one server: a line of label, server, requests/s, server us per request, client us per request.
measure() {
  local label=$1 server=$2 url=$3 coding=$4 pid=$5 before after client raw
  cmp -s <(curl -sf -H "Accept-Encoding: $coding" "$url") "$tmp/www/$coding/$label" || fail "$server: other bytes at $url"
  before=$(ticks "$pid")
  TIMEFORMAT='%U %S'
  client=$({ time wrk -t2 -c"$connections" -d"${seconds}s" -H "Accept-Encoding: $coding" "$url" >"$tmp/wrk" 2>&1; } 2>&1)
  after=$(ticks "$pid")
  raw=$(cat "$tmp/wrk")
  printf '== %s %s\n%s\n' "$label" "$server" "$raw" >>"$out/wrk.txt"
  grep -qE 'Non-2xx|Socket errors' "$tmp/wrk" && fail "$server answered errors at $url: $raw"
  awk -v label="$label" -v server="$server" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v client="$client" '
    / requests in / { requests = $1 }
    /Requests\/sec/ { rate = $2 }
    END { split(client, c, " ")
          printf "%s %s %.0f %.3f %.3f\n", label, server, rate, ticks / hz / requests * 1e6, (c[1] + c[2]) / requests * 1e6 }
  ' "$tmp/wrk" >>"$out/rounds.txt"
}

: >"$out/rounds.txt"
: >"$out/wrk.txt"
for round in $(seq "$rounds"); do
  for target in "${targets[@]}"; do
    read -r label path coding <<<"$target"
    echo "round $round of $rounds: $label" >&2
    measure "$label" ours "$ours$path" "$coding" "$ours_pid"
    for sendfile in on off; do
      measure "$label" "nginx-sendfile-$sendfile" "http://127.0.0.1:${nginx_port[$sendfile]}/$coding/$label" "$coding" \
        "${nginx_pid[$sendfile]}"
    done
  done
done

# Memory with 5,000 cached characters: every answer made once, then the resident size.
python3 - "$tmp" <<'PY'
import sys
with open(sys.argv[1] + "/urls", "w") as f:
    for n in range(5000):
        f.write(f'url = "{{base}}/api/v4/characters/c{n}/expectation"\noutput = "/dev/null"\n')
PY
sed -i "s|{base}|$ours|" "$tmp/urls"
curl -sf --parallel --parallel-max 8 -H 'Accept-Encoding: gzip' --config "$tmp/urls" 2>/dev/null || fail "not every character was answered"
rss=$(awk '/VmRSS/ {print $2}' "/proc/$ours_pid/status")

{
  echo "commit $commit, $(date -u +%FT%TZ), $(nproc) cores, Linux $(uname -r)"
  echo "$(nginx -v 2>&1), $(wrk -v 2>&1 | head -1 | cut -d' ' -f1-2)"
  echo "command: ROUNDS=$rounds SECONDS_EACH=$seconds CONNECTIONS=$connections perf/run.sh"
  for target in "${targets[@]}"; do
    read -r label path coding <<<"$target"
    echo "bytes $label $(stat -c %s "$tmp/www/$coding/$label")"
  done
  echo "rss_kib_with_5000_characters $rss"
} >"$out/setup.txt"
python3 perf/summarise.py "$out"
