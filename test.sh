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
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq "$@" >/dev/null
  else
    echo "test.sh: please install: $*" >&2
    exit 1
  fi
}

# mimalloc and ring compile a little C; the measuring scripts are Python without packages.
have cc || install gcc libc6-dev
have python3 || install python3
# promtool checks the metrics.
have promtool || install --no-install-recommends prometheus
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
