# The stages of a run, in order. Sourced by run.sh. Each writes plain lines (or the generator's JSON) into $out, which
# recorded.py reads: facts.txt has a name and its values per line.

fact() { echo "$*" >>"$out/facts.txt"; }

# Five starts with the built-in simulator, each until the first valued answer.
measure_start() {
  local n times=()
  for n in $(seq 5); do
    times+=("$(python3 perf/first_answer.py "$server" "$v4" "$tmp/start-$n")") || fail "no first answer"
  done
  fact first_answer_ms "${times[@]}"
}

# rounds.txt: answer, server, requests/s, server us and client us per request. All contenders in every round.
closed_loop() {
  local round target label path coding server url pid
  for round in $(seq "$rounds"); do
    for target in "${targets[@]}"; do
      read -r label path coding <<<"$target"
      echo "closed loop, round $round of $rounds: $label" >&2
      for server in "${contenders[@]}"; do
        read -r url pid < <(contender "$server" "$label" "$path" "$coding")
        cmp -s <(curl -sf -H "Accept-Encoding: $coding" "$url") "$tmp/www/$coding/$label" ||
          fail "$server: other bytes at $url"
        measure "$url" "$coding" "$pid" "round $round, $label, $server"
        echo "$label $server $rate $server_us $client_us" >>"$out/rounds.txt"
      done
    done
  done
}

# Median requests/s of our server for an answer in rounds.txt.
median_rate() {
  awk -v label="$1" '$1 == label && $2 == "ours" {print $3}' "$out/rounds.txt" | sort -n |
    awk '{rate[NR] = $1} END {print rate[int((NR + 1) / 2)]}'
}

# open-loop/<answer>.<server>.<round>.json: half of our measured maximum, the same rate for every contender.
open_loop() {
  local round target label path coding server url pid half
  for round in $(seq "$open_rounds"); do
    for target in "${targets[@]}"; do
      read -r label path coding <<<"$target"
      [ "$coding" = gzip ] || continue
      half=$(awk -v rate="$(median_rate "$label")" 'BEGIN {printf "%d", rate / 2}')
      echo "open loop at $half/s, round $round of $open_rounds: $label" >&2
      for server in "${contenders[@]}"; do
        read -r url pid < <(contender "$server" "$label" "$path" "$coding")
        "$bench" load "$url" --rate "$half" --connections "$connections" --duration "${seconds}s" --warmup 1s \
          --encoding "$coding" --server-pid "$pid" --quiet --json "$out/open-loop/$label.$server.$round.json" \
          >>"$out/raw/open-loop.txt" 2>&1 || fail "open loop at $url: $(tail -20 "$out/raw/open-loop.txt")"
      done
    done
  done
}

# Distinct names, each asked once, by a server that has seen none: CPU per character, then what the process occupies.
cold_characters() {
  local before answered
  echo "$characters cold characters" >&2
  seq "$characters" |
    sed "s|.*|url = \"$ours/api/v4/characters/c&/expectation\"\noutput = \"/dev/null\"|" >"$tmp/urls"
  before=$(ticks "$ours_pid")
  answered=$(curl --no-progress-meter --parallel --parallel-max 8 --config "$tmp/urls" \
    -H 'Accept-Encoding: gzip' -w '%{http_code}\n' | grep -c '^200$') || true
  [ "$answered" -eq "$characters" ] || fail "$answered of $characters characters answered 200"
  fact cold_characters "$characters"
  fact cold_cpu_us_each "$(us_each $(($(ticks "$ours_pid") - before)) "$characters")"
  fact rss_kib_cached "$(rss_kib "$ours_pid")"
}

# idle.txt: requests/s of other clients without and with idle connections held open, one pair per line. The bytes per
# connection are those of the first pair: later ones find the memory of the first.
idle_beside_load() {
  local round label path coding url idle_pid before without
  read -r label path coding <<<"${targets[1]}"
  url=$ours$path
  curl -sf -o /dev/null "$url"
  for round in $(seq "$rounds"); do
    echo "$idle_connections idle connections, round $round of $rounds" >&2
    drive "$url" "$coding" "idle round $round, without"
    without=$rate
    before=$(rss_kib "$ours_pid")
    "$bench" idle "$url" --connections "$idle_connections" --hold "$((seconds + 2))s" --server-pid "$ours_pid" \
      >"$tmp/idle" 2>&1 &
    idle_pid=$!
    running[$idle_pid]=1
    await_open
    [ "$round" -gt 1 ] || fact idle_bytes_each "$((($(rss_kib "$ours_pid") - before) * 1024 / idle_connections))"
    drive "$url" "$coding" "idle round $round, with"
    wait "$idle_pid" || fail "idle connections: $(cat "$tmp/idle")"
    unset "running[$idle_pid]"
    printf '== idle round %s\n%s\n' "$round" "$(cat "$tmp/idle")" >>"$out/raw/idle.txt"
    echo "$without $rate" >>"$out/idle.txt"
  done
  fact idle_connections "$idle_connections"
}

# Until `bench idle` says that all its connections are open; 60 s at most.
await_open() {
  local _
  for _ in $(seq 600); do
    grep -q "^open $idle_connections" "$tmp/idle" && return
    kill -0 "$idle_pid" 2>/dev/null || break
    sleep 0.1
  done
  fail "the idle connections did not open: $(cat "$tmp/idle")"
}
