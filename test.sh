#!/usr/bin/env bash
# Runs everything that must be green: format, lints, tests of every crate. Installs what a fresh machine lacks.
# Needs nothing but a Rust toolchain, a C compiler and Python; starts and stops whatever the tests talk to, on loopback.
set -euo pipefail
cd "$(dirname "$0")"

have() { command -v "$1" >/dev/null 2>&1; }

install() {
  if have apt-get; then
    local as_root=""
    [ "$(id -u)" -eq 0 ] || as_root="sudo"
    $as_root apt-get update -qq
    # Packages start what they bring; the tests start their own, on other ports. An existing policy stays.
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
      policy=""
    else
      printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
      $as_root chmod 755 "$policy"
    fi
    local installed=0
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null || installed=$?
    [ -z "$policy" ] || $as_root rm -f "$policy"
    return "$installed"
  else
    echo "test.sh: please install: $*" >&2
    exit 1
  fi
}

# mimalloc and ring compile a little C; the measuring scripts are Python without packages.
have cc || install gcc libc6-dev
have python3 || install python3
# promtool checks metrics, rules and alerts; docker-compose its file. The tests start servers of their own.
have promtool || install --no-install-recommends prometheus
have docker-compose || install --no-install-recommends docker-compose
have mariadbd || [ -x /usr/sbin/mariadbd ] || install --no-install-recommends mariadb-server
have redis-server || install --no-install-recommends redis-server
have nginx || [ -x /usr/sbin/nginx ] || install --no-install-recommends nginx-light
have cargo || { echo "test.sh: no cargo; install Rust from https://rustup.rs" >&2; exit 1; }
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

jobs=${JOBS:-2}
echo "== lints"
cargo clippy --workspace --all-targets --locked --jobs "$jobs" -- -D warnings
echo "== tests of the measuring scripts"
python3 -m unittest discover -s perf
echo "== tests"
cargo test --workspace --locked --jobs "$jobs" "$@"
