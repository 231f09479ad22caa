# shellcheck shell=bash disable=SC2016,SC2154 # sourced by end_to_end.sh

# --- failures: each is named, and the other hosts run to their end ---

# --- before the script begins ---

failures_of_another_protocol() {
  start_fake web
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: handshake: '; expect_err_has 'is it an SSH server'
}

failures_of_a_login_that_is_cut_off() {
  start_fake rude
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: login: the server closed the connection'
  expect_err_has "the server's log may say why"
}

failures_of_a_refused_session() {
  start_fake no-session
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: start: the server refuses a session'
  expect_err_has 'MaxSessions'
}

failures_of_a_refused_command() {
  start_fake no-command
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: start: the server refuses to run a command'
  expect_err_has 'may the user start commands there?'
}

failures_of_a_connection_that_ends_after_the_login() {
  start_fake leaving
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: start: the server closed the connection'
  expect_err_has "the server's log may say why"
}

failures_of_a_server_that_only_lets_in() {
  start_fake deaf
  run_fake --key "$dir/client_key" --connect-timeout 8s
  expect_status 4; expect_err_has '127.0.0.1: start: time-out after 8 s'
  expect_err_has 'it lets the user in and does nothing more'
}

# A key that lets in with these restrictions only: $dir/restricted_key.
restricted_key() {  # OPTIONS
  rm -f "$dir"/restricted_key*
  ssh-keygen -q -t ed25519 -N '' -f "$dir/restricted_key"
  echo "$1 $(cat "$dir/restricted_key.pub")" >> "$dir/authorized_keys"
}

failures_of_a_refused_terminal() {
  restricted_key no-pty
  key=$dir/restricted_key run_in --host 127.0.0.1 --request-pty --script 'echo hello'
  expect_status 3; expect_err_has '127.0.0.1: start: the server refuses a terminal'
  expect_err_has 'Do without --request-pty'
  key=$dir/restricted_key run_in --host 127.0.0.1 --script 'echo hello'
  expect_status 0
}

failures_of_a_server_that_runs_something_else() {
  restricted_key 'command="echo forced"'
  key=$dir/restricted_key run_in --host 127.0.0.1 --script "touch '$dir/it_ran'"
  expect_status 1; expect_out '127.0.0.1: forced'; [ ! -e "$dir/it_ran" ] || fail "it ran"
  expect_err_has '127.0.0.1: start: the script did not begin; exit status 0'
  expect_err_has 'ForceCommand'
  key=$dir/restricted_key run_in --host 127.0.0.1 --highest-status --json --script true
  expect_status 255; expect_out_has '"phase":"start","exit_status":null'
}

failures_of_a_missing_shell() {
  run_in --host 127.0.0.1,127.0.0.2 --shell /nonexistent/sh --script 'echo no'
  expect_status 1; expect_out ''; expect_err_has '/nonexistent/sh'
  expect_err_has '127.0.0.[1,2]: start: the script did not begin; exit status 127'
  expect_err_has 'is the shell (--shell) there'
}

# --- the script ---

failures_of_a_script() {
  run_in --host "$all_hosts" --script 'set -- $SSH_CONNECTION
  case $3 in
    127.0.0.5) echo before; exit 3; echo after ;;
    127.0.0.6) false ;;
    *) echo fine ;;
  esac'
  expect_status 1; expect_err_has '6 ok, 2 with a failed command'
  expect_err_has '127.0.0.5: command: exit status 3'
  expect_err_has '127.0.0.6: command: exit status 1'
  [ "$(grep -c ': fine$' "$dir/out")" -eq 6 ] || fail "not 6 fine"
  expect_out_has '127.0.0.5: before'
}

failures_by_signal() {
  run_in --host 127.0.0.1 --script 'kill -TERM $$'
  expect_status 1; expect_err_has 'ended by signal TERM (exit status 143)'
}

failures_of_a_refused_port() {
  run_in --host "127.0.0.1,127.0.0.1:$refused_port" --script 'echo hello'
  expect_status 3; expect_out "127.0.0.1:$sshd_port: hello"
  expect_err_has "127.0.0.1:$refused_port: connect: Connection refused"
}

failures_of_a_wrong_key() {
  ssh-keygen -q -t ed25519 -N '' -f "$dir/wrong_key"
  key=$dir/wrong_key run_in --host 127.0.0.1,127.0.0.2 --script 'echo hello'
  expect_status 3; expect_out ''
  expect_err_has '127.0.0.[1,2]: login: refused; tried the ssh-ed25519 key SHA256:'
  expect_err_has 'the server takes publickey'
  SSH_RUNNER_PASSWORD=wrong run --user "$sshd_user" --port "$sshd_port" \
    --known-hosts "$dir/known_hosts" --host 127.0.0.1 --script 'echo hello'
  expect_status 3; expect_err_has 'login: refused; tried nothing; the server takes publickey'
}

failures_of_an_unknown_host_key() {
  sed '/127.0.0.3/d' "$dir/known_hosts" > "$dir/seven"
  known_hosts="$dir/seven" run_in --host 127.0.0.2,127.0.0.3 --script 'echo hello'
  expect_status 5; expect_out '127.0.0.2: hello'
  expect_err_has '127.0.0.3: host key: unknown'
  expect_err_has "$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)"
}

failures_of_a_changed_host_key() {
  ssh-keygen -q -t ed25519 -N '' -f "$dir/other_host_key"
  sed '/127.0.0.3/d' "$dir/known_hosts" > "$dir/changed"
  echo "[127.0.0.3]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/other_host_key.pub")" >> "$dir/changed"
  known_hosts="$dir/changed" run_in --host 127.0.0.2,127.0.0.3 --script 'echo hello'
  expect_status 5; expect_out '127.0.0.2: hello'; expect_err_has '127.0.0.3: host key: changed'
  expect_err_has "known_hosts has the ssh-ed25519 key $(ssh-keygen -l -f "$dir/other_host_key.pub" | cut -d ' ' -f 2)"
  expect_err_has "it shows the ssh-ed25519 key $(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)"
  expect_err_has 'ssh-keygen -R'
}

# It is known, and its owner has revoked it: that counts more, also where keys are taken as they come.
failures_of_a_revoked_host_key() {
  { cat "$dir/known_hosts"; echo "@revoked * $(cut -d ' ' -f 1,2 "$dir/host_key.pub")"; } > "$dir/revoked"
  local check
  for check in yes accept-new; do
    known_hosts="$dir/revoked" run_in --host 127.0.0.3 --host-key-check $check --script 'echo hello'
    expect_status 5; expect_out ''
    expect_err_has "127.0.0.3: host key: revoked: known_hosts forbids the ssh-ed25519 key $(
      ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)"
    expect_err_has 'do not log in'
  done
}

failures_of_a_command_that_hangs() {
  run_in --host "$all_hosts" --command-timeout 5s --kill-after 60s --script '
    set -- $SSH_CONNECTION
    [ $3 != 127.0.0.4 ] || { echo hanging; echo $$ > "'"$dir"'/left_behind.1"; exec sleep 1000; }
    echo fine'
  end_left_behind
  expect_status 4
  expect_err_has '127.0.0.4: time-out: the command took more than 5 s; ended by TERM'
  expect_out_has '127.0.0.4: hanging'
  [ "$(grep -c ': fine$' "$dir/out")" -eq 7 ] || fail "not 7 fine"
}

failures_of_a_command_that_writes_for_ever() {
  way_in
  status=0
  HOME=$dir "$ssh_runner" "${way[@]}" --host 127.0.0.1,127.0.0.2 --command-timeout 5s --script '
    set -- $SSH_CONNECTION
    [ $3 != 127.0.0.1 ] || exec yes
    echo fine' 2> "$dir/err" | grep -v ': y$' > "$dir/out" || status=$?
  expect_status 4; expect_err_has '127.0.0.1: time-out: the command took more than 5 s'
  expect_out '127.0.0.2: fine'
}

failures_of_a_silent_host() {
  local config
  impatient_with 127.0.0.1 1
  run_in --host "127.0.0.1:$silent_port,127.0.0.2" --script 'echo hello'
  expect_status 4; expect_out '127.0.0.2: hello'
  expect_err_has '127.0.0.1: handshake: time-out after 1 s'
}

failures_of_a_lost_connection() {
  # The shell's parent is the server's process for this connection.
  run_in --host 127.0.0.1,127.0.0.2 --script '
    set -- $SSH_CONNECTION
    echo before
    [ $3 != 127.0.0.1 ] || { kill -KILL $PPID; exec sleep 1; }'
  expect_status 3; expect_err_has '127.0.0.1: command: connection lost'
  expect_err_has 'may still run'
  expect_out_has '127.0.0.2: before'
}

failures_of_a_reader_that_goes() {
  status=0
  way_in
  HOME=$dir "$ssh_runner" "${way[@]}" --host 127.0.0.1 \
    --script "seq 1 $((500000 / divisor)); touch '$dir/ran_to_its_end'" 2> "$dir/err" |
    head -n 1 > "$dir/out" || status=$?
  expect_status 6; expect_err_has 'stdout'; expect_out '127.0.0.1: 1'
  [ -e "$dir/ran_to_its_end" ] || fail "the command was cut off"
}

failures_end_without_waiting_for_children() {
  run_in --host 127.0.0.1 --script "sleep 1000 & echo \$! > '$dir/left_behind.2'; echo done; exit 7"
  end_left_behind
  expect_status 1; expect_out '127.0.0.1: done'
  expect_err_has 'exit status 7'; expect_err_has 'held the output open'
}
