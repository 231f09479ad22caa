#!/usr/bin/env bash
# What one operation of each workload costs in instructions, counted by callgrind with one worker:
# a figure that a noisy machine does not change.
#
#   bench/instructions.sh [--record] [WORKLOAD...]
#
# Compares with bench/instructions.base, and fails if one has grown by more than 3 %. --record writes
# the figures there. $WEFT_BENCH_BUILD moves the build directory. Needs valgrind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base=bench/instructions.base
build=${WEFT_BENCH_BUILD:-build/bench}
tolerance=3  # per cent
record=
[ "${1:-}" != --record ] || { record=yes; shift; }
workloads=("$@")
[ $# != 0 ] || workloads=(spawn spawn_join yield ping_pong unbuffered buffered_128 select_2
                          select_default_1 select_default_2 mutex timer)
command -v valgrind >/dev/null || { echo "instructions.sh: no valgrind" >&2; exit 2; }

mkdir -p "$build"
{
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DWEFT_BENCH=ON -DWEFT_TESTS=OFF \
    -DWEFT_EXAMPLES=OFF -DWEFT_SSH_RUNNER=OFF
  cmake --build "$build" --target weft-peer --parallel "$(nproc)"
} >"$build/build.log" 2>&1 || { cat "$build/build.log" >&2; exit 1; }

counted() {  # WORKLOAD OPS: instructions of the whole process
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --fair-sched=yes \
    "$build/bench/weft-peer" "$1" 1 "$2" 2>&1 >/dev/null | sed -n 's/.*Collected : //p'
}

few=20000 many=60000 failed=0
printf '%-18s %10s %10s %8s\n' workload recorded now change
for name in "${workloads[@]}"; do
  # Each process performs its operations twice; what it does besides is the same in both.
  a=$(counted "$name" $few) b=$(counted "$name" $many)
  now=$(awk "BEGIN { printf \"%.1f\", ($b - $a) / (2 * ($many - $few)) }")
  was=$(awk -v n="$name" '$1 == n { print $2 }' "$base" 2>/dev/null || true)
  if [ -n "$record" ]; then
    { grep -v "^$name " "$base" 2>/dev/null || true; echo "$name $now"; } | sort >"$build/base"
    cp "$build/base" "$base"
  elif [ -z "$was" ] || awk "BEGIN { exit !($now > $was * (1 + $tolerance / 100)) }"; then
    failed=$((failed + 1))
  fi
  printf '%-18s %10s %10s %8s\n' "$name" "${was:--}" "$now" \
    "$([ -z "$was" ] || awk "BEGIN { printf \"%+.1f %%\", 100 * ($now / $was - 1) }")"
done
[ "$failed" = 0 ] || { echo "instructions.sh: $failed of ${#workloads[@]} have grown by more than $tolerance %, or have no record" >&2; exit 1; }
