#!/usr/bin/env bash
# The ssh-runner against real servers.
# usage: end_to_end.sh usage|hosts|login|failures|output SSH_RUNNER HELPERS
# HELPERS: where ssh_silent_listener and ssh_fake_server are.
# Environment: WEFT_WORKERS; SSH_TEST_DIVISOR, by which the numbers of lines are divided.
set -uo pipefail
[ $# -eq 3 ] || { sed -n '2,5p' "$0"; exit 64; }
group=$1 ssh_runner=$2 helpers=$3
divisor=${SSH_TEST_DIVISOR:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../examples/ssh-runner/throwaway-sshd.sh
. "$here/../../examples/ssh-runner/throwaway-sshd.sh"
unset SSH_RUNNER_PASSWORD SSH_RUNNER_PASSPHRASE SSH_RUNNER_KEY SSH_RUNNER_INVENTORY SSH_AUTH_SOCK

dir=$(mktemp -d)
background=()  # processes to end with this script
in_background() { background+=("$1"); disown "$1"; }
cleanup() {
  [ ${#background[@]} -eq 0 ] || kill -KILL "${background[@]}" 2> /dev/null
  end_left_behind
  stop_sshd
  rm -rf "$dir"
}
trap cleanup EXIT

# Commands that outlive their connection on purpose leave their process id in a file.
end_left_behind() {
  local file
  for file in "$dir"/left_behind.*; do
    [ -e "$file" ] || continue
    kill -KILL "$(cat "$file")" 2> /dev/null
    rm -f "$file"
  done
}

# --- a small vocabulary ---

all_hosts=$(IFS=,; echo "${sshd_addresses[*]}")

# Runs the ssh-runner; leaves its status, stdout and stderr.
run() {
  status=0
  HOME=$dir "$ssh_runner" "$@" > "$dir/out" 2> "$dir/err" || status=$?
}

# The same with what it takes to get in: known_hosts=FILE or key=FILE before it replace the right ones.
way_in() {
  way=(--user "$sshd_user" --port "$sshd_port" --key "${key:-$dir/client_key}"
    --known-hosts "${known_hosts:-$dir/known_hosts}" --config none)
}
run_in() { way_in; run "${way[@]}" "$@"; }

fail() {
  echo "FAILED: $current: $*" >&2
  { echo "--- status $status"; echo "--- stdout"; head -c 4000 "$dir/out"
    echo "--- stderr"; head -c 4000 "$dir/err"
    [ ! -e "$dir/sshd.log" ] || { echo "--- sshd"; tail -n 30 "$dir/sshd.log"; }; } >&2
  exit 1
}

expect_status() { [ "$status" -eq "$1" ] || fail "status $status, not $1"; }
expect_out() { [ "$(cat "$dir/out")" = "$1" ] || fail "stdout is not: $1"; }
expect_out_has() { grep -qF -- "$1" "$dir/out" || fail "not on stdout: $1"; }
expect_err_has() { grep -qF -- "$1" "$dir/err" || fail "not on stderr: $1"; }
expect_err_lacks() { ! grep -qF -- "$1" "$dir/err" || fail "on stderr: $1"; }

# Each of `hosts` hosts printed the numbers 1 to `last`, each on a line of its own, in order.
expect_numbers() {
  local hosts=$1 last=$2 file=$3
  awk -F ': ' -v hosts="$hosts" -v last="$last" '
    { if (NF != 2 || $2 != ++n[$1] || $0 != $1 ": " n[$1]) { print "line " NR ": " $0; exit bad = 1 } }
    END {
      if (bad) exit 1
      for (h in n) { ++seen; if (n[h] != last) { print h ": " n[h] " lines"; exit 1 } }
      if (seen != hosts) { print seen " hosts"; exit 1 }
    }' "$file" > "$dir/verdict" || fail "lines are not right: $(cat "$dir/verdict")"
}

# --- bad usage: nothing is contacted ---

usage_names_a_bad_option() {
  run --frobnicate
  expect_status 2; expect_err_has '--frobnicate'
  run --host a --script true --fanout 0
  expect_status 2; expect_err_has '--fanout'
  run --host a --script true --port 70000
  expect_status 2; expect_err_has '--port'
  run --host a --script true --connect-timeout soon
  expect_status 2; expect_err_has "--connect-timeout: 'soon'"
  run --host a --script true --connect-timeout 0
  expect_status 2; expect_err_has '--connect-timeout'
  run --host a --script true --command-timeout -1
  expect_status 2; expect_err_has '--command-timeout'
  run --host a --script true --host-key-check maybe
  expect_status 2; expect_err_has '--host-key-check'
}

usage_names_a_bad_host() {
  run --host a,b:x,c --script true
  expect_status 2; expect_err_has "--host: bad host 'b:x'"
  run --host '' --script true
  expect_status 2; expect_err_has 'no hosts are left'
  run --host 'a[3-1]' --script true
  expect_status 2; expect_err_has 'a[3-1]'; expect_err_has backwards
  run --host @web --script true
  expect_status 2; expect_err_has "no group 'web'"; expect_err_has --inventory
  printf 'web1\n\nweb2 # fine\nweb 3\n' > "$dir/hosts.txt"
  run --hosts-file "$dir/hosts.txt" --script true
  expect_status 2; expect_err_has "hosts.txt:4: bad host 'web 3'"
}

usage_names_a_missing_file() {
  local option
  for option in --hosts-file --key --known-hosts --inventory --config --password-file; do
    run --host a --script true "$option" "$dir/missing"
    expect_status 2; expect_err_has "$dir/missing"
  done
  run --host a --script-file "$dir/missing"
  expect_status 2; expect_err_has --script-file; expect_err_has "$dir/missing"
}

usage_says_what_is_missing() {
  run --script true
  expect_status 2; expect_err_has '--host'
  run --host a
  expect_status 2; expect_err_has '--script'
}

usage_says_when_a_key_has_a_passphrase() {
  ssh-keygen -q -t ed25519 -N secret -f "$dir/locked_key"
  run --host a --script true --key "$dir/locked_key"
  expect_status 2; expect_err_has "$dir/locked_key"; expect_err_has SSH_RUNNER_PASSPHRASE
}

usage_help() {
  run --help
  expect_status 0; expect_out_has '--known-hosts'; expect_out_has 'Exit status'
}

# --- hosts and ways in ---

hosts_eight_at_once() {
  run_in --host "$all_hosts" --script 'set -- $SSH_CONNECTION; echo "I am $3"'
  expect_status 0; expect_err_has '8 hosts'; expect_err_has '8 ok'
  [ "$(wc -l < "$dir/out")" -eq 8 ] || fail "not 8 lines"
  local address
  for address in "${sshd_addresses[@]}"; do expect_out_has "$address: I am $address"; done
}

hosts_two_at_a_time() {
  run_in --host "$all_hosts" --fanout 2 --script 'echo hello'
  expect_status 0; expect_err_has '8 ok'
  [ "$(sort -u "$dir/out" | grep -c ': hello$')" -eq 8 ] || fail "not 8 hosts"
}

hosts_from_a_file_and_options() {
  printf '# ours\n127.0.0.1\n\n%s@127.0.0.2:%s # with all\n' "$sshd_user" "$sshd_port" > "$dir/hosts"
  run_in --hosts-file "$dir/hosts" --host 127.0.0.3 --host 127.0.0.4,127.0.0.1 --script 'echo hello'
  expect_status 0; expect_err_has '4 hosts'
  [ "$(sort "$dir/out" | tr '\n' ' ')" = \
    '127.0.0.1: hello 127.0.0.2: hello 127.0.0.3: hello 127.0.0.4: hello ' ] || fail "wrong hosts"
}

hosts_from_ranges_and_stdin() {
  run_in --host '127.0.0.[1-4/2],!127.0.0.3,-' --script 'echo hello' <<< '127.0.0.[5-6]'
  expect_status 0; expect_err_has '3 hosts'
  [ "$(sort "$dir/out" | tr '\n' ' ')" = \
    '127.0.0.1: hello 127.0.0.5: hello 127.0.0.6: hello ' ] || fail "wrong hosts"
  run_in --hosts-file - --exclude '*.2' --script 'echo hello' <<< "127.0.0.[1-2] user=$sshd_user"
  expect_status 0; expect_out '127.0.0.1: hello'
}

hosts_from_an_inventory() {
  cat > "$dir/inventory.yaml" <<END
groups:
  first: 127.0.0.[1-2]
  all: {hosts: ["@first", 127.0.0.3], user: $sshd_user, port: $sshd_port, key: $dir/client_key}
END
  run --inventory "$dir/inventory.yaml" --known-hosts "$dir/known_hosts" --config none \
    --host '@all' --exclude 127.0.0.1 hostname '>' /dev/null ';' echo hello
  expect_status 0; expect_err_has '2 hosts'; expect_out_has '127.0.0.3: hello'
}

hosts_from_the_configuration() {
  cat > "$dir/config" <<END
Host one two
  HostName 127.0.0.1
Host two
  HostName 127.0.0.2
  HostKeyAlias 127.0.0.3
Host *
  User $sshd_user
  Port $sshd_port
  IdentityFile $dir/client_key
  UserKnownHostsFile $dir/known_hosts
Host proxied
  ProxyCommand nc %h %p
Match exec true
  Port 1
END
  run --config "$dir/config" --host one,two -- echo hello
  expect_status 0; expect_out_has 'one: hello'; expect_out_has 'two: hello'
  expect_err_has "$dir/config:13: Match is not understood"
  run --config "$dir/config" --host one,proxied -- echo hello
  expect_status 2; expect_err_has "host 'proxied' has a ProxyCommand"
}

hosts_by_name() {
  echo "[localhost]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" > "$dir/localhost"
  known_hosts="$dir/localhost" run_in --host localhost --script 'echo hello'
  expect_status 0; expect_out 'localhost: hello'
  # A machine without a network may take long to say that it knows no such host.
  run_in --connect-timeout 90s --host no-such-host.invalid,127.0.0.1 --script 'echo hello'
  expect_status 3; expect_out '127.0.0.1: hello'; expect_err_has 'no-such-host.invalid: resolve:'
}

hosts_with_hashed_names() {
  cp "$dir/known_hosts" "$dir/hashed"
  ssh-keygen -q -H -f "$dir/hashed" > /dev/null 2>&1
  grep -q '^|1|' "$dir/hashed" || fail "ssh-keygen did not hash"
  known_hosts="$dir/hashed" run_in --host 127.0.0.7 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.7: hello'
}

hosts_keys_default_files() {
  mkdir -p "$dir/.ssh"
  cp "$dir/client_key" "$dir/.ssh/id_ed25519"
  cp "$dir/known_hosts" "$dir/.ssh/known_hosts"
  run --user "$sshd_user" --port "$sshd_port" --host 127.0.0.1 --script 'echo hello'
  rm -r "$dir/.ssh"
  expect_status 0; expect_out '127.0.0.1: hello'
}

hosts_key_with_passphrase() {
  cp "$dir/client_key" "$dir/locked_key"
  ssh-keygen -q -p -P '' -N secret -f "$dir/locked_key" > /dev/null
  key=$dir/locked_key SSH_RUNNER_PASSPHRASE=secret run_in --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'
}

hosts_without_host_key_check() {
  : > "$dir/empty"
  known_hosts="$dir/empty" run_in --host-key-check=no --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_out '127.0.0.1: hello'; expect_err_has 'host keys are not checked'
}

# --- getting in ---

# Starts the fake server; sets fake_port, and puts its host key into $dir/known_fake.
start_fake() {
  : > "$dir/fake_port"
  "$helpers/ssh_fake_server" "$dir/host_key" "$1" > "$dir/fake_port" 2> /dev/null &
  in_background $!
  until [ -s "$dir/fake_port" ]; do
    kill -0 $! 2> /dev/null || fail "the fake server does not start"
    sleep 0.02
  done
  read -r fake_port < "$dir/fake_port"
  echo "[127.0.0.1]:$fake_port $(cut -d ' ' -f 1,2 "$dir/host_key.pub")" > "$dir/known_fake"
}
run_fake() {
  run --user me --port "$fake_port" --known-hosts "$dir/known_fake" --config none \
    --host 127.0.0.1 "$@" -- hello
}

# Starts an agent with the client's key; sets SSH_AUTH_SOCK and agent_pid.
start_agent() {
  SSH_AUTH_SOCK=$dir/agent.$RANDOM
  ssh-agent -D -a "$SSH_AUTH_SOCK" > /dev/null &
  agent_pid=$!
  in_background $agent_pid
  export SSH_AUTH_SOCK
  until [ -S "$SSH_AUTH_SOCK" ]; do sleep 0.02; done
  ssh-add -q "${1:-$dir/client_key}" 2> /dev/null
}
run_without_key() {
  run --user "$sshd_user" --port "$sshd_port" --known-hosts "$dir/known_hosts" --config none "$@"
}

login_by_password() {
  start_fake password
  SSH_RUNNER_PASSWORD=secret run_fake
  expect_status 0; expect_out '127.0.0.1: hello'
  echo secret > "$dir/password"
  run_fake --password-file "$dir/password"
  expect_status 0
  SSH_RUNNER_PASSWORD=wrong run_fake
  expect_status 3; expect_err_has '127.0.0.1: login: refused; tried the password; '
  expect_err_has 'the server takes password'; expect_err_lacks wrong
  run --port "$fake_port" --known-hosts "$dir/known_fake" --config none --hosts-file - -- hello \
    <<< "127.0.0.1 user=me password=secret"
  expect_status 0
}

login_by_questions() {
  start_fake questions
  SSH_RUNNER_PASSWORD=secret run_fake
  expect_status 0; expect_out '127.0.0.1: hello'
  SSH_RUNNER_PASSWORD=wrong run_fake
  expect_status 3; expect_err_has 'tried the password as an answer'; expect_err_lacks wrong
}

login_by_key_and_password() {
  start_fake both
  SSH_RUNNER_PASSWORD=secret run_fake --key "$dir/client_key"
  expect_status 0; expect_out '127.0.0.1: hello'
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has 'one proof is not enough'
}

login_with_old_algorithms() {
  start_fake old
  run_fake --key "$dir/client_key"
  expect_status 3; expect_err_has '127.0.0.1: handshake: '; expect_err_has '--insecure-algorithms'
  run_fake --key "$dir/client_key" --insecure-algorithms
  expect_status 0; expect_out '127.0.0.1: hello'
}

login_at_a_mute_server() {
  start_fake mute
  run_fake --key "$dir/client_key" --connect-timeout 2s
  expect_status 4; expect_err_has '127.0.0.1: login: time-out after 2 s'
}

login_by_agent() {
  start_agent
  run_without_key --host "$all_hosts" --script 'echo hello'
  expect_status 0; expect_err_has '8 ok'
  run_without_key --host 127.0.0.1 --no-agent --script 'echo hello'
  expect_status 3; expect_err_has 'tried nothing'
  run_without_key --host 127.0.0.1 --identities-only --script 'echo hello'
  expect_status 3; expect_err_has 'tried nothing'
  # The private key is locked, but the agent has it.
  cp "$dir/client_key" "$dir/locked"; cp "$dir/client_key.pub" "$dir/locked.pub"
  ssh-keygen -q -p -P '' -N secret -f "$dir/locked" > /dev/null
  run_without_key --host 127.0.0.1 --identities-only --key "$dir/locked" --script 'echo hello'
  expect_status 0
  unset SSH_AUTH_SOCK
}

login_by_an_agent_with_every_kind_of_key() {
  local type
  for type in rsa ecdsa ed25519; do
    ssh-keygen -q -t $type -N '' -f "$dir/agent_$type"
    cat "$dir/agent_$type.pub" >> "$dir/authorized_keys"
    start_agent "$dir/agent_$type"
    run_without_key --host 127.0.0.1 --script 'echo hello'
    expect_status 0
    unset SSH_AUTH_SOCK
    key=$dir/agent_$type run_in --host 127.0.0.1 --script 'echo hello'
    expect_status 0
    ssh-keygen -q -p -m PEM -P '' -N '' -f "$dir/agent_$type" > /dev/null
    key=$dir/agent_$type run_in --host 127.0.0.1 --script 'echo hello'
    expect_status 0
  done
}

login_with_a_stuck_agent() {
  start_agent
  kill -STOP "$agent_pid"
  run_without_key --host "$all_hosts" --script 'echo hello'
  kill -CONT "$agent_pid"
  expect_status 3; expect_err_has 'the agent does not answer'
  kill -STOP "$agent_pid"
  key=$dir/client_key run_in --host 127.0.0.1 --script 'echo hello'
  kill -CONT "$agent_pid"
  expect_status 0
  unset SSH_AUTH_SOCK
}

login_with_an_agent_that_will_not_sign() {
  start_agent
  run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 0
  # With its confirmation wanted and nobody to give it, the agent refuses.
  ssh-add -q -D 2> /dev/null
  SSH_ASKPASS=/bin/false DISPLAY= ssh-add -q -c "$dir/client_key" 2> /dev/null
  run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 3; expect_err_has 'the agent refuses to sign'
  unset SSH_AUTH_SOCK
}

login_with_a_key_from_the_environment() {
  SSH_RUNNER_KEY=$(cat "$dir/client_key") run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 0
  SSH_RUNNER_KEY=$(tr '\n' ' ' < "$dir/client_key") run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 0
  SSH_RUNNER_KEY=rubbish run_without_key --host 127.0.0.1 --script 'echo hello'
  expect_status 2; expect_err_has 'the key in the environment'; expect_err_lacks rubbish
}

login_accepts_new_host_keys() {
  printf 'other ssh-ed25519 AAAA' > "$dir/new"
  known_hosts="$dir/new" run_in --host-key-check accept-new --host 127.0.0.1,127.0.0.2 \
    --script 'echo hello'
  expect_status 0
  known_hosts="$dir/new" run_in --host 127.0.0.1,127.0.0.2 --script 'echo hello'
  expect_status 0
  [ "$(wc -l < "$dir/new")" -eq 3 ] || fail "not three lines"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/another_key"
  echo "[127.0.0.1]:$sshd_port $(cut -d ' ' -f 1,2 "$dir/another_key.pub")" > "$dir/new"
  known_hosts="$dir/new" run_in --host-key-check accept-new --host 127.0.0.1 --script 'echo hello'
  expect_status 5; expect_err_has '127.0.0.1: host key: changed'
  expect_err_has "$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)"
  expect_err_has "$(ssh-keygen -l -f "$dir/another_key.pub" | cut -d ' ' -f 2)"
}

login_by_fingerprint() {
  local right
  right=$(ssh-keygen -l -f "$dir/host_key.pub" | cut -d ' ' -f 2)
  : > "$dir/empty"
  known_hosts="$dir/empty" run_in --fingerprint "$right" --host 127.0.0.1 --script 'echo hello'
  expect_status 0; expect_err_lacks 'not checked'
  run_in --fingerprint SHA256:wrong --host 127.0.0.1 --script 'echo hello'
  expect_status 5; expect_err_has "should be SHA256:wrong"; expect_err_has "$right"
  run_in --hosts-file - --script 'echo hello' <<< "127.0.0.[1-2] fingerprint=${right#SHA256:}
    127.0.0.3 fingerprint=SHA256:wrong"
  expect_status 5; expect_err_has '2 ok'; expect_err_has '127.0.0.3: host key:'
}

login_with_chosen_algorithms() {
  run_in --ciphers aes128-ctr --macs hmac-sha2-256 --kex ecdh-sha2-nistp256 --host 127.0.0.1 \
    --script 'echo hello'
  expect_status 0
  run_in --ciphers rot13 --host 127.0.0.1 --script 'echo hello'
  expect_status 2; expect_err_has '--ciphers'; expect_err_has rot13
}

# --- through jump hosts ---

connections_to() { grep -c "^Connection from .* on $1 port" "$dir/sshd.log"; }

login_through_a_jump_host() {
  local before
  before=$(connections_to 127.0.0.8)
  run_in --host '127.0.0.[1-7]' --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --script 'set -- $SSH_CONNECTION; echo "I am $3"; cat'
  expect_status 0; expect_err_has '7 ok'; expect_out_has '127.0.0.7: I am 127.0.0.7'
  [ "$(connections_to 127.0.0.8)" -eq $((before + 1)) ] || fail "not one connection"
}

login_through_a_chain_from_the_configuration() {
  cat > "$dir/config" <<END
Host gate
  HostName 127.0.0.8
Host inner
  HostName 127.0.0.7
  ProxyJump gate
Host behind
  HostName 127.0.0.6
  ProxyJump inner
Host *
  User $sshd_user
  Port $sshd_port
  IdentityFile $dir/client_key
  UserKnownHostsFile $dir/known_hosts
END
  local gate inner
  gate=$(connections_to 127.0.0.8) inner=$(connections_to 127.0.0.7)
  run --config "$dir/config" --host behind,inner,127.0.0.5 -- 'echo hello'
  expect_status 0; expect_err_has '3 ok'
  [ "$(connections_to 127.0.0.8)" -eq $((gate + 1)) ] || fail "not one connection to gate"
  [ "$(connections_to 127.0.0.7)" -eq $((inner + 2)) ] || fail "not one as host and one as jump"
  printf 'Host a\nProxyJump b\nHost b\nProxyJump a\n' > "$dir/config"
  run --config "$dir/config" --host a -- 'echo hello'
  expect_status 2; expect_err_has 'circle'
}

login_through_jump_hosts_that_fail() {
  run_in --host 127.0.0.1,127.0.0.2 --jump "127.0.0.8:$refused_port" --script 'echo hello'
  expect_status 3
  expect_err_has '127.0.0.[1,2]: connect: jump host 127.0.0.8: connect: Connection refused'
  run_in --host "127.0.0.1:$refused_port,127.0.0.2" --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --script 'echo hello'
  expect_status 3; expect_out "127.0.0.2: hello"
  expect_err_has "127.0.0.1: connect: the jump host says: Connection refused"
  run_in --host "127.0.0.1:$silent_port,127.0.0.2" --jump "$sshd_user@127.0.0.8:$sshd_port" \
    --connect-timeout 3s --script 'echo hello'
  expect_status 4; expect_out "127.0.0.2: hello"; expect_err_has '127.0.0.1: handshake: time-out after 3 s'
  run_in --host 127.0.0.2 --jump "127.0.0.1:$silent_port" --connect-timeout 2s --script 'echo hello'
  expect_status 4; expect_err_has '127.0.0.2: connect: time-out after 2 s'
}

login_through_a_jump_host_with_much_output() {
  local last=$((200000 / divisor))
  run_in --host '127.0.0.[1-4]' --jump "$sshd_user@127.0.0.8:$sshd_port" --script "seq 1 $last"
  expect_status 0
  expect_numbers 4 $last "$dir/out"
}

# --- failures: each is named, and the other hosts run to their end ---

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
}

failures_of_a_command_that_hangs() {
  run_in --host "$all_hosts" --command-timeout 2s --script '
    set -- $SSH_CONNECTION
    [ $3 != 127.0.0.4 ] || { echo hanging; echo $$ > "'"$dir"'/left_behind.1"; exec sleep 1000; }
    echo fine'
  end_left_behind
  expect_status 4; expect_err_has '127.0.0.4: time-out: the command took more than 2 s'
  # OpenSSH passes signals on, except to root's commands.
  if [ "$(id -u)" -ne 0 ]; then
    expect_err_has '; ended by TERM'
  else
    expect_err_has 'it may still run'
  fi
  expect_out_has '127.0.0.4: hanging'
  [ "$(grep -c ': fine$' "$dir/out")" -eq 7 ] || fail "not 7 fine"
}

failures_of_a_command_that_writes_for_ever() {
  way_in
  status=0
  HOME=$dir "$ssh_runner" "${way[@]}" --host 127.0.0.1,127.0.0.2 --command-timeout 1s --script '
    set -- $SSH_CONNECTION
    [ $3 != 127.0.0.1 ] || exec yes
    echo fine' 2> "$dir/err" | grep -v ': y$' > "$dir/out" || status=$?
  expect_status 4; expect_err_has '127.0.0.1: time-out: the command took more than 1 s'
  expect_out '127.0.0.2: fine'
}

failures_of_a_silent_host() {
  run_in --host "127.0.0.1:$silent_port,127.0.0.2" --connect-timeout 3s --script 'echo hello'
  expect_status 4; expect_out '127.0.0.2: hello'
  expect_err_has '127.0.0.1: handshake: time-out after 3 s'
}

failures_of_a_lost_connection() {
  # The shell's parent is the server's process for this connection.
  run_in --host 127.0.0.1,127.0.0.2 --script '
    set -- $SSH_CONNECTION
    echo before
    [ $3 != 127.0.0.1 ] || { kill -KILL $PPID; exec sleep 1; }'
  expect_status 3; expect_err_has '127.0.0.1: command: connection lost'
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

# --- run the group ---

if [ "$group" != usage ]; then
  [ -x "${SSHD:-/usr/sbin/sshd}" ] || { echo "skipped: no sshd (openssh-server)"; exit 77; }
  start_sshd "$dir" || exit 1
  "$helpers/ssh_silent_listener" > "$dir/ports" &
  in_background $!
  until [ -s "$dir/ports" ]; do sleep 0.02; done
  read -r silent_port refused_port < "$dir/ports"
fi
mapfile -t cases < <(declare -F | sed -n "s/^declare -f \(${group}_.*\)/\1/p")
[ "${#cases[@]}" -gt 0 ] || { echo "no such group: $group" >&2; exit 64; }
: > "$dir/out"; : > "$dir/err"
for current in "${cases[@]}"; do
  status=0
  "$current"
  echo "ok: $current"
done
