# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- time and stopping ---
# Who expects TERM to do gives it a minute: a busy machine may take longer over it than there is by default.

time_out_ends_the_process_group() {
  run_in --host 127.0.0.1 --command-timeout 5s --kill-after 60s --script "$(waits_with_child)"
  expect_status 4
  expect_err_has '127.0.0.1: time-out: the command took more than 5 s; ended by TERM'
  expect_gone
}

time_out_of_a_command_that_ignores_term() {
  run_in --host 127.0.0.1 --command-timeout 5s --kill-after 500ms \
    --script "$(waits_with_child "trap '' TERM;")"
  expect_status 4; expect_err_has 'ended by KILL'
  expect_gone
}

# It wants half a minute to end, and gets less: KILL comes before.
time_between_term_and_kill() {
  rm -f "$dir/in_time"
  run_in --host 127.0.0.1 --command-timeout 3s --kill-after 100ms --script "
    trap 'sleep 30; : > $dir/in_time; exit 9' TERM
    sleep 1000 & wait; sleep 1000"
  expect_status 4; expect_err_has 'ended by KILL'; [ ! -e "$dir/in_time" ] || fail "it had its time"
  run_in --host 127.0.0.1 --command-timeout 3s --kill-after 60s --script "
    trap 'sleep 3; : > $dir/in_time; exit 9' TERM
    sleep 1000 & wait; sleep 1000"
  expect_status 4; expect_err_has 'ended by TERM'; [ -e "$dir/in_time" ] || fail "it had no time"
}

time_out_of_all() {
  run_in --host '127.0.0.[1-3]' --fanout 2 --timeout 8s --kill-after 60s \
    --script 'test "$SSH_RUNNER_HOST" = 127.0.0.1 || sleep 1000'
  expect_status 4; expect_err_has '1 ok'
  expect_err_has 'time-out: the run took more than 8 s; ended by TERM'
  expect_err_has '--timeout says'; expect_err_lacks '--command-timeout says'
  run_in --host "127.0.0.1:$silent_port" --timeout 1s --script true
  expect_status 4; expect_err_has ': the run took more than 1 s'
}

# Nobody waits any more for a jump host that says nothing: neither does the end of the run.
time_out_of_all_behind_a_silent_jump_host() {
  way_in
  status=0
  HOME=$dir timeout 100 "$ssh_runner" "${way[@]}" --host '127.0.0.[1-2]' --jump "127.0.0.1:$silent_port" \
    --timeout 1s --connect-timeout 30m --script true > "$dir/out" 2> "$dir/err" || status=$?
  expect_status 4; expect_err_has ': the run took more than 1 s'
}

# Runs it in the background, with signals once two hosts have begun: each when the one before has had
# its effect. What the script does about signals it does before it says that it has begun.
stop_with() {  # SIGNALS TRAP SCRIPT [OPTION...]
  local signals=$1 first=$2 script=$3 pid signal effect=
  shift 3
  way_in
  rm -f "$dir"/begun.*
  # A background job of a script would ignore SIGINT.
  HOME=$dir env --default-signal=INT "$ssh_runner" "${way[@]}" "$@" \
    --script "$first echo \$\$ > '$dir/begun.'\$SSH_RUNNER_HOST; $script" > "$dir/out" 2> "$dir/err" &
  pid=$!
  local tries=0
  until [ "$(find "$dir" -name 'begun.*' -size +0 | wc -l)" -eq 2 ]; do
    sleep 0.05; tries=$((tries + 1)); [ $tries -lt 600 ] || fail "the hosts do not begin"
  done
  for signal in $signals; do
    [ -z "$effect" ] || await "$dir/err" "$effect" $pid || fail "SIG$signal comes too late"
    kill "-$signal" $pid
    [ "$signal" = USR1 ] && effect='0 of 2 done' || effect="SIG$signal: ending the commands"
  done
  status=0
  wait $pid || status=$?
  local file
  for file in "$dir"/begun.*; do mv "$file" "$dir/left_behind.${file##*.}"; done
}

time_ends_with_an_interrupt() {
  stop_with INT '' 'sleep 1000' --host '127.0.0.[1-3]' --fanout 2 --kill-after 60s
  expect_status 130
  expect_err_has '1 not run, 2 stopped'
  expect_err_has '127.0.0.[1,2]: command: stopped by SIGINT; ended by TERM'
  expect_nobody_left_behind
}

time_kills_after_an_interrupt() {
  stop_with INT "trap '' TERM;" 'sleep 1000; sleep 1000' --host '127.0.0.[1-2]' --kill-after 500ms
  expect_status 130
  expect_err_has '127.0.0.[1,2]: command: stopped by SIGINT; ended by KILL'
  expect_nobody_left_behind
}

time_ends_at_once_with_a_second_interrupt() {
  stop_with 'INT INT' "trap '' TERM;" 'sleep 1000; sleep 1000' --host '127.0.0.[1-2]' --kill-after 60s
  end_left_behind
  expect_status 130; expect_err_has 'it may still run'
}

time_shows_where_hosts_are() {
  stop_with 'USR1 TERM' '' 'sleep 1000' --host '127.0.0.[1-2]'
  end_left_behind
  expect_status 143
  expect_err_has 'ssh-runner: 0 of 2 done, 0 failed, 2 running, 0 waiting'
  expect_err_has 'ssh-runner:   command: 127.0.0.[1,2] (for up to'
}

time_ends_all_with_the_first_failure() {
  rm -f "$dir"/begun.*
  run_in --host '127.0.0.[1-3]' --fail-fast --kill-after 60s \
    --script 'echo $$ > "'"$dir"'/begun.$SSH_RUNNER_HOST"
      [ "$SSH_RUNNER_HOST" = 127.0.0.2 ] || exec sleep 1000
      until [ -s "'"$dir"'/begun.127.0.0.1" ] && [ -s "'"$dir"'/begun.127.0.0.3" ]; do sleep 0.05; done
      exit 7'
  rm -f "$dir"/begun.*
  expect_status 1; expect_err_has '127.0.0.2: command: exit status 7'
  expect_err_has '127.0.0.[1,3]: command: stopped after the failure of 127.0.0.2; ended by TERM'
}

time_begins_no_more_after_some_failures() {
  run_in --host '127.0.0.[1-6]' --sync --max-failures 2 --failed-file "$dir/failed" \
    --script 'test "$SSH_RUNNER_HOST" = 127.0.0.1 || exit 7'
  expect_status 1; expect_err_has '1 ok, 3 not run, 2 with a failed command'
  expect_err_has '127.0.0.[4-6]: not run'
  grep -q "^$sshd_user@127.0.0.2:$sshd_port  # command: exit status 7$" "$dir/failed" || fail "failed file"
  [ "$(wc -l < "$dir/failed")" -eq 5 ] || fail "not 5 to run again"
  run_in --hosts-file "$dir/failed" --script 'true'
  expect_status 0; expect_err_has '5 ok'
}

time_tries_again_to_connect() {
  run_in --host "127.0.0.1:$refused_port" --retries 2 --retry-delay 10ms --script true
  expect_status 3; expect_err_has 'Connection refused (attempt 3)'
  # The run ends before the second attempt is due.
  run_in --host "127.0.0.1:$refused_port" --retries 2 --retry-delay 60s --timeout 3s --script true
  expect_status 3; expect_err_has 'Connection refused'; expect_err_lacks attempt
  ssh-keygen -q -t ed25519 -N '' -f "$dir/no_way_in"
  key=$dir/no_way_in run_in --host 127.0.0.1 --retries 2 --retry-delay 60s --script true
  expect_status 3; expect_err_has 'login: refused'; expect_err_lacks attempt
  # A script has begun, and may not be run twice: neither when it fails nor when its connection is lost.
  : > "$dir/began"
  run_in --host 127.0.0.1,127.0.0.2 --retries 2 --retry-delay 10ms --script "echo x >> '$dir/began'
    test \$SSH_RUNNER_HOST = 127.0.0.1 || kill -KILL \$PPID; exit 7"
  expect_status 3; expect_err_has '127.0.0.1: command: exit status 7'; expect_err_has 'connection lost'
  [ "$(wc -l < "$dir/began")" -eq 2 ] || fail "not once each: $(cat "$dir/began")"
}

# What would end so again ends at once.
time_tries_again_what_may_pass_only() {
  local again=(--retries 2 --retry-delay 10ms) before
  start_fake closing
  run_fake "${again[@]}"
  expect_status 3; expect_err_has '127.0.0.1: handshake: '; expect_err_has '(attempt 3)'
  start_fake narrow
  run_fake --key "$dir/client_key" --ciphers aes128-ctr "${again[@]}"
  expect_status 3; expect_err_has '127.0.0.1: handshake: kex error : no match'; expect_err_lacks attempt
  run_in -6 --host 127.0.0.1 "${again[@]}" --script true
  expect_status 3; expect_err_has 'resolve: it has no address of that kind'; expect_err_lacks attempt
  run_in --host "127.0.0.1:$refused_port" --jump "$sshd_user@127.0.0.8:$sshd_port" "${again[@]}" --script true
  expect_status 3; expect_err_has 'the jump host says: Connection refused (attempt 3)'
  start_second_sshd 'AllowTcpForwarding no' 127.0.0.1
  known_hosts=$dir/known_second run_in --host 127.0.0.2 --jump "$sshd_user@127.0.0.1:$second_port" "${again[@]}" \
    --script true
  expect_status 3; expect_err_has '127.0.0.2: connect: the jump host says: '; expect_err_lacks attempt
  # A jump host that refuses the login is not asked again for each host either.
  before=$(connections_to_the_eighth)
  run_in --host '127.0.0.[1-5]' --sync --jump "nobody@127.0.0.8:$sshd_port" --script true
  expect_status 3; expect_err_has '127.0.0.[1-5]: connect: jump host 127.0.0.8: login: refused'
  [ "$(connections_to_the_eighth)" -eq $((before + 1)) ] || fail "not one connection"
}
connections_to_the_eighth() { grep -c '^Connection from .* on 127.0.0.8 port' "$dir/sshd.log"; }

# The process is stopped for longer than the time to connect, as a busy machine may do it for a while.
# After that it is the server's turn again, which has said nothing yet, and has the rest of the time.
time_to_connect_without_the_cpu() {
  local pid tries=0
  kill -STOP "$sshd_pid"
  way_in
  HOME=$dir "$ssh_runner" "${way[@]}" --host 127.0.0.1 --connect-timeout 8s --script 'echo hello' \
    > "$dir/out" 2> "$dir/err" &
  pid=$!
  until grep -q ":$(printf %04X "$sshd_port") 01 " /proc/net/tcp; do
    sleep 0.02; tries=$((tries + 1)); [ $tries -lt 1500 ] || { kill -CONT "$sshd_pid"; fail "no connection"; }
  done
  kill -STOP $pid
  sleep 9
  kill -CONT $pid
  sleep 0.5  # for one that has counted all that to give up
  kill -CONT "$sshd_pid"
  status=0; wait $pid || status=$?
  expect_status 0; expect_out '127.0.0.1: hello'
}

# Many hosts keep the places for handshakes for a second each, eight seconds in all. Who goes through a jump
# host, which comes after them, has less time than that, and does not wait for that one behind them.
time_to_connect_is_not_spent_in_a_queue() {
  local pid tries=0
  [ "$divisor" -eq 1 ] || { skip 'a sanitizer takes longer than they have'; return 0; }
  start_fake mute
  cat "$dir/known_fake" "$dir/known_hosts" > "$dir/known_both"
  cat > "$dir/config" <<END
Host 127.0.0.1
  ConnectTimeout 7
Host 127.0.0.2 127.0.0.8
  ConnectTimeout 6
END
  printf '%s\n' "u[001-128]@127.0.0.1:$fake_port" "127.0.0.2 jump=$sshd_user@127.0.0.8:$sshd_port" > "$dir/hosts"
  config=$dir/config known_hosts=$dir/known_both way_in
  kill -STOP "$sshd_pid"
  HOME=$dir WEFT_WORKERS=1 "$ssh_runner" "${way[@]}" --hosts-file "$dir/hosts" --fanout 200 --script 'echo hello' \
    > "$dir/out" 2> "$dir/err" &
  pid=$!
  until [ "$(grep -c ":$(printf %04X "$fake_port") 01 " /proc/net/tcp)" -ge 128 ]; do
    sleep 0.02; tries=$((tries + 1)); [ $tries -lt 1500 ] || { kill -CONT "$sshd_pid"; fail "no connections"; }
  done
  sleep 0.5  # so that they all stand in line
  kill -CONT "$sshd_pid"
  status=0; wait $pid || status=$?
  expect_status 4; expect_out '127.0.0.2: hello'; expect_err_has '1 ok, 128 timed out'
}

# Who has said nothing yet takes no place among the handshakes: with a second each these would keep them for
# a quarter of a minute.
time_of_silent_hosts_is_not_that_of_others() {
  WEFT_WORKERS=1 run_in --host "u[001-120]@127.0.0.1:$silent_port,127.0.0.2,u[121-240]@127.0.0.1:$silent_port" --fanout 300 --timeout 12s \
    --script 'echo hello'
  expect_status 4; expect_out '127.0.0.2: hello'; expect_err_has '1 ok, 240 timed out'
}

# On the second host nothing happens; on the first the server's process for the connection is stopped, as
# if the machine had frozen. With these options.
with_a_frozen_server() {  # OPTION...
  run_in --host 127.0.0.1,127.0.0.2 --timeout 60s "$@" --script '
    test "$SSH_RUNNER_HOST" != 127.0.0.2 || exit 0
    process=$PPID
    while [ "$process" -gt 1 ] && [ "$process" != '"$sshd_pid"' ]; do
      case $(cat /proc/$process/comm) in sshd*) servers="$servers $process" ;; esac
      process=$(cut -d " " -f 4 /proc/$process/stat)
    done
    echo $servers > "'"$dir"'/frozen"; echo $$ > "'"$dir"'/left_behind.frozen"
    kill -STOP $servers; sleep 1000'
  # shellcheck disable=SC2046 # numbers
  kill -KILL $(cat "$dir/frozen") 2> /dev/null
  end_left_behind
}

time_finds_a_dead_peer() {
  with_a_frozen_server --keep-alive 500ms
  expect_status 3; expect_err_has '127.0.0.1: command: connection lost: no answer for 2 s'
}

time_finds_a_dead_peer_by_the_configuration() {
  local config=$dir/alive
  printf 'ServerAliveInterval 1\nServerAliveCountMax 2\n' > "$config"
  with_a_frozen_server
  expect_status 3; expect_err_has '127.0.0.1: command: connection lost: no answer for 3 s'
}

time_of_one_hung_host_is_its_own() {
  local config
  impatient_with 127.0.0.1 2
  run_in --host "127.0.0.1:$silent_port,127.0.0.[2-8]" --script 'echo hello'
  expect_status 4; expect_err_has '7 ok, 1 timed out'
}
