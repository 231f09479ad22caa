#!/usr/bin/env bash
# usage: test.sh PROGRAM
# What parallel prints, its exit status, and what it leaves behind.
set -euo pipefail
program=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

# expect NAME STATUS STDOUT STDERR -- ARG...: commands on standard input.
expect() {
  local name=$1 status=$2 out=$3 err=$4 got=0
  shift 5
  "$program" "$@" >"$scratch/out" 2>"$scratch/err" || got=$?
  if [ $got != "$status" ] || [ "$(cat "$scratch/out")" != "$out" ] ||
    [ "$(cat "$scratch/err")" != "$err" ]; then
    echo "FAILED: $name: status $got, not $status"
    diff <(echo "$out") "$scratch/out" || true
    diff <(echo "$err") "$scratch/err" || true
    failures=$((failures + 1))
  fi
}

expect "nothing to do" 0 "" "" -- </dev/null
expect "one at a time, in their order" 0 $'1\n2\n3' "" -- -j 1 \
  <<<$'sleep 0.05; echo 1\necho 2\nprintf "3\\n"'
expect "the last line may lack its newline" 0 "last" "" -- < <(printf 'echo last')
expect "errors go to stderr" 0 "out" "err" -- <<<'echo err >&2; echo out'
expect "failures are told and counted" 2 "fine" \
  $'parallel: job 1: exit code 3: exit 3\nparallel: job 3: signal 9 (KILL): kill -9 $$' -- -j 1 \
  <<<$'exit 3\necho fine\nkill -9 $$'
expect "live lines carry their job's number" 0 $'1: a\n1: b\n2: c' "1: problem" -- -j 1 --live \
  <<<$'echo a; echo problem >&2; printf b\necho c'

# Two that wait for each other can only end if they run at once.
mkfifo "$scratch/there" "$scratch/back"
expect "two at once" 0 $'met\nmet' "" -- -j 2 <<END
echo x >"$scratch/there"; read -r _ <"$scratch/back"; echo met
read -r _ <"$scratch/there"; echo x >"$scratch/back"; echo met
END

# Whole outputs are not mixed.
seq 1 300 | sed "s|.*|for i in 1 2 3 4 5; do echo &; done|" >"$scratch/many"
"$program" -j 20 <"$scratch/many" >"$scratch/out"
[ "$(uniq -c "$scratch/out" | awk '$1 != 5' | wc -l)" = 0 ] && [ "$(wc -l <"$scratch/out")" = 1500 ] ||
  { echo "FAILED: outputs are mixed"; failures=$((failures + 1)); }

expect "a time-out ends a job and what it started" 1 "before" \
  "parallel: job 1: signal 15 (TERM), limit reached: echo before; sleep 1000 & wait" -- \
  --timeout 2 <<<'echo before; sleep 1000 & wait'
expect "a job that ignores SIGTERM gets SIGKILL" 1 "" \
  "parallel: job 1: signal 9 (KILL), limit reached: trap '' TERM; sleep 1000; sleep 1000" -- \
  --timeout 2 --grace 0.1 <<<"trap '' TERM; sleep 1000; sleep 1000"
expect "so many failures" 101 "" "$(seq 1 150 | sed 's/.*/parallel: job &: exit code 1: false/')" -- \
  -j 1 < <(yes false | head -150)

# SIGINT: what runs is ended, the rest is not begun.
mkfifo "$scratch/started"
printf '%s\n' "trap 'echo put away; exit 1' TERM; echo >'$scratch/started'; while :; do sleep 0.02; done" \
  'echo never' >"$scratch/commands"
status=0
"$program" -j 1 --grace 60 <"$scratch/commands" >"$scratch/out" 2>"$scratch/err" &
pid=$!
read -r _ <"$scratch/started"
# A shell's background jobs ignore SIGINT at first; the program asks for it all the same.
kill -INT $pid
wait $pid || status=$?
if [ $status != 130 ] || [ "$(cat "$scratch/out")" != "put away" ] ||
  ! grep -q '^parallel: stopping$' "$scratch/err"; then
  echo "FAILED: SIGINT: status $status, $(cat "$scratch/out" "$scratch/err")"
  failures=$((failures + 1))
fi

status=0
"$program" --jobs 0 </dev/null >/dev/null 2>&1 || status=$?
[ $status = 255 ] || { echo "FAILED: a wrong option: status $status"; failures=$((failures + 1)); }
"$program" --help </dev/null | grep -q -- --timeout || { echo "FAILED: --help"; failures=$((failures + 1)); }

[ $failures = 0 ] && echo "all as expected"
exit $failures
