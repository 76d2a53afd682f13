#!/usr/bin/env bash
# Everything a commit must pass: format, lints, tests, docs. `infra/check.sh quick` leaves out tests and docs.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/lakehouse/target}"

step() { printf '\n== %s\n' "$*" >&2; }

if cargo fmt --version >/dev/null 2>&1; then
  step "format"
  cargo fmt --all --check
else
  step "FORMAT NOT CHECKED: rustfmt is not installed (rustup component add rustfmt)"
fi

if cargo clippy --version >/dev/null 2>&1; then
  step "clippy"
  cargo clippy --workspace --all-targets --locked -- -D warnings
else
  step "LINTS NOT CHECKED: clippy is not installed (rustup component add clippy)"
fi

if cargo deny --version >/dev/null 2>&1; then
  step "dependencies"
  cargo deny --offline check --hide-inclusion-graph bans licenses sources
else
  step "dependency rules not checked: cargo-deny is not installed"
fi

[ "${1:-}" = quick ] && exit 0

step "tests"
cargo test --workspace --locked

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
