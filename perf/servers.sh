# The servers under comparison: ours, nginx with the same bytes as files, and `bench raw` with the same bytes as one
# canned answer. Sourced by run.sh; every process started is noted in `running`.

# The bodies must not change during a run: a revalidated answer carries another time stamp. The calls to the
# simulator are not limited: a limit that protects a real API would pace the cold characters.
server_environment=(MAPLE_CACHE_FRESH=6h MAPLE_CACHE_STALE=7h MAPLE_UPSTREAM_CALLS_PER_SECOND=0
  MAPLE_STORE_KIND=none)

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Until an HTTP server answers anything at this URL; 10 s at most, then its log says why.
await() {
  local url=$1 log=$2 _
  for _ in $(seq 100); do
    curl -s -o /dev/null "$url" && return
    sleep 0.1
  done
  fail "nothing answers at $url: $(tail -5 "$log")"
}

# The upstream, a process of its own: its CPU time is not the server's.
start_sim() {
  local port
  port=$(free_port)
  "$server" nexon-sim --listen "127.0.0.1:$port" >"$tmp/sim.log" 2>&1 &
  running[$!]=1
  sim=http://127.0.0.1:$port
  await "$sim/" "$tmp/sim.log"
}

# Sets ours (base URL) and ours_pid.
start_ours() {
  local port
  port=$(free_port)
  env "${server_environment[@]}" "$server" --listen "127.0.0.1:$port" --upstream "$sim" --data "$tmp/data" \
    >"$tmp/server.log" 2>&1 &
  ours_pid=$!
  running[$ours_pid]=1
  ours=http://127.0.0.1:$port
  await "$ours/actuator/health" "$tmp/server.log"
}

# A process without a past: memory and allocator state of the stages before it are gone.
restart_ours() {
  kill "$ours_pid"
  wait "$ours_pid" 2>/dev/null || true
  unset "running[$ours_pid]"
  start_ours
}

check_build() {
  local info
  info=$(curl -sf "$ours/actuator/info") || fail "the server does not answer: $(cat "$tmp/server.log")"
  grep -q '"fastBuild":true' <<<"$info" || fail "built without its CPU flags"
  grep -q '"driver":"io_uring' <<<"$info" || fail "running on the fallback driver"
  grep -q "\"commit\":\"$commit\"" <<<"$info" || fail "the binary is of another commit"
}

# What ours answers becomes nginx's files (bodies) and the raw responder's answers (head and body). Asked twice: the
# first answer says MISS, the one measured says HIT.
capture_answers() {
  local target label path coding
  mkdir -p "$tmp/www/gzip" "$tmp/www/identity" "$tmp/answers"
  for target in "${targets[@]}"; do
    read -r label path coding <<<"$target"
    curl -sf -H "Accept-Encoding: $coding" "$ours$path" -o /dev/null
    curl -sf -H "Accept-Encoding: $coding" "$ours$path" -o "$tmp/www/$coding/$label"
    curl -sf -i -H "Accept-Encoding: $coding" "$ours$path" -o "$tmp/answers/$label"
  done
  chmod -R a+rX "$tmp"
}

# Sets nginx_url[on|off] and nginx_pid[on|off].
declare -A nginx_url nginx_pid
start_nginx() {
  local sendfile port
  for sendfile in on off; do
    port=$(free_port)
    mkdir -p "$tmp/nginx-$sendfile"
    sed -e "s|@PORT@|$port|; s|@SENDFILE@|$sendfile|; s|@WWW@|$tmp/www|; s|@TMP@|$tmp/nginx-$sendfile|" \
      perf/nginx/static.conf.in >"$tmp/nginx-$sendfile.conf"
    /usr/sbin/nginx -c "$tmp/nginx-$sendfile.conf" 2>>"$tmp/nginx-$sendfile/start.log" &
    nginx_pid[$sendfile]=$!
    running[$!]=1
    nginx_url[$sendfile]=http://127.0.0.1:$port
    await "${nginx_url[$sendfile]}/" "$tmp/nginx-$sendfile/start.log"
  done
}

# Sets raw_url[label] and raw_pid[label]. One responder per answer, since each knows only one; an idle one costs nothing.
declare -A raw_url raw_pid
start_raw() {
  local target label port
  for target in "${targets[@]}"; do
    read -r label _ _ <<<"$target"
    port=$(free_port)
    "$bench" raw --listen "127.0.0.1:$port" --threads "$(nproc)" --answer "$tmp/answers/$label" >"$tmp/raw-$label.log" 2>&1 &
    raw_pid[$label]=$!
    running[$!]=1
    raw_url[$label]=http://127.0.0.1:$port
    await "${raw_url[$label]}/" "$tmp/raw-$label.log"
  done
}

contenders=(ours nginx-sendfile-on nginx-sendfile-off raw)

# URL and pid of a contender for a target, on one line.
contender() {
  local server=$1 label=$2 path=$3 coding=$4
  case $server in
    ours) echo "$ours$path $ours_pid" ;;
    nginx-sendfile-*) echo "${nginx_url[${server##*-}]}/$coding/$label ${nginx_pid[${server##*-}]}" ;;
    raw) echo "${raw_url[$label]}/ ${raw_pid[$label]}" ;;
  esac
}
