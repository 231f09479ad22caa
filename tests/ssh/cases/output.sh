# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- output ---

output_a_million_lines() {
  local last=$((1000000 / divisor))
  run_in --host 127.0.0.1 --script "seq 1 $last"
  expect_status 0
  expect_numbers 1 $last "$dir/out"
}

output_of_eight_at_once() {
  local last=$((20000 / divisor))
  run_in --host "$all_hosts" --script "seq 1 $last"
  expect_status 0
  expect_numbers 8 $last "$dir/out"
}

output_of_both_streams_in_one_pipe() {
  local last=$((20000 / divisor))
  status=0
  way_in
  HOME=$dir "$ssh_runner" "${way[@]}" --host "$all_hosts" \
    --script "seq -f 'out %.0f' 1 $last & seq -f 'err %.0f' 1 $last >&2; wait" 2>&1 |
    grep -v '^ssh-runner: ' > "$dir/both" || status=$?
  expect_status 0
  sed -n 's/: out /: /p' "$dir/both" > "$dir/out"
  sed -n 's/: err /: /p' "$dir/both" > "$dir/err"
  expect_numbers 8 $last "$dir/out"
  expect_numbers 8 $last "$dir/err"
}

# Lines are here while the command goes on, of both streams.
output_comes_while_the_command_runs() {
  rm -f "$dir/go_on"
  way_in
  HOME=$dir "$ssh_runner" "${way[@]}" --host 127.0.0.1 \
    --script "echo first; echo trouble >&2; until [ -e '$dir/go_on' ]; do sleep 0.05; done; echo last" \
    > "$dir/out" 2> "$dir/err" &
  local pid=$!
  await "$dir/out" '127.0.0.1: first' $pid && await "$dir/err" '127.0.0.1: trouble' $pid ||
    { : > "$dir/go_on"; fail "nothing comes"; }
  : > "$dir/go_on"
  status=0; wait $pid || status=$?
  expect_status 0; expect_out $'127.0.0.1: first\n127.0.0.1: last'
}

output_keeps_streams_apart() {
  run_in --host 127.0.0.1 --script 'echo one; echo two >&2; echo three; echo four >&2'
  expect_status 0; expect_out $'127.0.0.1: one\n127.0.0.1: three'
  [ "$(grep -v '^ssh-runner: ' "$dir/err")" = $'127.0.0.1: two\n127.0.0.1: four' ] || fail "stderr"
}

output_keeps_blank_lines_and_the_last_one() {
  run_in --host 127.0.0.1 --script 'printf "a\n\n\nb\n\nlast"; printf "e" >&2'
  expect_status 0
  printf '127.0.0.1: %s\n' a '' '' b '' last | cmp -s - "$dir/out" || fail "stdout differs"
  expect_err_has '127.0.0.1: e'
}

output_of_a_long_line() {
  run_in --host 127.0.0.1,127.0.0.2 --script 'head -c 300000 /dev/zero | tr "\0" x; echo'
  expect_status 0
  awk 'length($0) != 300011 { exit 1 } END { if (NR != 2) exit 1 }' "$dir/out" || fail "cut"
}

output_of_a_script_as_it_is() {
  cat > "$dir/script.sh" <<'END'
#!/bin/sh
# Loops, here-documents, quotes and commas stay as they are: a,b
for i in 1 2; do
  cat <<TEXT
"line" $i, it's 'so'
TEXT
done
greet() { echo "hello, $1"; }
greet you
read -r line || echo 'nothing to read'
cat
for process in /proc/[0-9]*/cmdline; do
  tr '\0' ' ' < "$process" 2> /dev/null
done | grep -c 'a[n]other secret'
# another secret
exit 4
END
  run_in --host 127.0.0.1 --script-file "$dir/script.sh"
  expect_status 1; expect_err_has 'exit status 4'
  expect_out "127.0.0.1: \"line\" 1, it's 'so'
127.0.0.1: \"line\" 2, it's 'so'
127.0.0.1: hello, you
127.0.0.1: nothing to read
127.0.0.1: 0"
}

output_of_a_script_from_stdin() {
  run_in --host 127.0.0.1 --script-file - <<< 'echo from stdin'
  expect_status 0; expect_out '127.0.0.1: from stdin'
}

output_of_a_large_script() {
  { echo 'sum=0'; yes 'sum=$((sum + 1))' | head -n $((200000 / divisor)); echo 'echo $sum'; } \
    > "$dir/large.sh"
  run_in --host 127.0.0.1,127.0.0.2 --script-file "$dir/large.sh"
  expect_status 0; expect_out_has "127.0.0.2: $((200000 / divisor))"
}

# 40 MB are to come from two hosts; nobody reads before all stand still. Then little of it is here, and
# the commands there wait.
output_waits_for_a_slow_reader() {
  [ "$divisor" -eq 1 ] || { skip "a sanitizer's memory is its own"; return 0; }
  rm -f "$dir/slow" "$dir"/writer.*
  mkfifo "$dir/slow"
  way_in
  HOME=$dir "$ssh_runner" "${way[@]}" --host '127.0.0.[1-2]' \
    --script "echo \$\$ > '$dir/writer.'\$SSH_RUNNER_HOST; exec seq -f %098.0f 200000" \
    > "$dir/slow" 2> "$dir/err" &
  local pid=$! file written
  exec 8< "$dir/slow"
  await_writers_at_rest 2 $pid
  cp "/proc/$pid/status" "$dir/memory"
  for file in "$dir"/writer.*; do
    written=$(sed -n 's/^wchar: //p' "/proc/$(cat "$file")/io")
    [ "${written:-0}" -gt 0 ] && [ "$written" -lt 12000000 ] || fail "$file: '$written' bytes written"
  done
  awk -F ': ' '$2 != sprintf("%098.0f", ++n[$1]) { exit 1 }
    END { for (h in n) if (n[h] == 200000) ++whole; exit whole != 2 }' <&8 > /dev/null || fail "lines are not right"
  exec 8<&-
  status=0; wait $pid || status=$?
  expect_status 0
  local peak
  peak=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "$dir/memory")
  [ "${peak:-0}" -gt 0 ] && [ "$peak" -lt 40000 ] || fail "'$peak' kB"
}
