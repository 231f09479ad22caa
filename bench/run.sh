#!/bin/sh
# Runs the same workloads in weft and in its peers, in turns, and prints a Markdown table.
# The table's figures go to build/bench/results.json too.
#
#   bench/run.sh [--rounds N] [--only WORKLOAD[,WORKLOAD...]] [--quick]
#
# Each figure comes from a process of its own. The peers take turns within a round, so that what
# else happens on the machine meets all of them alike. $WEFT_BENCH_BUILD moves the build directory.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
build=${WEFT_BENCH_BUILD:-$root/build/bench}
rounds=5
only=
quick=1  # divides the number of operations
limit=60  # seconds for one process: a peer that hangs costs one figure, not the run

# name and number of operations; the same for every peer
workloads='
spawn             1000000
spawn_join        1000000
yield             4000000
ping_pong         1000000
unbuffered        2000000
buffered_128      5000000
select_2          1000000
select_default_1 20000000
select_default_2 10000000
parked             100000
'
workers='1 2'

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

say() { printf '%s\n' "$*" >&2; }

while [ $# -gt 0 ]; do
  case $1 in
    --rounds) [ $# -gt 1 ] || usage; rounds=$2; shift ;;
    --only) [ $# -gt 1 ] || usage; only=$2; shift ;;
    --quick) quick=20; rounds=1 ;;
    *) usage ;;
  esac
  shift
done
for name in $(echo "$only" | tr ',' ' '); do
  echo "$workloads" | grep -q "^$name " || { say "run.sh: no workload $name"; exit 2; }
done
case $rounds in '' | *[!0-9]* | 0) say "run.sh: --rounds wants a positive number"; exit 2 ;; esac

# Build what this machine can build.
peers=weft
build_weft() {
  cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DWEFT_BENCH=ON \
    -DWEFT_TESTS=OFF -DWEFT_EXAMPLES=OFF -DWEFT_SSH_RUNNER=OFF &&
    cmake --build "$build" --target weft-peer weft-bench-report --parallel "$(nproc)"
}
commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
mkdir -p "$build"
say "building weft"
build_weft >"$build/build.log" 2>&1 || { cat "$build/build.log" >&2; exit 1; }
bin=$build/bench

if command -v go >/dev/null 2>&1; then
  go_version=$(go version)
  say "building the Go peer ($go_version)"
  if (cd "$root/bench/peers/go" && GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
      go build -o "$bin/go-peer" .) >&2; then
    peers="$peers go"
  else
    say "skipped: Go, since its peer did not build"
  fi
else
  say "skipped: Go, since there is no go command on this machine"
fi

: >"$build/lines.jsonl"
round=1
while [ "$round" -le "$rounds" ]; do
  say "round $round of $rounds"
  echo "$workloads" | while read -r name ops; do
    [ -n "$name" ] || continue
    case ",$only," in ,, | *",$name,"*) ;; *) continue ;; esac
    for k in $workers; do
      for peer in $peers; do
        status=0
        timeout "$limit" "$bin/$peer-peer" "$name" "$k" $((ops / quick)) \
          >>"$build/lines.jsonl" || status=$?
        case $status in
          0 | 3) ;;  # 3: the peer does not have this workload
          124) say "  $peer: $name with $k workers: not done in $limit s" ;;
          *) say "  $peer: $name with $k workers: exit status $status" ;;
        esac
      done
    done
  done
  round=$((round + 1))
done

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[^=]*=//p' "$build/CMakeCache.txt")
printf '%s\n' "$(date -u +%F), commit $commit, $(nproc) CPUs (${cpu:-unknown}), $(uname -sr),"
printf '%s\n\n' "$("$compiler" --version | head -n 1)${go_version:+, $go_version}, rounds: $rounds"
"$bin/weft-bench-report" "$build/results.json" <"$build/lines.jsonl"
say "also in $build/results.json"
